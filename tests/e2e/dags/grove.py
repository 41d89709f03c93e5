"""Two Dags of the route tests in one file, cedar and dogwood."""

from trees import tree

cedar = tree("cedar", ["wood:cedar"])
dogwood = tree("dogwood", ["wood:dogwood"])
