"""The second Dag of the route tests, birch."""

from trees import tree

dag = tree("birch", ["wood:birch"])
