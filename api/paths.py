"""Others' own words within a path: a SKU, a customer's id. They may have slashes, and any character at all.

Where they begin and end is the router's business; whether they are good ids, their routes say.
"""

from __future__ import annotations

from typing import Final

from starlette.convertors import Convertor, register_url_convertor

_ANYTHING: Final = r"[\s\S]+"  # a dot would leave line feeds to the router's 404


class _Word(Convertor[str]):
    regex = _ANYTHING

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _AccountOwner(_Word):
    """What follows a customer's id in a path is none of it."""

    regex = _ANYTHING + "(?<!/credits)"


def register() -> None:
    """`{…:word}` and `{…:account_owner}`, for routes that are made from here on."""
    register_url_convertor("word", _Word())
    register_url_convertor("account_owner", _AccountOwner())
