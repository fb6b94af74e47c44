"""An order's ETag: its version, which moves may insist on, and a hash of all that is shown of it.

Time alone may change what is shown (a return window ends), and an erasure does: hence the hash.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

HASH_BYTES: Final = 4  # it tells two renderings of one version apart, no more

# A proxy that compresses marks a tag as weak; the version in it is as good as before.
_OURS = re.compile(r'(?:W/)?"(\d{1,9})(?:-[0-9a-f]{1,64})?"')


def etag_of(version: int, shown: bytes) -> str:
    """For the answer that shows these bytes."""
    return f'"{version}-{hashlib.blake2b(shown, digest_size=HASH_BYTES).hexdigest()}"'


def is_known(etag: str, if_none_match: Sequence[str]) -> bool:
    """Whether the caller has this answer already (RFC 9110: weak comparison)."""
    return any(tag == "*" or tag.removeprefix("W/") == etag for tag in _tags(if_none_match))


def expected_versions(if_match: Sequence[str]) -> frozenset[int] | None:
    """Which versions the caller wants to move; None: any."""
    tags = _tags(if_match)
    if not tags or "*" in tags:
        return None
    return frozenset(int(m[1]) for m in map(_OURS.fullmatch, tags) if m)


def _tags(values: Sequence[str]) -> list[str]:
    return [tag.strip() for value in values for tag in value.split(",") if tag.strip()]
