"""Orders' workflows as Temporal shows them, and what its outages are told as."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.postgres.orders import launch_of
from adapters.temporal import OrderWorkflows, connect, hash_customer, summarise
from api.checks import check_order
from api.models import OrderBody
from cli.stack import LocalStack
from ordersaga import keys
from ordersaga.config import Settings
from ordersaga.errors import EngineUnavailable
from ordersaga.order import GiveBackTicket, Launch, OrderRequest
from tests.api.calls import Database, brl, order_body
from tests.api.lives import ask, delivered
from tests.api.running import RunningApi
from worker.give_backs import GiveBackSweep
from workflows import names

SETTINGS = Settings(database_url="postgresql://nobody@127.0.0.1/nothing")
CUSTOMER = "customer-canary"


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[LocalStack]:
    """A Temporal server with our search attributes, and no worker."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-temporal-"))
    async with LocalStack(
        data_dir=home / "data", port=0, keep_data=False, parts={"temporal"}
    ) as stack:
        yield stack
    await asyncio.to_thread(shutil.rmtree, home)


@pytest.fixture
async def workflows(temporal: LocalStack, monkeypatch: pytest.MonkeyPatch) -> OrderWorkflows:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.ready.temporal)
    return OrderWorkflows(await connect(), SETTINGS)


def a_launch(**otherwise: object) -> Launch:
    """Of a new order of three units for 95.58 BRL, partly by voucher."""
    given: dict[str, object] = {
        "customer": {"id": CUSTOMER, "name": CUSTOMER},
        "lines": [{"sku": "tea", "quantity": 3, "unit_price": brl(3186)}],
        "payments": [
            {"method": "voucher", "token": "GIFT", "amount": brl(558)},
            {"method": "card", "token": "tok_ok"},
        ],
    }
    body = OrderBody.model_validate(order_body(**{**given, **otherwise}))
    order = check_order(body, tenant="t", now=datetime.now(UTC), settings=SETTINGS)
    return launch_of(order, SETTINGS)


def a_cancel() -> OrderRequest:
    return OrderRequest(id=keys.new_id("req"), kind="cancel", requested_by="key_1")


async def test_a_workflow_is_started_once_and_reads_well(
    workflows: OrderWorkflows, temporal: LocalStack
) -> None:
    launch = a_launch()
    assert await workflows.start(launch) == "started"
    assert await workflows.start(launch) == "already_started"

    client = await connect()
    handle = client.get_workflow_handle(f"order:{launch.ticket.order_id}")
    shown = await handle.describe()
    found = {pair.key.name: pair.value for pair in shown.typed_search_attributes}
    assert found == {
        names.ORDER_STATUS.name: "pending",
        names.PAYMENT_STATUS.name: "unpaid",
        names.CUSTOMER_ID.name: hash_customer("t", CUSTOMER),
        names.ORDER_TOTAL.name: 9558,
    }
    assert (
        await shown.static_summary()
        == "3 units for 95.58 BRL, paid by voucher and card, sent to BR by merchant"
    )
    assert "- 90.00 BRL is paid by card: `pay_" in str(await shown.static_details())
    history = await handle.fetch_history()
    assert CUSTOMER not in history.to_json()


async def test_a_request_of_an_order_without_a_workflow_is_told_so(
    workflows: OrderWorkflows,
) -> None:
    assert (
        await workflows.deliver(keys.workflow_id(keys.new_id("ord")), a_cancel()) == "no_workflow"
    )


def a_ticket(*, return_id: str | None = None, request_id: str | None = None) -> GiveBackTicket:
    return GiveBackTicket(
        order_id=keys.new_id("ord"),
        currency="BRL",
        amount=7500,
        undo_retry_cap_s=30,
        return_id=return_id,
        request_id=request_id,
    )


async def test_a_returns_workflow_is_started_once_and_reads_well(
    workflows: OrderWorkflows,
) -> None:
    ticket = a_ticket(return_id=keys.new_id("ret"))
    assert await workflows.start_return(ticket) == "started"
    assert await workflows.start_return(ticket) == "already_started"
    assert await workflows.start_return(ticket, again=True) == "already_started"

    shown = await (await connect()).get_workflow_handle(f"return:{ticket.return_id}").describe()
    assert shown.workflow_type == names.RETURN_WORKFLOW
    assert (
        await shown.static_summary() == f"75.00 BRL of {ticket.order_id} goes back: "
        f"return {ticket.return_id}, once its goods are received"
    )


async def test_a_refunds_workflow_is_started_once(workflows: OrderWorkflows) -> None:
    ticket = a_ticket(request_id=keys.new_id("req"))
    assert await workflows.start_refund(ticket) == "started"
    assert await workflows.start_refund(ticket) == "already_started"

    shown = await (await connect()).get_workflow_handle(f"refund:{ticket.request_id}").describe()
    assert shown.workflow_type == names.REFUND_WORKFLOW


async def test_a_return_is_told_once_of_each_status_however_often_it_is_told(
    workflows: OrderWorkflows,
) -> None:
    """A sweep tells it again and again: its history shall not grow."""
    return_id = keys.new_id("ret")
    assert await workflows.tell_return(return_id, "approved") == "no_workflow"
    await workflows.start_return(a_ticket(return_id=return_id))
    for status in ("approved", "approved", "received", "approved", "received"):
        assert await workflows.tell_return(return_id, status) == "accepted"

    handle = (await connect()).get_workflow_handle(f"return:{return_id}")
    events = (await handle.fetch_history()).events
    told = [e for e in events if e.HasField("workflow_execution_signaled_event_attributes")]
    assert len(told) == 2


async def test_a_request_that_no_worker_takes_is_an_outage(workflows: OrderWorkflows) -> None:
    launch = a_launch()
    await workflows.start(launch)

    with pytest.raises(EngineUnavailable):
        await workflows.deliver(keys.workflow_id(launch.ticket.order_id), a_cancel())


async def test_a_server_that_is_there_is_reachable(workflows: OrderWorkflows) -> None:
    assert await workflows.reachable()


async def test_a_server_that_is_away_is_an_outage(temporal_away: None) -> None:
    workflows = OrderWorkflows(await connect(), SETTINGS)

    assert not await workflows.reachable()
    with pytest.raises(EngineUnavailable):
        await workflows.start(a_launch())
    with pytest.raises(EngineUnavailable):
        await workflows.deliver(keys.workflow_id(keys.new_id("ord")), a_cancel())
    with pytest.raises(EngineUnavailable):
        await workflows.start_return(a_ticket(return_id=keys.new_id("ret")))
    with pytest.raises(EngineUnavailable):
        await workflows.tell_return(keys.new_id("ret"), "approved")


def test_a_summary_says_what_is_sold_to_where() -> None:
    lines = [{"sku": "tea", "quantity": 1, "unit_price": {"amount": 5, "currency": "JPY"}}]
    launch = a_launch(currency="JPY", lines=lines, payments=[])

    assert summarise(launch) == "1 unit for 5 JPY, to be paid later, sent to BR by merchant"


def test_a_customers_hash_differs_from_tenant_to_tenant() -> None:
    assert hash_customer("a", "c-1") == hash_customer("a", "c-1")
    assert hash_customer("a", "c-1") != hash_customer("b", "c-1")


async def test_what_goes_back_while_the_engine_is_away_is_driven_later(
    api: RunningApi, shop: httpx.AsyncClient, database: Database, workflows: OrderWorkflows
) -> None:
    order_id = str((await delivered(shop, api.pool))["id"])
    (asked,) = (await ask(shop, order_id, "returns", {"reason": "r"})).json()["returns"]
    await ask(shop, order_id, "refunds", {"amount": brl(100), "reason": "r"})
    old = "update {} set {} = now() - interval '1 minute' where order_id = $1"
    await database.execute(old.format("returns", "updated_at"), order_id)
    await database.execute(old.format("refunds", "created_at"), order_id)
    request_id = await database.fetchval(
        "select request_id from refunds where order_id = $1", order_id
    )
    client = await connect()

    sweep = GiveBackSweep(api.pool, workflows, SETTINGS)
    for workflow_id in (f"return:{asked['id']}", f"refund:{request_id}"):
        await _until_started(sweep, client, workflow_id)


async def _until_started(sweep: GiveBackSweep, client: Client, workflow_id: str) -> None:
    """Other tests leave open ones too: it goes round."""
    for _ in range(20):
        await sweep.run_once()
        with contextlib.suppress(RPCError):
            await client.get_workflow_handle(workflow_id).describe()
            return
    pytest.fail(f"{workflow_id} was not started")
