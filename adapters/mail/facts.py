"""What a notice may say of its order, as text for its reader. A fact that is not there is empty."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from adapters.mail.figures import Reader
from adapters.postgres.orders import StoredOrder, StoredPayment
from ordersaga.order import MERCHANT

MOST_OF_A_NAME: Final = 60  # characters: a greeting, and no room for a stranger's message
# Where a provider says what its payer has to open.
_LINKS: Final = ("url", "hosted_voucher_url", "hosted_instructions_url")


def facts_of(
    order: StoredOrder, data: Mapping[str, JsonValue], about: str, reader: Reader
) -> dict[str, str]:
    """`data`: of the event that is told. `about`: the id of its payment, refund or return."""
    payment = _payment(order, str(data.get("payment_id") or ""))
    return {
        "order": order.id,
        "name": _name(order),
        "total": reader.money(order.total, order.currency),
        "goods": "\n".join(f"{line.quantity} × {line.sku}" for line in order.lines),
        "why": str((order.failure or {}).get("code") or ""),
        "has_failed": "yes" if order.failure else "",
        "is_ours_to_ship": "yes" if order.shipment.carrier == MERCHANT else "",
        "tracking_number": order.shipment.tracking_number or "",
        "carrier": "" if order.shipment.carrier == MERCHANT else order.shipment.carrier,
        "estimated": _day(order.shipment.estimated_at, reader),
        "amount": _amount(order, data, payment, reader),
        "to": str(data.get("to") or ""),
        "cause": next((r.cause for r in order.refunds if r.id == about), ""),
        "returned_goods": _returned_goods(order, about),
        "return_id": str(data.get("return_id") or ""),
        "until": reader.time(pay_until(order, payment)),
        "link": pay_link(payment),
        "step": str(data.get("step") or ""),
        "error": str(data.get("error") or ""),
        "payment": payment.id if payment else "",
    }


def _name(order: StoredOrder) -> str:
    """On one line, and only what is seen."""
    given = str((order.customer or {}).get("name") or "")
    shown = "".join(c if c.isprintable() else " " for c in given)
    return " ".join(shown.split())[:MOST_OF_A_NAME]


def _payment(order: StoredOrder, payment_id: str) -> StoredPayment | None:
    return next((p for p in order.payments if p.id == payment_id), None)


def _amount(
    order: StoredOrder,
    data: Mapping[str, JsonValue],
    payment: StoredPayment | None,
    reader: Reader,
) -> str:
    """What the event says, or all of the payment that it is about."""
    said = data.get("amount")
    if isinstance(said, int):
        return reader.money(said, order.currency)
    return reader.money(payment.amount, order.currency) if payment else ""


def _returned_goods(order: StoredOrder, return_id: str) -> str:
    lines = next((r.lines for r in order.returns if r.id == return_id), ())
    return "\n".join(f"{line.quantity} × {line.sku}" for line in lines)


def pay_until(order: StoredOrder, payment: StoredPayment | None) -> datetime:
    """A slip's own last moment: we wait longer, for a bank to tell us that it was paid."""
    expires_s = _action(payment).get("expires_at")
    if isinstance(expires_s, int):
        return datetime.fromtimestamp(expires_s, UTC)
    return payment.expires_at if payment and payment.expires_at else order.deadline


def pay_link(payment: StoredPayment | None) -> str:
    """A page to pay at; nothing but the web's own addresses."""
    found = (str(_action(payment).get(name) or "") for name in _LINKS)
    return next((url for url in found if url.startswith(("https://", "http://"))), "")


def _action(payment: StoredPayment | None) -> Mapping[str, JsonValue]:
    """What its payer has to do, in the provider's words."""
    action = (payment.next_action if payment else None) or {}
    details = action.get(str(action.get("type")))
    return details if isinstance(details, dict) else {}


def _day(at: datetime | None, reader: Reader) -> str:
    return "" if at is None else reader.day(at)
