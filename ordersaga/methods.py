"""Payment methods: one table. Which participant serves a payment, and in what order the saga asks.

To add a method that an adapter already speaks is to add a row. A row that is there is not changed: the
workflows of orders under way read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Site = Literal["own", "provider"]


@dataclass(frozen=True)
class Method:
    """What can be done with money of one kind."""

    name: str
    site: Site
    holdable: bool  # held first and taken later; else charged in one go
    refundable: bool  # else its undo is store credit
    slow: bool  # paid by somebody else's act, hours or days later
    currencies: frozenset[str] | None = None  # None: any


OWN: Final[Site] = "own"
PROVIDER: Final[Site] = "provider"

METHODS: Final[dict[str, Method]] = {
    m.name: m
    for m in (
        # our own double-entry ledger: held and taken with the stock, in one transaction
        Method("balance", OWN, holdable=True, refundable=True, slow=False),
        Method("voucher", OWN, holdable=True, refundable=True, slow=False),
        # the payment provider
        Method("card", PROVIDER, holdable=True, refundable=True, slow=False),
        Method("debit_card", PROVIDER, holdable=False, refundable=True, slow=False),
        Method("alipay", PROVIDER, holdable=False, refundable=True, slow=False),
        Method("wechat_pay", PROVIDER, holdable=False, refundable=True, slow=False),
        Method(
            "boleto", PROVIDER, False, refundable=False, slow=True, currencies=frozenset({"BRL"})
        ),
    )
}


def asking_order(method: str) -> int:
    """What cannot be taken back softly is asked last: quick charges (0), then slips (1)."""
    return int(METHODS[method].slow)
