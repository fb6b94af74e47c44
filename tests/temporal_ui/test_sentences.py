"""Each workflow says in a sentence what it waits for, and until when; and its attributes are true."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from ordersaga.keys import workflow_id
from tests.saga.shop import Json, Shop, card, until_true
from tests.temporal_ui.page import Engineer

pytestmark = pytest.mark.long

WHEN = r"\d+ \w{3} \d{4}, \d\d:\d\d:\d\d UTC"
SAYS = {
    "payer": rf"Waits for the payer of 6\.00 BRL by boleto, until {WHEN}\. Then the provider",
    "buyer": rf"Waits for the buyer to pay 10\.00 BRL, until {WHEN}\. Then the order is canceled",
    "held": rf"Held: somebody has to let it go on, until {WHEN}\. Then the order is canceled",
    "confirmed": r"Confirmed\. Waits for sandbox to fetch the parcel; there is no deadline",
    "out_of_stock": r"Ended rejected, because of stock: .+ \(out_of_stock\)\.",
    "declined": r"Ended rejected, because of payment: .+ \(card_declined\)\.",
    "canceled": r"Ended canceled, because of customer: canceled by request \(canceled\)\.",
    "undoing": r"Undoes everything that was begun, because of payment: .+ \(capture_declined\)\. "
    rf"Each undo is tried until it is done\.\s+\*\*Needs a person\*\*: `payment:pay_\w+` has kept "
    rf"failing since {WHEN}",
}
STANDS: Mapping[str, tuple[str, str, str | None]] = {
    "payer": ("pending", "requires_action", None),
    "buyer": ("pending", "unpaid", None),
    "held": ("pending", "authorized", None),
    "confirmed": ("confirmed", "captured", None),
    "out_of_stock": ("rejected", "voided", "stock:out_of_stock"),
    "declined": ("rejected", "failed", "payment:card_declined"),
    "canceled": ("canceled", "refunded", "customer:canceled"),
}


@pytest.mark.parametrize("life", SAYS)
async def test_a_workflow_says_what_it_does_or_waits_for(
    engineer: Engineer, lives: dict[str, Json], life: str
) -> None:
    id_ = workflow_id(lives[life]["id"])

    async def is_said() -> bool:
        return re.match(SAYS[life], await engineer.details(id_)) is not None

    await until_true(is_said)


@pytest.mark.parametrize("life", STANDS)
async def test_its_attributes_are_what_its_row_says(
    engineer: Engineer, shop: Shop, lives: dict[str, Json], life: str
) -> None:
    order_status, payment_status, undone_by = STANDS[life]

    async def is_shown() -> bool:
        shown = await engineer.shown(lives[life])
        names = ("OrderStatus", "PaymentStatus", "UndoneBy")
        found = tuple(shown.get(name) for name in names)
        return found == STANDS[life]

    await until_true(is_shown)
    order = await shop.get(lives[life]["id"])
    assert (order["status"], order["payment_status"]) == (order_status, payment_status)
    assert (order["failure"] is None) == (undone_by is None)


async def test_attention_names_the_step_and_goes_when_an_operator_gives_it_up(
    engineer: Engineer, shop: Shop
) -> None:
    order = await shop.order(card("tok_refund_unavailable"), carrier="sandbox")
    await shop.cancel(order["id"], prefer="wait=0")
    order = await shop.until(order["id"], lambda o: o["attention"] is not None)
    step = order["attention"]["step"]

    async def is_marked() -> bool:
        return bool((await engineer.shown(order)).get("Attention") == step)

    async def is_relieved() -> bool:
        return "Attention" not in await engineer.shown(order)

    await until_true(is_marked)
    word = {"step": step, "action": "skip", "note": "by hand"}
    (await shop.ask(order, "attention", word)).raise_for_status()
    await until_true(is_relieved)
    assert "Needs a person" not in await engineer.details(workflow_id(order["id"]))


async def test_attention_goes_by_itself_when_the_provider_is_back(
    engineer: Engineer, shop: Shop
) -> None:
    order = await shop.order(card(), carrier="sandbox", service="ship_release_unavailable")

    async def is_marked() -> bool:
        return str((await engineer.shown(order)).get("Attention")).startswith("release:")

    async def is_told() -> bool:
        said = await engineer.details(workflow_id(order["id"]))
        return said.startswith("Confirmed. Waits for sandbox to fetch the parcel")

    await until_true(is_marked)
    said = await engineer.details(workflow_id(order["id"]))
    assert said.startswith("Confirmed. Tells sandbox to come")
    assert "Needs a person" in said
    (parcel,) = (await shop.books(order["id"])).parcels
    await shop.carrier.post("/test/releases/restore", json={"key": parcel["key"]})
    await until_true(is_told)
    assert "Attention" not in await engineer.shown(order)


async def test_a_return_says_whom_it_waits_for(engineer: Engineer, shop: Shop) -> None:
    order = await shop.order(card(), carrier="sandbox")
    await shop.until_released(order["id"])
    order = await shop.delivered(order)
    order = (await shop.ask(order, "returns", {"reason": "too small"})).json()
    (asked,) = order["returns"]
    id_ = f"return:{asked['id']}"

    async def waits_for_merchant() -> bool:
        return (await engineer.details(id_)).startswith("Waits for the merchant to approve")

    async def waits_for_goods() -> bool:
        return (await engineer.details(id_)).startswith("The return is approved. Waits for its")

    await until_true(waits_for_merchant)
    (await shop.ask(order, f"returns/{asked['id']}/approve")).raise_for_status()
    await until_true(waits_for_goods)
