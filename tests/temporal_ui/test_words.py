"""The words themselves, without a workflow."""

from __future__ import annotations

from ordersaga.order import Refusal
from workflows.words import MOST_IN_A_KEYWORD, undone_by


def test_who_said_no_fits_into_an_attribute_however_long_a_carriers_code_is() -> None:
    assert undone_by(Refusal("parcel", "no_route", "no route there")) == "parcel:no_route"
    shown = undone_by(Refusal("parcel", "x" * 3000, "no route there"))
    assert shown.startswith("parcel:xxx")
    assert len(shown) == MOST_IN_A_KEYWORD
