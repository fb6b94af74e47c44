"""Notices as mails: text and HTML of the same words, in the language of who reads them.

`words/<language>.toml` has the words, `templates/` what is around them. Nothing is loaded from elsewhere
when a mail is read: no pictures, no styles, nothing that tells who has opened it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from pydantic import BaseModel, ConfigDict

from adapters.mail.figures import Reader
from ordersaga.errors import OrdersagaError

_HERE: Final = Path(__file__).parent
_LAYOUTS: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined
)
# Words become plain text first; the HTML layout escapes them, and whatever facts are in them, as a whole.
_PLAIN: Final = Environment(autoescape=False, undefined=StrictUndefined)  # noqa: S701


class BadAddress(OrdersagaError):
    """No mail can be sent there. Its words have nothing of the address."""


class _Saying(BaseModel):
    """One notice in one language; Jinja's language, with the facts as names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str  # ids only: no words of a person
    body: str  # an empty line between paragraphs
    link: str = ""  # what stands on the way to `link`


class Words(BaseModel):
    """All that is said in one language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    greeting: str
    footer: str
    follow: str  # what stands on the way to the order's page
    why: Mapping[str, str]  # code of a failure → a sentence; "" for all others
    buyer: Mapping[str, _Saying]
    seller: Mapping[str, _Saying]


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A notice for one person. `facts`: see `adapters.mail.facts`."""

    notice: str
    audience: str
    address: str
    message_id: str  # without its domain
    facts: Mapping[str, str]
    page: str = ""  # of the order, for its buyer; empty: there is none


@cache
def words_in(language: str) -> Words:
    return Words.model_validate(
        tomllib.loads((_HERE / "words" / f"{language}.toml").read_text("utf-8"))
    )


@cache
def _template(source: str) -> Template:
    return _PLAIN.from_string(source)


class Writer:
    """`mail_from`: an address, or `Shop <orders@shop.example>`."""

    def __init__(self, mail_from: str) -> None:
        name, address = parseaddr(mail_from)
        self._sender = _address(address, name)
        self.sender = self._sender.addr_spec

    def write(self, letter: Letter, reader: Reader) -> EmailMessage:
        """Raises `BadAddress`. What is written twice has the same Message-ID."""
        words = words_in(reader.language)
        said = (words.buyer if letter.audience == "buyer" else words.seller)[letter.notice]
        why = words.why.get(letter.facts["why"], words.why[""])
        facts = {**letter.facts, "why": why, "is_buyer": letter.audience == "buyer"}
        subject, body, greeting, label, footer = (
            _template(text).render(facts)
            for text in (said.subject, said.body, words.greeting, said.link, words.footer)
        )
        shown = {
            "language": reader.language,
            "subject": subject,
            "paragraphs": [[greeting], *_paragraphs(body)],
            "label": label,
            "link": letter.facts["link"] if label else "",
            "follow": words.follow if letter.page else "",
            "page": letter.page,
            "footer": footer,
        }
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._sender
        mail["To"] = _address(letter.address)
        mail["Subject"] = subject
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = f"<{letter.message_id}@{self._sender.domain}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's out-of-office answers it
        mail.set_content(_LAYOUTS.get_template("mail.txt").render(shown), cte="quoted-printable")
        mail.add_alternative(
            _LAYOUTS.get_template("mail.html").render(shown), subtype="html", cte="quoted-printable"
        )
        mail["Content-Language"] = reader.language
        return mail


def _paragraphs(body: str) -> list[list[str]]:
    return [part.strip().splitlines() for part in body.split("\n\n") if part.strip()]


def _address(text: str, name: str = "") -> Address:
    """A domain in any script, and before it ASCII, which every server takes."""
    user, _, domain = text.rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii")
        address = Address(display_name=name, addr_spec=f"{user}@{domain}")
        address.addr_spec.encode("ascii")
    except (ValueError, IndexError, MessageError):  # odd ones trip the header parser
        raise BadAddress("is no mail address") from None
    if not (address.username and address.domain) or not text.isprintable():
        raise BadAddress("is no mail address")
    return address
