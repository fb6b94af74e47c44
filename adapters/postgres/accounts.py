"""Our own money as it comes into the world: store credit and vouchers, issued by the tenant.

Double entry: the issuing account (the house's, without a balance of its own) gives what the
customer's or the voucher's gets. `ledger.py` holds, takes and gives back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from adapters.postgres.pool import Connection, load_queries
from ordersaga.errors import OrdersagaError
from ordersaga.money import MAX_AMOUNT

_sql = load_queries("accounts")

MOST_ENTRIES: Final = 100  # of one answer; the newest are what is asked about


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What can be spent, in minor units."""

    currency: str
    amount: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One change of a customer's store credit; negative: spent. Minor units."""

    transfer: str
    amount: int
    currency: str
    order_id: str | None
    reason: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Account:
    """A customer's store credit. Who never had any has an empty one."""

    customer_id: str
    balances: tuple[Balance, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True)
class Voucher:
    """What a voucher was issued for and what is left of it, in minor units."""

    code: str
    currency: str
    amount: int
    balance: int


class VoucherExists(OrdersagaError):
    """There is a voucher of this code."""


class BalanceTooLarge(OrdersagaError):
    """Nobody has more than `MAX_AMOUNT` minor units."""


async def issue_credit(
    connection: Connection,
    *,
    tenant: str,
    customer_id: str,
    currency: str,
    amount: int,
    reason: str,
    credit_id: str,
) -> None:
    """Gives a customer store credit, once a `credit_id`. Raises `BalanceTooLarge`."""
    await _sql.open_accounts(connection, tenant=tenant, currency=currency, customer_id=customer_id)
    await _issue(
        connection,
        tenant=tenant,
        kind="credit",
        owner=customer_id,
        currency=currency,
        amount=amount,
        transfer=f"credit:{credit_id}",
        reason=reason,
    )


async def issue_voucher(
    connection: Connection, *, tenant: str, code: str, currency: str, amount: int
) -> None:
    """Makes a voucher. Raises `VoucherExists`, also where it is of another currency."""
    account = await _sql.open_voucher(connection, tenant=tenant, code=code, currency=currency)
    if account is None:
        raise VoucherExists
    await _issue(
        connection,
        tenant=tenant,
        kind="voucher",
        owner=code,
        currency=currency,
        amount=amount,
        transfer=f"voucher:{account['id']}",
        reason="issued",
    )


async def read_account(connection: Connection, *, tenant: str, customer_id: str) -> Account:
    """As it is now, with its newest entries."""
    balances = [
        row
        async for row in _sql.read_balances(
            connection, tenant=tenant, kind="credit", owner=customer_id
        )
    ]
    entries = [
        row
        async for row in _sql.read_entries(
            connection, tenant=tenant, customer_id=customer_id, limit=MOST_ENTRIES
        )
    ]
    return Account(
        customer_id=customer_id,
        balances=tuple(Balance(currency=b["currency"], amount=b["balance"]) for b in balances),
        entries=tuple(Entry(**entry) for entry in entries),
    )


async def read_voucher(connection: Connection, *, tenant: str, code: str) -> Voucher | None:
    """None where this tenant has no such voucher."""
    row = await _sql.read_voucher(connection, tenant=tenant, code=code)
    return None if row is None else Voucher(**row)


async def _issue(
    connection: Connection,
    *,
    tenant: str,
    kind: Literal["credit", "voucher"],
    owner: str,
    currency: str,
    amount: int,
    transfer: str,
    reason: str,
) -> None:
    issued = await _sql.issue(
        connection,
        tenant=tenant,
        kind=kind,
        owner=owner,
        currency=currency,
        amount=amount,
        transfer=transfer,
        reason=reason,
        most=MAX_AMOUNT,
    )
    if issued is None:
        raise BalanceTooLarge
