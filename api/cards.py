"""Numbers of payment cards, wherever they are written: we take none, so that we can lose none.

A number is a card's if a network issues numbers that begin so and are that long, and its check digit is
right. Others have long numbers too; what is none, though it looks like one:
- after a `+` and up to 15 digits: a telephone number (E.164);
- with a letter before or behind it: an id;
- a SKU of 13 or 14 digits with a barcode's own check digit: a GTIN.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

FEWEST_DIGITS: Final = 13
MOST_DIGITS: Final = 19  # ISO/IEC 7812
MOST_PHONE_DIGITS: Final = 15  # E.164
GTIN_DIGITS: Final = frozenset({13, 14})


class Range(NamedTuple):
    """Numbers that a network issues, by their first four digits."""

    first: int
    last: int
    lengths: Collection[int]


RANGES: Final = (
    Range(4000, 4999, {13, 16, 19}),  # Visa; most of Elo
    Range(5100, 5599, {16}),  # Mastercard
    Range(2221, 2720, {16}),
    Range(3400, 3499, {15}),  # American Express
    Range(3700, 3799, {15}),
    Range(3000, 3059, range(14, 20)),  # Diners Club
    Range(3095, 3095, range(14, 20)),
    Range(3600, 3699, range(14, 20)),
    Range(3800, 3999, range(14, 20)),
    Range(3528, 3589, range(16, 20)),  # JCB
    Range(6011, 6011, range(16, 20)),  # Discover
    Range(6440, 6599, range(16, 20)),  # Discover, RuPay, Elo
    Range(6200, 6299, range(16, 20)),  # UnionPay
    Range(5018, 5099, range(13, 20)),  # Maestro, Elo, RuPay
    Range(5893, 5893, range(13, 20)),  # Maestro
    Range(6304, 6304, range(13, 20)),
    Range(6759, 6763, range(13, 20)),
    Range(6062, 6062, {16}),  # Hipercard
    Range(6362, 6363, {16}),  # Elo
    Range(2200, 2204, range(16, 20)),  # Mir
)

LENGTHS: Final[Mapping[str, Collection[int]]] = {
    str(first): r.lengths for r in RANGES for first in range(r.first, r.last + 1)
}

# How people group digits, with spaces or dashes between: so many at least in all groups but the last.
FEWEST_IN_GROUP: Final = 3
MOST_GROUPS: Final = MOST_DIGITS // FEWEST_IN_GROUP + 1
_BETWEEN = r"[ \u00a0\u2010-\u2015\u2212-]{1,3}"
_RUN = re.compile(rf"\d+(?:{_BETWEEN}\d+)*")
_GROUP = re.compile(r"\d+")
# A cheap look, which most texts end with: so many digits in a row, however grouped.
MAY_BE: Final = re.compile(rf"(?:\d(?:{_BETWEEN})?){{{FEWEST_DIGITS - 1}}}\d")
_DOUBLED = {str(digit): digit * 2 - 9 * (digit > 4) for digit in range(10)}


def has_card_number(text: str) -> bool:
    """Whether somebody could pay with what stands in it."""
    return MAY_BE.search(text) is not None and any(map(_is_card, _numbers(text)))


def is_gtin(text: str) -> bool:
    """Whether it is a barcode's number (EAN-13, GTIN-14) and nothing else."""
    if not (len(text) in GTIN_DIGITS and text.isascii() and text.isdecimal()):
        return False
    return sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(reversed(text))) % 10 == 0


def _numbers(text: str) -> Iterator[str]:
    """Every number of a card's length, also one of several groups of digits that stand side by side."""
    for run in _RUN.finditer(text):
        groups = _GROUP.findall(run.group())
        is_phone = run.start() > 0 and text[run.start() - 1] == "+"
        if is_phone and sum(map(len, groups)) <= MOST_PHONE_DIGITS:
            continue
        first = 1 if _is_letter_at(text, run.start() - 1) else 0
        end = len(groups) - 1 if _is_letter_at(text, run.end()) else len(groups)
        for i in range(first, end):
            digits = ""
            for group in groups[i : min(end, i + MOST_GROUPS)]:
                digits += group
                if FEWEST_DIGITS <= len(digits) <= MOST_DIGITS:
                    yield digits
                if len(digits) >= MOST_DIGITS or len(group) < FEWEST_IN_GROUP:
                    break


def _is_letter_at(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at].isascii() and text[at].isalpha()


def _is_card(digits: str) -> bool:
    digits = digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)
    return len(digits) in LENGTHS.get(digits[:4], ()) and _luhn(digits) == 0


def _luhn(digits: str) -> int:
    """ISO/IEC 7812-1: 0 where the check digit is right."""
    doubled = sum(map(_DOUBLED.__getitem__, digits[-2::-2]))
    return (sum(map(int, digits[-1::-2])) + doubled) % 10
