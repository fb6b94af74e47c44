"""Orders that come in from outside, for whoever needs a day's trade: demo, replay, and chaos.

`orders` says what such an order is, and what its people do; `draw` makes them by a seed, `faults` is
what they meet; `stage` prepares stock and vouchers and plays the payers, `carrier` plays the
carrier's people; `looking` follows an order; `tally` counts what became of them, `table` and
`screen` show it.
"""

from __future__ import annotations
