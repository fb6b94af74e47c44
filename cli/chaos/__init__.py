"""`ordersaga chaos`: orders with faults, while every part is killed again and again; then an audit.

`schedule` draws who is killed when, `visits` what each order's people do, `lives` what happens to it
once it is confirmed; `strikes` kills, `courier` sends until there is an answer, `living` plays the
lives, `run` plays it all; `quiet` waits until nothing moves any more; `verdict` judges what callers
were told, beside the audit; `report` shows; `command` is the command.

A seed repeats what is drawn: orders, faults, who does what and who is killed when. It does not repeat
the machine: how far a step has come when its part dies, and who wins a race, is new in every run.
"""

from __future__ import annotations
