"""`ordersaga keys`: who may use the API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli import environment
from cli.endings import MISUSED, give_up
from cli.options import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    import asyncpg

Result = TypeVar("Result")

DEFAULT_OVERLAP = timedelta(hours=24)  # in which every storefront takes the new key

_DURATION = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(text: str | timedelta) -> timedelta:
    if isinstance(text, timedelta):  # typer has defaults parsed too
        return text
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter("a number and a unit: 90s, 15m, 24h or 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


ExpiresIn = Annotated[
    timedelta | None,
    typer.Option(
        parser=_duration,
        metavar="TIME",
        help="When the new key ends by itself: 15m, 24h, 90d. Default: never.",
    ),
]

app = typer.Typer(
    help="Create, list, rotate and revoke API keys, in ORDERSAGA_DATABASE_URL or in the running stack.",
    no_args_is_help=True,
)


@app.command()
def create(
    tenant: Annotated[str, typer.Option(help="Whose orders the key is for.")],
    scope: Annotated[
        list[str],
        typer.Option(help="orders:read, orders:write or ops; give it once for each."),
    ],
    name: Annotated[str, typer.Option(help="What it is for, to know it in the list.")] = "",
    expires_in: ExpiresIn = None,
    requests_per_s: Annotated[
        int | None, typer.Option(help="A limit of its own; 0: none.", min=0)
    ] = None,
    open_orders: Annotated[
        int | None,
        typer.Option(help="How many of its orders may be open at once; 0: any number.", min=0),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Create a key and print it, this once: only its hash is kept."""
    from adapters.postgres.api_keys import create_api_key

    try:
        key = _run(
            data_dir,
            lambda connection: create_api_key(
                connection,
                tenant=tenant,
                scopes=scope,
                name=name,
                expires_in=expires_in,
                requests_per_s=requests_per_s,
                open_orders=open_orders,
            ),
        )
    except ValueError as error:
        give_up(str(error), code=MISUSED)
    typer.echo(key)


@app.command("list")
def list_(
    tenant: Annotated[
        str | None, typer.Option(help="Only this tenant's; without it, everyone's.")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List the keys by their ids, oldest first; never the keys themselves."""
    from adapters.postgres.api_keys import list_api_keys

    for key in _run(data_dir, lambda connection: list_api_keys(connection, tenant=tenant)):
        dates = [f"since {_day(key.created_at)}"]
        if key.revoked_at:
            dates.append(f"revoked {_day(key.revoked_at)}")
        elif key.expires_at:
            dates.append(f"expires {_minute(key.expires_at)}")
        dates.append(f"used {_minute(key.last_used_at)}" if key.last_used_at else "never used")
        typer.echo(
            "\t".join([key.id, key.tenant, " ".join(key.scopes), ", ".join(dates), key.name])
        )


@app.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="As `ordersaga keys list` shows it.")],
    overlap: Annotated[
        timedelta,
        typer.Option(
            parser=_duration,
            metavar="TIME",
            show_default="24h",
            help="How long the old key works on beside the new one: 0s, 15m, 7d.",
        ),
    ] = DEFAULT_OVERLAP,
    expires_in: ExpiresIn = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Put a new key in the place of one: same tenant, scopes, name and limits.

    The new key is printed, this once; until when the old one works is said on stderr.
    """
    from adapters.postgres.api_keys import rotate_api_key

    rotated = _run(
        data_dir,
        lambda connection: rotate_api_key(
            connection, key_id, overlap=overlap, expires_in=expires_in
        ),
    )
    if rotated is None:
        give_up(f"no key {key_id} that still works")
    typer.echo(rotated.key)
    typer.echo(f"{key_id} works until {_minute(rotated.old_ends_at)}", err=True)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `ordersaga keys list` shows it.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make a key useless, within seconds and for good."""
    from adapters.postgres.api_keys import revoke_api_key

    if not _run(data_dir, lambda connection: revoke_api_key(connection, key_id)):
        give_up(f"no key {key_id}")
    typer.echo(f"revoked {key_id}")


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%MZ}"


def _run(
    data_dir: Path,
    work: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[Result]],
) -> Result:
    """Does the work on a connection of its own. Ends the command when there is none to be had."""
    import asyncpg

    url = environment.database_url(data_dir)

    async def connected() -> Result:
        connection = await asyncpg.connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    try:
        return asyncio.run(connected())
    except (OSError, asyncpg.PostgresError, asyncpg.ClientConfigurationError) as error:
        give_up(f"the database does not answer: {error}")
