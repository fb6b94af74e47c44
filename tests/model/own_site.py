"""The transactions of our own site: hold, decide, open a reversal, restock. Each is one step."""

from __future__ import annotations

from tests.model.state import PART, WHOLE, State, put


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


def open_reversal(s: State, plants: frozenset[str] = frozenset()) -> State:
    """The parcel's yes, written down, and what is left to give back of each payment. Whoever asked for
    a cancel is told that it is granted."""
    s = grant(s)
    if "open" in s.rest or "sent" in s.rest or "done" in s.rest:
        return s  # opened before: what is to do is written down once
    left = tuple(
        WHOLE if row == "-" or "allocate-without-lock" in plants else WHOLE - PART for row in s.part
    )
    return s._replace(rest=("open",) * len(s.part), left=left)


def grant(s: State) -> State:
    return s._replace(cancel=False, promised=s.promised or s.cancel)


def ask_refund(s: State, i: int) -> State:
    """An operator gives some of it back. Nobody reverses it yet: then all of it goes back anyway."""
    return s._replace(part=put(s.part, i, "open"), refunds=s.refunds - 1)


def examine(s: State, i: int, plants: frozenset[str]) -> State:
    """Something was heard of a payment that nobody waits for. Until its undo is done, that finds it."""
    is_late = s.money[i] == "taken" and s.decision == "undo" and s.fences[i] == "undone"
    is_new = s.too_late[i] == "-" and s.back[i] < WHOLE
    is_owed = is_late and (is_new or "late-again" in plants)
    if is_owed and "keep-late-money" not in plants:
        return s._replace(too_late=put(s.too_late, i, "open"))
    return s


def restock(s: State, plants: frozenset[str]) -> State:
    if s.restocked and "restock-without-fence" not in plants:
        return s
    return s._replace(restocked=True, on_hand=s.on_hand + 1, available=s.available + 1)
