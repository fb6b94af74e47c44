"""The real adapters and a book kept by hand agree after every step of every random day in a shop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from adapters.postgres.pool import Pool, connect_pool
from cli.stack.ready import Ready
from tests.model.machine_outside import OutsideMachine

POOL_SIZE = 4  # connections: three duplicates at once, and one to spare
LARGE_TIMEOUT_S = 900

QUICK = settings(
    max_examples=8,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,  # the build does not depend on luck; the large one looks for news
    database=None,
    suppress_health_check=list(HealthCheck),
)
LARGE = settings(QUICK, max_examples=80, stateful_step_count=60, derandomize=False)


@pytest.fixture
def line(database: Ready) -> Iterator[tuple[asyncio.AbstractEventLoop, Pool]]:
    """A loop of its own: hypothesis is not asynchronous."""
    loop = asyncio.new_event_loop()
    pool = loop.run_until_complete(
        connect_pool(database.database, size=POOL_SIZE, application_name="machine")
    )
    yield loop, pool
    loop.run_until_complete(pool.close())
    loop.close()


def machine_on(loop: asyncio.AbstractEventLoop, pool: Pool) -> type[RuleBasedStateMachine]:
    """hypothesis makes the machines itself, one for each day."""

    class Here(OutsideMachine):
        def __init__(self) -> None:
            super().__init__(loop, pool)

    return Here


@pytest.mark.long
def test_money_and_stock_are_as_a_book_kept_by_hand_says(
    line: tuple[asyncio.AbstractEventLoop, Pool],
) -> None:
    run_state_machine_as_test(machine_on(*line), settings=QUICK)


@pytest.mark.slow
@pytest.mark.timeout(LARGE_TIMEOUT_S)
def test_money_and_stock_are_as_a_book_kept_by_hand_says_on_many_days(
    line: tuple[asyncio.AbstractEventLoop, Pool],
) -> None:
    run_state_machine_as_test(machine_on(*line), settings=LARGE)
