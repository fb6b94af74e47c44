"""Who hears of orders, by the settings: what the relay brings events to, and what works these off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.egress import Egress
from adapters.mail.server import MailServer
from adapters.mail.writing import Writer
from adapters.postgres.pool import Pool
from adapters.rabbitmq import RabbitPublisher
from ordersaga.config import Settings
from ordersaga.links import TrackLinks
from worker.notices import MailSink, NoticeSender
from worker.relay.lane import FanOut, Publisher
from worker.webhooks import AT_ONCE, WebhookFanOut, WebhookSender


@dataclass
class Sinks:
    """`background`: each runs until it is cancelled, and no outage ends it."""

    publishers: list[Publisher] = field(default_factory=list)
    fan_outs: list[FanOut] = field(default_factory=list)
    background: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)


@asynccontextmanager
async def sinks_of(settings: Settings, pool: Pool) -> AsyncIterator[Sinks]:
    """All that are set up; their connections are closed at the end."""
    sinks = Sinks()
    async with AsyncExitStack() as closing:
        if settings.amqp_url:
            rabbitmq = RabbitPublisher(settings.amqp_url)
            closing.push_async_callback(rabbitmq.aclose)
            sinks.publishers.append(rabbitmq)
        if settings.smtp_url:
            sender = NoticeSender(
                pool,
                MailServer.at(settings.smtp_url),
                Writer(settings.mail_from),
                sellers=settings.seller_email,
                seller_locale=settings.seller_locale,
                kept_s=settings.events_kept_s,
                links=TrackLinks.of(settings),
            )
            sinks.fan_outs.append(MailSink())
            sinks.background += [sender.run_forever, sender.forget_forever]
        egress = await closing.enter_async_context(
            Egress(allow_private=settings.webhooks_to_private, connections=AT_ONCE)
        )
        webhooks = WebhookSender(
            pool, egress, database_url=settings.database_url, kept_s=settings.deliveries_kept_s
        )
        sinks.fan_outs.append(WebhookFanOut())
        sinks.background.append(webhooks.run_forever)
        yield sinks
