"""Our own money: store credit and vouchers, double entry.

hold: account → held · take: held → sales · release: held → account · refund: sales → account ·
issue: issued → account. The entries of one transfer sum to zero; a transfer is posted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from adapters.postgres.history import LockedOrder
from adapters.postgres.pool import Connection, load_queries
from ordersaga.errors import DatabaseUnavailable
from ordersaga.keys import Step, payment_step
from ordersaga.order import Refusal, Vote

_sql = load_queries("ledger")

House = Literal["held", "sales", "issued"]
_KIND_OF_METHOD: Final = {"balance": "credit", "voucher": "voucher"}


@dataclass(frozen=True)
class LedgerPayment:
    """A payment of ours, or a part of it that goes back, and whose account it draws on."""

    id: str
    kind: str
    owner: str
    amount: int
    step: str  # that moves it, once

    def part(self, step: str, amount: int) -> LedgerPayment:
        """So much of it, moved by a step of its own."""
        return replace(self, step=step, amount=amount)


@dataclass(frozen=True)
class _Entry:
    transfer: str
    account_id: int
    amount: int


def ledger_payments(order: LockedOrder) -> tuple[LedgerPayment, ...]:
    """Those of the order's payments that are ours, as the buyer gave them."""
    return tuple(
        LedgerPayment(
            id=str(p["id"]),
            kind=_KIND_OF_METHOD[str(p["method"])],
            owner=order.customer_id if p["method"] == "balance" else str(p["token"]),
            amount=int(p["amount"]),  # type: ignore[arg-type]  # a bigint of our own table
            step=payment_step(str(p["id"])),
        )
        for p in order.payments
        if p["method"] in _KIND_OF_METHOD
    )


class Ledger:
    """The moves of the ledger, each within the caller's transaction."""

    def __init__(self) -> None:
        # The house's accounts never go away, so their ids are asked for once a process.
        self._houses: dict[tuple[str, str, str], int] = {}

    async def hold(
        self, connection: Connection, order: LockedOrder, payments: Sequence[LedgerPayment]
    ) -> tuple[Vote, ...]:
        """Sets each payment's amount aside, or votes no for the ones that are not covered."""
        accounts = await self._lock_accounts(connection, order, payments)
        left = {key: balance for key, (_, balance) in accounts.items()}
        votes, covered = [], []
        for payment in payments:
            key = (payment.kind, payment.owner)
            if key not in accounts:
                votes.append(Vote.no(payment.step, _no_account(payment)))
            elif left[key] < payment.amount:
                votes.append(Vote.no(payment.step, _too_little(payment)))
            else:
                left[key] -= payment.amount
                covered.append(payment)
                votes.append(Vote.yes(payment.step))
        if covered:
            house = await self._house(connection, order, "held")
            pairs = [(p, accounts[p.kind, p.owner][0], house) for p in covered]
            await self._move(connection, order, "hold", pairs)
        return tuple(votes)

    async def take(
        self, connection: Connection, order: LockedOrder, payments: Sequence[LedgerPayment]
    ) -> None:
        """What is held becomes ours."""
        if payments:
            held = await self._house(connection, order, "held")
            sales = await self._house(connection, order, "sales")
            await self._move(connection, order, "take", [(p, held, sales) for p in payments])

    async def give_back(
        self,
        connection: Connection,
        order: LockedOrder,
        payments: Sequence[LedgerPayment],
        *,
        source: Literal["held", "sales"],
    ) -> None:
        """Back to whom it came from: out of `held` it is a release, out of `sales` a refund."""
        if payments:
            accounts = await self._lock_accounts(connection, order, payments)
            house = await self._house(connection, order, source)
            verb = "release" if source == "held" else "refund"
            pairs = [(p, house, accounts[p.kind, p.owner][0]) for p in payments]
            await self._move(connection, order, verb, pairs)

    async def credit_customer(
        self, connection: Connection, order: LockedOrder, *, step: Step, amount: int, reason: str
    ) -> None:
        """Store credit for money that cannot go back the way it came; once for each step."""
        issued = await self._house(connection, order, "issued")
        account = await self._open(connection, order, "credit", order.customer_id)
        transfer = f"{step.key}:credit"
        entries = (_Entry(transfer, issued, -amount), _Entry(transfer, account, amount))
        await self._post(connection, order, reason, entries)

    async def _lock_accounts(
        self, connection: Connection, order: LockedOrder, payments: Sequence[LedgerPayment]
    ) -> dict[tuple[str, str], tuple[int, int]]:
        """(kind, owner) → (account id, balance)."""
        wanted = sorted({(p.kind, p.owner) for p in payments})
        return {
            (row["kind"], row["owner"]): (row["id"], row["balance"])
            async for row in _sql.lock_accounts(
                connection,
                tenant=order.tenant,
                currency=order.currency,
                kinds=[kind for kind, _ in wanted],
                owners=[owner for _, owner in wanted],
            )
        }

    async def _house(self, connection: Connection, order: LockedOrder, kind: House) -> int:
        known = self._houses.get((order.tenant, kind, order.currency))
        return known if known is not None else await self._open(connection, order, kind, "")

    async def _open(self, connection: Connection, order: LockedOrder, kind: str, owner: str) -> int:
        row = await _sql.open_account(
            connection, tenant=order.tenant, kind=kind, owner=owner, currency=order.currency
        )
        if row is None:
            raise DatabaseUnavailable(f"the ledger's {kind} account was made at this moment")
        if owner == "" and not row["made"]:  # a made one may yet be rolled back
            self._houses[order.tenant, kind, order.currency] = row["id"]
        return int(row["id"])

    async def _move(
        self,
        connection: Connection,
        order: LockedOrder,
        verb: str,
        transfers: Sequence[tuple[LedgerPayment, int, int]],
    ) -> None:
        """(payment, from account, to account) each, all in one statement."""
        entries = []
        for payment, source, target in transfers:
            transfer = f"{Step(order.id, payment.step).key}:{verb}"
            entries.append(_Entry(transfer, source, -payment.amount))
            entries.append(_Entry(transfer, target, payment.amount))
        await self._post(connection, order, verb, entries)

    async def _post(
        self, connection: Connection, order: LockedOrder, reason: str, entries: Sequence[_Entry]
    ) -> None:
        await _sql.post_entries(
            connection,
            order_id=order.id,
            reason=reason,
            transfers=[e.transfer for e in entries],
            accounts=[e.account_id for e in entries],
            amounts=[e.amount for e in entries],
        )


def _no_account(payment: LedgerPayment) -> Refusal:
    if payment.kind == "voucher":
        return Refusal("payment", "unknown_voucher", "there is no such voucher in this currency")
    return Refusal("payment", "insufficient_funds", "the customer has no store credit")


def _too_little(payment: LedgerPayment) -> Refusal:
    what = "voucher" if payment.kind == "voucher" else "store credit"
    return Refusal("payment", "insufficient_funds", f"the {what} does not cover the amount")
