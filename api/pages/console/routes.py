"""All pages of the console. What takes any word for a move comes after what has a name of its own."""

from __future__ import annotations

from api.pages import analytics
from api.pages.console import attention, deliveries, order, orders, overview, session

ROUTERS = (
    session.router,
    overview.router,
    orders.router,
    attention.router,
    deliveries.router,
    analytics.router,
    order.router,
)
