"""What the stage and the hooks, which run in another process, both know. Light: it is imported each time."""

from __future__ import annotations

from typing import Final

# Names in the environment of the run.
API: Final = "ORDERSAGA_FUZZ_API"  # its address
KEY: Final = "ORDERSAGA_FUZZ_KEY"  # of the API; schemathesis.toml has it too
PROVIDER_SECRET: Final = "ORDERSAGA_FUZZ_PROVIDER_SECRET"
CARRIER_SECRET: Final = "ORDERSAGA_FUZZ_CARRIER_SECRET"
ANSWERS_FILE: Final = "ORDERSAGA_FUZZ_ANSWERS_FILE"  # where it says what was answered, as JSON

SENDER: Final = "sandbox"  # whose messages are signed
CURRENCY: Final = "BRL"
SKUS: Final = ("mug-blue", "tea-200g", "poster-a2")  # in stock
