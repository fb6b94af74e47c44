"""What the page says became of a form: it is in the address, and anybody may have written that."""

from __future__ import annotations

from typing import Final

from api.pages.track_view import Looked
from ordersaga.lifecycle import FINAL, ReturnStatus, Status

OF_A_CANCEL: Final = frozenset({"cancel_asked", "canceled", "cancel_refused"})


def true_word(said: str, looked: Looked) -> str:
    """The word that fits how the order is by now; empty where none does."""
    order = looked.order
    if said in OF_A_CANCEL:
        return _of_cancel(looked)
    match said:
        case "received":
            is_so = order.received_at is not None and order.status != Status.RETURNED
        case "reviewed":
            is_so = order.review is not None
        case "return_asked":
            is_so = any(one.status == ReturnStatus.REQUESTED for one in order.returns)
        case _:
            is_so = True  # nothing became of it, and the page shows how the order is
    return said if is_so else ""


def _of_cancel(looked: Looked) -> str:
    """It may have been answered since."""
    order = looked.order
    if order.status == Status.CANCELED:
        return "canceled"
    if order.is_withdrawn and order.status not in FINAL:
        return "cancel_asked"
    is_refused = any(event.type == "cancel.refused" for event in looked.events)
    return "cancel_refused" if is_refused else ""
