"""How a command ends when it cannot go on: one line for a person, a code for a script."""

from __future__ import annotations

from typing import NoReturn

import typer

FAILED = 1
MISUSED = 2  # a setting or an option is missing or wrong
UNDECIDED = 2  # an order has no end yet, or something could not be looked at


def give_up(message: str, *, code: int = FAILED) -> NoReturn:
    typer.echo(f"ordersaga: {message}", err=True)
    raise typer.Exit(code)
