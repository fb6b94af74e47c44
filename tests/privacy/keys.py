"""Two payload keys of no other use."""

from __future__ import annotations

import base64
from typing import Final

from ordersaga.config import PayloadKey

OLD: Final = PayloadKey(id="2025", key=base64.b64encode(b"o" * 32).decode())
NEW: Final = PayloadKey(id="2026", key=base64.b64encode(b"n" * 32).decode())
