"""People are told of their orders by mail: written down with the relay's cursor, and sent from there.

At least once, most often once: a mail that left just before we died is sent again, with its Message-ID.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from adapters.mail.facts import facts_of
from adapters.mail.figures import Reader
from adapters.mail.server import Line, LineLost, MailServer, Refused, ServerAway
from adapters.mail.writing import BadAddress, Letter, Writer
from adapters.postgres import notices
from adapters.postgres.notices import DueNotice, Outcome
from adapters.postgres.orders import StoredOrder, read_order
from adapters.postgres.pool import Connection, Pool, reading
from ordersaga.errors import DatabaseUnavailable
from ordersaga.events import OrderEvent
from ordersaga.lifecycle import PaymentStatus
from ordersaga.links import NO_LINKS, TrackLinks
from ordersaga.notices import MAILED, Audience

LINES: Final = 4  # to the server, side by side
A_LINE: Final = 5  # mails, one after the other
SEND_S: Final = 60.0  # the longest that one mail takes
LEASE_S: Final = 90.0  # longer than one mail; then another sends what a dead one had claimed
LOOK_EVERY_S: Final = 2.0
AWAY_S: Final = 15.0  # before a server that is away is asked again
# After a "not now": about a day, then it is given up.
RETRIES_S: Final = (60.0, 300.0, 1800.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0)
FORGET_EVERY_S: Final = 60.0
FORGET_BATCH: Final = 5_000
ANY_TENANT: Final = "*"

log = structlog.get_logger(__name__)


class MailSink:
    """Writes down what is to be mailed."""

    name = "mail"

    async def fan_out(self, connection: Connection, events: Sequence[OrderEvent]) -> None:
        await notices.add_notices(connection, events)


class Skipped(Exception):
    """It is not told, and why: one word."""


class NoticeSender:
    """Sends what is due. `sellers`: addresses by tenant, `*` for all others. `kept_s`: how long rows stay.
    `links`: to orders' pages, for their buyers."""

    def __init__(
        self,
        pool: Pool,
        server: MailServer,
        writer: Writer,
        *,
        sellers: Mapping[str, str],
        seller_locale: str,
        kept_s: float,
        links: TrackLinks = NO_LINKS,
    ) -> None:
        self._pool = pool
        self._server = server
        self._writer = writer
        self._sellers = sellers
        self._seller_locale = seller_locale
        self._kept_s = kept_s
        self._links = links

    async def run_forever(self) -> None:
        """Until it is cancelled; no outage and no bug ends it."""
        while True:
            try:
                while await self._send_due():
                    pass
                await asyncio.sleep(LOOK_EVERY_S)
            except ServerAway as error:
                log.warning("notices.server_away", error=str(error))
                await asyncio.sleep(AWAY_S)
            except DatabaseUnavailable as error:
                log.warning("notices.interrupted", error=str(error))
                await asyncio.sleep(LOOK_EVERY_S)
            except Exception as error:  # our mistake; its words may have an address
                log.error("notices.failed", error=type(error).__name__)
                await asyncio.sleep(AWAY_S)

    async def forget_forever(self) -> None:
        """What was told long ago."""
        while True:
            try:
                async with reading(self._pool) as connection:
                    while await notices.forget_notices(
                        connection, older_than_s=self._kept_s, limit=FORGET_BATCH
                    ):
                        pass
            except DatabaseUnavailable as error:
                log.warning("notices.interrupted", error=str(error))
            await asyncio.sleep(FORGET_EVERY_S)

    async def _send_due(self) -> bool:
        """False: nothing was due. Raises `ServerAway`: then all that was not sent waits."""
        async with reading(self._pool) as connection:
            claimed_s = time.monotonic()
            due = await notices.claim_due(connection, lease_s=LEASE_S, limit=LINES * A_LINE)
        shares = [due[start : start + A_LINE] for start in range(0, len(due), A_LINE)]
        ends = await asyncio.gather(
            *(self._send_share(share, claimed_s) for share in shares), return_exceptions=True
        )
        for end in ends:
            if end is not None:
                raise end
        return bool(due)

    async def _send_share(self, due: Sequence[DueNotice], leased_s: float) -> None:
        """`leased_s`: since when they are ours. No mail begins that may outlive its lease."""
        left = list(due)
        try:
            async with self._server.line() as line:
                while left:
                    if time.monotonic() > leased_s + LEASE_S - SEND_S:
                        leased_s = time.monotonic()
                        left = await self._still_ours(left)
                        if not left:
                            break
                    await self._send(line, left[0])
                    left.pop(0)
        except LineLost:
            await self._put_off(left.pop(0), "line lost")
        finally:
            if left:
                async with reading(self._pool) as connection:
                    await notices.give_up_lease(connection, left)

    async def _still_ours(self, due: Sequence[DueNotice]) -> list[DueNotice]:
        """For another lease; without those that somebody else has taken."""
        async with reading(self._pool) as connection:
            return list(await notices.renew_lease(connection, due, lease_s=LEASE_S))

    async def _send(self, line: Line, due: DueNotice) -> None:
        try:
            async with reading(self._pool) as connection:
                order = await read_order(connection, tenant=due.tenant, order_id=due.order_id)
            assert order is not None, "an order is never deleted"
            address, reader = self._whom(due, order)
            letter = Letter(
                notice=due.notice,
                audience=due.audience,
                address=address,
                message_id=due.message_id,
                facts=facts_of(order, due.data, due.about, reader),
                page=self._links.public_url(order.id) if due.audience == Audience.BUYER else "",
            )
            mail = self._writer.write(letter, reader)
            async with asyncio.timeout(SEND_S):
                await line.send(mail, sender=self._writer.sender)
        except TimeoutError:
            raise LineLost("too slow") from None
        except (DatabaseUnavailable, ServerAway, LineLost):
            raise
        except (Skipped, BadAddress) as error:
            await self._settle(due, "skipped", str(error))
        except Refused as error:
            if error.is_for_good:
                await self._settle(due, "failed", str(error))
            else:
                await self._put_off(due, str(error))
        except (
            Exception
        ) as error:  # our mistake, and this notice's alone; its words may be personal
            log.error("notices.failed", **_named(due), error=type(error).__name__)
            await self._put_off(due, type(error).__name__)
        else:
            await self._settle(due, "sent")

    def _whom(self, due: DueNotice, order: StoredOrder) -> tuple[str, Reader]:
        """The address, as it is now, and who reads there. Raises `Skipped`."""
        notice = MAILED.get((due.notice, Audience(due.audience)))
        if notice is None:
            raise Skipped("unknown")  # of a version before or after this one
        age = datetime.now(UTC) - due.recorded_at
        if notice.is_past(order.status, age) or _is_settled(due, order):
            raise Skipped("past")
        if due.audience == Audience.SELLER:
            seller = self._sellers.get(due.tenant) or self._sellers.get(ANY_TENANT)
            return _given(seller), Reader.of(self._seller_locale)
        if order.customer is None:
            raise Skipped("erased")
        if order.customer.get("notify") == "none":
            raise Skipped("opted out")
        return _given(order.customer.get("email")), Reader.of(order.customer.get("locale"))

    async def _settle(self, due: DueNotice, outcome: Outcome, reason: str | None = None) -> None:
        async with reading(self._pool) as connection:
            await notices.settle(connection, due, outcome, reason)
        log.info(f"notices.{outcome}", **_named(due), reason=reason)

    async def _put_off(self, due: DueNotice, reason: str) -> None:
        if due.tries >= len(RETRIES_S):
            await self._settle(due, "failed", reason)
            return
        async with reading(self._pool) as connection:
            await notices.put_off(connection, due, reason=reason, again_in_s=RETRIES_S[due.tries])
        log.warning("notices.put_off", **_named(due), reason=reason, tries=due.tries + 1)


def _given(address: object) -> str:
    """Raises `Skipped`."""
    if not address:
        raise Skipped("no address")
    return str(address)


def _is_settled(due: DueNotice, order: StoredOrder) -> bool:
    """What it asks for was done, or is not wanted any more: however new it is."""
    if due.notice == "please_pay":
        asked = next((p for p in order.payments if p.id == due.about), None)
        return asked is None or asked.status != PaymentStatus.REQUIRES_ACTION
    if due.notice == "please_accept":
        return order.hold is None
    return False


def _named(due: DueNotice) -> dict[str, str]:
    return {"order_id": due.order_id, "notice": due.notice, "audience": due.audience}
