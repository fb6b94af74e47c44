"""The forms on an order's page: what a buyer sends, as the body of the API's own move."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import orjson

from api.problems import Problem

MAX_FORM_BYTES: Final = 65_536  # 200 lines of a return, and a review of 2,000 characters
MAX_FIELDS: Final = 500
FORM_TYPE: Final = "application/x-www-form-urlencoded"
TAKE: Final = "take:"  # and a SKU: the field that says how many of it come back
KEY: Final = "key"
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{22}")
_KEY_BYTES: Final = 16
_COUNT: Final = re.compile(r"\d{1,7}")
MAX_NOTE: Final = 400  # characters of a return's: with its reason's word within what the API takes

CANCEL_REASONS: Final = ("changed_mind", "by_mistake", "too_slow", "found_elsewhere", "other")
RETURN_REASONS: Final = (
    "does_not_fit",
    "damaged",
    "not_as_described",
    "wrong_item",
    "changed_mind",
    "other",
)

Form = Mapping[str, str]


class Wrong(Exception):
    """What was filled in cannot be taken; `word`: which of the words for it."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def new_key() -> str:
    """Of a form: what is sent twice with it happens once."""
    return secrets.token_urlsafe(_KEY_BYTES)


def parse_form(raw: bytes, content_type: str) -> Form:
    """By name; a name that is sent twice is none of our forms."""
    if content_type.partition(";")[0].strip().lower() != FORM_TYPE:
        raise Problem("malformed_request", f"send the form as {FORM_TYPE}")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise Problem("malformed_request", "the form cannot be read") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Problem("malformed_request", "the form has one field twice")
    return form


def key_of(form: Form) -> str:
    """The one that came with the page."""
    key = form.get(KEY, "")
    if _KEY.fullmatch(key) is None:
        raise Problem("idempotency_key_missing", "open the page again")
    return key


def body_of(action: str, form: Form) -> bytes:
    """What the API is asked, as JSON. Raises `Wrong`."""
    return orjson.dumps(_BODIES[action](form))


def _receive(_form: Form) -> dict[str, object]:
    return {}


def _cancel(form: Form) -> dict[str, object]:
    return {"reason": _choice(form, CANCEL_REASONS)}


def _return(form: Form) -> dict[str, object]:
    lines = []
    for name, count in form.items():
        if not name.startswith(TAKE) or count.strip() in ("", "0"):
            continue
        if _COUNT.fullmatch(count.strip()) is None:
            raise Wrong("invalid")
        if units := int(count):
            lines.append({"sku": name.removeprefix(TAKE), "quantity": units})
    if not lines:
        raise Wrong("choose_something")
    reason, note = _choice(form, RETURN_REASONS), _lines(form.get("note", ""))
    if len(note) > MAX_NOTE:
        raise Wrong("invalid")
    return {"lines": lines, "reason": f"{reason}: {note}" if note else reason}


def _review(form: Form) -> dict[str, object]:
    rating = form.get("rating", "")
    if rating not in ("1", "2", "3", "4", "5"):
        raise Wrong("invalid")
    return {"rating": int(rating), "comment": _lines(form.get("comment", ""))}


def _choice(form: Form, choices: tuple[str, ...]) -> str:
    reason = form.get("reason", "")
    if reason not in choices:
        raise Wrong("invalid")
    return reason


def _lines(text: str) -> str:
    """A browser sends both of a line's ends, which count as one character in its form."""
    return text.replace("\r\n", "\n").strip()


_BODIES: Final = {"receive": _receive, "cancel": _cancel, "return": _return, "review": _review}
