"""What the routes work with: made once a process, closed with it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from adapters.postgres.changes import OrderChanges
from adapters.postgres.limits import OpenOrders
from adapters.postgres.pool import Pool
from adapters.temporal import OrderWorkflows
from api.auth import KnownKeys
from api.fits import Fits
from api.limits import LinkLimits, RefusalLimits, RequestLimits
from api.live import Hub
from ordersaga.config import Settings
from ordersaga.links import TrackLinks


@dataclass(frozen=True)
class Services:
    """The ends of the wires that leave this process."""

    settings: Settings
    pool: Pool
    changes: OrderChanges
    workflows: OrderWorkflows
    known_keys: KnownKeys
    requests: RequestLimits
    refusals: RefusalLimits
    open_orders: OpenOrders
    live: Hub
    links: LinkLimits
    track_links: TrackLinks
    fits: Fits

    @property
    def workflow_pages(self) -> str:
        """Where Temporal's UI shows workflows; empty: nowhere."""
        ui = self.settings.temporal_ui_url.rstrip("/")
        return f"{ui}/namespaces/{self.workflows.namespace}/workflows" if ui else ""


def services_of(request: Request) -> Services:
    """Of the application that this request came to."""
    services: Services = request.app.state.services
    return services
