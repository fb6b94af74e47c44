"""`ordersaga serve`, `ordersaga worker`, `ordersaga api`: a program each, to run alone."""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

from cli import environment

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="TCP port to listen on.", min=1, max=65535)]


def serve(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Run API and worker in one process, against TEMPORAL_* and ORDERSAGA_DATABASE_URL.

    Costs less an order than both apart. As many of them side by side as you
    like, and workers beside them.
    """
    environment.careful_settings()
    _become("cli.together", env=_where(host, port))


def worker() -> None:
    """Run the worker alone, against TEMPORAL_* and ORDERSAGA_DATABASE_URL."""
    environment.careful_settings()
    _become("worker", env={})


def api(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Run the HTTP API alone, against TEMPORAL_* and ORDERSAGA_DATABASE_URL."""
    environment.careful_settings()
    _become("api", env=_where(host, port))


def _where(host: str, port: int) -> dict[str, str]:
    return {"ORDERSAGA_API_HOST": host, "ORDERSAGA_API_PORT": str(port)}


def _become(module: str, *, env: dict[str, str]) -> NoReturn:
    """This process turns into it: signals, exit code and pid are the program's own."""
    # -P: a directory of that name where we were started is not ours.
    argv = [sys.executable, "-P", "-m", module]
    os.execve(sys.executable, argv, {**os.environ, **env})  # noqa: S606 - no shell is wanted
