"""What fails in an activity travels to Temporal, and into history when a person is called: in our words."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import asyncpg
import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.steps import TRIES_BEFORE_ATTENTION, calling_a_person
from ordersaga.errors import ProviderUnavailable
from ordersaga.keys import Step
from ordersaga.ports import Records
from worker.discretion import Discretion

CANARY = "canary-51ab"


class Bare(ActivityInboundInterceptor):
    """The end of the chain: the activity itself."""

    def __init__(self) -> None:
        pass

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await input.fn()


def of_a_row() -> Exception:
    return asyncpg.UniqueViolationError(f"Key (token)=({CANARY}) already exists.")


def of_a_library() -> Exception:
    return KeyError(CANARY)


def of_ours_after_a_librarys() -> Exception:
    error = ProviderUnavailable("HTTP 503")
    error.__cause__ = KeyError(CANARY)
    return error


FAILURES = [
    (of_a_row, "UniqueViolationError"),
    (of_a_library, "KeyError"),
    (of_ours_after_a_librarys, "HTTP 503"),
]


@pytest.mark.parametrize(("make", "says"), FAILURES)
async def test_a_failure_reaches_temporal_without_what_it_quotes(make: Any, says: str) -> None:
    async def failing() -> None:
        raise make()

    asked = ExecuteActivityInput(fn=failing, args=(), executor=None, headers={})
    with pytest.raises((ApplicationError, ProviderUnavailable)) as raised:
        await Discretion().intercept_activity(Bare()).execute_activity(asked)
    failure = Failure()
    await pydantic_data_converter.encode_failure(raised.value, failure)
    assert says in failure.message
    assert CANARY not in str(failure)
    assert not failure.HasField("cause")


async def test_a_cancel_and_a_failure_of_temporals_own_pass_as_they_are() -> None:
    for error in (asyncio.CancelledError(), ApplicationError("refused", non_retryable=True)):

        async def failing(error: BaseException = error) -> None:
            raise error

        asked = ExecuteActivityInput(fn=failing, args=(), executor=None, headers={})
        with pytest.raises(type(error)) as raised:
            await Discretion().intercept_activity(Bare()).execute_activity(asked)
        assert raised.value is error


class Noted:
    """Only what it takes to call a person."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    async def raise_attention(self, order_id: str, step: str, error: str, tries: int) -> None:
        self.errors.append(error)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (of_a_row, "UniqueViolationError"),
        (of_ours_after_a_librarys, "ProviderUnavailable: HTTP 503"),
    ],
)
async def test_a_person_is_called_without_it_too(make: Any, says: str) -> None:
    """Nobody listens where its workflow would be told: then it is not, and the failure stays what it was."""
    nobody = await Client.connect("127.0.0.1:1", lazy=True)
    noted, environment = Noted(), ActivityEnvironment(client=nobody)
    environment.info = replace(environment.info, attempt=TRIES_BEFORE_ATTENTION)

    async def failing() -> None:
        async with calling_a_person(cast(Records, noted), Step("ord_1", "payment:pay_1")):
            raise make()

    with pytest.raises((asyncpg.PostgresError, ProviderUnavailable)):
        await environment.run(failing)
    assert noted.errors == [says]
