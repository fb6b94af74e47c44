"""Quantiles of what was seen, by linear interpolation between neighbours (as PostgreSQL's and numpy's)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


def quantile(in_order: Sequence[float], share: float) -> float:
    """Of values sorted upwards, at least one: what `share` of them (0 to 1) do not exceed."""
    place = share * (len(in_order) - 1)
    below = int(place)
    above = min(below + 1, len(in_order) - 1)
    return in_order[below] + (in_order[above] - in_order[below]) * (place - below)


@dataclass(frozen=True, kw_only=True)
class Dwell:
    """How long orders stayed in a state, of those `count` that left it and whose times are known. Seconds."""

    count: int
    mean_s: float
    p50_s: float
    p90_s: float
    p99_s: float


def summarise(in_order: Sequence[float]) -> Dwell | None:
    """Of stays sorted upwards; None: there are none."""
    if not in_order:
        return None
    return Dwell(
        count=len(in_order),
        mean_s=sum(in_order) / len(in_order),
        p50_s=quantile(in_order, 0.5),
        p90_s=quantile(in_order, 0.9),
        p99_s=quantile(in_order, 0.99),
    )
