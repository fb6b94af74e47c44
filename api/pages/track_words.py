"""What the page of an order says, and in which language: `words/<language>.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from markupsafe import Markup, escape
from pydantic import BaseModel, ConfigDict

from adapters.mail import writing
from adapters.mail.figures import LANGUAGES, Reader

_HERE: Final = Path(__file__).parent
_TIME: Final = Markup('<time datetime="{}" data-shows="{}">{}</time>')

Texts = Mapping[str, str]


class Status(BaseModel):
    """How an order stands, in one line and one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    headline: str
    text: str


class Refusal(BaseModel):
    """Why there is no page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    text: str


class Words(BaseModel):
    """All that is said in one language. `status` and `next` may name a state with who is waited for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: str
    page: Texts
    stars: Texts
    step: Texts
    status: Mapping[str, Status]
    next: Texts
    tracking: Texts
    event: Texts
    method: Texts
    to: Texts
    return_status: Texts
    cancel_reason: Texts
    return_reason: Texts
    said: Texts
    wrong: Texts
    problem: Mapping[str, Refusal]


@cache
def words_in(language: str) -> Words:
    return Words.model_validate(
        tomllib.loads((_HERE / "words" / f"{language}.toml").read_text("utf-8"))
    )


@dataclass(frozen=True)
class Speaker:
    """Words and figures as one reader has them."""

    reader: Reader

    @property
    def words(self) -> Words:
        return words_in(self.reader.language)

    def say(self, key: str, **facts: object) -> Markup:
        """A sentence of `page`, with these facts in it; they are escaped, but for what is markup."""
        return escape(self.words.page[key]).format(**facts)

    def money(self, amount: int, currency: str) -> str:
        return self.reader.money(amount, currency)

    def time(self, at: datetime) -> Markup:
        """In UTC, and says so; a script may show it in the reader's own zone."""
        return _TIME.format(at.astimezone(UTC).isoformat(), "time", self.reader.time(at))

    def day(self, at: datetime) -> Markup:
        return _TIME.format(at.astimezone(UTC).isoformat(), "day", self.reader.day(at))

    def why(self, code: str) -> str:
        """Why an order ended, as its mails say it; empty where nothing failed."""
        sentences = writing.words_in(self.reader.language).why
        return sentences.get(code, sentences[""]) if code else ""

    def country(self, code: str) -> str:
        return self.reader.locale.territories.get(code) or code


def speaker_for(*, wish: str | None, customers: object, accepts: str) -> Speaker:
    """By what is wished in the address, by the customer's own tag, or by what his browser accepts."""
    if wish is not None and wish in LANGUAGES:
        return Speaker(Reader.of(wish))
    return Speaker(Reader.of(customers or _accepted(accepts)))


def _accepted(header: str) -> str | None:
    """The tag that is wished most, of those that there are words for."""
    best: tuple[float, str] | None = None
    for part in header.split(",")[:20]:
        tag, _, parameter = part.strip().partition(";")
        name, _, value = parameter.strip().partition("=")
        try:
            weight = float(value) if name == "q" else 1.0
        except ValueError:
            continue
        if tag.partition("-")[0].lower() in LANGUAGES and weight > (best[0] if best else 0):
            best = weight, tag
    return best[1] if best else None
