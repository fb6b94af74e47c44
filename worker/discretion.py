"""What a database's error says of a row stays here: failures travel to Temporal, where they are shown."""

from __future__ import annotations

from typing import Any

import asyncpg
import structlog
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

log = structlog.get_logger()


class Discretion(Interceptor):
    """Around every activity: PostgreSQL's own words may repeat a token or a voucher's code."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Discreet(next)


class _Discreet(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except asyncpg.PostgresError as error:
            what = f"{type(error).__name__} {error.sqlstate} on {error.constraint_name}"
            log.error("activity.database_refused", error=what)
            raise ApplicationError(what, type=type(error).__name__) from None
