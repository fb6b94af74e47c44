"""`ordersaga erase`: takes a customer's personal data away, for good."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import environment
from cli.endings import give_up
from cli.options import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    from adapters.postgres.customers import Erasure

SHOWN_ORDERS = 20  # open ones that are named


def command(
    customer: Annotated[str, typer.Option(help="The customer's id, as in `customer.id`.")],
    tenant: Annotated[str, typer.Option(help="Whose customer it is.")],
    by: Annotated[
        str | None, typer.Option(help="Who erases it, for the record. Default: your user name.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Take a customer's personal data away, for good: nobody can bring it back.

    Refuses while an order or a return of theirs is open. Orders, money and
    history stay, of nobody: the audit passes as before. Store credit stays
    with the customer's id. Backups, and what providers and carriers know,
    are not reached from here.

    In ORDERSAGA_DATABASE_URL or in the running stack.
    """
    from adapters.postgres.customers import CustomerUnknown, OrdersStillOpen
    from ordersaga.errors import Unavailable

    if not yes:
        typer.confirm(f"Erase customer {customer} of {tenant}, for good?", abort=True)
    try:
        erasure = asyncio.run(
            _erase(data_dir, tenant=tenant, customer=customer, by=by or getpass.getuser())
        )
    except CustomerUnknown:
        give_up(f"nothing was erased: {tenant} has no order and no store credit of {customer}")
    except OrdersStillOpen as error:
        named = ", ".join(error.order_ids[:SHOWN_ORDERS])
        more = len(error.order_ids) - SHOWN_ORDERS
        others = f" and {more} more" if more > 0 else ""
        give_up(f"nothing was erased: {named}{others} still open. Cancel them, or come back later")
    except Unavailable as error:
        give_up(f"the database does not answer: {error}")
    typer.echo(f"erased: {erasure.orders} orders are nobody's now (record {erasure.id})")


async def _erase(data_dir: Path, *, tenant: str, customer: str, by: str) -> Erasure:
    from adapters.postgres.customers import erase_customer
    from adapters.postgres.pool import connect_pool, transaction

    url = environment.database_url(data_dir)
    pool = await connect_pool(url, size=1, application_name="ordersaga-erase")
    try:
        async with transaction(pool) as connection:
            return await erase_customer(connection, tenant=tenant, customer_id=customer, by=by)
    finally:
        await pool.close()
