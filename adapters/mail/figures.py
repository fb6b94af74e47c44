"""Money and times as the reader writes them."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Self

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time

from ordersaga.money import MINOR_UNIT_DECIMALS

LANGUAGES: Final = ("en", "zh")  # in which there are words; the first for everybody else
DEFAULT: Final = Locale(LANGUAGES[0])


@dataclass(frozen=True)
class Reader:
    """A language, and the habits of a place."""

    locale: Locale

    @classmethod
    def of(cls, tag: object) -> Self:
        """By a BCP 47 tag, or nothing. Who reads what we do not write is written to in English."""
        try:
            locale = Locale.parse(str(tag or LANGUAGES[0]), sep="-")
        except (ValueError, UnknownLocaleError):
            return cls(DEFAULT)
        return cls(locale if locale.language in LANGUAGES else DEFAULT)

    @property
    def language(self) -> str:
        return self.locale.language

    def money(self, amount: int, currency: str) -> str:
        """Minor units, with all of their decimals: some places never write those of theirs."""
        decimals = MINOR_UNIT_DECIMALS[currency]
        pattern = copy(self.locale.currency_formats["standard"])
        pattern.frac_prec = (decimals, decimals)
        value = Decimal(amount).scaleb(-decimals)
        return str(pattern.apply(value, self.locale, currency=currency, currency_digits=False))

    def time(self, at: datetime) -> str:
        """In UTC: nobody knows where he reads it."""
        at = at.astimezone(UTC)
        return f"{self.day(at)} {format_time(at, 'short', tzinfo=UTC, locale=self.locale)} UTC"

    def day(self, at: datetime) -> str:
        return format_date(at.astimezone(UTC), "long", locale=self.locale)
