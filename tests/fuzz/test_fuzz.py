"""The API keeps what its OpenAPI document says, whatever is sent: right, wrong, and along whole lives."""

from __future__ import annotations

import asyncpg
import pytest

from adapters.postgres.api_keys import SCOPES, create_api_key
from cli.stack.stack import LocalStack
from tests.fuzz.stage import Outcome, fuzz, stock_up, stocked_stack

A_FEW = ("--max-examples", "3", "--phases", "examples,fuzzing,stateful", "--seed", "1")
MANY = ("--max-examples", "1000")


async def test_a_few_requests_of_every_operation_keep_the_contract(stack: LocalStack) -> None:
    """The same ones each time."""
    connection = await asyncpg.connect(stack.ready.database)
    try:
        key = await create_api_key(connection, tenant="fuzz", scopes=sorted(SCOPES))
    finally:
        await connection.close()
    await stock_up(stack.ready, key)

    outcome = await fuzz(stack.ready, key, A_FEW)

    assert outcome.is_good, f"{outcome}\n{outcome.said}"
    assert {"place_order 201", "get_order 200"} <= set(outcome.answers), outcome.answers


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
async def test_a_thousand_requests_of_every_operation_keep_the_contract() -> None:
    async with stocked_stack() as ready:
        outcome = await fuzz(ready, ready.keys.ops, MANY)

    assert outcome.is_good, f"{outcome}\n{outcome.said}"


def test_a_run_that_asked_nobody_or_found_something_has_not_passed() -> None:
    asked = {"get_order 200": 1}

    assert Outcome(answers=asked, failures=0, errors=0, said="").is_good
    assert not Outcome(answers={}, failures=0, errors=0, said="").is_good
    assert not Outcome(answers=asked, failures=1, errors=0, said="").is_good
    assert not Outcome(answers=asked, failures=0, errors=1, said="").is_good
