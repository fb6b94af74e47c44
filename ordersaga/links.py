"""Links that open one order's page to whoever has them: the order's id, signed.

A token is the id's ULID and an HMAC-SHA256 of it, cut to 128 bits: nobody guesses one, and it says
nothing but which order is meant.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from ordersaga import keys
from ordersaga.config import Settings

TRACK_PATH: Final = "/track/"

_MAC_BYTES: Final = 16
_PURPOSE: Final = (
    b"ordersaga track 1\0"  # a secret used for something else besides signs nothing here
)
_ORDER: Final = "ord_"
_DASH: Final = "-"


class TrackLinks:
    """Makes and reads them. The first of `secrets` signs, all of them are taken; none: no links."""

    def __init__(self, secrets: Sequence[str], *, public_url: str = "") -> None:
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._public_url = public_url

    @classmethod
    def of(cls, settings: Settings) -> TrackLinks:
        return cls(settings.link_secrets, public_url=settings.public_url)

    def token(self, order_id: str) -> str | None:
        """None: nobody can sign."""
        if not self._secrets:
            return None
        ulid = order_id.removeprefix(_ORDER)
        return f"{ulid}{_DASH}{_mac(self._secrets[0], ulid)}"

    def url(self, order_id: str) -> str | None:
        """The page's address: absolute where it is known who serves it, else its path. None: no page."""
        token = self.token(order_id)
        return None if token is None else f"{self._public_url}{TRACK_PATH}{token}"

    def public_url(self, order_id: str) -> str:
        """For a mail, which needs all of it; empty: nobody knows."""
        return (self.url(order_id) or "") if self._public_url else ""

    def order_of(self, token: str) -> str | None:
        """Whose page it opens; None: a token that we did not sign. Takes as long, whatever is wrong."""
        ulid, _, given = token.partition(_DASH)
        is_ours = False
        for secret in self._secrets:
            is_ours |= hmac.compare_digest(
                _mac(secret, ulid).encode(), given.encode("utf-8", "replace")
            )
        return _ORDER + ulid if is_ours and len(ulid) == keys.ULID_CHARS else None


NO_LINKS: Final = TrackLinks(())


def _mac(secret: bytes, ulid: str) -> str:
    """Letters and digits only, so that no mail program cuts a link short."""
    digest = hmac.digest(secret, _PURPOSE + ulid.encode("utf-8", "replace"), hashlib.sha256)
    return base64.b32encode(digest[:_MAC_BYTES]).decode().rstrip("=").lower()
