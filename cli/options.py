"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where the local stack keeps its databases, logs and secrets.",
        file_okay=False,
    ),
]
DEFAULT_DATA_DIR = Path(".ordersaga")
