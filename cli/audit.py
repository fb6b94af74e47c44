"""`ordersaga audit`: our tables against the provider's and the carrier's own books."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.endings import FAILED, give_up
from cli.options import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    from rich.console import Console

    from adapters.books import BookReader
    from adapters.postgres.pool import Pool
    from cli.stack import Ready
    from ordersaga.audit import Explanation, Judgement, Violation

UNDECIDABLE: Final = 2  # a book could not be read, so nobody knows

# Others' books are read after our tables, so an order that moved in between looks wrong. A suspect
# is read again, with the books, until two looks at the same version of it agree.
ROUNDS: Final = 5
ROUND_PAUSE_S: Final = 0.5  # longer than it takes to write down what a provider answered

SAYS_FROM_WIDTH: Final = 130  # columns, so that what an invariant says fits beside its counts
SHOWN_ORDERS: Final = 20  # explained orders and orders on their way that are named on a screen


@dataclass(frozen=True)
class Sources:
    """Where our tables and the others' books are. No carrier: nothing is shipped by one."""

    database_url: str = field(repr=False)
    payment_provider_url: str
    payment_provider_key: str = field(repr=False)
    carrier_url: str
    carrier_key: str = field(repr=False)
    events_kept_s: float | None = None  # older ones may be forgotten; None: a week

    @classmethod
    def of_stack(cls, ready: Ready) -> Sources:
        return cls(
            ready.database,
            ready.payment_provider,
            ready.payment_provider_key,
            ready.carrier,
            ready.carrier_key,
        )


@dataclass(frozen=True)
class AuditReport:
    """What an audit came to. `checked`: by invariant, how many it was asked of."""

    orders: int
    checked: Mapping[str, int]
    violations: tuple[Violation, ...]
    explained: tuple[Explanation, ...]
    in_flight: tuple[str, ...]  # ids of orders on their way: not judged for where they are
    took_s: float

    @property
    def exit_code(self) -> int:
        return FAILED if self.violations else 0


def audit(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as one JSON object.")
    ] = False,
    ready_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Audit the stack that `ordersaga up --ready-file FILE` describes.",
            dir_okay=False,
        ),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    settle_s: Annotated[
        float | None,
        typer.Option(
            help="An undecided order that moved within so many seconds is on its way: it is "
            "counted, and not judged for where it is. Default: 150.",
            min=0,
        ),
    ] = None,
) -> None:
    """Check every order, our money, stock and parcels, against the others' own books.

    Audits what --ready-file says; else what ORDERSAGA_DATABASE_URL and its
    like say; else the stack that runs on --data-dir. May run during traffic.
    Changes nothing.

    Exit code: 0 all is right; 1 something is not, and each violation is named;
    2 it could not be decided, because our tables or a book cannot be read.
    """
    from ordersaga.errors import Unavailable

    sources = _find_sources(ready_file, data_dir)
    try:
        report = asyncio.run(run_audit(sources, settle_s=settle_s))
    except Unavailable as error:
        if as_json:
            typer.echo(json.dumps({"undecided": str(error)}))
        give_up(f"could not be decided: {error}", code=UNDECIDABLE)
    if as_json:
        typer.echo(json.dumps(_as_json(report), indent=2))
    else:
        from rich.console import Console

        show(report, Console(highlight=False, soft_wrap=True))
    raise typer.Exit(report.exit_code)


async def run_audit(sources: Sources, *, settle_s: float | None = None) -> AuditReport:
    """One audit, also during traffic. Raises `Unavailable` where tables or books cannot be read."""
    from adapters.books import Address, BookReader
    from adapters.postgres.pool import connect_pool

    provider = Address(sources.payment_provider_url, sources.payment_provider_key)
    carrier = Address(sources.carrier_url, sources.carrier_key) if sources.carrier_url else None
    pool = await connect_pool(sources.database_url, size=1, application_name="ordersaga audit")
    try:
        async with BookReader(provider=provider, carrier=carrier) as books:
            return await _audit(pool, books, settle_s, sources.events_kept_s)
    finally:
        await pool.close()


async def _audit(
    pool: Pool, books: BookReader, settle_s: float | None, kept_s: float | None
) -> AuditReport:
    began_s = time.monotonic()
    look = await _look(pool, books, settle_s=settle_s, kept_s=kept_s)
    judgement, suspects = look.judgement, look.judgement.suspects
    for _ in range(ROUNDS):
        if not suspects:
            break
        await asyncio.sleep(ROUND_PAUSE_S)
        again = await _look(pool, books, settle_s=settle_s, kept_s=kept_s, only=suspects)
        judgement = judgement.revised(suspects, by=again.judgement)
        suspects = frozenset(
            order_id
            for order_id in again.judgement.suspects
            if again.versions.get(order_id) != look.versions.get(order_id)
        )
        look = again
    judgement = judgement.without(suspects)  # they never stood still: on their way
    return AuditReport(
        orders=judgement.orders,
        checked=judgement.checked,
        violations=judgement.violations,
        explained=judgement.explained,
        in_flight=(*judgement.in_flight, *sorted(suspects)),
        took_s=time.monotonic() - began_s,
    )


@dataclass(frozen=True)
class _Look:
    """A judgement, and the version that each order had when it was made."""

    judgement: Judgement
    versions: Mapping[str, int]


async def _look(
    pool: Pool,
    books: BookReader,
    *,
    settle_s: float | None,
    kept_s: float | None,
    only: Collection[str] | None = None,
) -> _Look:
    from adapters.postgres.audit import read_ours
    from ordersaga.audit import judge

    ours = await read_ours(pool, only=only, events_kept_s=kept_s)
    theirs = await books.read()
    if only is not None:
        references = {p.provider_ref for o in ours.orders for p in o.payments if p.provider_ref}
        theirs = theirs.about(only, references)
    judgement = await asyncio.to_thread(judge, ours, theirs, settle_s=settle_s)
    return _Look(judgement, {o.id: o.version for o in ours.orders})


def _find_sources(ready_file: Path | None, data_dir: Path) -> Sources:
    """Ends the command where there is nothing to audit."""
    from pydantic import ValidationError

    from cli import environment
    from cli.stack import Ready, find_running

    if ready_file is not None:
        try:
            return Sources.of_stack(Ready.model_validate_json(ready_file.read_bytes()))
        except (OSError, ValidationError) as error:
            give_up(f"{ready_file} does not describe a stack: {error}", code=UNDECIDABLE)
    if os.environ.get(environment.DATABASE_URL):
        settings = environment.settings()
        return Sources(
            settings.database_url,
            settings.payment_provider_url,
            settings.payment_provider_key,
            settings.carrier_url,
            settings.carrier_key,
            settings.events_kept_s,
        )
    running = find_running(data_dir)
    if running is None:
        message = f"{environment.DATABASE_URL}: is not set, and no stack runs on {data_dir}"
        give_up(message, code=UNDECIDABLE)
    return Sources.of_stack(running)


def show(report: AuditReport, console: Console) -> None:
    """The report for people: a table of invariants, then each violation in a sentence."""
    from rich.markup import escape
    from rich.table import Table

    from ordersaga.audit import INVARIANTS

    found = Counter(v.invariant for v in report.violations)
    table = Table("invariant", title="audit", title_justify="left", box=None)
    table.add_column("checked", justify="right")
    table.add_column("violations", justify="right")
    if console.width >= SAYS_FROM_WIDTH:
        table.add_column("says", style="dim")
    for invariant in INVARIANTS:
        count = found[invariant.name]
        shown = f"[bold red]{count}[/]" if count else "[green]0[/]"
        checked = str(report.checked[invariant.name])
        says = [invariant.says] if console.width >= SAYS_FROM_WIDTH else []
        table.add_row(invariant.name, checked, shown, *says)
    console.print(table)
    for violation in report.violations:
        of_order = f" of {violation.order_id}" if violation.order_id else ""
        where = f"{violation.subject}{of_order if violation.order_id != violation.subject else ''}"
        detail = escape(f"{where}: {violation.detail}")
        console.print(f"[bold red]{violation.invariant}[/] {detail}")
    for explanation in report.explained[:SHOWN_ORDERS]:
        console.print(
            f"[yellow]explained[/] {escape(explanation.order_id)}: {escape(explanation.reason)}"
        )
    _more(len(report.explained), "explained", console)
    if report.in_flight:
        named = ", ".join(report.in_flight[:SHOWN_ORDERS])
        console.print(f"[yellow]on their way[/] {len(report.in_flight)}: {named}")
    console.print(
        f"audit: {report.orders} orders, {len(report.violations)} violations, "
        f"{len(report.explained)} explained, {len(report.in_flight)} on their way, "
        f"in {report.took_s:.1f} s"
    )


def _more(count: int, what: str, console: Console) -> None:
    if count > SHOWN_ORDERS:
        console.print(f"… and {count - SHOWN_ORDERS} more {what}; --json names all")


def _as_json(report: AuditReport) -> dict[str, object]:
    from ordersaga.audit import INVARIANTS

    found = Counter(v.invariant for v in report.violations)
    return {
        "orders": report.orders,
        "invariants": [
            {
                "name": invariant.name,
                "says": invariant.says,
                "checked": report.checked[invariant.name],
                "violations": found[invariant.name],
            }
            for invariant in INVARIANTS
        ],
        "violations": [asdict(violation) for violation in report.violations],
        "explained": [asdict(explanation) for explanation in report.explained],
        "in_flight": list(report.in_flight),
        "seconds": round(report.took_s, 3),
    }
