"""Orders' workflows as Temporal shows them, and what its outages are told as."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.postgres.orders import launch_of
from adapters.temporal import OrderWorkflows, connect, hash_customer, summarise
from api.checks import check_order
from api.models import OrderBody
from cli.stack import LocalStack
from ordersaga import keys
from ordersaga.config import Settings
from ordersaga.errors import EngineUnavailable
from ordersaga.order import Launch, OrderRequest
from tests.api.calls import brl, order_body
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
    order = check_order(body, tenant="t", now=datetime.now(UTC), patience_s=60)
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
        names.ORDER_STATUS: "pending",
        names.PAYMENT_STATUS: "unpaid",
        names.CUSTOMER_ID: hash_customer("t", CUSTOMER),
        names.ORDER_TOTAL: 9558,
    }
    assert (
        await shown.static_summary() == "3 units for 95.58 BRL by voucher + card, to BR by merchant"
    )
    assert ": 90.00 BRL by card" in str(await shown.static_details())
    history = await handle.fetch_history()
    assert CUSTOMER not in history.to_json()


async def test_a_request_of_an_order_without_a_workflow_is_told_so(
    workflows: OrderWorkflows,
) -> None:
    assert await workflows.deliver(keys.new_id("ord"), a_cancel()) == "no_workflow"


async def test_a_request_that_no_worker_takes_is_an_outage(workflows: OrderWorkflows) -> None:
    launch = a_launch()
    await workflows.start(launch)

    with pytest.raises(EngineUnavailable):
        await workflows.deliver(launch.ticket.order_id, a_cancel())


async def test_a_server_that_is_there_is_reachable(workflows: OrderWorkflows) -> None:
    assert await workflows.reachable()


async def test_a_server_that_is_away_is_an_outage(temporal_away: None) -> None:
    workflows = OrderWorkflows(await connect(), SETTINGS)

    assert not await workflows.reachable()
    with pytest.raises(EngineUnavailable):
        await workflows.start(a_launch())
    with pytest.raises(EngineUnavailable):
        await workflows.deliver(keys.new_id("ord"), a_cancel())


def test_a_summary_says_what_is_sold_to_where() -> None:
    lines = [{"sku": "tea", "quantity": 1, "unit_price": {"amount": 5, "currency": "JPY"}}]
    launch = a_launch(currency="JPY", lines=lines, payments=[])

    assert summarise(launch) == "1 unit for 5 JPY by nothing yet, to BR by merchant"


def test_a_customers_hash_differs_from_tenant_to_tenant() -> None:
    assert hash_customer("a", "c-1") == hash_customer("a", "c-1")
    assert hash_customer("a", "c-1") != hash_customer("b", "c-1")
