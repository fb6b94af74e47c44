"""Events reach their endpoints: signed, filtered, each order's in their order, at least once."""

from __future__ import annotations

import asyncio

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from adapters import webhooks
from adapters.postgres.pool import connect_pool, transaction
from tests.api.calls import fresh
from tests.api.running import make_key
from tests.hooks.conftest import Shop, at_work
from tests.hooks.receiver import Received, Receiver, Reply, receiving
from tests.relay.conftest import happen, until
from worker import webhooks as sending
from worker.sinks import sinks_of
from worker.webhooks import SINK

pytestmark = [pytest.mark.usefixtures("impatient"), pytest.mark.long]


async def test_an_event_arrives_signed_as_its_cloudevent(shop: Shop, receiver: Receiver) -> None:
    endpoint = await shop.endpoint(receiver)
    async with at_work(shop.api):
        order = await shop.order()
        await until(lambda: len(receiver.received) == 1)
    (message,) = receiver.received
    event = Webhook(endpoint["secret"]).verify(message.body, dict(message.headers))
    assert message.id == event["id"] == f"{order}:1"
    assert message.headers["content-type"] == "application/cloudevents+json"
    assert (event["type"], event["subject"]) == ("ordersaga.order.accepted", order)
    with pytest.raises(WebhookVerificationError):
        Webhook(webhooks.new_secret()).verify(message.body, dict(message.headers))


async def test_an_endpoint_hears_of_what_it_asked_for_and_of_nobody_else(
    shop: Shop, receiver: Receiver
) -> None:
    await shop.endpoint(receiver, event_types=["cancel.*"])
    stranger_key = await make_key(shop.api, tenant=fresh("stranger"), scopes=["orders:write"])
    async with (
        receiving() as other,
        at_work(shop.api),
        shop.api.client(stranger_key) as stranger,
    ):
        await shop.endpoint(other, event_types=["order.accepted", "review.given"])
        strange = await Shop(shop.api, stranger).order(2)
        order = await shop.order(3)
        await until(lambda: receiver.of(order) == [2, 3] and other.of(order) == [1])
        assert not receiver.of(strange)
        assert not other.of(strange)


async def test_an_order_s_events_wait_for_the_one_before_and_hold_up_no_other_order(
    shop: Shop, receiver: Receiver
) -> None:
    endpoint = await shop.endpoint(receiver)
    refused: list[str] = []
    at_once: set[str] = set()

    async def answer(message: Received) -> Reply:
        assert message.order_id not in at_once, "two of one order at the same time"
        at_once.add(message.order_id)
        await asyncio.sleep(0.01)
        at_once.remove(message.order_id)
        if message.order_id == bad and message.sequence == 2 and len(refused) < 2:
            refused.append(message.id)
            return Reply(500, body=b"not today")
        return Reply()

    receiver.answers = answer
    async with at_work(shop.api), at_work(shop.api):
        bad = await shop.order()
        good = [await shop.order(4) for _ in range(3)]
        await happen(shop.api.pool, bad, 4)
        await until(lambda: receiver.of(bad)[-1:] == [5])
        await until(lambda: all(receiver.of(each) == [1, 2, 3, 4] for each in good))
        await until(lambda: _are_all(shop, endpoint, "delivered", 17))
    assert receiver.of(bad) == [1, 2, 2, 2, 3, 4, 5]
    tries = {each["event_id"]: each["tries"] for each in await shop.deliveries(endpoint)}
    assert tries[f"{bad}:2"] == 3
    assert (await shop.seen(endpoint))["failing_since"] is None


async def test_what_nobody_takes_is_given_up_and_the_order_goes_on(
    shop: Shop, receiver: Receiver
) -> None:
    endpoint = await shop.endpoint(receiver)
    receiver.answers = lambda message: Reply(503 if message.sequence == 2 else 200, body=b"down")
    async with at_work(shop.api):
        order = await shop.order(3)
        await until(lambda: receiver.of(order) == [1, 2, 2, 2, 2, 3])
        await until(lambda: _are_all(shop, endpoint, "delivered", 2))
        (failed,) = await shop.deliveries(endpoint, status="failed")
        assert (failed["event_id"], failed["tries"]) == (f"{order}:2", 4)
        assert (failed["http_status"], failed["excerpt"]) == (503, "down")
        assert failed["error"] == "it answered 503"
        assert failed["next_try_at"] is None

        receiver.answers = lambda _: Reply()
        since = {"since": failed["ended_at"]}
        assert (await shop.post(f"/{endpoint['id']}/replay", since)).status_code == 202
        await until(lambda: _are_all(shop, endpoint, "delivered", 3))
    assert receiver.of(order)[-1] == 2
    assert (await shop.deliveries(endpoint, order_id=order))[1]["tries"] == 1


async def test_an_endpoint_that_refuses_is_known_to_be_failing(
    shop: Shop, receiver: Receiver
) -> None:
    endpoint = await shop.endpoint(receiver)
    receiver.answers = lambda _: Reply(500)
    async with at_work(shop.api):
        await shop.order()
        await until(lambda: _are_all(shop, endpoint, "failed", 1))
        assert (await shop.seen(endpoint))["failing_since"] is not None
        receiver.answers = lambda _: Reply(200)
        await shop.order()
        await until(lambda: _are_all(shop, endpoint, "delivered", 1))
        assert (await shop.seen(endpoint))["failing_since"] is None


async def test_one_that_says_it_is_gone_is_disabled_and_what_waits_waits(
    shop: Shop, receiver: Receiver
) -> None:
    endpoint = await shop.endpoint(receiver)
    receiver.answers = lambda _: Reply(410)
    async with at_work(shop.api):
        order = await shop.order()
        await until(lambda: _is_disabled(shop, endpoint, "gone"))
        unheard = await shop.order()
        await asyncio.sleep(0.5)
        assert receiver.of(order) == [1], "asked once"
        assert await _are_all(shop, endpoint, "pending", 1)
        receiver.answers = lambda _: Reply()
        enabled = await shop.post(f"/{endpoint['id']}/enable")
        assert enabled.json()["enabled"]
        await until(lambda: _are_all(shop, endpoint, "delivered", 1))
        assert not receiver.of(unheard), "it happened while nobody listened"


async def test_a_redirect_is_a_refusal(shop: Shop, receiver: Receiver) -> None:
    endpoint = await shop.endpoint(receiver)
    async with receiving() as elsewhere, at_work(shop.api):
        receiver.answers = lambda _: Reply(307, {"location": elsewhere.url})
        await shop.order()
        await until(lambda: _are_all(shop, endpoint, "failed", 1))
        assert not elsewhere.received
    (failed,) = await shop.deliveries(endpoint)
    assert failed["error"] == "it answered 307: redirects are not followed"


@pytest.mark.parametrize(
    "reply", [Reply(after_s=60), Reply(200, trickles=True)], ids=["mute", "slow"]
)
async def test_a_slow_receiver_is_left_and_holds_up_no_other(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    monkeypatch.setattr(webhooks, "SEND_TIMEOUT_S", 2.0)
    slow = await shop.endpoint(receiver, description="slow")
    receiver.answers = lambda _: reply
    async with receiving() as quick, at_work(shop.api):
        await shop.endpoint(quick)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        orders = [await shop.order(2) for _ in range(12)]
        await until(lambda: all(quick.of(order) == [1, 2] for order in orders))
        quick_s = loop.time() - begin
        assert quick_s < 12 / sending.PER_ENDPOINT * webhooks.SEND_TIMEOUT_S, "not one by one"
        await until(lambda: _is_refused(shop, slow, "no answer within 2 s"))
    # It sees some moments late that a sender has left; without a cap all twelve orders were there.
    assert receiver.most_under_way < 2 * sending.PER_ENDPOINT


async def test_what_a_killed_worker_had_sent_is_sent_again_by_the_same_id(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LEASE_S", 2.0)
    endpoint = await shop.endpoint(receiver)
    async with at_work(shop.api) as first, transaction(shop.api.pool) as another:
        held = asyncio.Event()

        async def answer(message: Received) -> Reply:
            await another.fetch(  # the sender has its answer, and cannot write it down
                "select from webhook_lanes where endpoint_id = $1 for update", endpoint["id"]
            )
            held.set()
            return Reply()

        receiver.answers = answer
        order = await shop.order(2)
        await held.wait()
        await asyncio.sleep(0.3)
        first.cancel()
    receiver.answers = lambda _: Reply()
    assert receiver.of(order) == [1]
    async with at_work(shop.api):
        await until(lambda: _are_all(shop, endpoint, "delivered", 2))
    assert receiver.of(order) == [1, 1, 2]
    assert receiver.received[0].body == receiver.received[1].body


async def test_a_sender_whose_lease_has_ended_changes_nothing(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LEASE_S", 0.3)
    endpoint = await shop.endpoint(receiver)
    receiver.answers = lambda _: Reply(500, after_s=1.0) if len(receiver.received) == 1 else Reply()
    async with at_work(shop.api), at_work(shop.api):
        await shop.order()
        await until(lambda: _are_all(shop, endpoint, "delivered", 1))
        await asyncio.sleep(1.2)
        assert await _are_all(shop, endpoint, "delivered", 1), "the late no came too late"
    assert (await shop.seen(endpoint))["failing_since"] is None


async def test_several_workers_send_each_event_once(shop: Shop, receiver: Receiver) -> None:
    endpoint = await shop.endpoint(receiver)
    receiver.answers = lambda _: Reply(after_s=0.01)
    async with at_work(shop.api), at_work(shop.api), at_work(shop.api):
        orders = await asyncio.gather(*(shop.order(5) for _ in range(10)))
        await until(lambda: _are_all(shop, endpoint, "delivered", 50))
    assert all(receiver.of(order) == [1, 2, 3, 4, 5] for order in orders)


async def test_a_worker_sends_them_as_it_is_set_up(shop: Shop, receiver: Receiver) -> None:
    await shop.endpoint(receiver)
    async with sinks_of(shop.api.services.settings, shop.api.pool) as sinks:
        assert SINK in [each.name for each in sinks.fan_outs]
        beside = [asyncio.create_task(each()) for each in sinks.background]
        order = await shop.order(2)
        await until(lambda: receiver.of(order) == [1, 2])
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def test_who_waits_asks_postgresql_seldom(shop: Shop, receiver: Receiver) -> None:
    endpoint = await shop.endpoint(receiver)
    url = shop.api.services.settings.database_url
    pool = await connect_pool(url, size=1, application_name="tests")  # so that all is seen
    said: list[str] = []
    async with pool.acquire() as connection:
        connection.add_query_logger(lambda record: said.append(record.query))
    async with at_work(shop.api, pool=pool):
        await shop.order()
        await until(lambda: _are_all(shop, endpoint, "delivered", 1))
        await asyncio.sleep(0.5)
        assert said, "it was seen at work"
        said.clear()
        await asyncio.sleep(3)
        assert not said
        order = await shop.order()
        await until(lambda: receiver.of(order) == [1])
    await pool.close()


async def _are_all(shop: Shop, endpoint: dict[str, object], status: str, count: int) -> bool:
    return len(await shop.deliveries(endpoint, status=status)) == count


async def _is_disabled(shop: Shop, endpoint: dict[str, object], why: str) -> bool:
    found: object = (await shop.seen(endpoint))["disabled_why"]
    return found == why


async def _is_refused(shop: Shop, endpoint: dict[str, object], error: str) -> bool:
    return error in [each["error"] for each in await shop.deliveries(endpoint)]
