"""What `make bench` says of its rounds: medians, ratios of the same round, goals, gaps after a kill."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from bench.engines.doubt import undisturbed
from bench.engines.figures import figures_of, goals_of, ratios_of
from bench.engines.picture import draw
from bench.engines.registry import ENTRIES
from bench.engines.report import UNFAIR, as_json
from bench.engines.rounds import Cost, Measured, Plan, Round, percentile

PLAN = Plan()


def a_round(
    key: str, number: int, rate: float, *, p50_ms: float = 100, p99_ms: float = 250
) -> Round:
    return Round(
        number=number,
        mix="own site",
        key=key,
        clients=PLAN.clients,
        orders_per_s=rate,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        cpu_ms={"callers": 1.0, "postgres": 3.0},
        orders=100,
    )


ROUNDS = [
    a_round("ordersaga", 0, 90),
    a_round("dbos", 0, 30),
    a_round("ordersaga", 1, 40),  # somebody else had the machine
    a_round("dbos", 1, 10),
    a_round("ordersaga", 2, 100),
    a_round("dbos", 2, 50),
]
COSTS = [
    Cost(
        key="ordersaga",
        mix="own site",
        statements=30,
        history_events=7,
        workflow_tasks=1,
        billable_actions=3,
    )
]


def test_a_ratio_is_the_median_of_ratios_within_the_same_round() -> None:
    (ratio,) = ratios_of(ROUNDS, clients=PLAN.clients)
    assert (ratio.to, ratio.rate) == ("dbos", 3.0)


def test_a_round_that_only_one_of_them_ran_does_not_count() -> None:
    (ratio,) = ratios_of(ROUNDS[:3], clients=PLAN.clients)
    assert ratio.rate == 3.0
    assert ratios_of(ROUNDS[:1], clients=PLAN.clients) == []


def test_one_client_alone_is_not_mixed_with_fifty() -> None:
    alone = replace(ROUNDS[0], clients=1, orders_per_s=5)
    by_clients = {
        f.clients: f.orders_per_s for f in figures_of([*ROUNDS, alone]) if f.key == "ordersaga"
    }
    assert by_clients == {50: 90, 1: 5}
    (ratio,) = ratios_of([*ROUNDS, alone], clients=PLAN.clients)
    assert ratio.rate == 3.0


def test_a_goal_is_met_missed_or_not_measured() -> None:
    ratios = ratios_of(ROUNDS, clients=PLAN.clients)
    goals = {g.what: g for g in goals_of(ROUNDS, COSTS, ratios, clients=PLAN.clients)}
    assert goals["own site: orders/s to dbos"].is_met is True
    assert goals["own site: orders/s to restate"].is_met is None
    assert goals["own site: history events until confirmed"].is_met is True
    assert goals["own site: p99 to p50 at 50 clients"].got == 2.5
    late = [replace(r, p99_ms=400.0) for r in ROUNDS]
    goals = {g.what: g for g in goals_of(late, COSTS, ratios, clients=PLAN.clients)}
    assert goals["own site: p99 to p50 at 50 clients"].is_met is False


def test_the_json_has_every_round_ratio_goal_and_what_is_unfair() -> None:
    told = as_json(
        Measured(ROUNDS, COSTS),
        PLAN,
        missing={"restate": "not there"},
        in_doubt=None,
        undisturbed=None,
    )
    told = json.loads(json.dumps(told))
    assert len(told["rounds"]) == len(ROUNDS)
    assert told["ratios"] == [{"to": "dbos", "mix": "own site", "rate": 3.0, "cpu": 1.0}]
    assert told["not_measured"] == {"restate": "not there"}
    assert told["unfair"] == list(UNFAIR)
    assert set(told["durability"]) == {entry.key for entry in ENTRIES}


def test_the_longest_bar_of_the_picture_is_the_fastest_engine() -> None:
    svg = ElementTree.fromstring(draw(figures_of(ROUNDS), clients=PLAN.clients))  # noqa: S314 - ours
    widths = {
        bar.get("class"): float(bar.get("width", "0"))
        for bar in svg.iter("{http://www.w3.org/2000/svg}rect")
    }
    assert widths["ours"] == pytest.approx(widths["bar"] * 3)
    assert "prefers-color-scheme: dark" in draw(figures_of(ROUNDS), clients=PLAN.clients)


def test_after_a_kill_only_orders_that_were_placed_later_count_as_everybody_elses() -> None:
    spans = [(0.0, 1.0), (0.5, 2.0), (2.5, 9.0), (3.2, 3.5), (3.4, 4.0), (3.9, 6.0)]
    seen = undisturbed(spans, began_s=0.0, killed_s=3.0)
    assert seen.first_s == 0.5
    assert seen.longest_gap_s == 2.0
    assert seen.orders_meanwhile == 3
    assert seen.own_longest_s == 6.5
    assert seen.longest_gap_before_s == 1.0


def test_a_percentile_of_equal_times_is_that_time() -> None:
    assert percentile([0.25] * 10, 99) == 0.25
