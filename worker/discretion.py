"""What others say stays here: failures travel to Temporal, where they are kept and shown."""

from __future__ import annotations

from typing import Any

import asyncpg
import structlog
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from ordersaga.errors import OrdersagaError

log = structlog.get_logger()


class Discretion(Interceptor):
    """Around every activity: a database's words, or a library's, may repeat what a buyer gave us.

    Our own errors name codes and ids, and go on, without what led to them.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Discreet(next)


class _Discreet(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except FailureError:
            raise
        except OrdersagaError as error:
            raise error from None
        except asyncpg.PostgresError as error:
            what = f"{type(error).__name__} {error.sqlstate} on {error.constraint_name}"
            log.error("activity.database_refused", error=what)
            raise ApplicationError(what, type=type(error).__name__) from None
        except Exception as error:
            what = type(error).__name__
            log.error("activity.failed", activity=input.fn.__name__, exc_info=error)
            raise ApplicationError(what, type=what) from None
