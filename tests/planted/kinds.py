"""What a planted bug is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """`old` becomes `new` in the file at `path`."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    """A mistake somebody could make, and the quickest test that finds it."""

    name: str
    edits: tuple[Edit, ...]
    caught_by: str


def bug(name: str, path: str, old: str, new: str, *, caught_by: str) -> Bug:
    """A bug of one edit."""
    return Bug(name, (Edit(path, old, new),), caught_by)
