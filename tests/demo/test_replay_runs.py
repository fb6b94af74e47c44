"""Replays on running parts: every ending a record can have, and the real orders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.stack import LocalStack
from cli.traffic.carrier import Carrier, CarrierSaysNo
from cli.traffic.looking import look_until
from ordersaga.client import (
    Address,
    ApiClient,
    Customer,
    Money,
    NewOrder,
    OrderLine,
    Payment,
    Shipping,
    StockItem,
)
from ordersaga.lifecycle import Status
from ordersaga.tracking import TrackingStatus
from tests.demo.test_demo_file import OLIST, line
from tests.demo.test_demo_runs import run_demo

pytestmark = pytest.mark.long

FAST = "864000"  # ten recorded days a second
BOUGHT = datetime(2018, 1, 31, 12, tzinfo=UTC)
CARD = ({"type": "credit_card", "amount": 15500},)
SLIP = ({"type": "boleto", "amount": 15500},)
SPLIT = ({"type": "credit_card", "amount": 15000}, {"type": "voucher", "amount": 500})


def lived(
    status: str,
    payments: Sequence[dict[str, object]] = CARD,
    *,
    approved: float | None = 0,
    handed: float | None = None,
    delivered: float | None = None,
) -> dict[str, Any]:
    """A line of a file, `approved` and so on in days after its purchase."""

    def at(days: float | None) -> str | None:
        return None if days is None else (BOUGHT + timedelta(days=days)).isoformat()

    recorded = {
        "status": status,
        "payments": payments,
        "purchased_at": at(0),
        "approved_at": at(approved),
        "handed_to_carrier_at": at(handed),
        "delivered_at": at(delivered),
        "promised_by": at(20),
    }
    return line(reference=f"{status}-{approved}-{handed}-{delivered}", recorded=recorded)


EVERY_ENDING = (
    lived("created", SLIP, approved=None),
    lived("created", CARD, approved=None),
    lived("approved"),
    lived("invoiced", SPLIT, approved=2),
    lived("processing", SLIP, approved=3),
    lived("unavailable"),
    lived("shipped", SLIP, approved=2, handed=4),
    lived("delivered", CARD, handed=2, delivered=9),
    lived("delivered", SPLIT, approved=1.5, handed=2, delivered=9),
    lived("delivered", SLIP, approved=3, handed=2, delivered=9),
    lived("delivered", CARD, handed=4, delivered=2),
    lived("delivered", CARD, handed=2),
    lived("delivered", CARD, approved=None, delivered=3),
    lived("canceled", CARD),
    lived("canceled", SLIP, approved=2),
    lived("canceled", SLIP, approved=None),
    lived("canceled", CARD, handed=2),
)


def written(path: Path, lines: Sequence[object]) -> str:
    path.write_text("\n".join(json.dumps(each) for each in lines))
    return str(path)


async def replay(file: str, ready_file: Path, *arguments: str) -> tuple[int, list[str], str]:
    return await run_demo(file, "--replay", "--ready-file", str(ready_file), *arguments)


async def test_every_ending_that_a_record_can_have_is_reached(
    ready_file: Path, tmp_path: Path
) -> None:
    file = written(tmp_path / "orders.jsonl", EVERY_ENDING)
    code, printed, complaints = await replay(file, ready_file, "--speed", FAST)
    assert (
        printed[-1]
        == f"replay: {len(EVERY_ENDING)} orders, {len(EVERY_ENDING)} match, 0 violations"
    )
    assert (code, complaints) == (0, "")


@pytest.mark.slow
async def test_what_is_not_as_recorded_is_named_and_what_is_no_life_is_counted_apart(
    ready_file: Path, tmp_path: Path
) -> None:
    off = lived("delivered", ({"type": "credit_card", "amount": 1},), handed=1, delivered=2)
    without_times = line()
    gift = lived("created", (), approved=None)  # nothing to pay: ours does not wait for it
    nothing = {"amount": 0, "currency": "BRL"}
    gift["order"]["lines"][0]["unit_price"] = gift["order"]["shipping_fee"] = nothing
    lines = (off, without_times, gift, lived("approved"))
    file = written(tmp_path / "orders.jsonl", lines)
    code, printed, _ = await replay(file, ready_file, "--speed", FAST)
    assert any(text.startswith("line 1 refused invalid_request: ") for text in printed)
    assert any(text.startswith("· line 2 is left out: /recorded/purchased_at") for text in printed)
    assert any("line 3 (created-None-None-None) recorded created" in text for text in printed)
    assert "3 orders, 2 placed, 1 refused" in printed
    assert printed[-1] == "replay: 2 orders, 1 match, 0 violations"
    assert code == 1


async def test_a_replay_needs_a_file() -> None:
    code, _, complaint = await run_demo("--replay")
    assert code == 2
    assert "needs a FILE" in complaint


async def test_a_message_that_comes_twice_happens_once(demo_stack: LocalStack) -> None:
    ready = demo_stack.ready
    async with (
        ApiClient(base_url=ready.api, key=ready.keys.ops) as api,
        Carrier(
            carrier_url=ready.carrier, api_url=ready.api, secret=ready.webhook_secrets.carrier
        ) as carrier,
    ):
        await api.set_stock([StockItem(sku="twice", on_hand=9)], key="twice-stock")
        order = await api.create_order(with_carrier("twice"), key="twice-order", wait_s=20)
        (shipment,) = order.shipments
        assert shipment.tracking_number is not None
        seen_at = datetime.now(UTC)
        message = await carrier.see(
            shipment.tracking_number,
            TrackingStatus.PICKED_UP,
            occurred_at=seen_at,
            estimated_at=seen_at + timedelta(days=3),
        )
        await carrier.tell_again(message)
        shipped = await look_until(api, order, lambda now: now.status == Status.SHIPPED)
        await carrier.tell_again(message)
        assert await carrier.count_untold() == 0
        assert (await api.get_order(order.id)).version == shipped.version


async def test_a_carrier_has_not_seen_what_it_does_not_have(demo_stack: LocalStack) -> None:
    ready = demo_stack.ready
    async with Carrier(
        carrier_url=ready.carrier, api_url=ready.api, secret=ready.webhook_secrets.carrier
    ) as carrier:
        with pytest.raises(CarrierSaysNo, match="no parcel"):
            await carrier.see(
                "SB0", TrackingStatus.DELIVERED, occurred_at=BOUGHT, estimated_at=None
            )


def with_carrier(sku: str) -> NewOrder:
    price = Money(amount=500, currency="BRL")
    return NewOrder(
        customer=Customer(id="c-1"),
        currency="BRL",
        lines=(OrderLine(sku=sku, quantity=1, unit_price=price),),
        shipping_address=Address(country="BR"),
        shipping=Shipping(carrier="sandbox"),
        payments=(Payment(method="card", amount=price, token="tok_ok"),),
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not OLIST.exists(), reason="the real orders are not beside the repository")
async def test_the_497_real_orders_that_can_be_placed_end_where_history_says(
    ready_file: Path,
) -> None:
    code, printed, _ = await replay(str(OLIST), ready_file)
    assert "500 orders, 497 placed, 3 refused" in printed
    assert printed[-1] == "replay: 497 orders, 497 match, 0 violations"
    assert code == 0
