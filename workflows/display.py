"""What a workflow shows in Temporal's own pages and lists. No personal data: amounts, methods, steps.

A search attribute costs a history event each time it changes, and only then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from ordersaga.lifecycle import PaymentStatus, PaymentSums, derive_payment_status
    from ordersaga.methods import METHODS
    from ordersaga.order import PaymentPlan, Refusal, Standing, Vote
    from workflows import names, words


class Display:
    """How a workflow looks now: what it does or waits for, and which of its steps need a person."""

    def __init__(self) -> None:
        self._doing = ""
        self._failing: dict[str, str] = {}  # a step that needs a person → since when, oldest first

    def tell(self, sentence: str) -> None:
        """What it does or waits for now, and until when; for whoever looks at it."""
        self._doing = sentence
        self._draw()

    def turn(self, before: str, now: str) -> None:
        """`tell(now)`, unless something else than `before` is told by now."""
        if self._doing == before:
            self.tell(now)

    def call_person(self, step: str) -> None:
        """A step keeps failing; it is tried on."""
        self._failing.setdefault(step, words.moment(workflow.now()))
        self._draw()
        self._mark()

    def relieve(self, step: str) -> None:
        """It does not any more: done, or given up."""
        if self._failing.pop(step, None) is not None:
            self._draw()
            self._mark()

    def end(self, standing: Standing, failure: Refusal | None) -> None:
        """Nothing that an ended order's own steps failed at matters any more."""
        self._failing.clear()
        self.tell(words.ended(standing.status, failure))
        _keep({**_standing(standing, failure), names.ATTENTION: None})

    def _draw(self) -> None:
        calls = (words.needs_a_person(step, since) for step, since in self._failing.items())
        workflow.set_current_details("\n\n".join([self._doing, *calls]))

    def _mark(self) -> None:
        _keep({names.ATTENTION: next(iter(self._failing), None)})


def show(standing: Standing, undone_by: Refusal | None = None) -> None:
    """For whoever searches: where the order stands, and who took it back, if anybody did."""
    _keep(_standing(standing, undone_by))


def show_status(status: str, undone_by: Refusal) -> None:
    """The same, of an order whose money stands as it stood."""
    _keep({names.ORDER_STATUS: str(status), names.UNDONE_BY: words.undone_by(undone_by)})


def payment_status(payments: Iterable[PaymentPlan], votes: Mapping[str, Vote]) -> PaymentStatus:
    """What the sums of their rows come to before anything held is captured, told by the votes."""
    return derive_payment_status(_sums(payment, votes.get(payment.step)) for payment in payments)


def _sums(payment: PaymentPlan, vote: Vote | None) -> PaymentSums:
    if vote is not None and vote.answer == "waiting":
        return PaymentSums(PaymentStatus.REQUIRES_ACTION, 0, 0)
    if payment.is_ours or (vote is not None and METHODS[payment.method].holdable):
        return PaymentSums(PaymentStatus.AUTHORIZED, 0, 0)
    if vote is not None:
        return PaymentSums(PaymentStatus.CAPTURED, payment.amount, 0)
    return PaymentSums(PaymentStatus.UNPAID, 0, 0)


def _standing(standing: Standing, undone_by: Refusal | None) -> dict[SearchAttributeKey[Any], Any]:
    shown: dict[SearchAttributeKey[Any], Any] = {
        names.ORDER_STATUS: str(standing.status),
        names.PAYMENT_STATUS: str(standing.payment_status),
    }
    return shown if undone_by is None else {**shown, names.UNDONE_BY: words.undone_by(undone_by)}


def _keep(wanted: dict[SearchAttributeKey[Any], Any]) -> None:
    """One event for all that changed, none if nothing did. None: not set."""
    shown = workflow.info().typed_search_attributes
    changes = [
        key.value_unset() if value is None else key.value_set(value)
        for key, value in wanted.items()
        if shown.get(key) != value
    ]
    if changes:
        workflow.upsert_search_attributes(changes)
