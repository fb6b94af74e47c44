"""Starts the sandbox's programs for tests, as a user would, and talks with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import stripe

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk_test_sandbox"
OK = "tok_ok"
STOP_TIMEOUT_S = 5  # a clean stop takes well under two

Method = Literal["card", "alipay", "wechat_pay", "boleto"]


@dataclass
class Program:
    """One running program; `url` is known once it is ready."""

    module: str
    books: Path
    options: Sequence[str] = ()
    url: str = ""
    ready_line: str = ""
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> Program:
        """Start and wait for the ready line; a restart takes the same port."""
        port = self.url.rpartition(":")[2] or "0"
        command = [sys.executable, "-m", self.module, "--port", port, "--key", KEY]
        self.process = subprocess.Popen(
            [*command, "--books", str(self.books), *self.options],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        self.ready_line = self.process.stdout.readline()
        self.url = self.ready_line.split()[-1]
        return self

    def kill(self) -> None:
        """As a crash does: SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> tuple[int, str]:
        """As an operator does: SIGTERM; the exit code and what else was printed."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> tuple[int, str]:
        if self.process is None:
            return 0, ""
        os.kill(self.process.pid, how)
        printed, _ = self.process.communicate(timeout=STOP_TIMEOUT_S)
        code = self.process.returncode
        self.process = None
        return code, printed


class Payments:
    """The real stripe package, pointed at the sandbox."""

    def __init__(self, url: str, *, key: str = KEY) -> None:
        self.http = stripe.HTTPXClient()
        client = stripe.StripeClient(
            key, base_addresses={"api": url}, http_client=self.http, max_network_retries=0
        )
        self.intents = client.v1.payment_intents
        self.refunds = client.v1.refunds

    async def close(self) -> None:
        """Close the connections."""
        await self.http.close_async()  # type: ignore[no-untyped-call]  # stripe has no type here

    async def create(
        self,
        token: str | None = OK,
        *,
        method: Method = "card",
        hold: bool | None = None,
        amount: int = 1000,
        metadata: dict[str, str] | None = None,
    ) -> stripe.PaymentIntent:
        """An intent, not confirmed; a card is held unless told otherwise."""
        held = method == "card" if hold is None else hold
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": amount,
            "currency": "brl",
            "allowed_payment_method_types": [method],
            "capture_method": "manual" if held else "automatic",
            "metadata": metadata or {},
        }
        if token is not None:
            params["payment_method"] = token
        return await self.intents.create_async(params)

    async def confirmed(
        self, token: str = OK, *, method: Method = "card", hold: bool | None = None
    ) -> stripe.PaymentIntent:
        """An intent, confirmed."""
        intent = await self.create(token, method=method, hold=hold)
        return await self.intents.confirm_async(intent.id)

    async def status(self, intent: stripe.PaymentIntent) -> str:
        """Where the intent stands, asked anew."""
        return (await self.intents.retrieve_async(intent.id)).status
