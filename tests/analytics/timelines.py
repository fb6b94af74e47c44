"""Past orders to test on: the 5,000 real ones where they are beside the repository; invented ones always."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from ordersaga.analytics.past_orders import PastOrder, RecordedStatus

TIMELINES: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "olist-timelines.jsonl"
COUNT: Final = 5_000
needs_timelines = pytest.mark.skipif(
    not TIMELINES.exists(), reason="the real timelines are not beside the repository"
)

FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def real_past() -> tuple[PastOrder, ...]:
    lines = TIMELINES.read_text("utf-8").splitlines()
    return tuple(PastOrder.model_validate_json(line) for line in lines)


def invented_past(count: int, *, seed: int) -> tuple[PastOrder, ...]:
    """A shop's year: near and far buyers, who are promised accordingly; some give up, some still wait."""
    dice = random.Random(seed)
    return tuple(_invent(f"past-{number}", dice) for number in range(count))


def as_lines(past: tuple[PastOrder, ...]) -> str:
    """A file of them."""
    return "".join(one.model_dump_json(exclude_none=True) + "\n" for one in past)


def _invent(reference: str, dice: random.Random) -> PastOrder:
    purchased_at = FIRST_DAY + timedelta(minutes=dice.randrange(365 * 24 * 60))
    approved_at = purchased_at + timedelta(hours=dice.expovariate(1 / 8))
    handed_at = approved_at + timedelta(days=dice.expovariate(1 / 2))
    way_d = dice.choice([2, 4, 8, 16])
    delivered_at = handed_at + timedelta(days=way_d * dice.lognormvariate(0, 0.3))
    ending = dice.choices(
        [RecordedStatus.DELIVERED, RecordedStatus.CANCELED, RecordedStatus.SHIPPED],
        [0.94, 0.04, 0.02],
    )[0]
    is_approved = ending != RecordedStatus.CANCELED or dice.random() < 0.5
    return PastOrder(
        reference=reference,
        status=ending,
        purchased_at=purchased_at,
        approved_at=approved_at if is_approved else None,
        handed_to_carrier_at=handed_at if ending != RecordedStatus.CANCELED else None,
        delivered_at=delivered_at if ending == RecordedStatus.DELIVERED else None,
        promised_by=purchased_at + timedelta(days=5 + 2 * way_d),
    )
