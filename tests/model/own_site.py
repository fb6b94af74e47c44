"""The transactions of our own site: hold, decide, open a reversal, restock. Each is one step."""

from __future__ import annotations

from tests.model.state import State


def hold(s: State, plants: frozenset[str]) -> tuple[State, str]:
    if s.stock == "-" or (s.stock == "barred" and "no-own-fence" in plants):
        if s.available > 0:
            held = s._replace(stock="yes", available=s.available - 1, reserved=s.reserved + 1)
            return held, "yes"
        return s._replace(stock="no"), "no"
    return s, "yes" if s.stock == "yes" else "no"


def decide(s: State, intent: str, plants: frozenset[str]) -> tuple[State, str]:
    """One row, by whoever comes first. A cancel that is stored by then turns a confirm into an undo."""
    if s.decision != "-" and "no-decision-row" not in plants:
        return s, s.decision
    if intent == "confirm" and s.cancel and "ignore-stored-cancel" not in plants:
        intent = "undo"
    s = s._replace(decision=intent)
    is_reserved = s.stock == "yes" and not s.settled
    if intent == "confirm":
        if is_reserved:
            s = s._replace(settled=True, on_hand=s.on_hand - 1, reserved=s.reserved - 1)
        return s, intent
    if is_reserved:
        s = s._replace(settled=True, available=s.available + 1, reserved=s.reserved - 1)
    elif s.stock == "-":
        s = s._replace(stock="barred")
    return s._replace(cancel=False, promised=s.promised or s.cancel), intent


def open_reversal(s: State) -> State:
    """The parcel's yes, written down: whoever asked for a cancel is told that it is granted."""
    return s._replace(cancel=False, promised=s.promised or s.cancel)


def restock(s: State, plants: frozenset[str]) -> State:
    if s.restocked and "restock-without-fence" not in plants:
        return s
    return s._replace(restocked=True, on_hand=s.on_hand + 1, available=s.available + 1)
