"""In progress, then success; error, back-off, success; the limit of retries met and not met."""

from __future__ import annotations

import pytest

from tests.conformance.meddling import Meddler, fails_first
from tests.saga.shop import Shop, card


@pytest.mark.parametrize(
    "token", ["tok_requires_action", pytest.param("tok_processing", marks=pytest.mark.slow)]
)
async def test_in_progress_then_success(shop: Shop, meddler: Meddler, token: str) -> None:
    order = await shop.order(card(token), carrier="sandbox", prefer="respond-async")
    order = await shop.until(order["id"], lambda o: o["payment_status"] == "requires_action")
    (waiting,) = (await shop.books(order["id"])).payable
    await shop.provider.post(f"/test/payers/{waiting}/pay")
    order = await shop.until_final(order["id"])
    assert (order["status"], order["payment_status"]) == ("confirmed", "captured")
    assert meddler.tries(order["id"], "check_payment") == 1, "asked once it was told"
    await shop.assert_all_of_it(order)


async def test_error_back_off_success(shop: Shop, meddler: Meddler) -> None:
    order = await shop.order(card("tok_flaky_1"), carrier="sandbox", service="ship_flaky_1")
    assert order["status"] == "confirmed"
    assert meddler.tries(order["id"], "authorize_payment") == 2
    assert meddler.tries(order["id"], "book_parcel") == 2
    await shop.assert_all_of_it(order)


@pytest.mark.slow
async def test_retry_limit_met(shop: Shop, meddler: Meddler) -> None:
    order = await shop.order(card("tok_unavailable"), carrier="sandbox", prefer="respond-async")
    order = await shop.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("canceled", "provider_unavailable")
    assert meddler.tries(order["id"], "authorize_payment") > 2, "not given up at the first outage"
    await shop.assert_clean_slate(order)


async def test_retry_limit_not_met(shop: Shop, meddler: Meddler) -> None:
    """A capture whose reply is lost is asked after, not asked again, and the order goes on."""
    meddler.around = fails_first("capture_payment", effect=True)
    order = await shop.order(card(), carrier="sandbox")
    assert order["status"] == "confirmed"
    assert meddler.tries(order["id"], "capture_payment") == 3, "the first of each lane was lost"
    await shop.assert_all_of_it(order)
