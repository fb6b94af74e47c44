"""The audit of running parts: clean after clean work, also meanwhile; and whatever was spoiled is named."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from cli.audit import AuditReport, Sources, run_audit
from cli.stack import LocalStack
from tests.audit.test_audit_books import nowhere
from tests.saga.shop import Json, Shop, card, payment, until_true


async def audit(shop: Shop) -> AuditReport:
    return await run_audit(Sources.of_stack(shop.stack.ready))


def found(report: AuditReport, *orders: Json) -> set[str]:
    """The invariants that these orders violate."""
    ids = {order["id"] for order in orders}
    return {v.invariant for v in report.violations if v.order_id in ids}


async def ordersaga(*arguments: str, **env: str) -> tuple[int, str, str]:
    """`ordersaga …` to its end: exit code, what it printed, what it complained of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli.main",
        *arguments,
        env=env or None,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_orders_of_every_ending_audit_clean(shop: Shop) -> None:
    gift = {"code": f"gift-{shop.sku}", "amount": {"amount": 600, "currency": "BRL"}}
    (await shop.post("/v1/vouchers", gift)).raise_for_status()
    orders = [
        await shop.order(card(), carrier="sandbox"),
        await shop.order(payment("alipay")),
        await shop.order(payment("voucher", str(gift["code"]), 600), card("tok_capture_declined")),
        await shop.order(card(), carrier="sandbox", service="ship_refused"),
        await shop.order(card(), quantity=5000),
        await shop.order(payment("boleto"), prefer="wait=1"),
        await shop.order(card("tok_refund_flaky_3"), carrier="sandbox"),
    ]
    for order in orders[:5]:
        await shop.until_final(order["id"])
    orders.append(await shop.order(payment("voucher", str(gift["code"]), 500), card()))
    await shop.cancel(orders[-2]["id"])
    report = await audit(shop)
    assert found(report, *orders) == set()
    assert [e.order_id for e in report.explained if "its payer" in e.reason] == [orders[5]["id"]]


async def test_orders_that_the_world_outside_has_moved_audit_clean(shop: Shop) -> None:
    orders = await asyncio.gather(
        half_returned(shop), all_returned(shop), lost(shop), paid_late(shop), refunded_in_part(shop)
    )
    report = await audit(shop)
    assert found(report, *orders) == set()
    assert [invariant for invariant, count in report.checked.items() if count == 0] == []


async def half_returned(shop: Shop) -> Json:
    order = await shipped(shop, card(amount=700), payment("alipay"))
    await send_back(shop, order, {"lines": [{"sku": shop.sku, "quantity": 1}], "reason": "?"})
    return await shop.until(order["id"], lambda o: o["returns"][0]["status"] == "refunded")


async def all_returned(shop: Shop) -> Json:
    order = await shipped(shop, card())
    await send_back(shop, order, {"reason": "too small"})
    return await shop.until(order["id"], lambda o: o["status"] == "returned")


async def lost(shop: Shop) -> Json:
    order = await shop.order(card(), carrier="sandbox")
    await shop.until_released(order["id"])
    for status in ("picked_up", "lost"):
        await shop.carrier_says(order, status)
    return await shop.until(order["id"], lambda o: o["status"] == "returned")


async def paid_late(shop: Shop) -> Json:
    """A slip that somebody took to a bank after its order was canceled."""
    order = await shop.order(payment("boleto"), prefer="wait=0")
    await shop.until(order["id"], lambda o: o["payment_status"] == "requires_action")
    await shop.cancel(order["id"])
    intent = (await shop.books(order["id"])).intents[0]["id"]
    (await shop.provider.post(f"/test/payers/{intent}/pay", json={})).raise_for_status()
    return await shop.until(order["id"], lambda o: o["payment_status"] == "refunded")


async def refunded_in_part(shop: Shop) -> Json:
    order = await shop.order(card())
    some = {"amount": {"amount": 300, "currency": "BRL"}, "reason": "a scratch"}
    await shop.ask(order, "refunds", some)
    return await shop.until(order["id"], lambda o: o["payment_status"] == "partially_refunded")


async def shipped(shop: Shop, *payments: Json) -> Json:
    """At its buyer's."""
    order = await shop.order(*payments, carrier="sandbox")
    await shop.until_released(order["id"])
    return await shop.delivered(order)


async def send_back(shop: Shop, order: Json, body: Json) -> None:
    asked = await shop.ask(order, "returns", body)
    return_id = asked.json()["returns"][-1]["id"]
    for verb in ("approve", "receive"):
        (await shop.ask(order, f"returns/{return_id}/{verb}")).raise_for_status()


@pytest.mark.long
@pytest.mark.slow
async def test_an_audit_during_traffic_finds_nothing_wrong(shop: Shop) -> None:
    async def trade() -> list[Json]:
        carriers = ["sandbox", "merchant"]
        tokens = ["tok_ok", "tok_capture_declined", "tok_flaky_3"]
        return await asyncio.gather(
            *(shop.order(card(tokens[n % 3]), carrier=carriers[n % 2]) for n in range(24))
        )

    trading = asyncio.create_task(trade())
    reports = [await audit(shop) for _ in range(4)]
    orders = await trading
    await asyncio.gather(*(shop.cancel(o["id"], prefer="respond-async") for o in orders[::3]))
    reports += [await audit(shop) for _ in range(3)]
    for report in reports:
        assert found(report, *orders) == set()


@pytest.mark.slow
async def test_money_sent_back_behind_our_back_is_found(shop: Shop) -> None:
    order = await shop.order(card())
    intent = (await shop.books(order["id"])).intents[0]
    refund = {"payment_intent": intent["id"], "amount": "100"}
    (await shop.provider.post("/v1/refunds", data=refund)).raise_for_status()
    await shop.until(order["id"], lambda o: o["attention"] is not None)  # its provider told us
    report = await audit(shop)
    assert found(report, order) == {"money.booked", "refunds.known"}
    violation = next(v for v in report.violations if v.order_id == order["id"])
    assert "0.00 BRL by our tables, 1.00 BRL by the provider's books" in violation.detail
    step = f"books:{order['payments'][0]['id']}"
    await shop.ask(order, "attention", {"step": step, "action": "skip", "note": "a goodwill"})
    report = await audit(shop)
    assert found(report, order) == set()
    assert any("a goodwill" in e.reason for e in report.explained if e.order_id == order["id"])


@pytest.mark.slow
async def test_a_parcel_seen_by_nobody_is_found(
    shop: Shop, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    order = await shipped(shop, card())
    await until_told(owner, order)
    await owner.execute(
        "delete from tracking_events where status = 'in_transit' and shipment_id = $1",
        order["shipments"][0]["id"],
    )
    assert found(await audit(shop), order) == {"tracking.told"}
    report = await run_audit(Sources.of_stack(shop.stack.ready), settle_s=0)
    assert found(report, order) == {"tracking.told", "tracking.heard"}


async def test_a_parcel_canceled_behind_our_back_is_found(shop: Shop) -> None:
    order = await shop.order(card(), carrier="sandbox")
    await shop.until_released(order["id"])
    key = (await shop.books(order["id"])).parcels[0]["key"]
    (await shop.carrier.post(f"/parcels/{key}/cancel")).raise_for_status()
    assert found(await audit(shop), order) == {"parcels.ours"}


async def test_a_parcel_that_nobody_ordered_is_found(shop: Shop) -> None:
    order = await shop.order(card("tok_declined"))
    await shop.until_final(order["id"])
    booking = {"service": "standard", "ship_to": {"country": "BR"}}
    key = f"{order['id']}:parcel:shp_x:1"
    (await shop.carrier.put(f"/parcels/{key}", json=booking)).raise_for_status()
    assert found(await audit(shop), order) == {"parcels.theirs"}


async def test_money_taken_for_nobody_is_found(shop: Shop) -> None:
    intent = await shop.provider.post(
        "/v1/payment_intents",
        data={
            "amount": "700",
            "currency": "brl",
            "payment_method": "tok_ok",
            "capture_method": "automatic",
            "allowed_payment_method_types[0]": "card",
            "confirm": "true",
            "metadata[order_id]": "ord_unknown",
        },
    )
    intent.raise_for_status()
    report = await audit(shop)
    named = [v for v in report.violations if v.subject == intent.json()["id"]]
    assert [v.invariant for v in named] == ["money.known"]


async def until_told(owner: asyncpg.Connection[asyncpg.Record], order: Json) -> None:
    """Until nobody has anything to tell of it: what its provider says is no news, a moment later."""
    waiting = "select count(*) from inbox where order_id = $1 and delivered_at is null"

    async def is_told() -> bool:
        return bool(await owner.fetchval(waiting, order["id"]) == 0)

    await until_true(is_told)


# What an owner of the database may spoil, in the rows of one order, and what finds it.
SPOILED = {
    "update orders set status = 'completed' where id = $1": {"history.fold"},
    "update payments set captured = 0 where order_id = $1": {
        "history.fold",
        "money.booked",
        "money.paid_in_full",
    },
    "delete from order_events where order_id = $1 and sequence = 2": {
        "history.gapless",
        "history.fold",
    },
    "update decisions set decision = 'undo', failure = '{}' where order_id = $1": {
        "decision.kept",
        "fence.undone",
    },
    "update reservations set state = 'released' where order_id = $1": {"stock.sold_once"},
}


QUICK: Final = 3  # of those, in `make test`


@pytest.mark.long
@pytest.mark.parametrize(
    "statement",
    [pytest.param(s, marks=[] if n < QUICK else [pytest.mark.slow]) for n, s in enumerate(SPOILED)],
)
async def test_a_row_changed_by_hand_is_found(
    shop: Shop, owner: asyncpg.Connection[asyncpg.Record], statement: str
) -> None:
    order = await shop.order(card())
    await until_told(owner, order)
    await owner.execute(statement, order["id"])
    assert found(await audit(shop), order) >= SPOILED[statement]


@pytest.mark.long
async def test_stock_and_ledger_changed_by_hand_are_found(
    shop: Shop, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    credit = {"amount": {"amount": 500, "currency": "BRL"}, "reason": "a gift"}
    (await shop.post("/v1/accounts/c-spoiled/credits", credit)).raise_for_status()
    await owner.execute(
        "update stock set reserved = 3, on_hand = available + 3 where sku = $1", shop.sku
    )
    await owner.execute(
        "update ledger_entries set amount = 400 where amount = 500 and account_id ="
        " (select id from ledger_accounts where owner = 'c-spoiled')"
    )
    report = await audit(shop)
    named = {v.invariant for v in report.violations if "c-spoiled" in v.subject}
    assert named == {"ledger.balances"}
    assert "ledger.transfers" in {v.invariant for v in report.violations}
    assert [v.invariant for v in report.violations if shop.sku in v.subject] == ["stock.reserved"]


async def test_the_command_names_each_violation_and_ends_with_1(
    shop: Shop, owner: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    order = await shop.order(card())
    await owner.execute("update orders set total = total + 1 where id = $1", order["id"])
    ready_file = tmp_path / "ready.json"
    ready_file.write_text(shop.stack.ready.model_dump_json())

    code, printed, _ = await ordersaga("audit", "--ready-file", str(ready_file))
    assert code == 1
    assert f"money.paid_in_full {order['id']}: confirmed with 10.00 BRL kept" in printed

    code, printed, _ = await ordersaga("audit", "--json", "--ready-file", str(ready_file))
    assert code == 1
    findings: dict[str, Any] = json.loads(printed)
    named = [v for v in findings["violations"] if v["order_id"] == order["id"]]
    assert [v["invariant"] for v in named] == ["money.paid_in_full"]
    assert findings["orders"] > 0
    invariant = next(i for i in findings["invariants"] if i["name"] == "money.paid_in_full")
    assert invariant["violations"] >= 1


@pytest.mark.long
@pytest.mark.parametrize("away", ["payment_provider", "carrier", "database"])
async def test_what_cannot_be_read_cannot_be_decided(
    spoiled_stack: LocalStack, tmp_path: Path, away: str
) -> None:
    address = nowhere()
    if away == "database":
        address = address.replace("http", "postgresql") + "/nothing"
    ready_file = tmp_path / "ready.json"
    elsewhere = spoiled_stack.ready.model_copy(update={away: address})
    ready_file.write_text(elsewhere.model_dump_json())
    code, printed, complaint = await ordersaga("audit", "--json", "--ready-file", str(ready_file))
    assert code == 2
    assert "could not be decided" in complaint
    assert "undecided" in json.loads(printed)


async def test_where_nothing_runs_there_is_nothing_to_audit(tmp_path: Path) -> None:
    code, _, complaint = await ordersaga("audit", "--data-dir", str(tmp_path))
    assert code == 2
    assert "no stack runs" in complaint
    code, _, complaint = await ordersaga("audit", "--ready-file", str(tmp_path / "none.json"))
    assert code == 2
    assert "does not describe a stack" in complaint
