"""Endpoints as their tenant manages them: secrets, tests, deliveries, replays; and where none may lead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from adapters import webhooks
from adapters.egress import Egress
from adapters.postgres.pool import reading
from adapters.postgres.webhook_endpoints import MOST_ENDPOINTS, NewEndpoint
from adapters.postgres.webhooks_out import clean
from api.app import create_app
from ordersaga.config import Settings
from tests.api.calls import fresh, pointers
from tests.api.running import RunningApi, make_key, running_api
from tests.hooks.conftest import Shop, at_work
from tests.hooks.receiver import Received, Receiver, Reply
from tests.relay.conftest import until
from worker import webhooks as sending
from worker.webhooks import PAUSES_S, judge

# --- Secrets ---------------------------------------------------------------------------------------


def _fits(secret: str, message: Received) -> bool:
    try:
        Webhook(secret).verify(message.body, dict(message.headers))
    except WebhookVerificationError:
        return False
    return True


async def test_a_rotated_secret_signs_beside_the_new_one_until_its_time_is_over(
    shop: Shop, receiver: Receiver
) -> None:
    first = await shop.endpoint(receiver)
    second = (await shop.post(f"/{first['id']}/rotate-secret", {"overlap_s": 3600})).json()
    async with at_work(shop.api):
        await shop.order()
        await until(lambda: len(receiver.received) == 1)
        third = (await shop.post(f"/{first['id']}/rotate-secret", {"overlap_s": 0})).json()
        await shop.order()
        await until(lambda: len(receiver.received) == 2)
    both, only = receiver.received
    assert _fits(first["secret"], both)
    assert _fits(second["secret"], both)
    assert _fits(third["secret"], only)
    assert not _fits(first["secret"], only)
    assert not _fits(second["secret"], only)


async def test_a_secret_is_shown_once_and_nowhere_else(
    shop: Shop, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    body, headers = {"url": receiver.url}, {"Idempotency-Key": fresh("key")}
    made = await shop.client.post("/v1/webhook-endpoints", json=body, headers=headers)
    again = await shop.client.post("/v1/webhook-endpoints", json=body, headers=headers)
    endpoint = made.json()
    assert again.json() == {**endpoint, "secret": None}
    assert again.headers["idempotency-replayed"] == "true"
    async with at_work(shop.api):
        await shop.order()
        await until(lambda: len(receiver.received) == 1)
    seen = [
        await shop.client.get(p)
        for p in (f"/v1/webhook-endpoints/{endpoint['id']}", "/v1/webhook-endpoints")
    ]
    secret = endpoint["secret"]
    assert all(secret not in answer.text for answer in seen)
    assert secret not in capsys.readouterr().out
    new = NewEndpoint(
        id="whe_1", tenant="t", url="u", description="", event_types=("*",), secret=secret
    )
    assert secret not in repr(new)


# --- Tests, replays, lists -------------------------------------------------------------------------


async def test_what_a_key_made_and_was_deleted_since_is_not_found_and_not_made_again(
    shop: Shop, receiver: Receiver
) -> None:
    body, headers = {"url": receiver.url}, {"Idempotency-Key": fresh("key")}
    made = await shop.client.post("/v1/webhook-endpoints", json=body, headers=headers)
    gone = await shop.client.delete(f"/v1/webhook-endpoints/{made.json()['id']}")
    assert gone.status_code == 204
    again = await shop.client.post("/v1/webhook-endpoints", json=body, headers=headers)
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    listed = (await shop.client.get("/v1/webhook-endpoints")).json()["endpoints"]
    assert made.json()["id"] not in [endpoint["id"] for endpoint in listed]
    documented = (await shop.client.get("/openapi.json")).json()["paths"]["/v1/webhook-endpoints"]
    assert "404" in documented["post"]["responses"]


async def test_a_test_says_what_came_back(shop: Shop, receiver: Receiver) -> None:
    endpoint = await shop.endpoint(receiver)
    receiver.answers = lambda _: Reply(422, body="não \x00".encode() + b"x" * 5_000)
    answer = (await shop.post(f"/{endpoint['id']}/test")).json()
    (message,) = receiver.received
    assert _fits(endpoint["secret"], message)
    assert message.event["type"] == "ordersaga.test"
    assert message.id == answer["event_id"] == message.event["id"]
    assert (answer["delivered"], answer["http_status"]) == (False, 422)
    assert answer["excerpt"].startswith("não  xxx")
    assert len(answer["excerpt"].encode()) <= 1_000
    assert not await shop.deliveries(endpoint)


async def test_what_was_delivered_is_sent_again_on_demand(shop: Shop, receiver: Receiver) -> None:
    endpoint = await shop.endpoint(receiver)
    async with at_work(shop.api):
        order = await shop.order(3)
        await until(lambda: receiver.of(order) == [1, 2, 3])
        replayed = await shop.post(f"/{endpoint['id']}/deliveries/{order}:2/replay")
        assert replayed.status_code == 202, replayed.text
        await until(lambda: receiver.of(order) == [1, 2, 3, 2])
    assert receiver.received[1].body == receiver.received[3].body
    missing = await shop.post(f"/{endpoint['id']}/deliveries/{order}:9/replay")
    assert missing.status_code == 404


async def test_deliveries_are_listed_page_by_page(shop: Shop, receiver: Receiver) -> None:
    endpoint = await shop.endpoint(receiver)
    order = await shop.order(5)
    await until(lambda: _has(shop, endpoint, 5))
    path = f"/v1/webhook-endpoints/{endpoint['id']}/deliveries"
    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await shop.client.get(path, params=query)).json()
        pages.append([each["event_id"] for each in page["deliveries"]])
        cursor = page["next_cursor"]
    assert pages == [[f"{order}:5", f"{order}:4"], [f"{order}:3", f"{order}:2"], [f"{order}:1"]]
    assert not await shop.deliveries(endpoint, status="failed")
    assert not await shop.deliveries(endpoint, order_id="another")


async def test_a_disabled_endpoint_s_events_wait_and_a_deleted_one_s_are_gone(
    shop: Shop, receiver: Receiver
) -> None:
    endpoint = await shop.endpoint(receiver)
    order = await shop.order()
    await until(lambda: _has(shop, endpoint, 1))
    assert not (await shop.post(f"/{endpoint['id']}/disable")).json()["enabled"]
    async with at_work(shop.api):
        await asyncio.sleep(0.5)
        assert not receiver.received
        await shop.post(f"/{endpoint['id']}/enable")
        await until(lambda: receiver.of(order) == [1])
    path = f"/v1/webhook-endpoints/{endpoint['id']}"
    assert (await shop.client.delete(path)).status_code == 204
    assert (await shop.client.get(path)).status_code == 404
    assert (await shop.client.delete(path)).status_code == 404
    async with reading(shop.api.pool) as connection:
        while await clean(connection, kept_s=3600, limit=1):
            pass
        for table in ("webhook_deliveries", "webhook_lanes", "webhook_secrets"):
            left = await connection.fetchval(
                f"select count(*) from {table} where endpoint_id = $1",  # noqa: S608
                endpoint["id"],
            )
            assert not left, table


async def test_what_ended_long_ago_is_forgotten(shop: Shop, receiver: Receiver) -> None:
    endpoint = await shop.endpoint(receiver)
    async with at_work(shop.api):
        await shop.order(3)
        await until(lambda: len(receiver.received) == 3)
        await until(lambda: _has(shop, endpoint, 3, status="delivered"))
    await shop.order()
    await until(lambda: _has(shop, endpoint, 4))
    async with reading(shop.api.pool) as connection:
        while await clean(connection, kept_s=0, limit=2):
            pass
    (left,) = await shop.deliveries(endpoint)
    assert left["status"] == "pending"


async def test_a_tenant_has_so_many_endpoints_and_no_more(shop: Shop, receiver: Receiver) -> None:
    body = {"url": receiver.url}
    answers = await asyncio.gather(*(shop.post("", body) for _ in range(MOST_ENDPOINTS + 2)))
    refused = [answer.json()["code"] for answer in answers if answer.status_code != 201]
    assert refused == 2 * ["too_many_endpoints"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "https://shop.example/", "event_types": []}, "/event_types"),
        ({"url": "https://shop.example/", "event_types": ["order"]}, "/event_types/0"),
        ({"url": "https://shop.example/", "event_types": ["*.confirmed"]}, "/event_types/0"),
        ({"url": "ftp://shop.example/"}, "/url"),
        ({"url": "https://shop.example/#here"}, "/url"),
        ({"url": "https://ana@shop.example/"}, "/url"),
    ],
)
async def test_what_cannot_be_an_endpoint_is_refused(
    shop: Shop, body: dict[str, object], pointer: str
) -> None:
    assert pointers(await shop.post("", body)) == [pointer]


# --- Where nothing is sent -------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def guarded(api: RunningApi) -> AsyncIterator[Shop]:
    """Another API of the same tables, without the setting of a local stack."""
    settings = Settings(database_url=api.services.settings.database_url)
    async with running_api(settings) as running:
        key = await make_key(running, tenant=fresh("guarded"), scopes=["orders:write", "ops"])
        async with running.client(key) as client:
            yield Shop(running, client)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/hooks",
        "https://127.0.0.1/hooks",
        "https://10.0.0.7/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://2130706433/",
    ],
)
async def test_an_address_inside_is_no_endpoint(guarded: Shop, url: str) -> None:
    assert pointers(await guarded.post("", {"url": url})) == ["/url"]


@pytest.mark.usefixtures("impatient")
async def test_a_name_that_leads_inside_is_sent_nothing(guarded: Shop, receiver: Receiver) -> None:
    made = (await guarded.post("", {"url": "https://hooks.example/in"})).json()

    async def inside(_host: str, _port: int) -> list[str]:
        return ["93.184.216.34", "127.0.0.1"]

    def never(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"asked {request.url}")

    egress = Egress(resolve=inside, transport=httpx.MockTransport(never))
    async with at_work(guarded.api, egress):
        await guarded.order()
        await until(lambda: _has(guarded, made, 1, status="failed"))
    (failed,) = await guarded.deliveries(made)
    assert failed["error"] == "its address is not allowed: it is not on the public internet"
    await guarded.client.delete(f"/v1/webhook-endpoints/{made['id']}")


# --- When it is tried again ------------------------------------------------------------------------


def test_tries_are_spread_over_days() -> None:
    refused = webhooks.Outcome(http_status=500, error="it answered 500")
    for tries, pause_s in enumerate(PAUSES_S, start=1):
        settlement = judge(refused, tries=tries)
        assert settlement.status == "pending"
        assert 0.8 * pause_s <= settlement.again_in_s <= 1.2 * pause_s
    assert sum(PAUSES_S) > 3 * 24 * 3600
    assert judge(refused, tries=len(PAUSES_S) + 1).status == "failed"


@pytest.mark.parametrize(
    ("asked_s", "least_s", "most_s"),
    [(1, 4, 6), (600, 600, 600), (10**9, 24 * 3600, 24 * 3600)],
)
def test_a_receiver_may_ask_for_patience_within_bounds(
    asked_s: int, least_s: float, most_s: float
) -> None:
    busy = webhooks.Outcome(http_status=503, error="busy", retry_after_s=asked_s)
    assert least_s <= judge(busy, tries=1).again_in_s <= most_s


@pytest.mark.parametrize(
    ("said", "least_s", "most_s"),
    [
        ("120", 120, 120),
        (timedelta(hours=1), 3_000, 3_600),
        (timedelta(hours=-1), 0, 0),
        ("soon", 0, 0),
        ("-5", 0, 0),
        ("9" * 400, 0, 10**9),
    ],
    ids=["seconds", "in an hour", "an hour ago", "a word", "less than nothing", "for ever"],
)
async def test_retry_after_is_read_however_it_is_written(
    receiver: Receiver, said: str | timedelta, least_s: float, most_s: float
) -> None:
    if isinstance(said, timedelta):
        said = format_datetime(datetime.now(UTC) + said, usegmt=True)
    receiver.answers = lambda _: Reply(503, {"retry-after": said})
    async with Egress(allow_private=True) as egress:
        outcome = await webhooks.send(
            egress, receiver.url, message_id="m", body=b"{}", signed_with=[webhooks.new_secret()]
        )
    assert least_s <= outcome.retry_after_s <= most_s


def test_one_sender_leaves_room_beside_a_tenant_s_slow_endpoints() -> None:
    assert MOST_ENDPOINTS * sending.PER_ENDPOINT <= sending.AT_ONCE / 2
    assert webhooks.SEND_TIMEOUT_S < sending.LEASE_S / 2


def test_the_document_has_no_secret_but_where_it_is_made() -> None:
    schemas = create_app(Settings(database_url="")).openapi()["components"]["schemas"]
    assert [n for n, s in schemas.items() if "secret" in s.get("properties", {})] == ["SecretView"]


async def _has(
    shop: Shop, endpoint: dict[str, Any], count: int, *, status: str | None = None
) -> bool:
    query = {"status": status} if status else {}
    return len(await shop.deliveries(endpoint, **query)) == count
