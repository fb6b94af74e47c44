"""What a workflow heard from outside, by signals, and has not acted on yet. Each message counts once."""

from __future__ import annotations

from collections import deque

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from ordersaga.messages import (
        CarrierNews,
        PaymentNews,
        read_carrier_news,
        read_payment_news,
    )


class News:
    """All of it are hints: money counts once its provider was asked, a parcel's place by its fold."""

    def __init__(self) -> None:
        self._heard: set[str] = set()
        self._payments: deque[PaymentNews] = deque()
        self._parcel: deque[CarrierNews] = deque()

    def __bool__(self) -> bool:
        return bool(self._payments or self._parcel)

    def hear_of_payment(self, raw: object) -> None:
        """Takes what a signal carried, from whoever sent it; nonsense is not heard."""
        news = read_payment_news(raw)
        if news is None:
            workflow.logger.warning("a payment_event that says nothing")
        elif self._is_new(news.event_id):
            self._payments.append(news)

    def hear_of_parcel(self, raw: object) -> None:
        """The same, of the parcel."""
        news = read_carrier_news(raw)
        if news is None:
            workflow.logger.warning("a carrier_event that says nothing")
        elif self._is_new(news.event_id):
            self._parcel.append(news)

    def is_of_any(self, payment_ids: frozenset[str]) -> bool:
        """Whether something was heard of one of these payments."""
        return any(news.payment_id in payment_ids for news in self._payments)

    def take_of(self, payment_ids: frozenset[str]) -> frozenset[str]:
        """Those of these payments that something was heard of; it is not news any more."""
        told = frozenset(n.payment_id for n in self._payments if n.payment_id in payment_ids)
        self._payments = deque(n for n in self._payments if n.payment_id not in told)
        return told

    def next_of_payment(self) -> PaymentNews | None:
        return self._payments.popleft() if self._payments else None

    def next_of_parcel(self) -> CarrierNews | None:
        return self._parcel.popleft() if self._parcel else None

    def _is_new(self, event_id: str) -> bool:
        is_new = event_id not in self._heard
        self._heard.add(event_id)
        return is_new
