"""`ordersaga demo`: real or drawn orders through everything, then an audit of what remains.

`file` reads orders from a file, `cli/traffic` draws them; `drive` sends them and waits; `screen`
shows; `command` is the command.
"""

from __future__ import annotations
