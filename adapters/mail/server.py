"""The SMTP server that takes our mails, and what it says of one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from ordersaga.errors import OrdersagaError, Unavailable

TIMEOUT_S: Final = 30  # a command's; a server that scans mail takes its time
FAREWELL_S: Final = 2
CLOSING: Final = 421  # it ends the line: nothing is said of the mail
FOR_GOOD: Final = 500


class ServerAway(Unavailable):
    """Nobody takes mail: no server, no sender of ours that it knows, or the wrong password."""


class LineLost(OrdersagaError):
    """It broke under a mail: that may have gone, or may not."""


class Refused(OrdersagaError):
    """This mail is not taken. `code`: SMTP's; its words may name the address, and are not kept."""

    def __init__(self, code: int) -> None:
        super().__init__(f"smtp {code}")
        self.code = code

    @property
    def is_for_good(self) -> bool:
        return self.code >= FOR_GOOD


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """Where it is, and who we are there."""

    hostname: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    is_tls: bool  # from the first byte on
    is_starttls: bool  # before anything is said

    @classmethod
    def at(cls, url: str) -> Self:
        """`smtps://<user>:<password>@host:port` or `smtp://…`: by STARTTLS, unless `?starttls=no`."""
        parts = urlsplit(url)
        is_tls = parts.scheme == "smtps"
        plain = parse_qs(parts.query).get("starttls") == ["no"]
        return cls(
            hostname=parts.hostname or "",
            port=parts.port or (465 if is_tls else 587),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            is_tls=is_tls,
            is_starttls=not is_tls and not plain,
        )

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """Connected and signed in. Raises `ServerAway`."""
        client = aiosmtplib.SMTP(
            hostname=self.hostname,
            port=self.port,
            username=self.username,
            password=self.password,
            use_tls=self.is_tls,
            start_tls=self.is_starttls,
            timeout=TIMEOUT_S,
        )
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            raise ServerAway(_named(error)) from None
        try:
            yield Line(client)
        finally:
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=FAREWELL_S)
            client.close()


class Line:
    """To the server, for one mail after the other."""

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self._client = client

    async def send(self, mail: EmailMessage, *, sender: str) -> None:
        """Returns when the server has it. Raises `Refused`, `LineLost`, `ServerAway`."""
        recipient = mail["To"].addresses[0].addr_spec
        try:
            await self._client.send_message(mail, sender=sender, recipients=[recipient])
        except aiosmtplib.SMTPSenderRefused as error:  # not this mail: us
            raise ServerAway(_named(error)) from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refused(error.recipients[0].code) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error.code) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise LineLost(_named(error)) from None


def _refused(code: int) -> OrdersagaError:
    return LineLost(f"smtp {code}") if code == CLOSING else Refused(code)


def _named(error: BaseException) -> str:
    """Without its words, which may have an address."""
    code = getattr(error, "code", None)
    return type(error).__name__ + (f" {code}" if code else "")
