"""A stack to send to, and one run of schemathesis against it, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from cli.stack import LocalStack, Ready
from tests.api.running import LIMITLESS
from tests.fuzz.told import ANSWERS_FILE, API, CARRIER_SECRET, KEY, PROVIDER_SECRET, SKUS

CONFIG: Final = Path(__file__).with_name("schemathesis.toml")
ON_HAND: Final = 1_000_000_000


@dataclass(frozen=True)
class Outcome:
    """What a run sent and found. `said`: its report, with a way to repeat each failure."""

    answers: Mapping[str, int]  # by operation and status
    failures: int
    errors: int
    said: str

    @property
    def requests(self) -> int:
        return sum(self.answers.values())

    @property
    def is_good(self) -> bool:
        """An API that nobody asked has not passed."""
        return self.requests > 0 and not self.failures and not self.errors

    def __str__(self) -> str:
        return f"fuzz: {self.requests:,} requests, {self.failures} failures, {self.errors} errors"


@asynccontextmanager
async def stocked_stack() -> AsyncIterator[Ready]:
    """Everything that `ordersaga up` starts, without limits, with something to sell."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-fuzz-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, PostgreSQL runs as another user
    async with LocalStack(
        data_dir=home / "data", port=0, keep_data=False, settings=LIMITLESS
    ) as stack:
        await stock_up(stack.ready, stack.ready.keys.ops)
        yield stack.ready
    await asyncio.to_thread(shutil.rmtree, home)


async def stock_up(ready: Ready, key: str) -> None:
    """What the orders that make sense are of."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=ready.api, headers=headers) as staff:
        for sku in SKUS:
            (await staff.put(f"/v1/stock/{sku}", json={"on_hand": ON_HAND})).raise_for_status()


async def fuzz(
    ready: Ready, key: str, options: Sequence[str], *, is_shown: bool = False
) -> Outcome:
    """`key`: with every scope. `options`: of `st run`. `is_shown`: its report as it comes."""
    with tempfile.TemporaryDirectory(prefix="ordersaga-fuzz-") as directory:
        here = Path(directory)
        answers, report = here / "answers.json", here / "report.json"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.fuzz.run", "--config-file", str(CONFIG), "--no-color"),
            *("run", f"{ready.api}/openapi.json", *options),
            *("--report", "json", "--report-json-path", str(report)),
            env={
                **os.environ,
                API: ready.api,
                KEY: key,
                PROVIDER_SECRET: ready.webhook_secrets.payments,
                CARRIER_SECRET: ready.webhook_secrets.carrier,
                ANSWERS_FILE: str(answers),
            },
            stdout=None if is_shown else asyncio.subprocess.PIPE,
            stderr=None if is_shown else asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if not (report.exists() and report.stat().st_size):
            raise RuntimeError(f"schemathesis did not come to an end:\n{(said or b'').decode()}")
        found = json.loads(report.read_text("utf-8"))
        return Outcome(
            answers=json.loads(answers.read_text("utf-8")),
            failures=found["test_cases"]["unique_failures"],
            errors=len(found["errors"]) + (0 if found["complete"] else 1),
            said=(said or b"").decode(),
        )
