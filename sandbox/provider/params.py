"""Reads Stripe's form-encoded parameters: `metadata[order]=1&payment_method_types[0]=card`.

Whatever is not understood is refused with RequestError, never ignored: a typing error in a real
integration must show here first.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qsl

from sandbox.provider.errors import RequestError

LARGEST_BODY = 65_536  # bytes; ours are below 2 kB
MOST_FIELDS = 200  # parameters of one request
MOST_METADATA = 50  # keys; Stripe's limit
LONGEST_METADATA_KEY = 40  # characters; Stripe's limit
LONGEST_METADATA_VALUE = 500  # characters; Stripe's limit
DEEPEST = 8  # brackets of one name; ours have two
_KEY = re.compile(r"([a-z_]+)((?:\[[^\[\]]*\])*)")
_INTEGER = re.compile(r"-?[0-9]{1,18}")

Value: TypeAlias = "str | dict[str, Value]"


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters of one request; nested ones are objects of the same kind."""

    fields: Mapping[str, Value]
    prefix: str = ""

    def only(self, *known: str) -> None:
        """Raise RequestError when there is a parameter beyond the known ones."""
        for name in self.fields:
            if name not in known:
                where = self._path(name)
                raise RequestError(
                    f"Received unknown parameter: {where}", code="parameter_unknown", param=where
                )

    def text(self, name: str) -> str | None:
        """A string; None when absent or empty."""
        value = self.fields.get(name)
        if isinstance(value, dict):
            raise self._invalid(name, "a string")
        return value or None

    def needed(self, name: str) -> str:
        """A string that must be there."""
        value = self.text(name)
        if value is None:
            raise RequestError(
                f"Missing required param: {self._path(name)}.",
                code="parameter_missing",
                param=self._path(name),
            )
        return value

    def integer(self, name: str) -> int | None:
        """An integer; None when absent."""
        value = self.text(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise self._invalid(name, "an integer", code="parameter_invalid_integer")
        return int(value)

    def positive(self, name: str) -> int | None:
        """An integer of at least 1; None when absent."""
        value = self.integer(name)
        if value is not None and value < 1:
            raise self._invalid(name, "at least 1", code="parameter_invalid_integer")
        return value

    def boolean(self, name: str) -> bool:
        """true or false; absent is false."""
        value = self.text(name) or "false"
        if value not in ("true", "false"):
            raise self._invalid(name, "true or false")
        return value == "true"

    def nested(self, name: str) -> Params:
        """An object; empty when absent."""
        value = self.fields.get(name, {})
        if not isinstance(value, dict):
            raise self._invalid(name, "an object")
        return Params(value, self._path(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings; empty when absent."""
        items = self.nested(name)
        return tuple(items.needed(index) for index in items.fields)

    def metadata(self) -> str:
        """The metadata as a JSON object of strings, within Stripe's limits."""
        given = self.nested("metadata")
        pairs = {key: given.text(key) or "" for key in given.fields}
        too_long = any(
            len(key) > LONGEST_METADATA_KEY or len(value) > LONGEST_METADATA_VALUE
            for key, value in pairs.items()
        )
        if too_long or len(pairs) > MOST_METADATA:
            raise self._invalid("metadata", "within the limits of metadata")
        return json.dumps(pairs)

    def _path(self, name: str) -> str:
        return f"{self.prefix}[{name}]" if self.prefix else name

    def _invalid(self, name: str, wanted: str, code: str | None = None) -> RequestError:
        where = self._path(name)
        return RequestError(f"Invalid {where}: must be {wanted}", code=code, param=where)


def read_params(encoded: bytes) -> Params:
    """Parse a form-encoded body or query string. Raises RequestError."""
    if len(encoded) > LARGEST_BODY:
        raise RequestError(f"The request is larger than {LARGEST_BODY} bytes.")
    try:
        pairs = parse_qsl(
            encoded.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise RequestError("The request is not form-encoded UTF-8.") from error
    fields: dict[str, Value] = {}
    for number, (key, value) in enumerate(pairs):
        _put(fields, key, value, number)
    return Params(fields)


def _put(fields: dict[str, Value], key: str, value: str, number: int) -> None:
    match = _KEY.fullmatch(key)
    if match is None:
        raise RequestError(f"Invalid parameter name: {key}", param=key)
    path = [match[1], *match[2].removeprefix("[").removesuffix("]").split("][")]
    path = [step or f"#{number}" for step in path] if match[2] else [match[1]]
    if len(path) > DEEPEST:
        raise RequestError(f"Invalid parameter name: {path[0]} is nested too deeply")
    place = fields
    for step in path[:-1]:
        below = place.setdefault(step, {})
        if not isinstance(below, dict):
            raise RequestError(f"Invalid parameter: {key} is both a value and an object", param=key)
        place = below
    if path[-1] in place:
        raise RequestError(f"The parameter {key} was given twice.", param=key)
    place[path[-1]] = value


def fingerprint(params: Params) -> str:
    """SHA-256 of the parameters, whatever their order."""
    return hashlib.sha256(json.dumps(params.fields, sort_keys=True).encode()).hexdigest()
