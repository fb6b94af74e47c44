"""`ordersaga relay`: what each sink has still to hear, and what it does not take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from cli import environment
from cli.endings import give_up
from cli.options import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    from adapters.postgres.outbox import Backlog
    from adapters.postgres.pool import Connection

Result = TypeVar("Result")

NOT_STAMPED: Final = "(not stamped)"  # on its way to all of them

app = typer.Typer(
    help="How events get to others, in ORDERSAGA_DATABASE_URL or in the running stack.",
    no_args_is_help=True,
)

Sink = Annotated[str, typer.Argument(help="As `relay status` names it.")]
Order = Annotated[str, typer.Argument(help="The order's id.")]


@app.command()
def status(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """What each sink has still to hear: how many events, since when, how many orders parked."""
    from rich.console import Console
    from rich.table import Table

    from adapters.postgres import outbox

    table = Table("sink", box=None, pad_edge=False)
    for title in ("waiting", "oldest", "parked orders"):
        table.add_column(title, justify="right")
    for each in _run(data_dir, outbox.read_backlog):
        table.add_row(each.sink or NOT_STAMPED, str(each.waiting), _age(each), str(each.parked))
    Console().print(table)


@app.command()
def parked(
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 100,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Orders with an event that a sink does not take, the longest waiting first.

    From that event on all of the order's wait for that sink, and are tried
    again by themselves, ever more seldom.
    """
    from adapters.postgres import outbox

    found = _run(data_dir, lambda connection: outbox.list_parked(connection, limit=limit))
    if not found:
        typer.echo("nothing is parked")
    for each in found:
        typer.echo(
            f"{each.sink}  {each.order_id}  event {each.sequence}  since {each.parked_at:%F %T %Z}"
            f"  tried {each.tries} times, again at {each.next_try_at:%F %T %Z}\n  {each.error}"
        )


@app.command()
def retry(sink: Sink, order: Order, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Try a parked order again now."""
    from adapters.postgres import outbox

    if not _run(data_dir, lambda connection: outbox.try_now(connection, sink, order)):
        give_up(f"nothing of {order} is parked for {sink}")
    typer.echo(f"{sink} is told of {order} within seconds; `ordersaga relay parked` says if not")


@app.command()
def skip(
    sink: Sink,
    order: Order,
    sequence: Annotated[int, typer.Argument(help="Of the event that is let go.", min=1)],
    note: Annotated[
        str, typer.Option(help="Why; it stands with the order until that is tried again.")
    ],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Let go of one event for one sink, for good; the order's next ones go on.

    The sink never hears of it from us. History, and every other sink, keep it.
    """
    from adapters.postgres import outbox

    def let_go(connection: Connection) -> Awaitable[bool]:
        return outbox.skip(connection, sink, order, sequence=sequence, note=note)

    if not _run(data_dir, let_go):
        give_up(f"event {sequence} of {order} is not the one that waits for {sink}")
    typer.echo(f"{sink} will not hear of event {sequence} of {order}")


def _age(backlog: Backlog) -> str:
    return f"{backlog.oldest_s:.0f} s" if backlog.waiting else "-"


def _run(data_dir: Path, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    from ordersaga.errors import Unavailable

    try:
        return asyncio.run(_with_connection(environment.database_url(data_dir), work))
    except Unavailable as error:
        give_up(f"the database does not answer: {error}")


async def _with_connection(
    database_url: str, work: Callable[[Connection], Awaitable[Result]]
) -> Result:
    from adapters.postgres.pool import connect_pool, reading

    pool = await connect_pool(database_url, size=1, application_name="ordersaga-relay-command")
    try:
        async with reading(pool) as connection:
            return await work(connection)
    finally:
        await pool.close()
