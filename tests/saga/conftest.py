"""A shop on the session's stack."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from cli.stack.stack import LocalStack
from tests.saga.shop import Shop


@pytest.fixture
async def shop(stack: LocalStack) -> AsyncIterator[Shop]:
    """With a SKU of its own, so that its stock is its orders' doing alone."""
    async with Shop(stack) as shop:
        yield shop


@pytest.fixture(scope="session")
async def temporal(stack: LocalStack) -> Client:
    """The engine itself, as an operator with Temporal's own tools has it."""
    return await Client.connect(stack.ready.temporal)
