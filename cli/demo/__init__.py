"""`ordersaga demo`: real or drawn orders through everything, then an audit of what remains.

`file` reads orders from a file, `cli/traffic` draws them; `drive` sends them and waits; `screen`
shows; `run` is all of it on one stack; `command` is the command, also of a replay (`cli/replay`).
"""

from __future__ import annotations
