"""`ordersaga openapi`: the API's description, without starting anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def openapi(
    output: Annotated[
        Path | None, typer.Option(help="Write it to this file instead of printing it.")
    ] = None,
) -> None:
    """Print the API's OpenAPI 3.1 document, with an example of every body, answer and problem."""
    from api.app import create_app
    from api.openapi import to_text
    from ordersaga.config import Settings

    app = create_app(Settings(database_url=""))  # never connected
    text = to_text(app.openapi())
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
