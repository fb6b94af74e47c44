"""Looks at an order again and again, until it is as awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from ordersaga.client import ApiClient, Order

# For one order: drawn faults are over in ten, and a busy machine is slower.
PATIENCE_S: Final = 180.0
FIRST_LOOK_S: Final = 0.1  # after the API stopped waiting
LOOKS_APART: Final = 1.5  # each look so many times later than the one before
LAST_LOOK_S: Final = 2.0


async def look_until(api: ApiClient, found: Order, is_over: Callable[[Order], bool]) -> Order:
    """The order as soon as that is so, or as it is when patience ends."""
    gives_up_at_s = time.monotonic() + PATIENCE_S
    pause_s = FIRST_LOOK_S
    while not is_over(found) and time.monotonic() < gives_up_at_s:
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * LOOKS_APART, LAST_LOOK_S)
        found = await api.get_order(found.id)
    return found
