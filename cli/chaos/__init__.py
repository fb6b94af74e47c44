"""`ordersaga chaos`: orders with faults, while every part is killed again and again; then an audit.

Those who hear of orders are killed as well, and end with exactly what history holds.

`schedule` draws who is killed when, `visits` what each order's people do, `lives` what happens to it
once it is confirmed; `strikes` kills, `courier` sends until there is an answer, `living` plays the
lives; `listening` has those who listen, with a `broker` of their own; `run` plays it all. `quiet` waits
until nothing moves any more, `hearing` until all was heard; `verdict` judges what callers were told and
what was heard, beside the audit; `report` shows; `command` is the command.

A seed repeats what is drawn: orders, faults, who does what and who is killed when. It does not repeat
the machine: how far a step has come when its part dies, and who wins a race, is new in every run.
"""

from __future__ import annotations
