"""Money and stock as one person with one book would keep them: no locks, no fence, one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ordersaga.order import NewOrder, NewPayment

VOUCHER: Final = "V"
OPEN: Final = ("unpaid", "requires_action")


@dataclass
class Sale:
    """What the book says of one order."""

    order: NewOrder
    money: dict[str, str] = field(default_factory=dict)  # payment → its status
    refused: set[str] = field(default_factory=set)  # payments with a no to their name
    begun: set[str] = field(default_factory=set)  # payments whose provider was asked
    parcel: str = "unfulfilled"
    parcel_asked: bool = False
    asked: bool = False  # our own site was asked to hold
    goods: str = "-"  # - · reserved · sold · back
    verdict: str | None = None
    cancel: bool = False
    reversing: bool = False
    over: bool = False

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

    def demand(self, sale: Sale) -> dict[str, int]:
        wanted: dict[str, int] = {}
        for line in sale.order.lines:
            wanted[line.sku] = wanted.get(line.sku, 0) + line.quantity
        return wanted

    def hold(self, sale: Sale) -> None:
        if sale.asked or sale.verdict:
            return
        sale.asked = True
        wanted = self.demand(sale)
        if all(self.available[sku] >= units for sku, units in wanted.items()):
            sale.goods = "reserved"
            for sku, units in wanted.items():
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

    def confirm(self, sale: Sale) -> None:
        sale.verdict, sale.goods = "confirm", "sold"
        for sku, units in self.demand(sale).items():
            self.on_hand[sku] -= units
        for payment in sale.ours:
            sale.money[payment.plan.id] = "captured"

    def undo(self, sale: Sale) -> None:
        sale.verdict = "undo"
        if sale.goods == "reserved":
            sale.goods = "back"
            for sku, units in self.demand(sale).items():
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
        """A remote payment, as far as it was taken or held; a slip's money as store credit."""
        pid = payment.plan.id
        if sale.money[pid] == "captured":
            sale.money[pid] = "refunded"
            if payment.plan.method == "boleto":
                self.spendable["credit"] += payment.plan.amount
        elif sale.money[pid] in (*OPEN, "authorized"):
            sale.money[pid] = "failed" if pid in sale.refused else "voided"

    def reverse(self, sale: Sale) -> None:
        sale.goods = "back"
        for sku, units in self.demand(sale).items():
            self.on_hand[sku] += units
            self.available[sku] += units
        for payment in sale.ours:
            sale.money[payment.plan.id] = "refunded"
            self.spendable[self.account(payment)] += payment.plan.amount
        self.end(sale)

    def end(self, sale: Sale) -> None:
        sale.over, sale.cancel = True, False
        for pid, status in sale.money.items():
            if status == "unpaid":
                sale.money[pid] = "voided"
