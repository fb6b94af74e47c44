"""Random orders, cancels, answers and duplicates on the real adapters, against a book kept by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters.postgres.pool import Pool
from ordersaga.errors import IllegalMove
from ordersaga.keys import Step
from ordersaga.order import MERCHANT, SANDBOX, Line, NewPayment, RefundPlan, Refusal
from ordersaga.ports import Booking, Destination, MoneyState
from tests.model.ledger_book import OPEN, VOUCHER, Book, Owed, Sale
from tests.postgres.books import assert_books_are_true
from tests.postgres.merchant import (
    CHANGED_MIND,
    CUSTOMER,
    DECLINED,
    Merchant,
    answer,
    new_reference,
    parcel_of,
    payment,
    step_of,
)

T = TypeVar("T")

STOCKED: Final = {"mug": 6, "cup": 3}  # few: orders run out of them
SPENDABLE: Final = {"voucher": 900, "credit": 700}
MOST_ORDERS: Final = 6
MOST_STEPS: Final = 8  # as many as the longest order has
CAPTURE_DECLINED: Final = Refusal("payment", "capture_declined", "no")
NO_SHIPPING: Final = Refusal("parcel", "shipping_refused", "not there")
TOKENS: Final = {"voucher": VOUCHER, "balance": None}
STATUSES: Final = {  # what the book calls otherwise
    "undone": ("rejected", "canceled"),
    "given back": ("canceled", "returned"),
}

lines = st.lists(
    st.tuples(st.sampled_from(sorted(STOCKED)), st.integers(1, 3)), min_size=1, max_size=3
)
tenders = st.lists(
    st.tuples(st.sampled_from(["voucher", "balance", "card", "boleto"]), st.integers(1, 300)),
    max_size=3,
)
carriers = st.sampled_from([MERCHANT, SANDBOX])
any_number = st.integers(0, 100)  # picks one of the orders or payments that there are


class ShopMachine(RuleBasedStateMachine):
    """Each rule does the same to PostgreSQL and to the book; after each the two must agree."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: Pool) -> None:
        super().__init__()
        self._loop = loop
        self.merchant = Merchant(pool)
        self.book = Book(dict(STOCKED), dict(STOCKED), dict(SPENDABLE))

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(doing)

    def pick(self, number: int) -> Sale:
        return self.book.sales[number % len(self.book.sales)]

    @initialize(lines=lines, tender=tenders, carrier=carriers)
    def open_the_shop(
        self, lines: list[tuple[str, int]], tender: list[tuple[str, int]], carrier: str
    ) -> None:
        self.put_goods_and_money()
        self.place(lines=lines, tender=tender, carrier=carrier)

    def put_goods_and_money(self) -> None:
        self.run(self.merchant.put_stock(**STOCKED))
        self.run(self.merchant.put_voucher(VOUCHER, SPENDABLE["voucher"]))
        self.run(self.merchant.put_credit(SPENDABLE["credit"]))

    @precondition(lambda self: self.book.sales)
    @rule(number=any_number, steps=st.integers(1, MOST_STEPS))
    def go_on(self, number: int, steps: int) -> None:
        """What a workflow would do next, several times: chance alone confirms hardly anything."""
        place = number % len(self.book.sales)
        for _ in range(steps):
            self.do_next(place)

    def do_next(self, place: int) -> None:
        sale = self.book.sales[place]
        remote = {p.plan.id: n for n, (_, p) in enumerate(self.all_remote())}
        not_asked = [p.plan.id for p in sale.remote if p.plan.id not in sale.begun]
        held = [p.plan.id for p in sale.remote if sale.money[p.plan.id] == "authorized"]
        if sale.verdict == "undo":
            for asked in sale.remote:
                self.undo_payment(number=remote[asked.plan.id])
            self.cancel_parcel(number=place)
            self.close(number=place)
        elif sale.verdict is None and not sale.asked:
            self.hold(number=place, duplicates=1)
        elif sale.verdict is None and not_asked:
            self.provider_answers(number=remote[not_asked[0]], says="yes", again=False)
        elif sale.verdict is None and not sale.order.parcel.is_ours and not sale.parcel_asked:
            self.carrier_answers(number=place, succeeds=True)
        elif sale.verdict is None and held:
            self.provider_captures(number=remote[held[0]], succeeds=True, again=False)
        else:
            self.decide(number=place, wants="confirm", rashly=False)

    # --- Orders, cancels and decisions --------------------------------------------------------------

    @precondition(lambda self: len(self.book.sales) < MOST_ORDERS)
    @rule(lines=lines, tender=tenders, carrier=carriers)
    def place(
        self, lines: list[tuple[str, int]], tender: list[tuple[str, int]], carrier: str
    ) -> None:
        payments = [payment(method, n, TOKENS.get(method, "tok_ok")) for method, n in tender]
        priced = _priced(lines, total=sum(n for _, n in tender))
        order = self.run(self.merchant.order(*payments, carrier=carrier, priced=priced))
        self.book.sales.append(Sale(order, {p.plan.id: "unpaid" for p in payments}))

    @precondition(lambda self: self.book.sales)
    @rule(number=any_number, duplicates=st.integers(1, 3))
    def hold(self, number: int, duplicates: int) -> None:
        sale = self.pick(number)
        hold = self.merchant.hold
        votes = self.run(_at_once(*(hold(sale.order) for _ in range(duplicates))))
        assert len(set(votes)) == 1, "a vote once given is repeated"
        self.book.hold(sale)

    @precondition(lambda self: self.book.sales)
    @rule(number=any_number)
    def ask_to_cancel(self, number: int) -> None:
        sale = self.pick(number)
        if sale.status in ("pending", "confirmed") and not sale.reversing:
            self.run(self.merchant.ask_to_cancel(sale.order))
            sale.cancel = True
        else:
            with pytest.raises(IllegalMove):
                self.run(self.merchant.ask_to_cancel(sale.order))

    @precondition(lambda self: self.book.sales)
    @rule(
        number=any_number,
        wants=st.sampled_from(["confirm", "confirm", "undo"]),
        rashly=st.sampled_from([False, False, False, True]),
    )
    def decide(self, number: int, wants: str, *, rashly: bool) -> None:
        """`rashly`: confirm also where somebody's yes is missing; that must become an undo."""
        sale = self.pick(number)
        is_ready = sale.has_every_yes and not sale.cancel
        if wants == "confirm" and not (sale.verdict or is_ready or rashly):
            return
        if sale.verdict is None:
            (self.book.confirm if wants == "confirm" and is_ready else self.book.undo)(sale)
            nothing_else = sale.over
        else:
            nothing_else = not sale.began_elsewhere
        objection = None if wants == "confirm" else DECLINED
        decide = self.merchant.own_site.decide
        decision = self.run(decide(sale.order.id, objection, nothing_else=nothing_else))
        assert decision.verdict == sale.verdict

    @precondition(lambda self: self.book.sales)
    @rule(number=any_number, duplicates=st.integers(1, 3))
    def hold_and_decide(self, number: int, duplicates: int) -> None:
        """What the workflow of an order does in which nobody else takes part: in one transaction."""
        sale = self.pick(number)
        if sale.remote or not sale.order.parcel.is_ours:
            return
        if sale.verdict is None:
            self.book.hold(sale)
            is_ready = sale.has_every_yes and not sale.cancel
            (self.book.confirm if is_ready else self.book.undo)(sale)
        buy = self.merchant.buy
        for decision in self.run(_at_once(*(buy(sale.order) for _ in range(duplicates)))):
            assert decision.verdict == sale.verdict

    @precondition(lambda self: self.book.sales)
    @rule(number=any_number)
    def confirm_and_undo_at_once(self, number: int) -> None:
        """Whoever comes first; the book follows, as the loser does."""
        sale = self.pick(number)
        if sale.verdict or not sale.has_every_yes or sale.cancel:
            return
        nothing_else = not sale.began_elsewhere
        first, second = self.run(
            _at_once(
                self.merchant.own_site.decide(sale.order.id, None, nothing_else=nothing_else),
                self.merchant.own_site.decide(sale.order.id, DECLINED, nothing_else=nothing_else),
            )
        )
        assert first.verdict == second.verdict
        (self.book.confirm if first.verdict == "confirm" else self.book.undo)(sale)

    # --- What providers and carriers answer --------------------------------------------------------

    @precondition(lambda self: any(sale.remote for sale in self.book.sales))
    @rule(
        number=any_number,
        says=st.sampled_from(["yes", "yes", "no", "waiting"]),
        again=st.booleans(),
    )
    def provider_answers(self, number: int, says: str, *, again: bool) -> None:
        """What the activity does: only who may begin asks; `again`: an answer that comes twice."""
        sale, asked = self.pick_remote(number)
        step, pid = step_of(sale.order, asked), asked.plan.id
        answered = self.run(self.merchant.records.begin(step))
        if sale.verdict:
            assert answered is not None, "after the decision nothing begins"
        if answered is not None:
            return
        sale.begun.add(pid)
        self.run(self.merchant.records.keep_reference(step, pid, new_reference()))
        state = _state_of(asked, says)
        refusal = DECLINED if says == "no" else None
        told = answer(state, asked, refusal=refusal)
        for _ in range(1 + again):
            self.run(self.merchant.records.payment_answered(step, pid, told))
        if sale.money[pid] in OPEN:
            sale.money[pid] = {
                "held": "authorized",
                "taken": "captured",
                "requires_action": "requires_action",
                "unconfirmed": "failed",
            }[state]
            if says == "no":
                sale.refused.add(pid)
            if state == "taken":
                self.book.take(sale, asked)

    @precondition(lambda self: any(sale.remote for sale in self.book.sales))
    @rule(number=any_number, succeeds=st.sampled_from([True, True, False]), again=st.booleans())
    def provider_captures(self, number: int, *, succeeds: bool, again: bool) -> None:
        sale, asked = self.pick_remote(number)
        pid = asked.plan.id
        if sale.money[pid] != "authorized" or pid in sale.refused or sale.verdict:
            return
        step = step_of(sale.order, asked)
        told = answer("taken" if succeeds else "held", asked)
        for _ in range(1 + again):
            vote = self.run(self.merchant.records.payment_captured(step, pid, told))
            assert vote.answer == ("yes" if succeeds else "no")
        if succeeds:
            self.book.take(sale, asked)
        else:
            sale.refused.add(pid)

    @precondition(lambda self: self.book.sales)
    @rule(number=any_number, succeeds=st.sampled_from([True, True, False]))
    def carrier_answers(self, number: int, *, succeeds: bool) -> None:
        sale = self.pick(number)
        if sale.order.parcel.is_ours:
            return
        step = parcel_of(sale.order)
        if self.run(self.merchant.records.begin(step)) is not None:
            return
        told = Booking(f"T-{sale.order.id}") if succeeds else NO_SHIPPING
        self.run(self.merchant.records.parcel_answered(step, sale.order.parcel.id, told))
        sale.parcel_asked = True
        sale.parcel = "booked" if succeeds else sale.parcel

    # --- The way back ------------------------------------------------------------------------------

    @precondition(lambda self: any(sale.remote for sale in self.book.sales))
    @rule(number=any_number)
    def undo_payment(self, number: int) -> None:
        sale, asked = self.pick_remote(number)
        if sale.verdict != "undo":
            return
        step = step_of(sale.order, asked)
        if self.run(self.merchant.records.begin_undo(step)) == "undo" and not sale.over:
            pid = asked.plan.id
            taken = asked.plan.amount if sale.money[pid] in ("captured", "refunded") else 0
            to: Destination = "store_credit" if taken and _is_slip(asked) else "payer"
            given_back = self.merchant.records.payment_given_back
            self.run(given_back(step, pid, amount=taken, to=to))
            self.book.give_back(sale, asked)

    @precondition(lambda self: self.book.sales)
    @rule(number=any_number)
    def cancel_parcel(self, number: int) -> None:
        sale = self.pick(number)
        if sale.verdict != "undo" or sale.order.parcel.is_ours or sale.over:
            return
        self.run(self.merchant.records.begin_undo(parcel_of(sale.order)))
        self.run(self.merchant.records.parcel_canceled(parcel_of(sale.order)))
        sale.parcel = "canceled" if sale.parcel == "booked" else sale.parcel

    @precondition(lambda self: self.book.sales)
    @rule(number=any_number)
    def close(self, number: int) -> None:
        sale = self.pick(number)
        if sale.verdict == "undo" and sale.is_given_back_elsewhere:
            self.run(self.merchant.own_site.close(sale.order.id))
            self.book.end(sale)

    @precondition(lambda self: any(sale.status == "confirmed" for sale in self.book.sales))
    @rule(number=any_number, again=st.booleans())
    def call_back(self, number: int, *, again: bool) -> None:
        """What follows when the parcel's cancel got its yes."""
        confirmed = [sale for sale in self.book.sales if sale.status == "confirmed"]
        self.reverse(confirmed[number % len(confirmed)], CHANGED_MIND, again=again)

    def reverse(self, sale: Sale, why: Refusal, *, again: bool) -> None:
        """Each step once or twice: what is left goes back, then the goods."""
        opened = self.run(self.merchant.own_site.open_reversal(sale.order.id, why))
        if again:
            repeated = self.run(self.merchant.own_site.open_reversal(sale.order.id, CHANGED_MIND))
            assert repeated.refunds == opened.refunds, "what is to do is written down once"
        self.owe(sale, opened.refunds, sale.left_in_all, why="reversal")
        sale.reversing = True
        for return_ in sale.returns.values():
            if return_.status in ("requested", "approved"):
                return_.status = "declined"
        for plan in opened.refunds:
            self.refund(sale, plan, again=again)
        for _ in range(1 + again):
            self.run(self.merchant.own_site.reverse(sale.order.id))
        self.settle_ours(sale, why="reversal")
        self.book.reverse(sale)

    # --- What is to go back, and goes back -----------------------------------------------------------

    def owe(self, sale: Sale, plans: Sequence[RefundPlan], amount: int, *, why: str) -> None:
        """The same shares of the same payments are in our tables and in the book."""
        assert sorted((p.payment_id, p.amount) for p in plans) == sorted(sale.shares(amount))
        sale.owed += [Owed(p.id, p.payment_id, p.amount, why) for p in plans]

    def refund(self, sale: Sale, plan: RefundPlan, *, again: bool = False) -> None:
        """One of another's, by whom it was taken; ours go back with what they are for."""
        if plan.is_ours:
            return
        step = Step(sale.order.id, plan.step)
        to: Destination = "store_credit" if plan.method == "boleto" else "payer"
        for _ in range(1 + again):
            if self.run(self.merchant.records.begin(step)) is None:
                self.run(self.merchant.records.refunded(step, plan, to=to))
        for owed in [owed for owed in sale.owed if owed.id == plan.id]:
            self.book.pay_back(sale, owed)

    def settle_ours(self, sale: Sale, *, why: str) -> None:
        """What our own ledger owes for this reason goes back in one transaction with it."""
        ours = {payment.plan.id for payment in sale.ours}
        for owed in [o for o in sale.owed if o.why == why and o.payment_id in ours]:
            self.book.pay_back(sale, owed)

    def pick_remote(self, number: int) -> tuple[Sale, NewPayment]:
        found = self.all_remote()
        return found[number % len(found)]

    def all_remote(self) -> list[tuple[Sale, NewPayment]]:
        return [(sale, asked) for sale in self.book.sales for asked in sale.remote]

    # --- What must hold after every step ------------------------------------------------------------

    @invariant()
    def the_shelf_is_as_the_book_says(self) -> None:
        for sku, on_hand in self.book.on_hand.items():
            available = self.book.available[sku]
            stored = self.run(self.merchant.stock(sku))
            assert stored == (on_hand, available, on_hand - available)

    @invariant()
    def the_accounts_are_as_the_book_says(self) -> None:
        credit = self.run(self.merchant.spendable("credit", CUSTOMER))
        voucher = self.run(self.merchant.spendable("voucher", VOUCHER))
        assert {"credit": credit, "voucher": voucher} == self.book.spendable

    @invariant()
    def the_orders_are_as_the_book_says(self) -> None:
        for sale in self.book.sales:
            state = self.run(self.merchant.look(sale.order)).state
            assert {p.id: p.status for p in state.payments} == sale.money
            assert state.status in STATUSES.get(sale.status, (sale.status,))
            for paid in state.payments:
                assert paid.captured == sale.taken.get(paid.id, 0)
                assert paid.refunded == sale.back.get(paid.id, 0)

    def teardown(self) -> None:
        self.run(assert_books_are_true(self.merchant))


async def _at_once(*doing: Coroutine[Any, Any, T]) -> list[T]:
    return list(await asyncio.gather(*doing))


def _is_slip(asked: NewPayment) -> bool:
    return asked.plan.method == "boleto"


def _priced(lines: Sequence[tuple[str, int]], *, total: int) -> list[Line]:
    """Prices, and a tax of the first line that does not divide well; the rest is for shipping."""
    price = total // (1 + sum(quantity for _, quantity in lines))
    taxes = [price // 2] + [0] * len(lines)
    return [Line(sku, n, price, tax) for (sku, n), tax in zip(lines, taxes, strict=False)]


def _state_of(asked: NewPayment, says: str) -> MoneyState:
    if says == "no":
        return "unconfirmed"
    if says == "waiting":
        return "requires_action"
    return "taken" if _is_slip(asked) else "held"
