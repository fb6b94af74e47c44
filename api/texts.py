"""What no text of a request may have in it: what cannot be stored, what deceives its reader, card numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from api import cards
from api.problems import FieldError, Problem, invalid, to_pointer

MAX_ERRORS: Final = 20  # in one answer: nobody mends more at once

# Characters of texts with long numbers: a fifth of a second's work. 10,000 barcodes have 140,000.
MOST_LOOKED_AT: Final = 250_000

# Carriers' numbers are as long as cards' and begin like them; they are printed on a label anyway.
NOT_LOOKED_AT: Final = frozenset({"tracking_number"})
SKU: Final = "sku"
METADATA: Final = "metadata"  # the one place where a number may be anything

Path: TypeAlias = tuple[str | int, ...]

# PostgreSQL's text takes every character but NUL; JSON takes no half of a surrogate pair.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# They show a text in another order than it has: a name or a reason would read as another one.
_DECEIVING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MAY_BE_BAD = re.compile(rf"\\u|{_DECEIVING.pattern}|{cards.MAY_BE.pattern}")
_CARD: Final = "has the number of a payment card: send the provider's token in its place"


def is_storable(text: str) -> bool:
    """Whether such a text can be in our tables at all."""
    return _bad_character(text) is None


def check_text(text: str, pointer: str) -> None:
    """Of a path, a query or a header. Raises a 422 that does not repeat it."""
    what = _bad_character(text)
    if what is not None:
        raise invalid(FieldError(pointer, what))
    if _has_card(text, pointer.rpartition("/")[2]):
        raise card_number(FieldError(pointer, _CARD))


def check_document(document: object, source: str) -> None:
    """All texts of a JSON document, names of fields too; `source`: as it came. Raises a 422."""
    if _MAY_BE_BAD.search(source) is None:
        return
    left_to_look_at = MOST_LOOKED_AT
    characters: list[FieldError] = []
    numbers: list[FieldError] = []
    for path, text, is_name in _texts_of(document):
        if not text.isdecimal() and cards.MAY_BE.search(text):  # digits alone are read at once
            left_to_look_at -= len(text)
        if left_to_look_at < 0:
            raise invalid(FieldError("", "has too many long numbers"))
        what = _bad_character(text)
        # What is wrong with a name is told where it stands: it is never repeated.
        where = path[:-1] if is_name else path
        if what is not None:
            told = f"has a name that {what}" if is_name else what
            characters.append(FieldError(to_pointer(where), told))
        elif _has_card(text, "" if is_name else _field_at(path)):
            numbers.append(FieldError(to_pointer(where), _CARD))
    if characters:
        raise invalid(*characters[:MAX_ERRORS])
    if numbers:
        raise card_number(*numbers[:MAX_ERRORS])


def card_number(*errors: FieldError) -> Problem:
    """A 422 that says where, never what."""
    return Problem("card_number", f"{errors[0].pointer or 'the body'}: {_CARD}", errors=errors)


def _bad_character(text: str) -> str | None:
    if _UNSTORABLE.search(text):
        return "has a character that cannot be stored"
    if _DECEIVING.search(text):
        return "has a character that turns the direction of what follows"
    return None


def _field_at(path: Path) -> str | int:
    """Which of our fields it is; metadata has none."""
    return path[-1] if path and path[0] != METADATA else ""


def _has_card(text: str, field: str | int) -> bool:
    if field in NOT_LOOKED_AT or (field == SKU and cards.is_gtin(text)):
        return False
    return cards.has_card_number(text)


def _texts_of(document: object) -> Iterator[tuple[Path, str, bool]]:
    """(path, text, whether it is the name at the path's end). Without recursion; not below a bad name."""
    open_: list[tuple[Path, object]] = [((), document)]
    while open_:
        path, value = open_.pop()
        if isinstance(value, str):
            yield path, value, False
        elif isinstance(value, Mapping):
            for name, inner in value.items():
                yield (*path, name), name, True
                if _bad_character(name) is None and not cards.has_card_number(name):
                    open_.append(((*path, name), inner))
        elif isinstance(value, Sequence):
            open_ += [((*path, i), inner) for i, inner in enumerate(value)]
        elif isinstance(value, int | float) and path[:1] == (METADATA,):
            yield path, str(value), False
