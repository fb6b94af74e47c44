"""What must be true of a merchant's tables at every moment between two transactions.

Written out in SQL and by hand, apart from the product's own audit.
"""

from __future__ import annotations

from typing import Any, Final

import asyncpg

from ordersaga.history import Happening, OrderState, advance
from ordersaga.order import NewOrder
from tests.postgres.merchant import Merchant

Row = asyncpg.Record
Connection = Any  # the pool's, behind its proxy

OVER_AND_BACK: Final = ("rejected", "canceled", "returned")
SOLD: Final = ("confirmed", "shipped", "delivered", "completed")


async def assert_books_are_true(merchant: Merchant) -> None:
    """History, outbox, stock, ledger and decisions of all its orders."""
    async with merchant.pool.acquire() as connection, connection.transaction():
        orders = await connection.fetch("select * from orders where tenant = $1", merchant.tenant)
        for order in orders:
            payments = await connection.fetch(
                "select * from payments where order_id = $1 order by position", order["id"]
            )
            await _assert_history_is_true(connection, order, payments)
            await _assert_refunds_are_true(connection, order, payments)
            await _assert_decision_is_kept(connection, order, payments)
        await _assert_stock_is_true(connection, merchant)
        await _assert_ledger_is_true(connection, merchant)


async def everything_of(merchant: Merchant, order: NewOrder) -> list[object]:
    """Every row that a step of it could change: the same before and after, nothing happened."""
    async with merchant.pool.acquire() as connection:
        return [
            [tuple(row) for row in await connection.fetch(statement, argument)]
            for statement, argument in (
                ("select * from orders where id = $1", order.id),
                ("select * from payments where order_id = $1 order by id", order.id),
                ("select * from shipments where order_id = $1", order.id),
                ("select * from refunds where order_id = $1 order by id", order.id),
                ("select * from returns where order_id = $1 order by id", order.id),
                (
                    "select e.* from tracking_events e join shipments s on s.id = e.shipment_id "
                    "where s.order_id = $1 order by event_id",
                    order.id,
                ),
                ("select * from reservations where order_id = $1 order by sku", order.id),
                ("select * from fence where order_id = $1 order by step, op", order.id),
                ("select * from order_events where order_id = $1 order by sequence", order.id),
                ("select * from outbox where order_id = $1 order by sequence", order.id),
                ("select * from decisions where order_id = $1", order.id),
                ("select * from order_requests where order_id = $1", order.id),
                ("select * from ledger_entries where order_id = $1 order by 1, 2", order.id),
                ("select * from stock where tenant = $1 order by sku", merchant.tenant),
                ("select * from ledger_accounts where tenant = $1 order by id", merchant.tenant),
            )
        ]


async def _assert_history_is_true(connection: Connection, order: Row, payments: list[Row]) -> None:
    """Gapless, of legal moves, told in the outbox, and its fold is the row."""
    events = await connection.fetch(
        "select * from order_events where order_id = $1 order by sequence", order["id"]
    )
    sequences = [event["sequence"] for event in events]
    assert sequences == list(range(1, order["version"] + 1))
    told = await connection.fetch("select sequence from outbox where order_id = $1", order["id"])
    assert sorted(row["sequence"] for row in told) == sequences, "one outbox row an event"
    state = OrderState()
    for event in events:
        happening = Happening(event["type"], event["data"])
        state, fact = advance(state, happening, event["occurred_at"])
        assert (event["machine"], event["from_state"], event["to_state"]) == (
            fact.machine,
            fact.from_state,
            fact.to_state,
        )
    for column in (
        *("status", "payment_status", "fulfillment_status", "failure", "attention", "hold"),
        *("version", "paid_at", "confirmed_at", "shipped_at", "delivered_at", "received_at"),
        "completed_at",
    ):
        assert getattr(state, column) == order[column], f"{column} of {order['id']}"
    sums = ("id", "amount", "status", "captured", "refunded", "failure_code")
    assert [tuple(getattr(p, name) for name in sums) for p in state.payments] == [
        tuple(p[name] for name in sums) for p in payments
    ]
    returns = await connection.fetch(
        "select id, status from returns where order_id = $1 order by id", order["id"]
    )
    assert sorted((r.id, r.status) for r in state.returns) == [tuple(row) for row in returns]


async def _assert_refunds_are_true(connection: Connection, order: Row, payments: list[Row]) -> None:
    """No more is on its way back than was taken, and what is told to be back is."""
    for payment in payments:
        rows = await connection.fetch("select * from refunds where payment_id = $1", payment["id"])
        assert {row["order_id"] for row in rows} <= {order["id"]}
        assert sum(row["amount"] for row in rows) <= payment["captured"]
        if rows:
            done = sum(row["amount"] for row in rows if row["refunded_at"])
            assert payment["refunded"] == done


async def _assert_decision_is_kept(connection: Connection, order: Row, payments: list[Row]) -> None:
    """What was decided is what stands: sold and paid, or given back whole."""
    verdict = await connection.fetchval(
        "select decision from decisions where order_id = $1", order["id"]
    )
    stock = await connection.fetch(
        "select state from reservations where order_id = $1", order["id"]
    )
    states = {row["state"] for row in stock}
    refunds = await connection.fetch("select * from refunds where order_id = $1", order["id"])
    is_open = any(row["refunded_at"] is None for row in refunds)
    is_lost = (order["failure"] or {}).get("code") == "parcel_lost"
    if order["status"] == "pending":
        assert verdict is None
        assert states <= {"reserved"}
    elif order["status"] in SOLD:
        assert verdict == "confirm"
        assert states <= {"committed", "restocked"}
        given_back = sum(row["amount"] for row in refunds if row["refunded_at"])
        kept = sum(p["captured"] - p["refunded"] for p in payments)
        assert kept + given_back >= order["total"]
    elif order["status"] in OVER_AND_BACK:
        assert verdict is not None
        after_confirm = {"committed"} if is_lost else {"restocked"}
        assert states <= (after_confirm if verdict == "confirm" else {"released"})
        if not is_open:
            assert all(p["captured"] == p["refunded"] for p in payments)
            assert {p["status"] for p in payments} <= {"voided", "failed", "refunded"}
    else:
        assert order["status"] == "compensating"
        assert verdict is not None
        assert "reserved" not in states


async def _assert_stock_is_true(connection: Connection, merchant: Merchant) -> None:
    """Nothing appears, nothing is lost: each unit is available, reserved or sold."""
    for sku, stocked in merchant.stocked.items():
        stock = await connection.fetchrow(
            "select on_hand, available, reserved from stock where tenant = $1 and sku = $2",
            *(merchant.tenant, sku),
        )
        units = await connection.fetchrow(
            "select coalesce(sum(quantity) filter (where state = 'reserved'), 0) as reserved, "
            "       coalesce(sum(quantity - restocked) "
            "                filter (where state in ('committed', 'restocked')), 0) as sold "
            "from reservations where tenant = $1 and sku = $2",
            *(merchant.tenant, sku),
        )
        assert stock["on_hand"] == stock["available"] + stock["reserved"]
        assert stock["reserved"] == units["reserved"]
        assert stock["on_hand"] == stocked - units["sold"], f"{sku} conserved"


async def _assert_ledger_is_true(connection: Connection, merchant: Merchant) -> None:
    """Double entry, balances, and the house's accounts are what the payments say."""
    crooked = await connection.fetch(
        "select e.transfer, sum(e.amount) from ledger_entries e "
        "join ledger_accounts a on a.id = e.account_id where a.tenant = $1 "
        "group by e.transfer having sum(e.amount) <> 0 or count(*) <> 2",
        merchant.tenant,
    )
    assert not crooked, "each transfer has two entries that sum to zero"
    accounts = await connection.fetch(
        "select a.kind, a.owner, a.balance, coalesce(sum(e.amount), 0) as entries "
        "from ledger_accounts a left join ledger_entries e on e.account_id = a.id "
        "where a.tenant = $1 group by a.id",
        merchant.tenant,
    )
    for account in accounts:
        if account["balance"] is not None:
            assert account["balance"] == account["entries"] >= 0
    house = {a["kind"]: a["entries"] for a in accounts if a["balance"] is None}
    ours = await connection.fetchrow(
        "select coalesce(sum(p.amount) filter (where p.status = 'authorized'), 0) as held, "
        "       coalesce(sum(p.captured - p.refunded), 0) as kept "
        "from payments p join orders o on o.id = p.order_id "
        "where o.tenant = $1 and p.method in ('balance', 'voucher')",
        merchant.tenant,
    )
    assert house.get("held", 0) == ours["held"]
    assert house.get("sales", 0) == ours["kept"]
