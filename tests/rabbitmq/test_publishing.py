"""RabbitMQ is told of every event: each order's in their order, and certain that they arrived."""

from __future__ import annotations

import asyncio

import aio_pika
import pytest
import structlog
from prometheus_client import REGISTRY

from adapters import rabbitmq
from ordersaga.errors import Unacceptable, Unavailable
from ordersaga.events import CONTENT_TYPE
from tests.rabbitmq.broker import Line, free_port
from tests.rabbitmq.conftest import body_of, event, publishing, receiving
from tests.relay.conftest import until


async def test_an_event_arrives_as_a_cloudevent(amqp_url: str, exchange: str) -> None:
    sent = event(3, data={"carrier": "sandbox"})
    async with receiving(amqp_url, exchange) as receiver, publishing(amqp_url, exchange) as sink:
        await sink.publish(sent)
        await until(lambda: len(receiver.messages) == 1)
    (message,) = receiver.messages
    assert body_of(message) == sent.to_cloudevent()
    assert message.routing_key == "order.status.confirmed"
    assert message.content_type == CONTENT_TYPE
    assert message.message_id == sent.id == "ord_1:3"
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT


async def test_who_listens_hears_what_he_asked_for(amqp_url: str, exchange: str) -> None:
    async with (
        receiving(amqp_url, exchange, "order.status.*") as listener,
        receiving(amqp_url, exchange, "order.note.#") as other,
        publishing(amqp_url, exchange) as sink,
    ):
        await asyncio.gather(*(sink.publish(event(1, f"ord_{n}")) for n in range(100)))
        await until(lambda: len(listener.messages) == 100)
    assert not other.messages


async def test_an_event_that_nobody_listens_to_is_delivered(amqp_url: str, exchange: str) -> None:
    async with publishing(amqp_url, exchange) as sink:
        with structlog.testing.capture_logs() as logs:
            await asyncio.gather(*(sink.publish(event(n)) for n in range(1, 31)))
    unheard = [line for line in logs if line["event"] == "rabbitmq.unheard"]
    assert [line["route"] for line in unheard] == ["order.status.confirmed"], "told once"
    assert REGISTRY.get_sample_value("ordersaga_events_unheard_total", {"sink": exchange}) == 30


async def test_an_event_that_is_too_large_is_refused(amqp_url: str, exchange: str) -> None:
    async with publishing(amqp_url, exchange) as sink:
        with pytest.raises(Unacceptable, match="bytes"):
            await sink.publish(event(data={"detail": "x" * rabbitmq.MOST_BYTES}))
        await sink.publish(event())


async def test_an_event_that_a_full_queue_refuses_is_refused(amqp_url: str, exchange: str) -> None:
    """Its owner wants it so: `reject-publish`."""
    async with (
        publishing(amqp_url, exchange) as sink,
        await aio_pika.connect(amqp_url) as connection,
    ):
        await sink.publish(event())
        channel = await connection.channel()
        queue = await channel.declare_queue(
            f"{exchange}.full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
        )
        await queue.bind(exchange, "order.#")
        try:
            await sink.publish(event(1))
            with pytest.raises(Unacceptable, match="refused"):
                await sink.publish(event(2))
            await queue.purge()
            await sink.publish(event(2))
        finally:
            await queue.delete(if_unused=False, if_empty=False)


async def test_a_broker_that_does_not_answer_is_away(exchange: str) -> None:
    password = "correct-horse"
    url = f"amqp://ordersaga:{password}@127.0.0.1:{free_port()}/"
    async with publishing(url, exchange) as sink:
        with pytest.raises(Unavailable) as away:
            await sink.publish(event())
    assert password not in str(away.value)


async def test_a_broker_that_does_not_know_us_is_away(amqp_url: str, exchange: str) -> None:
    password = "at-all"
    url = amqp_url.replace("://", f"://nobody:{password}@")
    async with publishing(url, exchange) as sink:
        with pytest.raises(Unavailable, match="ACCESS_REFUSED") as away:
            await sink.publish(event())
    assert password not in str(away.value)


async def test_without_a_confirm_nothing_is_certain(
    amqp_url: str, exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq, "CONFIRM_TIMEOUT_S", 0.5)
    async with (
        receiving(amqp_url, exchange) as receiver,
        Line(amqp_url) as line,
        publishing(line.url, exchange) as sink,
    ):
        await sink.publish(event(1))
        line.is_mute = True
        with pytest.raises(Unavailable):
            await sink.publish(event(2))
        line.cut()
        await sink.publish(event(2))
        await until(lambda: len(receiver.messages) == 3)
    assert receiver.told == {"ord_1": [1, 2]}, "it had arrived, and came again"


async def test_a_line_that_is_cut_is_an_outage_for_all_that_are_under_way(
    amqp_url: str, exchange: str
) -> None:
    async with Line(amqp_url) as line, publishing(line.url, exchange) as sink:
        await sink.publish(event(1))
        line.is_mute = True
        sending = [asyncio.create_task(sink.publish(event(n))) for n in range(2, 52)]
        await asyncio.sleep(0.2)
        line.cut()
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Unavailable}
        await sink.publish(event(2))


async def test_a_line_that_is_cut_while_it_connects_is_an_outage(
    amqp_url: str, exchange: str
) -> None:
    async with Line(amqp_url) as line, publishing(line.url, exchange) as sink:
        line.is_mute = True
        sending = [asyncio.create_task(sink.publish(event(n))) for n in (1, 2)]
        for _ in sending:  # each tries by itself
            await asyncio.sleep(0.2)
            line.cut()
            line.is_mute = True
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Unavailable}
        line.cut()
        await sink.publish(event(1))
