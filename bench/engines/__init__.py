"""The same orders on other engines: `make bench`.

`flow`: what is done to an order, in which steps. `participants`: those steps, on the product's own SQL.
A module an engine: how it is started, and how an order is placed with it. `load` drives one of them
from a process of its own; `stage` starts what they stand on; `rounds` measures; `report` tells.
"""
