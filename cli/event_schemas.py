"""`ordersaga event-schemas`: what each event carries, as JSON Schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    output: Annotated[
        Path | None, typer.Option(help="Write it to this file instead of printing it.")
    ] = None,
) -> None:
    """Print the JSON Schema (2020-12) of every event: docs/events.md tells the rest."""
    from ordersaga.event_schemas import to_text

    if output is None:
        typer.echo(to_text(), nl=False)
    else:
        output.write_text(to_text(), encoding="utf-8")
