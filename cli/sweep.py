"""`ordersaga sweep`: removes by hand what the worker's own sweeps remove bit by bit."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import environment
from cli.endings import give_up
from cli.options import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    from adapters.postgres.fence import Forgotten

DAY_S = 24 * 3600

app = typer.Typer(
    help="Clean up in ORDERSAGA_DATABASE_URL or in the running stack.", no_args_is_help=True
)


@app.callback()
def sweep() -> None:
    """Clean up in ORDERSAGA_DATABASE_URL or in the running stack."""


@app.command()
def fences(
    older_than_days: Annotated[
        int | None,
        typer.Option(help="For how long an order must have been final. Default: 30.", min=0),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Delete the fence rows of orders that ended long ago.

    Lets no late action in: an order that ended refuses it by its status alone.
    May run during traffic; it goes in small bites.
    """
    from ordersaga.errors import Unavailable

    try:
        forgotten = asyncio.run(_forget_fences(data_dir, older_than_days))
    except Unavailable as error:
        give_up(f"the database does not answer: {error}")
    typer.echo(f"removed {forgotten.rows} fence rows of {forgotten.orders} orders")


async def _forget_fences(data_dir: Path, older_than_days: int | None) -> Forgotten:
    from adapters.postgres import fence
    from adapters.postgres.pool import connect_pool, reading

    days = fence.KEPT_DAYS if older_than_days is None else older_than_days
    pool = await connect_pool(
        environment.database_url(data_dir), size=1, application_name="ordersaga-sweep"
    )
    orders = rows = 0
    try:
        while True:
            async with reading(pool) as connection:
                bite = await fence.forget_final_orders(connection, older_than_s=days * DAY_S)
            orders, rows = orders + bite.orders, rows + bite.rows
            if bite.orders < fence.FORGET_ORDERS_AT_ONCE:
                return fence.Forgotten(orders=orders, rows=rows)
    finally:
        await pool.close()
