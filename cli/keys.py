"""`ordersaga keys`: who may use the API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli import environment
from cli.endings import MISUSED, give_up
from cli.options import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    import asyncpg

Result = TypeVar("Result")

app = typer.Typer(
    help="Create, list and revoke API keys, in ORDERSAGA_DATABASE_URL or in the running stack.",
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
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Create a key and print it, this once: only its hash is kept."""
    from adapters.postgres.api_keys import create_api_key

    try:
        key = _run(
            data_dir,
            lambda connection: create_api_key(connection, tenant=tenant, scopes=scope, name=name),
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
        since = f"{key.created_at:%Y-%m-%d}"
        until = f", revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else ""
        scopes = " ".join(key.scopes)
        typer.echo("\t".join([key.id, key.tenant, scopes, f"since {since}{until}", key.name]))


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
