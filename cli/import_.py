"""`ordersaga import`: brings the record of orders that a seller had elsewhere, for figures and estimates."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import environment
from cli.endings import give_up
from cli.options import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    from pydantic import ValidationError

    from adapters.postgres.analytics import Imported
    from ordersaga.analytics.past_orders import PastOrder

LONGEST_LINE = 65_536  # bytes; a good one has 400
LINES_AT_ONCE = 1_000  # a statement: within 0.1 s in PostgreSQL
SHOWN_FAULTS = 20


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line; `number` counts from 1."""

    number: int
    reason: str


def command(
    file: Annotated[
        Path,
        typer.Argument(
            help="JSON lines, one past order each: see docs/analytics.md.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ],
    tenant: Annotated[
        str, typer.Option(help="Whose past it is. Default: the local stack's tenant.")
    ] = "demo",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Bring past orders: for the transition matrix and for estimates, and for nothing else.

    All lines are checked first: is one of them bad, nothing is imported.
    Importing a file again changes nothing; a line that says otherwise of an
    order than before corrects it.

    In ORDERSAGA_DATABASE_URL or in the running stack.
    """
    from ordersaga.errors import Unavailable

    try:
        past, faults = _read(file)
    except OSError as error:
        give_up(f"{file} cannot be read: {error}")
    if faults:
        shown = [f"{file}:{fault.number}: {fault.reason}" for fault in faults[:SHOWN_FAULTS]]
        more = len(faults) - SHOWN_FAULTS
        shown += [f"and {more:,} more"] if more > 0 else []
        give_up("\n".join([f"nothing was imported: {len(faults):,} bad lines", *shown]))
    if not past:
        give_up(f"nothing was imported: {file} has no lines")
    try:
        done = asyncio.run(_import(data_dir, tenant, past))
    except Unavailable as error:
        give_up(f"the database does not answer: {error}")
    typer.echo(
        f"{len(past):,} past orders of {tenant}: {done.new:,} new, {done.changed:,} corrected, "
        f"{done.unchanged:,} known before"
    )


def _read(file: Path) -> tuple[list[PastOrder], list[Fault]]:
    from pydantic import ValidationError

    from ordersaga.analytics.past_orders import PastOrder

    past: list[PastOrder] = []
    faults: list[Fault] = []
    lines: dict[str, int] = {}  # where a reference stands first
    for number, line in _lines(file):
        if len(line) > LONGEST_LINE:
            faults.append(Fault(number, f"longer than {LONGEST_LINE:,} bytes"))
            continue
        try:
            one = PastOrder.model_validate_json(line)
        except ValidationError as error:
            faults.append(Fault(number, _in_words(error)))
            continue
        first = lines.setdefault(one.reference, number)
        if first != number:
            faults.append(Fault(number, f"/reference: line {first} has the same"))
        past.append(one)
    return past, faults


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Each that is not blank; of one that is too long, its beginning."""
    with file.open("rb") as opened:
        number = 0
        while line := opened.readline(LONGEST_LINE + 1):
            number += 1
            rest = line
            while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
                rest = opened.readline(LONGEST_LINE + 1)
            if line.strip():
                yield number, line


def _in_words(error: ValidationError) -> str:
    return "; ".join(
        "".join(f"/{part}" for part in fault["loc"]) + (": " if fault["loc"] else "") + fault["msg"]
        for fault in error.errors(include_url=False, include_input=False)
    )


async def _import(data_dir: Path, tenant: str, past: list[PastOrder]) -> Imported:
    """All of them in one transaction."""
    from adapters.postgres.analytics import Imported, import_past_orders
    from adapters.postgres.pool import connect_pool, transaction

    url = environment.database_url(data_dir)
    pool = await connect_pool(url, size=1, application_name="ordersaga-import")
    try:
        done = []
        async with transaction(pool) as connection:
            for first in range(0, len(past), LINES_AT_ONCE):
                batch = past[first : first + LINES_AT_ONCE]
                done.append(await import_past_orders(connection, tenant=tenant, past=batch))
        return Imported(
            new=sum(one.new for one in done),
            changed=sum(one.changed for one in done),
            unchanged=sum(one.unchanged for one in done),
        )
    finally:
        await pool.close()
