"""The first Dag of the route tests, alder."""

from trees import tree

dag = tree("alder", ["wood:alder"])
