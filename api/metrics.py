"""What Prometheus asks for: how requests went in this process, and how far the relay has got."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from adapters.postgres.outbox import Backlog

# From a read to an order that waits for its decision.
BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
NO_ROUTE: Final = "(none)"  # whatever path somebody made up
NO_SINK: Final = "(not stamped)"  # on its way to every sink

_requests: Final = Histogram(
    "ordersaga_request_seconds",
    "Requests by route and status: how many, and how long each took.",
    ["method", "route", "status"],
    buckets=BUCKETS_S,
)


def note_request(*, method: str, route: str | None, status: int | None, took_s: float) -> None:
    """By its route, never its path. No status: the caller went away before there was one."""
    _requests.labels(
        method=method if route else "",
        route=route or NO_ROUTE,
        status=str(status or ""),
    ).observe(took_s)


def to_text(backlogs: Sequence[Backlog] | None) -> bytes:
    """In Prometheus' text format. No `backlogs`: PostgreSQL does not answer."""
    relay = CollectorRegistry()
    relay.register(_Relay(backlogs))
    return generate_latest(REGISTRY) + generate_latest(relay)


class _Relay(Collector):
    """As it is when it is asked: the same from every process."""

    def __init__(self, backlogs: Sequence[Backlog] | None) -> None:
        self._backlogs = backlogs

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "ordersaga_database_up", "1: PostgreSQL answers.", value=self._backlogs is not None
        )
        waiting, oldest, parked = (
            GaugeMetricFamily(f"ordersaga_relay_{name}", says, labels=["sink"])
            for name, says in (
                ("waiting_events", "Events that a sink has still to hear."),
                ("oldest_event_seconds", "For how long the oldest of these waits."),
                ("parked_orders", "Orders with an event that a sink does not take."),
            )
        )
        for each in self._backlogs or ():
            sink = [each.sink or NO_SINK]
            waiting.add_metric(sink, each.waiting)
            oldest.add_metric(sink, each.oldest_s)
            parked.add_metric(sink, each.parked)
        yield from (waiting, oldest, parked)
