"""Payment methods: one table. Who serves a payment, in what order the saga asks, how long it waits.

To add a method that an adapter already speaks is to add a row (docs/payments.md). A row that is there
is not changed: the workflows of orders under way read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

Site = Literal["own", "provider"]
Settlement = Literal[
    "at_once",  # the provider answers while we ask; a card may want its 3-D Secure page first
    "on_page",  # when the payer has agreed on the wallet's own page
    "by_slip",  # when somebody has paid the slip and its bank has said so: days later
]

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S

# Stripe, "Place a hold on a payment method": 7 days where the customer himself pays online by card.
CARD_HOLD_S: Final = 7 * DAY_S
# A 3-D Secure or wallet page: who has not acted within the hour has left. Ours, not the provider's.
PAGE_PATIENCE_S: Final = 1 * HOUR_S
# Calendar days that a slip can be paid. Asked for with each slip; it is Stripe's own default, too.
SLIP_DAYS: Final = 3
# A boleto is told of one business day after it was paid: over a weekend, on the third day.
SLIP_CLEARING_S: Final = 3 * DAY_S
SLIP_PATIENCE_S: Final = SLIP_DAYS * DAY_S + SLIP_CLEARING_S


@dataclass(frozen=True)
class Method:
    """What can be done with money of one kind, and how long it takes."""

    name: str
    site: Site
    holdable: bool  # held first and taken later; else charged in one go
    partial_capture: bool  # less than the hold can be taken of it
    refundable: bool  # in parts, too; else what goes back is store credit
    settlement: Settlement
    hold_age_s: int | None  # how long a hold lasts at its provider; None: no hold, or without end
    payer_patience_s: int  # how long its payer is waited for; 0: nobody has to act
    clearing_s: int = 0  # how long after its slip's last moment money may still be under way
    currencies: frozenset[str] | None = None  # None: any

    @property
    def slow(self) -> bool:
        """Paid by somebody else's act, days later."""
        return self.settlement == "by_slip"

    def waits_until(self, *, asked_at: datetime, expires_at: datetime | None) -> datetime:
        """When its payer has waited too long. `expires_at`: the slip's own last moment, if it has one."""
        if expires_at is None:
            return asked_at + timedelta(seconds=self.payer_patience_s)
        return expires_at + timedelta(seconds=self.clearing_s)


OWN: Final[Site] = "own"
PROVIDER: Final[Site] = "provider"

YES: Final = True
NO: Final = False

# fmt: off
METHODS: Final[dict[str, Method]] = {
    m.name: m
    for m in (
        #       name          site     hold part refund settled    hold age     patience
        # our own double-entry ledger: held and taken with the stock, in one transaction
        Method("balance",    OWN,      YES, NO,  YES, "at_once", None,        0),
        Method("voucher",    OWN,      YES, NO,  YES, "at_once", None,        0),
        # the payment provider
        Method("card",       PROVIDER, YES, YES, YES, "at_once", CARD_HOLD_S, PAGE_PATIENCE_S),
        Method("debit_card", PROVIDER, NO,  NO,  YES, "at_once", None,        PAGE_PATIENCE_S),
        Method("alipay",     PROVIDER, NO,  NO,  YES, "on_page", None,        PAGE_PATIENCE_S),
        Method("wechat_pay", PROVIDER, NO,  NO,  YES, "on_page", None,        PAGE_PATIENCE_S),
        Method("boleto",     PROVIDER, NO,  NO,  NO,  "by_slip", None,        SLIP_PATIENCE_S,
               clearing_s=SLIP_CLEARING_S, currencies=frozenset({"BRL"})),
    )
}
# fmt: on
