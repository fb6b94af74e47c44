"""What a reader sees: tables on the terminal, the JSON beside the others, a picture for the README."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.engines.doubt import InDoubt, Undisturbed
from bench.engines.figures import Figures, Goal, Ratio, figures_of, goals_of, ratios_of
from bench.engines.flow import MIXES
from bench.engines.registry import ENTRIES
from bench.engines.rounds import Measured, Plan

UNFAIR: Final = (
    "One machine has everything, the callers too: an engine that works in its caller's process (none, "
    "ordersaga's first row, DBOS, two-phase commit) saves the hops that the others have, and would have them "
    "once it runs elsewhere.",
    "One process each has the participants, and Python uses one core of it. DBOS could have more than one.",
    "Every engine runs ordersaga's own SQL, fence and history included: heavier than what a sample has, so "
    "the engines' own costs weigh less than in a bench with empty steps. Ours merges what shares a database; "
    "the rows with our merged steps show the engines without that difference.",
    "ordersaga's worker also stamps the outbox and looks for orders that nobody drives, and its workflows "
    "stay open until the parcel is there. The others' end with the order, and nobody reads their outbox.",
    "The Temporal dev server is one process with SQLite: a cluster costs more an order and takes more.",
    "Two-phase commit holds nothing for later and says no NOTIFY (PostgreSQL does not allow it there): fewer "
    "statements and rows than all others. A bank does not PREPARE, so it has no card mix.",
    "Only orders that go through are measured here, not undoing, waiting or recovery.",
)


def as_json(
    measured: Measured,
    plan: Plan,
    *,
    missing: Mapping[str, str],
    in_doubt: InDoubt | None,
    undisturbed: Undisturbed | None,
) -> dict[str, Any]:
    """All that was measured, and what it comes to."""
    ratios = ratios_of(measured.rounds, clients=plan.clients)
    goals = goals_of(measured.rounds, measured.costs, ratios, clients=plan.clients)
    return {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "plan": asdict(plan),
        "durability": {entry.key: entry.durability for entry in ENTRIES},
        "not_measured": dict(missing),
        "figures": [asdict(each) for each in figures_of(measured.rounds)],
        "ratios": [asdict(each) for each in ratios],
        "goals": [{**asdict(each), "is_met": each.is_met} for each in goals],
        "idle_cpu": measured.idle_cpu,
        "costs": [asdict(each) for each in measured.costs],
        "coordinator_killed": asdict(in_doubt) if in_doubt else None,
        "worker_killed": asdict(undisturbed) if undisturbed else None,
        "unfair": list(UNFAIR),
        "rounds": [asdict(each) for each in measured.rounds],
    }


def print_report(
    console: Console,
    measured: Measured,
    plan: Plan,
    *,
    missing: Mapping[str, str],
    in_doubt: InDoubt | None,
    undisturbed: Undisturbed | None,
) -> None:
    """Everything, as plain tables."""
    figures = figures_of(measured.rounds)
    ratios = ratios_of(measured.rounds, clients=plan.clients)
    for mix in MIXES:
        console.print(_speed(mix, figures, ratios, plan))
        console.print(_costs(mix, figures, measured, plan))
    if measured.idle_cpu:
        busy = [
            f"{name} {share:.1%}" for name, share in measured.idle_cpu.items() if share >= 0.001
        ]
        console.print(f"CPU of one core while nobody places an order: {', '.join(busy)}")
    for key, why in missing.items():
        console.print(f"not measured: {key}: {why}")
    for turn in measured.rounds:
        for said in turn.failed:
            console.print(
                f"an order failed: {turn.key}, {turn.mix}, round {turn.number + 1}: {said}"
            )
    console.print(_goals(goals_of(measured.rounds, measured.costs, ratios, clients=plan.clients)))
    if in_doubt:
        console.print(
            f"\n[bold]A coordinator of two-phase commit killed between the phases[/] (try "
            f"{in_doubt.tries}): {in_doubt.orders_meanwhile} orders for its SKU in the next "
            f"{in_doubt.observed_s:.0f} s. In doubt until a person decided; then the first after "
            f"{in_doubt.first_after_person_s} s."
        )
    if undisturbed:
        console.print(
            f"[bold]One of two ordersaga workers killed[/]: the first later order for the SKU confirmed "
            f"after {undisturbed.first_s} s, {undisturbed.orders_meanwhile} in "
            f"{undisturbed.observed_s} s; longest gap {undisturbed.longest_gap_s} s (before the kill "
            f"{undisturbed.longest_gap_before_s} s). The dead worker's own: "
            f"{undisturbed.own_longest_s} s at most."
        )
    durability = Table(
        "engine", "what is on disk before the caller is answered", title="durability"
    )
    for entry in ENTRIES:
        durability.add_row(entry.title, entry.durability)
    console.print(durability)
    console.print("\n[bold]What is unfair in it[/]")
    for each in UNFAIR:
        console.print(f"· {each}")


def _speed(mix: str, figures: Sequence[Figures], ratios: Sequence[Ratio], plan: Plan) -> Table:
    table = Table(
        "engine",
        "orders/s",
        "p50 ms",
        "p99 ms",
        "alone ms",
        "ordersaga is",
        title=f"{mix}, {plan.clients} clients; alone: p50 of one client",
    )
    rates = {r.to: r.rate for r in ratios if r.mix == mix}
    alone = {f.key: f for f in figures if f.mix == mix and f.clients == 1}
    for figure in figures:
        if figure.mix == mix and figure.clients == plan.clients:
            rate = rates.get(figure.key)
            table.add_row(
                title_of(figure.key),
                f"{figure.orders_per_s:.1f}",
                f"{figure.p50_ms:.0f}",
                f"{figure.p99_ms:.0f}",
                f"{alone[figure.key].p50_ms:.0f}" if figure.key in alone else "",
                "" if rate is None else f"{rate:.2f} x",
            )
    return table


def _costs(mix: str, figures: Sequence[Figures], measured: Measured, plan: Plan) -> Table:
    table = Table(
        "engine",
        "CPU ms",
        "of it",
        "SQL",
        "events",
        "tasks",
        "actions",
        title=f"{mix}: what an order costs",
    )
    costs = {c.key: c for c in measured.costs if c.mix == mix}
    for figure in figures:
        cost = costs.get(figure.key)
        if figure.mix == mix and figure.clients == plan.clients and cost:
            table.add_row(
                title_of(figure.key),
                f"{figure.cpu_sum_ms:.1f}",
                ", ".join(f"{name} {ms:.1f}" for name, ms in figure.cpu_ms.items()),
                f"{cost.statements:.0f}",
                _number(cost.history_events),
                _number(cost.workflow_tasks),
                _number(cost.billable_actions),
            )
    return table


def _goals(goals: Sequence[Goal]) -> Table:
    table = Table("goal", "wanted", "measured", "", title="goals of this run")
    words = {True: "met", False: "[bold red]missed[/]", None: ""}
    for goal in goals:
        sign = "≤" if goal.most else "≥"
        table.add_row(goal.what, f"{sign} {goal.wanted:g}", _number(goal.got), words[goal.is_met])
    return table


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:g}"


def title_of(key: str) -> str:
    return next(entry.title for entry in ENTRIES if entry.key == key)
