"""Every engine of the bench does the same to an order: only then its figures say anything about engines."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest

from bench.engines.flow import MIXES, PRICE, STEPS, TENANT, Mix, Shape, sku
from bench.engines.load import Burst
from bench.engines.participants import ENOUGH
from bench.engines.registry import ENTRIES, Entry
from bench.engines.stage import Stage
from bench.engines.starting import choose, everything_for

# Everything there is, started at once, on a machine that does other things too.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

CLIENT = 0  # whose order also opened the house's accounts
TURNS = [(entry, mix) for entry in ENTRIES for mix in MIXES if mix in entry.mixes]


@dataclass(frozen=True)
class Left:
    """What is left of one order, wherever its engine keeps it."""

    order: tuple[str, str, str, int]
    events: tuple[str, ...]
    has_no_gaps: bool
    told: int  # rows of the outbox
    decision: str
    reservations: tuple[tuple[str, int, str], ...]
    captured: int
    paid_to_us: int  # by its ledger entries; a card's money is elsewhere


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    with TemporaryDirectory(prefix="ordersaga-bench-") as directory:
        Path(directory).chmod(0o711)  # where we are root, PostgreSQL runs as another user
        yield Path(directory)


@pytest.fixture(scope="session")
async def stage(home: Path) -> AsyncIterator[Stage]:
    entries, _ = choose(())
    async with everything_for(home, entries) as everything:
        yield everything


async def place_one(stage: Stage, entry: Entry, mix: Mix) -> str:
    taken = await stage.loads[entry.engine].run(Burst(mix=mix, shape=entry.shape, clients=1))
    return taken.order_ids[0]


async def what_is_left(stage: Stage, entry: Entry, order_id: str) -> Left:
    is_split = entry.engine == "two_phase"
    orders = await asyncpg.connect(stage.where_of(entry.engine).owner)
    stock = await asyncpg.connect(
        stage.where_of("two_phase_stock" if is_split else entry.engine).owner
    )
    ledger = await asyncpg.connect(
        stage.where_of("two_phase_ledger" if is_split else entry.engine).owner
    )
    try:
        order = await orders.fetchrow(
            "select status, payment_status, fulfillment_status, version from orders where id = $1",
            order_id,
        )
        events = await orders.fetch(
            "select type, sequence from order_events where order_id = $1 order by sequence",
            order_id,
        )
        goods = await stock.fetch(
            "select sku, quantity, state from reservations where order_id = $1", order_id
        )
        return Left(
            order=tuple(order or ()),
            events=tuple(sorted(row["type"] for row in events)),
            has_no_gaps=[row["sequence"] for row in events] == list(range(1, len(events) + 1)),
            told=await orders.fetchval("select count(*) from outbox where order_id = $1", order_id),
            decision=await orders.fetchval(
                "select decision from decisions where order_id = $1", order_id
            ),
            reservations=tuple(tuple(row) for row in goods),
            captured=await orders.fetchval(
                "select captured from payments where order_id = $1", order_id
            ),
            paid_to_us=await ledger.fetchval(
                "select coalesce(sum(e.amount), 0)::bigint from ledger_entries e"
                " join ledger_accounts a on a.id = e.account_id"
                " where e.order_id = $1 and a.kind = 'sales'",
                order_id,
            ),
        )
    finally:
        for connection in (orders, stock, ledger):
            await connection.close()


@pytest.mark.parametrize(("entry", "mix"), TURNS, ids=lambda each: getattr(each, "key", each))
async def test_an_order_leaves_the_same_rows_with_every_engine(
    stage: Stage, entry: Entry, mix: Mix
) -> None:
    _, missing = choose((entry.key,))
    if missing:
        pytest.skip(missing[entry.key])
    order_id = await place_one(stage, entry, mix)
    assert await what_is_left(stage, entry, order_id) == Left(
        order=("confirmed", "captured", "booked", 6),
        events=(
            "order.accepted",
            "order.confirmed",
            "parcel.booked",
            "payment.authorized",
            "payment.captured",
            "stock.reserved",
        ),
        has_no_gaps=True,
        told=6,
        decision="confirm",
        reservations=((sku(CLIENT), 1, "committed"),),
        captured=PRICE,
        paid_to_us=PRICE if mix == "own site" else 0,
    )


@pytest.mark.parametrize("engine", sorted({entry.engine for entry in ENTRIES}))
async def test_stock_and_credit_add_up_after_a_burst_of_orders(stage: Stage, engine: str) -> None:
    if engine not in stage.loads:
        pytest.skip(f"{engine} cannot be had here")
    entry = next(each for each in ENTRIES if each.engine == engine)
    burst = Burst(mix="own site", shape=entry.shape, clients=4, orders=8)
    await stage.loads[engine].run(burst)
    is_split = engine == "two_phase"
    stock = await asyncpg.connect(stage.where_of("two_phase_stock" if is_split else engine).owner)
    ledger = await asyncpg.connect(stage.where_of("two_phase_ledger" if is_split else engine).owner)
    rows = await stock.fetch("select sku, on_hand, available, reserved from stock")
    taken = await stock.fetchval(
        "select sum(quantity)::bigint from reservations where state = 'committed'"
    )
    spent = await ledger.fetchval(
        "select sum($2 - balance)::bigint from ledger_accounts where tenant = $1 and kind = 'credit'",
        TENANT,
        ENOUGH * PRICE,
    )
    paid = await ledger.fetchval(
        "select sum(e.amount)::bigint from ledger_entries e"
        " join ledger_accounts a on a.id = e.account_id where a.kind = 'sales'"
    )
    await stock.close()
    await ledger.close()
    assert all(row["reserved"] == 0 and row["on_hand"] == row["available"] for row in rows)
    assert sum(ENOUGH - row["on_hand"] for row in rows) == taken
    assert spent == paid


@pytest.mark.parametrize("mix", MIXES)
def test_both_shapes_end_with_the_decision_and_ask_the_bank_alike(mix: Mix) -> None:
    shapes: tuple[Shape, ...] = ("participant", "merged")
    steps = {shape: STEPS[mix, shape] for shape in shapes}
    assert steps["participant"][-1] == "confirm_order"
    assert steps["merged"][-1] == "decide_order"
    remote = [[s for s in each if s.endswith("_payment")] for each in steps.values()]
    assert remote[0] == remote[1]
    assert len(steps["merged"]) < len(steps["participant"])


def test_an_engine_that_cannot_be_had_is_left_out_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "dbos", None)  # as Python says that it is not there
    chosen, missing = choose(("none", "dbos"))
    assert [entry.key for entry in chosen] == ["none"]
    assert "dbos is not installed" in missing["dbos"]
