"""When an order is expected, by what earlier ones took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog

from adapters.postgres.orders import StoredOrder
from api.routes.analytics import estimate
from api.services import Services
from ordersaga.errors import Unavailable
from ordersaga.lifecycle import Status

log = structlog.get_logger(__name__)

_AWAITED = frozenset({Status.PENDING, Status.CONFIRMED, Status.SHIPPED})


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Half of the earlier orders had come by `p50`, nine of ten by `p90`."""

    p50: datetime
    p90: datetime
    sample_size: int


async def expected_of(services: Services, tenant: str, order: StoredOrder) -> Expected | None:
    """None: it is not on its way, too few earlier orders were where it is now, or nobody can say now."""
    if order.status not in _AWAITED:
        return None
    try:
        found = await estimate(services, tenant=tenant, order_id=order.id)
    except Unavailable as error:  # the rest of the page was read
        log.warning("estimate.unavailable", error=str(error))
        return None
    match found["delivery"]:
        case {"p50": datetime() as p50, "p90": datetime() as p90, "sample_size": int() as size}:
            return Expected(p50=p50, p90=p90, sample_size=size)
    return None
