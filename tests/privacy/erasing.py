"""`ordersaga erase`, as an operator runs it."""

from __future__ import annotations

from subprocess import CompletedProcess
from typing import Final

from cli.stack.stack import LocalStack
from tests.stack.conftest import run_ordersaga

TENANT: Final = "demo"
BY: Final = "a test"


def erase(
    stack: LocalStack, *options: str, customer: str, tenant: str = TENANT
) -> CompletedProcess[str]:
    return run_ordersaga(
        *("erase", "--tenant", tenant, "--customer", customer, "--by", BY, *options),
        ORDERSAGA_DATABASE_URL=stack.ready.database,
    )
