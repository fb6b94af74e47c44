"""Our own money: double entry, balances, and what each order moved."""

from __future__ import annotations

from collections.abc import Iterator

from ordersaga.audit.evidence import Evidence
from ordersaga.audit.findings import Invariant, Problem
from ordersaga.audit.ours import OurAccount, OurOrder, OurTransfer
from ordersaga.lifecycle import PaymentStatus
from ordersaga.money import format_amount


def _sums_to_zero(transfer: OurTransfer, _: Evidence) -> Iterator[Problem]:
    if transfer.total != 0:
        detail = f"entries sum to {format_amount(transfer.total, transfer.currency)}, not to zero"
        yield Problem(transfer.transfer, detail)


def _balance_is_its_entries(account: OurAccount, _: Evidence) -> Iterator[Problem]:
    if account.balance != account.entries or account.balance < 0:
        detail = (
            f"balance {format_amount(account.balance, account.currency)}, but its entries sum to "
            f"{format_amount(account.entries, account.currency)}"
        )
        yield Problem(f"{account.kind} {account.owner} of {account.tenant}", detail)


def _moved_what_it_paid(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    own = [p for p in order.payments if p.is_on_ledger]
    held = sum(p.amount for p in own if p.status == PaymentStatus.AUTHORIZED)
    if order.ledger_held != held:
        detail = (
            f"{order.money(order.ledger_held)} held in the ledger, but its payments "
            f"hold {order.money(held)}"
        )
        yield Problem(order.id, detail, order.id)
    kept = sum(p.captured - p.refunded for p in own)
    credited = sum(order.credited.get(p.id, 0) for p in order.payments if not p.is_on_ledger)
    spent = held + kept - credited
    if order.ledger_spendable != -spent:
        detail = (
            f"moved {order.money(order.ledger_spendable)} on credit and voucher "
            f"accounts, but its payments and refunds say {order.money(-spent)}"
        )
        yield Problem(order.id, detail, order.id)


def _holds_nothing(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    if order.ledger_held != 0:
        detail = (
            f"{order.status}, but {order.money(order.ledger_held)} of it is still "
            f"held in the ledger, where {order.money(0)} should be"
        )
        yield Problem(order.id, detail, order.id)


INVARIANTS: tuple[Invariant[OurTransfer] | Invariant[OurAccount] | Invariant[OurOrder], ...] = (
    Invariant(
        "ledger.transfers",
        "the entries of each transfer sum to zero",
        lambda evidence: evidence.ours.transfers,
        _sums_to_zero,
    ),
    Invariant(
        "ledger.balances",
        "each balance is the sum of its entries and not below zero",
        lambda evidence: evidence.ours.accounts,
        _balance_is_its_entries,
    ),
    Invariant(
        "ledger.orders",
        "each order moved in the ledger what its payments say",
        lambda evidence: evidence.ours.orders,
        _moved_what_it_paid,
    ),
    Invariant(
        "ledger.held",
        "of a settled or undone order nothing is held",
        lambda evidence: (o for o in evidence.ours.orders if not o.is_undecided),
        _holds_nothing,
    ),
)
