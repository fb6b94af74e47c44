"""When an order is expected: as earlier ones came, with an honest range; or nobody knows."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from adapters.postgres.analytics import import_past_orders
from adapters.postgres.api_keys import create_api_key
from adapters.postgres.pool import connect_pool, transaction
from cli.stack.stack import LocalStack
from ordersaga.analytics.past_orders import PastOrder, RecordedStatus
from ordersaga.config import Settings
from tests.api.calls import order_body
from tests.api.running import running_api
from tests.pages.tracking import path_of
from tests.saga.shop import Json, Shop, card

PAST = 120
BOUGHT_AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def _past(number: int) -> PastOrder:
    """Delivered 4 to 12 days after it was bought: half of them within 8, nine of ten within 11.2."""
    return PastOrder(
        reference=f"past-{number}",
        status=RecordedStatus.DELIVERED,
        purchased_at=BOUGHT_AT,
        approved_at=BOUGHT_AT + DAY,
        handed_to_carrier_at=BOUGHT_AT + 2 * DAY,
        delivered_at=BOUGHT_AT + 4 * DAY + 8 * DAY * number / (PAST - 1),
    )


@pytest.mark.parametrize("has_past", [True, False])
async def test_a_page_says_when_an_order_comes_as_far_as_its_shop_can_know(
    stack: LocalStack, has_past: bool
) -> None:
    tenant = f"tenant-{uuid.uuid4().hex[:8]}"
    pool = await connect_pool(stack.ready.database, size=2, application_name="tests")
    try:
        async with transaction(pool) as connection:
            key = await create_api_key(connection, tenant=tenant, scopes=["orders:write", "ops"])
            if has_past:
                past = tuple(_past(number) for number in range(PAST))
                await import_past_orders(connection, tenant=tenant, past=past)
    finally:
        await pool.close()
    order = await _order_of(stack, key)
    async with httpx.AsyncClient(base_url=stack.ready.api) as buyer:
        page = (await buyer.get(path_of(order))).text
    arrival = page.partition('id="part-arrival"')[2].partition("</section>")[0]
    if not has_past:
        assert "We do not know yet." in arrival
        return
    first, last = (
        datetime.fromisoformat(at) for at in re.findall(r'<time datetime="([^"]+)"', arrival)
    )
    # It is confirmed now: earlier ones were, a day after they were bought.
    assert abs(first - (datetime.now(UTC) + 7 * DAY)) < DAY / 2
    assert abs(last - (datetime.now(UTC) + 10.2 * DAY)) < DAY / 2
    assert "very likely by" in arrival
    assert f"From {PAST} earlier orders" in arrival


async def test_a_page_whose_estimate_cannot_be_had_is_shown_without_it(
    stack: LocalStack, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", stack.ready.temporal)
    order = await shop.order(card())
    settings = Settings(
        database_url=stack.ready.database, link_secrets=["signs the links of this test only"]
    )
    async with (
        running_api(settings) as fresh,
        fresh.client() as buyer,
        fresh.pool.acquire() as connection,
        connection.transaction(),
    ):
        await connection.execute("lock table past_orders in access exclusive mode")
        answer = await buyer.get(str(fresh.services.track_links.url(order["id"])))
    assert answer.status_code == 200, answer.text
    assert "We do not know yet." in answer.text
    assert "Your order is confirmed" in answer.text


async def _order_of(stack: LocalStack, key: str) -> Json:
    """A confirmed order of this tenant."""
    async with httpx.AsyncClient(
        base_url=stack.ready.api, headers={"Authorization": f"Bearer {key}"}, timeout=30
    ) as shop:
        sku = f"tea-{uuid.uuid4().hex[:8]}"
        (await shop.put(f"/v1/stock/{sku}", json={"on_hand": 9})).raise_for_status()
        body = order_body()
        body["lines"] = [{**body["lines"][0], "sku": sku}]  # type: ignore[index]
        answer = await shop.post(
            "/v1/orders",
            json=body,
            headers={"Idempotency-Key": uuid.uuid4().hex, "Prefer": "wait=20"},
        )
    order: Json = answer.json()
    assert order["status"] == "confirmed", answer.text
    return order
