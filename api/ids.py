"""What our ids look like: a word and a ULID. Whatever looks otherwise is none."""

from __future__ import annotations

import re
from typing import Final

_ULID: Final = "[0-9A-HJKMNP-TV-Z]{26}"

ORDER_ID: Final = re.compile(f"ord_{_ULID}")
RETURN_ID: Final = re.compile(f"ret_{_ULID}")
ENDPOINT_ID: Final = re.compile(f"whe_{_ULID}")
EVENT_ID: Final = re.compile(f"{ORDER_ID.pattern}:[1-9][0-9]{{0,8}}")
