"""The world outside on top of it: parcels that move, refunds, returns, money that comes too late."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from adapters.postgres.give_backs import store_refund
from adapters.postgres.pool import transaction
from adapters.postgres.shipping import store_shipped
from ordersaga.errors import IllegalMove
from ordersaga.giving_back import TooMany, TooMuch
from ordersaga.keys import new_id
from ordersaga.messages import PaymentNews
from ordersaga.order import NewOrder, RefundPlan
from tests.model.ledger_book import LOST, ON_THE_WAY, SENT_BACK, Return, Sale
from tests.model.machine import MOST_STEPS, ShopMachine, any_number, carriers
from tests.postgres.merchant import ALWAYS_S, answer

LONGEST_WAY_H: Final = 6  # hours: few, so that much is said of the same one
REFUNDABLE: Final = ("confirmed", "shipped", "delivered", "completed")
RETURNABLE: Final = ("delivered", "completed")
SOLD_BEFORE: Final = 3  # orders

Lines = list[tuple[str, int]]
Tender = list[tuple[str, int]]

few_lines = st.lists(
    st.tuples(st.sampled_from(["mug", "cup"]), st.integers(1, 2)), min_size=1, max_size=2
)
paid = st.lists(
    st.tuples(st.sampled_from(["card", "boleto", "voucher"]), st.integers(20, 200)),
    min_size=1,
    max_size=2,
)


class OutsideMachine(ShopMachine):
    """Each rule does the same to PostgreSQL and to the book; after each the two must agree."""

    @initialize(
        sold=st.lists(st.tuples(few_lines, paid, carriers), min_size=1, max_size=SOLD_BEFORE),
        delivered=st.booleans(),
    )
    def open_the_shop(
        self, sold: list[tuple[Lines, Tender, str]], *, delivered: bool
    ) -> None:  # in place of the one that has sold nothing yet
        """Some was sold before: chance alone sells hardly anything."""
        self.put_goods_and_money()
        for lines, tender, carrier in sold:
            self.place(lines=lines, tender=tender, carrier=carrier)
            for _ in range(MOST_STEPS):
                self.do_next(len(self.book.sales) - 1)
        for number in range(len(sold) if delivered and self.has("confirmed") else 0):
            if self.has("confirmed"):
                self.merchant_ships(number=0)
            self.carrier_says(number=number, said="delivered", hour=1, again=False)

    def pick_in(self, number: int, *statuses: str) -> Sale:
        found = [sale for sale in self.book.sales if sale.status in statuses]
        return found[number % len(found)]

    # --- Parcels ---------------------------------------------------------------------------------

    @precondition(lambda self: self.has("confirmed"))
    @rule(number=any_number)
    def merchant_ships(self, number: int) -> None:
        sale = self.pick_in(number, "confirmed")
        if not sale.order.parcel.is_ours or sale.cancel:
            return
        self.run(self._ship(sale.order))
        sale.status = "shipped"

    async def _ship(self, order: NewOrder) -> None:
        async with transaction(self.merchant.pool) as connection:
            await store_shipped(
                connection,
                order_id=order.id,
                return_window_s=ALWAYS_S,
                tracking_number=f"T-{order.id}",
                by="key_1",
            )

    @precondition(lambda self: self.has("confirmed", "shipped", "delivered", "completed"))
    @rule(
        number=any_number,
        said=st.sampled_from(ON_THE_WAY),
        hour=st.integers(0, LONGEST_WAY_H),
        again=st.booleans(),
    )
    def carrier_says(self, number: int, said: str, hour: int, *, again: bool) -> None:
        """In any order, and twice."""
        sale = self.pick_in(number, *REFUNDABLE)
        if sale.order.parcel.is_ours and sale.status == "confirmed":
            return  # nobody knows its number yet
        for _ in range(1 + again):
            followed = self.run(self.merchant.sees(sale.order, said, hour=hour))
        sale.seen.add((hour, said))
        everything = {status for _, status in sale.seen}
        if sale.status == "confirmed" and everything - {"pre_transit", LOST}:
            sale.status = "shipped"
        if sale.status == "shipped" and "delivered" in everything:
            sale.status = "delivered"
        comes_back = sale.parcel_seen in SENT_BACK
        is_lost = sale.parcel_seen == LOST and sale.status in ("confirmed", "shipped")
        is_reversed = sale.status != "completed" and (comes_back or is_lost)
        assert (followed.reversal is not None) == is_reversed
        if followed.reversal is not None:
            sale.is_lost = is_lost
            self.reverse(sale, followed.reversal, again=again)

    @precondition(lambda self: self.has("delivered"))
    @rule(number=any_number)
    def window_passes(self, number: int) -> None:
        sale = self.pick_in(number, "delivered")
        self.run(self.merchant.own_site.complete(sale.order.id))
        sale.status, sale.cancel = "completed", False

    # --- Refunds without a return --------------------------------------------------------------------

    @precondition(lambda self: self.has(*REFUNDABLE))
    @rule(number=any_number, amount=st.integers(1, 400))
    def operator_refunds(self, number: int, amount: int) -> None:
        """Some of it, or more than is left."""
        sale = self.pick_in(number, *REFUNDABLE)
        left, request_id = sale.left_in_all, new_id("req")
        if amount > left:
            with pytest.raises(TooMuch if left else IllegalMove):
                self.run(self._request(sale.order, request_id, amount))
            return
        self.run(self._request(sale.order, request_id, amount))
        plans = self.run(self.merchant.own_site.requested_refunds(request_id))
        self.owe(sale, plans, amount, why=request_id)

    async def _request(self, order: NewOrder, request_id: str, amount: int) -> None:
        async with transaction(self.merchant.pool) as connection:
            await store_refund(
                connection,
                order_id=order.id,
                return_window_s=ALWAYS_S,
                undo_retry_cap_s=1,
                request_id=request_id,
                amount=amount,
                reason="a scratch",
                by="key_1",
            )

    @precondition(lambda self: any(sale.owed for sale in self.book.sales))
    @rule(number=any_number, again=st.booleans(), stops_early=st.booleans())
    def refund_goes_on(self, number: int, *, again: bool, stops_early: bool) -> None:
        """Of a refund that was asked for: also of an order that was given back meanwhile."""
        owing = [sale for sale in self.book.sales if sale.owed]
        sale = owing[number % len(owing)]
        why = sale.owed[0].why
        if not why.startswith("req_"):
            return
        plans = self.run(self.merchant.own_site.requested_refunds(why))
        for plan in plans[:1] if stops_early else plans:
            self.refund(sale, plan, again=again)
        if not stops_early:
            for _ in range(1 + again):
                self.run(self.merchant.own_site.settle_refund(why))
            self.settle_ours(sale, why=why)
            self._end_if_all_is_back(sale)

    # --- Returns ---------------------------------------------------------------------------------

    @precondition(lambda self: self.has(*RETURNABLE))
    @rule(number=any_number, units=st.integers(1, 3))
    def buyer_sends_back(self, number: int, units: int) -> None:
        """So many of its first SKU, or more than he has."""
        sale = self.pick_in(number, *RETURNABLE)
        sku = sale.order.lines[0].sku
        others = [r for r in sale.returns.values() if r.status != "declined"]
        left = {
            each: bought - sum(r.units.get(each, 0) for r in others)
            for each, bought in sale.demand.items()
        }
        if units > left[sku]:
            refusal = TooMany if any(left.values()) else IllegalMove
            with pytest.raises(refusal):
                self.run(self.merchant.ask_return(sale.order, **{sku: units}))
            return
        return_id = self.run(self.merchant.ask_return(sale.order, **{sku: units}))
        sale.returns[return_id] = Return({sku: units})

    @precondition(lambda self: self.has(*RETURNABLE))
    @rule(number=any_number)
    def buyer_sends_all_back(self, number: int) -> None:
        sale = self.pick_in(number, *RETURNABLE)
        if not any(r.status != "declined" for r in sale.returns.values()):
            return_id = self.run(self.merchant.ask_return(sale.order))
            sale.returns[return_id] = Return(dict(sale.demand))

    @precondition(lambda self: any(sale.returns for sale in self.book.sales))
    @rule(number=any_number, agrees=st.sampled_from([True, True, False]), again=st.booleans())
    def return_goes_on(self, number: int, *, agrees: bool, again: bool) -> None:
        """Approved and received, or declined; then its money."""
        sale, return_id, return_ = self._pick_return(number)
        words = {("requested", True): "approve", ("requested", False): "decline",
                 ("approved", True): "receive", ("approved", False): "decline"}  # fmt: skip
        word = words.get((return_.status, agrees))
        if return_.status == "received":
            self._settle(sale, return_id, again=again)
        elif word is not None and (sale.status in RETURNABLE or word == "decline"):
            self.run(self.merchant.answer_return(sale.order, return_id, word))
            return_.status = {"approve": "approved", "receive": "received"}.get(word, "declined")
            if word == "receive":
                self._goods_are_here(sale, return_id)
        else:
            with pytest.raises(IllegalMove):
                self.run(self.merchant.answer_return(sale.order, return_id, "receive"))

    def _goods_are_here(self, sale: Sale, return_id: str) -> None:
        for sku, units in sale.returns[return_id].units.items():
            self.book.shelve(sku, units)
        plans = self._plans(return_id)
        amount = sum(plan.amount for plan in plans)
        if sale.is_all_here_again:
            assert amount == sale.left_in_all, "the last goods bring back all that is left"
        self.owe(sale, plans, amount, why=return_id)

    def _settle(self, sale: Sale, return_id: str, *, again: bool) -> None:
        for plan in self._plans(return_id):
            self.refund(sale, plan, again=again)
        for _ in range(1 + again):
            assert self.run(self.merchant.own_site.settle_return(return_id)) == "refunded"
        self.settle_ours(sale, why=return_id)
        sale.returns[return_id].status = "refunded"
        self._end_if_all_is_back(sale)

    def _plans(self, return_id: str) -> tuple[RefundPlan, ...]:
        return self.run(self.merchant.own_site.look_at_return(return_id)).refunds

    def _end_if_all_is_back(self, sale: Sale) -> None:
        is_paid_back = sale.taken == sale.back
        if sale.status in RETURNABLE and sale.is_all_here_again and is_paid_back:
            sale.status = "given back"

    def _pick_return(self, number: int) -> tuple[Sale, str, Return]:
        found = [(sale, *each) for sale in self.book.sales for each in sale.returns.items()]
        return found[number % len(found)]

    # --- Late money ------------------------------------------------------------------------------

    @precondition(lambda self: self.has("undone"))
    @rule(number=any_number, again=st.booleans())
    def money_comes_too_late(self, number: int, *, again: bool) -> None:
        """A bank takes it after the order was undone: it goes back at once, and once."""
        sale = self.pick_in(number, "undone")
        given_up = [p for p in sale.remote if sale.money[p.plan.id] in ("voided", "failed")]
        asked = next((p for p in given_up if p.plan.id in sale.begun), None)
        if asked is None:
            return
        news = PaymentNews(new_id("evt"), "payment.captured", asked.plan.id)
        examine = self.merchant.records.payment_examined
        plans = self.run(examine(news, answer("taken", asked)))
        if again:
            assert self.run(examine(news, answer("taken", asked))) == plans
        self.book.take(sale, asked)
        self.owe(sale, plans, asked.plan.amount, why="late")
        self.refund(sale, plans[0], again=again)

    def has(self, *statuses: str) -> bool:
        return any(sale.status in statuses for sale in self.book.sales)
