"""Money and stock as one person with one book would keep them: no locks, no fence, one thing at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ordersaga.order import NewOrder, NewPayment

VOUCHER: Final = "V"
OPEN: Final = ("unpaid", "requires_action")
LOST: Final = "lost"
SENT_BACK: Final = ("return_to_sender", "returned")
# From the first to the last that a carrier can say: of what it says of one hour, the last counts.
ON_THE_WAY: Final = ("pre_transit", "picked_up", "in_transit", *SENT_BACK, LOST, "delivered")


@dataclass(frozen=True)
class Owed:
    """So much of a payment is to go back, for one reason. `id`: as our tables have it."""

    id: str
    payment_id: str
    amount: int
    why: str


@dataclass
class Return:
    """Goods that somebody sends back."""

    units: dict[str, int]
    status: str = "requested"


@dataclass
class Sale:
    """What the book says of one order."""

    order: NewOrder
    money: dict[str, str] = field(default_factory=dict)  # payment → its status
    taken: dict[str, int] = field(default_factory=dict)  # payment → what of it came
    back: dict[str, int] = field(default_factory=dict)  # payment → what of it went back
    owed: list[Owed] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # payments with a no to their name
    begun: set[str] = field(default_factory=set)  # payments whose provider was asked
    seen: set[tuple[int, str]] = field(default_factory=set)  # (hour, what the carrier said then)
    returns: dict[str, Return] = field(default_factory=dict)
    parcel: str = "unfulfilled"
    parcel_asked: bool = False
    asked: bool = False  # our own site was asked to hold
    goods: str = "-"  # - · reserved · sold · back
    verdict: str | None = None
    status: str = "pending"
    cancel: bool = False
    reversing: bool = False
    is_lost: bool = False

    @property
    def over(self) -> bool:
        """Undone or given back: nothing moves it any more."""
        return self.status in ("undone", "given back")

    @property
    def remote(self) -> list[NewPayment]:
        return [p for p in self.order.payments if not p.plan.is_ours]

    @property
    def ours(self) -> list[NewPayment]:
        return [p for p in self.order.payments if p.plan.is_ours]

    @property
    def has_every_yes(self) -> bool:
        taken = all(self.money[p.plan.id] == "captured" for p in self.remote)
        held = all(self.money[p.plan.id] == "authorized" for p in self.ours)
        return taken and held and self.goods == "reserved" and self.parcel == "booked"

    @property
    def began_elsewhere(self) -> bool:
        return bool(self.begun) or self.parcel_asked

    @property
    def is_given_back_elsewhere(self) -> bool:
        money = all(
            self.money[p.plan.id] in ("voided", "failed", "refunded")
            for p in self.remote
            if p.plan.id in self.begun
        )
        return money and (self.parcel != "booked" or self.order.parcel.is_ours)

    @property
    def demand(self) -> dict[str, int]:
        return _summed((line.sku, line.quantity) for line in self.order.lines)

    @property
    def here_again(self) -> dict[str, int]:
        """Units that returns brought back."""
        here = (r for r in self.returns.values() if r.status in ("received", "refunded"))
        return _summed(unit for r in here for unit in r.units.items())

    @property
    def is_all_here_again(self) -> bool:
        return self.here_again == self.demand

    @property
    def parcel_seen(self) -> str:
        """What was said of the latest hour; of several, what is further on its way."""
        last = max(self.seen, key=lambda said: (said[0], ON_THE_WAY.index(said[1])))
        return last[1]

    def left(self, payment_id: str) -> int:
        """What came and is not on its way back."""
        on_its_way = sum(o.amount for o in self.owed if o.payment_id == payment_id)
        return self.taken.get(payment_id, 0) - self.back.get(payment_id, 0) - on_its_way

    @property
    def left_in_all(self) -> int:
        return sum(self.left(p.plan.id) for p in self.order.payments)

    def shares(self, amount: int) -> list[tuple[str, int]]:
        """So much of which payments, the newest first."""
        shares = []
        for payment in reversed(self.order.payments):
            part = min(amount, self.left(payment.plan.id))
            amount -= part
            if part:
                shares.append((payment.plan.id, part))
        assert not amount, "more than is left"
        return shares


@dataclass
class Book:
    """The shelf, the accounts, and every sale."""

    on_hand: dict[str, int]
    available: dict[str, int]
    spendable: dict[str, int]  # "voucher", "credit" → what is left
    sales: list[Sale] = field(default_factory=list)

    @staticmethod
    def account(payment: NewPayment) -> str:
        return "voucher" if payment.plan.method == "voucher" else "credit"

    def hold(self, sale: Sale) -> None:
        if sale.asked or sale.verdict:
            return
        sale.asked = True
        if all(self.available[sku] >= units for sku, units in sale.demand.items()):
            sale.goods = "reserved"
            for sku, units in sale.demand.items():
                self.available[sku] -= units
        for payment in sale.ours:
            account, amount = self.account(payment), payment.plan.amount
            if self.spendable[account] >= amount:
                self.spendable[account] -= amount
                sale.money[payment.plan.id] = "authorized"
            else:
                sale.money[payment.plan.id] = "failed"
        if sale.order.parcel.is_ours:
            sale.parcel = "booked"

    def take(self, sale: Sale, payment: NewPayment) -> None:
        sale.money[payment.plan.id] = "captured"
        sale.taken[payment.plan.id] = payment.plan.amount

    def confirm(self, sale: Sale) -> None:
        sale.verdict, sale.goods, sale.status = "confirm", "sold", "confirmed"
        for sku, units in sale.demand.items():
            self.on_hand[sku] -= units
        for payment in sale.ours:
            self.take(sale, payment)

    def undo(self, sale: Sale) -> None:
        sale.verdict, sale.status = "undo", "compensating"
        if sale.goods == "reserved":
            sale.goods = "back"
            for sku, units in sale.demand.items():
                self.available[sku] += units
        for payment in sale.ours:
            if sale.money[payment.plan.id] == "authorized":
                sale.money[payment.plan.id] = "voided"
                self.spendable[self.account(payment)] += payment.plan.amount
        if sale.order.parcel.is_ours and sale.parcel == "booked":
            sale.parcel = "canceled"
        if not sale.began_elsewhere:
            self.end(sale)

    def give_back(self, sale: Sale, payment: NewPayment) -> None:
        """An undone remote payment, as far as it was taken or held."""
        pid = payment.plan.id
        if sale.money[pid] == "captured":
            self.send_back(sale, payment, payment.plan.amount)
        elif sale.money[pid] in (*OPEN, "authorized"):
            sale.money[pid] = "failed" if pid in sale.refused else "voided"

    def send_back(self, sale: Sale, payment: NewPayment, amount: int) -> None:
        """To where its method says: a slip's money as store credit."""
        pid = payment.plan.id
        sale.back[pid] = sale.back.get(pid, 0) + amount
        is_all = sale.back[pid] == sale.taken[pid]
        sale.money[pid] = "refunded" if is_all else "partially_refunded"
        if payment.plan.is_ours:
            self.spendable[self.account(payment)] += amount
        elif payment.plan.method == "boleto":
            self.spendable["credit"] += amount

    def pay_back(self, sale: Sale, owed: Owed) -> None:
        sale.owed.remove(owed)
        (payment,) = (p for p in sale.order.payments if p.plan.id == owed.payment_id)
        self.send_back(sale, payment, owed.amount)

    def reverse(self, sale: Sale) -> None:
        """Its money is back; its goods too, unless they are lost."""
        sale.goods, sale.status = "back", "given back"
        for sku, units in sale.demand.items() if not sale.is_lost else ():
            self.shelve(sku, units - sale.here_again.get(sku, 0))
        sale.cancel = False

    def shelve(self, sku: str, units: int) -> None:
        self.on_hand[sku] += units
        self.available[sku] += units

    def end(self, sale: Sale) -> None:
        sale.status, sale.cancel = "undone", False
        for pid, status in sale.money.items():
            if status == "unpaid":
                sale.money[pid] = "voided"


def _summed(units: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for sku, count in units:
        sums[sku] = sums.get(sku, 0) + count
    return sums
