"""`python -m tests.model [trace]`: every scenario of the protocol, then every planted mistake, as a table.

`trace`: with the shortest way to each mistake. Ends with 1 if the protocol fails, or a plant is not found.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from tests.model.explore import Result, explore
from tests.model.plants import (
    CARD,
    CARD_AND_CARD,
    CARD_AND_SLIP,
    CARD_AND_WALLET,
    CARD_AND_WALLET_LOCAL_FIRST,
    CARD_LOCAL_FIRST,
    CRASH_AND_CANCEL,
    LETTER_AND_REFUND,
    LETTERS_AND_CRASH,
    ONE_OF_EACH,
    PLANTS,
    REFUND_AND_CRASH,
    SLIP,
    SLIP_LOCAL_FIRST,
    TWO_CRASHES,
    TWO_OF_EACH,
    WALLET,
    WALLET_AND_SLIP,
)
from tests.model.state import Budget, Scenario

PROTOCOL = (
    *((scenario, TWO_OF_EACH) for scenario in (CARD, WALLET)),
    *((scenario, REFUND_AND_CRASH) for scenario in (CARD, WALLET)),
    *((SLIP, budget) for budget in (ONE_OF_EACH, TWO_CRASHES, LETTERS_AND_CRASH)),
    *((CARD_AND_SLIP, budget) for budget in (CRASH_AND_CANCEL, LETTER_AND_REFUND)),
    *((s, ONE_OF_EACH) for s in (CARD_AND_WALLET, CARD_AND_CARD)),
    (WALLET_AND_SLIP, CRASH_AND_CANCEL),
    (CARD_LOCAL_FIRST, TWO_CRASHES),
    *((s, ONE_OF_EACH) for s in (SLIP_LOCAL_FIRST, CARD_AND_WALLET_LOCAL_FIRST)),
)


def main(words: Sequence[str]) -> int:
    wrong = 0
    for scenario, budget in PROTOCOL:
        result = _show("the protocol", scenario, budget, frozenset(), trace=True)
        wrong += result.violation is not None
    for plant in PLANTS:
        plants = frozenset({plant.name})
        result = _show(plant.name, plant.scenario, plant.budget, plants, trace="trace" in words)
        wrong += result.violation is None
    return int(wrong > 0)


def _show(
    name: str, scenario: Scenario, budget: Budget, plants: frozenset[str], *, trace: bool
) -> Result:
    began_s = time.monotonic()
    result = explore(scenario, budget, plants)
    took_s = time.monotonic() - began_s
    trouble = "/".join(str(times) for times in asdict(budget).values())
    print(
        f"{name:26} {scenario!s:24} {trouble:10} {result.states:9,} states "
        f"{result.moves:10,} moves {took_s:6.1f} s  {result.violation or 'no violation'}",
        flush=True,
    )
    if trace:
        for number, label in enumerate(result.trace, 1):
            print(f"    {number:2}. {label}", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
