"""`ordersaga migrate`: brings a database's tables to the newest version."""

from __future__ import annotations

import asyncio

import typer

from cli import environment
from cli.endings import MISUSED, give_up


def command() -> None:
    """Bring the tables of ORDERSAGA_MIGRATION_DATABASE_URL to the newest version."""
    url = environment.migration_database_url()

    import asyncpg

    from adapters.postgres.migrate import migrate

    try:
        applied = asyncio.run(migrate(url))
    except asyncpg.ClientConfigurationError as error:
        give_up(f"not a database URL: {error}", code=MISUSED)
    except (
        OSError,
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        give_up(f"the database cannot be reached: {error}")
    typer.echo("\n".join(f"applied {revision}" for revision in applied) or "nothing to apply")
