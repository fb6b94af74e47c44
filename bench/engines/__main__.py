"""`python -m bench.engines [--quick] [--engine KEY…] [--output F] [--picture F]`: see docs/bench.md."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bench.engines.doubt import kill_coordinator, kill_worker
from bench.engines.figures import figures_of
from bench.engines.picture import draw
from bench.engines.report import as_json, print_report
from bench.engines.rounds import Plan, measure
from bench.engines.starting import choose, everything_for

QUICK = Plan(rounds=1, ramp_s=0.5, seconds=1.5, least=30)
OBSERVED_S = 10.0
QUICK_OBSERVED_S = 7.0  # longer than a dead worker's task waits

console = Console(width=150)


def main(
    rounds: Annotated[int, typer.Option(help="Each engine once a round, in turns.", min=1)] = 3,
    seconds: Annotated[float, typer.Option(help="Of each burst, after its ramp.", min=0.5)] = 4.0,
    clients: Annotated[int, typer.Option(help="At once, of 50 at most.", min=2, max=50)] = 50,
    quick: Annotated[bool, typer.Option(help="One short round: whether it runs at all.")] = False,
    engine: Annotated[list[str] | None, typer.Option(help="Only these, by their key.")] = None,
    kill: Annotated[bool, typer.Option(help="Kill a coordinator and a worker too.")] = True,
    output: Annotated[Path | None, typer.Option(help="Where the figures go, as JSON.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Where the SVG goes.")] = None,
) -> None:
    """Measure every engine in turns, print tables, write the figures and the picture."""
    plan = QUICK if quick else Plan(rounds=rounds, seconds=seconds, clients=clients)
    observed_s = QUICK_OBSERVED_S if quick else OBSERVED_S
    with tempfile.TemporaryDirectory(prefix="ordersaga-bench-") as home:
        Path(home).chmod(0o711)  # where we are root, PostgreSQL runs as another user
        found = asyncio.run(_run(Path(home), plan, engine or [], observed_s if kill else None))
    print_report(console, plan=plan, **found)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(as_json(plan=plan, **found), indent=1) + "\n")
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        figures = figures_of(found["measured"].rounds)
        picture.write_text(draw(figures, clients=plan.clients))


async def _run(home: Path, plan: Plan, keys: list[str], observed_s: float | None) -> dict[str, Any]:
    entries, missing = choose(keys)
    began_s = time.monotonic()

    def tell(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - began_s:5.0f} s  {what}[/]")

    found: dict[str, Any] = {"missing": missing, "in_doubt": None, "undisturbed": None}
    async with everything_for(home, entries) as stage:
        try:
            found["measured"] = await measure(stage, entries, plan, tell)
        except BaseException:
            _tell_last_words(stage.stack.logs)
            raise
        present = {entry.key for entry in entries}
        kills = (
            ("ordersaga apart", "undisturbed", kill_worker),
            ("two-phase commit", "in_doubt", kill_coordinator),
        )
        for key, name, kill in kills:
            if observed_s is not None and key in present:
                try:
                    found[name] = await kill(stage, observed_s=observed_s, tell=tell)
                except Exception as error:  # what was measured before is told all the same
                    missing[f"{key}, killed"] = repr(error)
                    _tell_last_words(stage.stack.logs)
    return found


def _tell_last_words(logs: Path) -> None:
    for log in sorted(logs.glob("*.log")):
        words = log.read_text(errors="replace").splitlines()[-30:]
        console.print(f"--- {log.name}", *words, sep="\n", markup=False)


if __name__ == "__main__":
    typer.run(main)
