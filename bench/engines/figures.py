"""What the rounds come to: medians, ratios to ordersaga, and whether the goals are met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.engines.flow import MIXES, Mix
from bench.engines.registry import OURS
from bench.engines.rounds import Cost, Round


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One engine with one mix, at one number of clients: the medians of its rounds."""

    key: str
    mix: Mix
    clients: int
    orders_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: Mapping[str, float]

    @property
    def cpu_sum_ms(self) -> float:
        return sum(self.cpu_ms.values())


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times as many orders a second ordersaga had, in the same seconds."""

    to: str
    mix: Mix
    rate: float
    cpu: float  # its CPU an order to theirs: less is better


@dataclass(frozen=True, kw_only=True)
class Goal:
    """`most`: the figure has to stay below, else above."""

    what: str
    wanted: float
    got: float | None  # None: not measured here
    most: bool = False

    @property
    def is_met(self) -> bool | None:
        if self.got is None:
            return None
        return self.got <= self.wanted if self.most else self.got >= self.wanted


# (mix, to whom) → how many times as fast, at least.
_WANTED: Mapping[tuple[Mix, str], float] = {
    ("own site", "temporal sample"): 3.0,
    ("own site", "dbos"): 2.0,
    ("own site", "restate"): 1.0,
    ("own site", "none"): 0.1,
    ("card", "temporal sample"): 2.0,
    ("card", "dbos"): 1.0,
}
_MOST_EVENTS: Mapping[Mix, tuple[int, int]] = {"own site": (9, 1), "card": (20, 3)}
MOST_P99_TO_P50 = 3.0


def figures_of(rounds: Iterable[Round]) -> list[Figures]:
    """In the order in which they first were measured."""
    groups: dict[tuple[Mix, str, int], list[Round]] = defaultdict(list)
    for each in rounds:
        groups[each.mix, each.key, each.clients].append(each)
    return [
        Figures(
            key=key,
            mix=mix,
            clients=clients,
            orders_per_s=round(median(r.orders_per_s for r in group), 1),
            p50_ms=round(median(r.p50_ms for r in group), 1),
            p99_ms=round(median(r.p99_ms for r in group), 1),
            cpu_ms={n: round(median(r.cpu_ms[n] for r in group), 1) for n in group[0].cpu_ms},
        )
        for (mix, key, clients), group in groups.items()
    ]


def ratios_of(rounds: Sequence[Round], *, clients: int) -> list[Ratio]:
    """The median of the rounds' own ratios: both were measured within the same minute."""
    found: dict[tuple[Mix, str], dict[int, Round]] = defaultdict(dict)
    for each in rounds:
        if each.clients == clients:
            found[each.mix, each.key][each.number] = each
    ratios = []
    for (mix, key), theirs in found.items():
        ours = found.get((mix, OURS), {})
        pairs = [(ours[n], theirs[n]) for n in theirs if n in ours]
        if key == OURS or not pairs:
            continue
        rate = median(a.orders_per_s / b.orders_per_s for a, b in pairs)
        cpu = median(sum(a.cpu_ms.values()) / sum(b.cpu_ms.values()) for a, b in pairs)
        ratios.append(Ratio(to=key, mix=mix, rate=round(rate, 2), cpu=round(cpu, 2)))
    return ratios


def goals_of(
    rounds: Sequence[Round], costs: Sequence[Cost], ratios: Sequence[Ratio], *, clients: int
) -> list[Goal]:
    """Each goal of the bench, with what was measured."""
    rates = {(r.mix, r.to): r.rate for r in ratios}
    goals = [
        Goal(what=f"{mix}: orders/s to {to}", wanted=wanted, got=rates.get((mix, to)))
        for (mix, to), wanted in _WANTED.items()
    ]
    own = {f.mix: f for f in figures_of(rounds) if f.key == OURS and f.clients == clients}
    counted = {c.mix: c for c in costs if c.key == OURS}
    for mix in MIXES:
        figure, cost = own.get(mix), counted.get(mix)
        spread = round(figure.p99_ms / figure.p50_ms, 2) if figure else None
        events, tasks = _MOST_EVENTS[mix]
        goals += [
            Goal(
                what=f"{mix}: p99 to p50 at {clients} clients",
                wanted=MOST_P99_TO_P50,
                got=spread,
                most=True,
            ),
            Goal(
                what=f"{mix}: history events until confirmed",
                wanted=events,
                got=cost.history_events if cost else None,
                most=True,
            ),
            Goal(
                what=f"{mix}: workflow tasks until confirmed",
                wanted=tasks,
                got=cost.workflow_tasks if cost else None,
                most=True,
            ),
        ]
    return goals
