"""The laboratory, once for the whole table."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cli.stack.stack import LocalStack
from tests.faults.lab import Lab
from tests.faults.runs import Runs, assert_audit_is_clean
from tests.faults.table import Cell


@pytest.fixture(scope="module")
async def lab(stack: LocalStack) -> AsyncIterator[Lab]:
    """Its own worker and API, in place of the stack's worker: never two at once."""
    async with Lab(stack) as lab:
        yield lab
        await assert_audit_is_clean(lab)


@pytest.fixture(scope="module")
async def runs(lab: Lab, request: pytest.FixtureRequest) -> Runs:
    """All cells that this session is to run, so that they can share what is slow."""
    specs = (getattr(item, "callspec", None) for item in request.session.items)
    given = (spec.params.get("cell") for spec in specs if spec is not None)
    return Runs(lab, [cell for cell in given if isinstance(cell, Cell)])
