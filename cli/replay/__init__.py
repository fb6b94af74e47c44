"""`ordersaga demo FILE --replay`: real orders go through their recorded lives again, faster.

`timeline` is what is recorded of an order; `life` draws from it, by a seed, what its people do and
when; `source` reads both from a file; `drive` plays lives side by side; `verdict` compares where
they ended with the record; `screen` shows; `run` is all of it on one stack.
"""

from __future__ import annotations
