"""The order protocol, every state of it: nothing half done, and each classic mistake is found."""

from __future__ import annotations

import pytest

from tests.model.explore import explore
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
    ONE_DELAY,
    ONE_OF_EACH,
    ONE_REFUND,
    PLANTS,
    REFUND_AND_CRASH,
    SLIP,
    SLIP_LOCAL_FIRST,
    TWO_CRASHES,
    TWO_OF_EACH,
    WALLET,
    WALLET_AND_SLIP,
    Plant,
)
from tests.model.state import Budget, Scenario

FULL_TIMEOUT_S = 600  # half a million states and more, on a busy machine
FEWEST_STATES = 1000  # fewer: the model does not do what it says


def assert_holds(scenario: Scenario, budget: Budget) -> None:
    result = explore(scenario, budget)
    assert result.violation is None, "\n".join((result.violation, *result.trace))
    assert result.states > FEWEST_STATES


@pytest.mark.parametrize(
    ("scenario", "budget"),
    [
        (CARD, ONE_OF_EACH),
        (CARD, ONE_REFUND),
        (SLIP, LETTER_AND_REFUND),
        (CARD_AND_SLIP, LETTER_AND_REFUND),
        (CARD_AND_CARD, ONE_DELAY),
        (CARD_LOCAL_FIRST, CRASH_AND_CANCEL),
    ],
    ids=str,
)
def test_the_protocol_holds_in_every_state_of_a_small_world(
    scenario: Scenario, budget: Budget
) -> None:
    assert_holds(scenario, budget)


@pytest.mark.slow
@pytest.mark.timeout(FULL_TIMEOUT_S)
@pytest.mark.parametrize(
    ("scenario", "budget"),
    [
        (CARD, TWO_OF_EACH),
        (CARD, REFUND_AND_CRASH),
        (WALLET, TWO_OF_EACH),
        (WALLET, REFUND_AND_CRASH),
        (SLIP, ONE_OF_EACH),
        (SLIP, TWO_CRASHES),
        (SLIP, LETTERS_AND_CRASH),
        (CARD_AND_SLIP, CRASH_AND_CANCEL),
        (CARD_AND_WALLET, ONE_OF_EACH),
        (WALLET_AND_SLIP, CRASH_AND_CANCEL),
        (CARD_AND_CARD, ONE_OF_EACH),
        (CARD_LOCAL_FIRST, TWO_CRASHES),
        (SLIP_LOCAL_FIRST, ONE_OF_EACH),
        (CARD_AND_WALLET_LOCAL_FIRST, ONE_OF_EACH),
    ],
    ids=str,
)
def test_the_protocol_holds_in_every_state_of_a_large_world(
    scenario: Scenario, budget: Budget
) -> None:
    assert_holds(scenario, budget)


@pytest.mark.long
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_planted_mistake_is_found(plant: Plant) -> None:
    result = explore(plant.scenario, plant.budget, frozenset({plant.name}))
    assert result.violation is not None, plant.what
    assert result.trace, "and the way there is shown"
    assert explore(plant.scenario, plant.budget).violation is None, "it is the plant's doing"
