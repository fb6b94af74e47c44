"""`ordersaga purge`: removes what a local stack keeps."""

from __future__ import annotations

import typer

from cli.endings import give_up
from cli.options import DEFAULT_DATA_DIR, DataDir


def command(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Remove a stopped local stack's data: orders, workflows, books, secrets, logs."""
    from cli.stack import StackError
    from cli.stack.purge import purge

    try:
        removed = purge(data_dir)
    except StackError as error:
        give_up(str(error))
    typer.echo(f"removed the data in {data_dir}" if removed else f"nothing to remove in {data_dir}")
