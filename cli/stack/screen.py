"""What a person sees of a running stack. Plain lines when it is not a terminal."""

from __future__ import annotations

import contextlib
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from cli.stack.ready import Ready

LABEL_WIDTH = 12


class _Console(Console):
    """Goes on when nobody looks any more: `ordersaga up | head`, a closed terminal."""

    def on_broken_pipe(self) -> None:
        self.quiet = True

    def print(self, *objects: Any, **options: Any) -> None:
        with contextlib.suppress(OSError):
            super().print(*objects, **options)


class Screen:
    def __init__(self) -> None:
        self._console = _Console(highlight=False, soft_wrap=True)
        self._status: Status | None = None

    def starting(self) -> None:
        self._working("starting PostgreSQL, Temporal, the sandbox, worker and API")

    def show(self, ready: Ready, *, wished_port: int | None, ended_stale: list[str]) -> None:
        """The one screen: what runs where, and a key to use."""
        self._rest()
        if ended_stale:
            self.say(f"an earlier stack was killed; ended what it left: {', '.join(ended_stale)}")
        if wished_port and not ready.api.endswith(f":{wished_port}"):
            self.say(f"port {wished_port} is taken; the API has another")
        self._console.print(
            f"\n[bold green]ordersaga is up[/] [dim](in {ready.start_s['all']} s)[/]\n"
        )
        self._line("API", ready.api, f"{ready.api}/docs tells what it takes")
        self._line("console", ready.console, "sign in with the ops key below")
        self._line("Temporal UI", ready.temporal_ui, "every order is a workflow")
        self._line("Temporal", ready.temporal, f"namespace {ready.temporal_namespace}")
        self._line("PostgreSQL", ready.database)
        self._line("payments", ready.payment_provider, "sandbox provider")
        self._line("carrier", ready.carrier, "sandbox carrier")
        self._line("data", str(ready.data_dir))
        if not ready.database_dir.is_relative_to(ready.data_dir):
            self._line("", str(ready.database_dir), "PostgreSQL's files")
        self._line("logs", str(ready.logs))
        self._console.print()
        self._line("write key", ready.keys.write, "orders:read orders:write")
        self._line("read key", ready.keys.read, "orders:read")
        self._line("ops key", ready.keys.ops, "all of it, and stock, credit, vouchers")
        self._console.print("\nTry")
        curl = f"curl -H 'Authorization: Bearer {ready.keys.read}' {ready.api}/v1/orders"
        self._console.print(f"  {curl}", markup=False)
        self._console.print("\nCtrl-C stops all of it; the data stays.\n")

    def say(self, message: str) -> None:
        self._console.print(f"· {message}", markup=False)

    def stopping(self) -> None:
        self._rest()
        self._working("stopping")

    def stopped(self) -> None:
        self._rest()
        self._console.print("stopped; the data is kept")

    def _line(self, label: str, value: str, note: str = "") -> None:
        self._console.print(
            f"  [dim]{label:<{LABEL_WIDTH}}[/] [bold]{escape(value)}[/]  [dim]{note}[/]"
        )

    def _working(self, what: str) -> None:
        if self._console.is_terminal:
            self._status = self._console.status(what)
            self._status.start()

    def _rest(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
