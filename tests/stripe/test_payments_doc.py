"""docs/payments.md says what the code does: methods, codes, events."""

from __future__ import annotations

import re
from pathlib import Path

from adapters.stripe.declines import decline
from adapters.stripe.events import EVENTS
from adapters.stripe.objects import Problem
from ordersaga.methods import DAY_S, HOUR_S, METHODS, OWN, Method
from tests.stripe.test_declines import BY_THEIRS

TEXT = (Path(__file__).parents[2] / "docs" / "payments.md").read_text("utf-8")
SETTLED = {"at_once": "at once", "on_page": "on a page", "by_slip": "by slip"}


def _yes(given: bool) -> str:
    return "yes" if given else "no"


def _time(seconds: int) -> str:
    count, unit = (seconds // DAY_S, "day") if seconds >= DAY_S else (seconds // HOUR_S, "hour")
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _row(method: Method) -> str:
    hold = _time(method.hold_age_s) if method.hold_age_s else "–"
    cells = (
        f"`{method.name}`",
        "us" if method.site == OWN else "Stripe",
        _yes(method.holdable),
        _yes(method.partial_capture),
        _yes(method.refundable),
        SETTLED[method.settlement],
        "without end" if method.site == OWN else hold,
        _time(method.payer_patience_s) if method.payer_patience_s else "–",
    )
    return f"| {' | '.join(cells)} |"


def test_the_table_of_methods_is_the_one_in_the_code() -> None:
    for method in METHODS.values():
        assert _row(method) in TEXT.splitlines()


def test_every_code_of_a_no_is_explained() -> None:
    codes = {decline(Problem(code=theirs)).code for theirs in BY_THEIRS}
    explained = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
    assert codes <= explained


def test_the_events_to_subscribe_to_are_named() -> None:
    assert [event for event in EVENTS if f"`{event}`" not in TEXT] == []
