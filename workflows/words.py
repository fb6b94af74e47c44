"""The sentences in Temporal's pages: what a workflow does or waits for, until when, and what then.

Pure: amounts, methods, carriers, codes and times go in. What people wrote never does.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from activities.steps import Decide
from ordersaga.messages import PaymentNews
from ordersaga.money import format_amount
from ordersaga.order import OrderTicket, PaymentPlan, RefundPlan, Refusal

MOST_IN_A_KEYWORD: Final = 255  # characters: what Temporal's visibility in PostgreSQL keeps

HOLDS_OUR_OWN: Final = "Holds goods, store credit and vouchers on our own site."
DECIDES: Final = "Decides."
ALL_WENT_BACK: Final = "Ended: all of it went back, or was given up by an operator."
NOT_LOOKED_AT: Final = "Ended: an operator gave it up; nobody has looked at the payment."
MERCHANT_SHIPS: Final = "Confirmed. Waits for the merchant to ship; there is no deadline."


def moment(at: datetime) -> str:
    """`21 Nov 2026, 09:05:00 UTC`"""
    return f"{at.astimezone(UTC):%-d %b %Y, %H:%M:%S} UTC"


def money(ticket: OrderTicket, payments: Iterable[PaymentPlan]) -> str:
    """`95.58 BRL by card and 4.00 BRL by boleto`"""
    return " and ".join(
        f"{format_amount(p.amount, ticket.currency)} by {p.method}" for p in payments
    )


def waits_for_buyer(ticket: OrderTicket) -> str:
    total = format_amount(ticket.total, ticket.currency)
    until = moment(ticket.deadline)
    return f"Waits for the buyer to pay {total}, until {until}. Then the order is canceled."


def waits_for_payers(
    ticket: OrderTicket, payments: Iterable[PaymentPlan], *, until: datetime
) -> str:
    return (
        f"Waits for the payer of {money(ticket, payments)}, until {moment(until)}. "
        "Then the provider is asked once more, and an order that is not paid is canceled."
    )


def asks_others(ticket: OrderTicket, payments: Iterable[PaymentPlan], *, parcel: bool) -> str:
    """What is held at others, side by side."""
    asked = [f"to hold {held}"] if (held := money(ticket, payments)) else []
    if parcel:
        asked.append(f"{ticket.parcel.carrier} to book the parcel")
    return f"Asks {' and '.join(asked)}. {_patience(ticket)}" if asked else HOLDS_OUR_OWN


def holds(steps: Iterable[str]) -> str:
    """`hold stock, payment`: what a local activity is called."""
    return f"hold {', '.join(dict.fromkeys(step.partition(':')[0] for step in steps))}"


def decides(ask: Decide) -> str:
    """`decide: confirm`; `hold stock, payment and decide` where that is one transaction."""
    if ask.objection is not None:
        return f"decide: undo, {undone_by(ask.objection)}"
    return f"{holds(ask.holding)} and decide" if ask.holding else "decide: confirm"


def charges(ticket: OrderTicket, payments: Iterable[PaymentPlan]) -> str:
    return f"Asks for {money(ticket, payments)}, which cannot be held. {_patience(ticket)}"


def captures(ticket: OrderTicket, payment: PaymentPlan) -> str:
    return f"Takes the held {money(ticket, [payment])}. {_patience(ticket)}"


def held(until: datetime) -> str:
    return (
        f"Held: somebody has to let it go on, until {moment(until)}. Then the order is canceled; "
        "no more money is taken meanwhile."
    )


def undoes(failure: Refusal | None) -> str:
    """There is no deadline: an undo is tried until it is done, or an operator gives it up."""
    why = f", because {because(failure)}" if failure else ""
    return f"Undoes everything that was begun{why}. Each undo is tried until it is done."


def carrier_comes(ticket: OrderTicket) -> str:
    return f"Confirmed. Tells {ticket.parcel.carrier} to come, however often it takes."


def carrier_is_told(ticket: OrderTicket, *, skipped: bool) -> str:
    if skipped:
        return "Confirmed. An operator orders the pick-up by hand; there is no deadline."
    return (
        f"Confirmed. Waits for {ticket.parcel.carrier} to fetch the parcel; there is no deadline."
    )


def parcel_seen(status: str, over_at: datetime | None) -> str:
    seen = f"The parcel is {status.replace('_', ' ')}."
    if over_at is None:
        return f"{seen} Waits for its carrier's next word; there is no deadline."
    return (
        f"{seen} Waits for the buyer to confirm or give it back, until {moment(over_at)}. "
        "Then the order is complete."
    )


def calls_parcel_back(ticket: OrderTicket, why: Refusal) -> str:
    return (
        f"Cancels the parcel at {ticket.parcel.carrier}, because {because(why)}. "
        "No money goes back before its answer; there is no deadline."
    )


def cancel_refused(why: Refusal) -> str:
    return (
        f"Confirmed, and the cancel was refused, because {because(why)}. "
        "Waits for the parcel to be brought; there is no deadline."
    )


def gives_back(ticket: OrderTicket, refunds: Iterable[RefundPlan], why: Refusal) -> str:
    back = refunds_of(ticket.currency, refunds)
    return f"Gives the order back, because {because(why)}. {back}"


def refunds_of(currency: str, refunds: Iterable[RefundPlan]) -> str:
    sums = " and ".join(f"{format_amount(r.amount, currency)} by {r.method}" for r in refunds)
    if not sums:
        return "No money is left to give back."
    return f"Refunds {sums}, each tried until it is done."


def ended(status: str, failure: Refusal | None) -> str:
    return f"Ended {status}" + (f", because {because(failure)}." if failure else ".")


def return_is(status: str, *, look_again: timedelta) -> str:
    """A return waits for its merchant, and then for its goods."""
    waits = {
        "requested": "Waits for the merchant to approve or decline the return",
        "approved": "The return is approved. Waits for its goods",
    }.get(status, f"The return is {status}")
    hours = look_again.total_seconds() / 3600
    return f"{waits}; there is no deadline. Looks by itself every {hours:g} hours."


def goods_are_back(currency: str, refunds: Iterable[RefundPlan]) -> str:
    return f"The goods are back. {refunds_of(currency, refunds)}"


def looks_at(news: PaymentNews) -> str:
    """Something was heard of a payment, after its order's end."""
    return f"Asks the provider how `{news.payment_id}` stands, for `{news.type}` was heard of it."


def looked_at(refunds: int) -> str:
    back = {0: "nothing had to go back", 1: "one refund was made"}
    return f"Ended: {back.get(refunds, f'{refunds} refunds were made')}."


def needs_a_person(step: str, since: str) -> str:
    """Markdown: it shall be seen."""
    return (
        f"**Needs a person**: `{step}` has kept failing since {since}. It is tried on; "
        "`retry` or `skip` it by the order's `attention`."
    )


def because(why: Refusal) -> str:
    """`of parcel: the carrier has lost the parcel (parcel_lost)`"""
    return f"of {why.participant}: {why.detail.rstrip('.')} ({why.code})"


def undone_by(why: Refusal) -> str:
    """`payment:card_declined`: who said no, and its code.

    A carrier's code can be of any length, and Temporal ends a workflow that sets too long an attribute.
    """
    return f"{why.participant}:{why.code}"[:MOST_IN_A_KEYWORD]


def _patience(ticket: OrderTicket) -> str:
    minutes = ticket.outage_patience_s / 60
    return f"Who gives no answer for {minutes:g} min is given up, and the order undone."
