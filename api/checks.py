"""What no field can say alone: currencies, sums, methods. Finds everything wrong at once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from adapters.postgres.orders import OrderFilter
from api.models import (
    ID_PATTERN,
    MAX_ID,
    MAX_METADATA,
    Address,
    Customer,
    Money,
    OrderBody,
    OrderFilterQuery,
    PaymentBody,
    ReturnLineBody,
)
from api.problems import FieldError, invalid
from api.texts import check_text
from ordersaga import keys
from ordersaga.config import Settings
from ordersaga.lifecycle import MERCHANT_ACCEPTS, RULE_HOLDS
from ordersaga.methods import METHODS, OWN
from ordersaga.money import MAX_AMOUNT, MINOR_UNIT_DECIMALS, format_amount
from ordersaga.order import CARRIERS, Hold, Line, NewOrder, NewPayment, Parcel, PaymentPlan

MAX_METADATA_NAME: Final = 40  # characters
MAX_METADATA_TEXT: Final = 500

# Who placed a hold that no key of ours did: settings by these names.
REVIEW_RULE: Final = "review_above"
ACCEPTANCE_RULE: Final = "merchant_accepts"


def check_order(body: OrderBody, *, tenant: str, now: datetime, settings: Settings) -> NewOrder:
    """The order as it is accepted, with ids of its own.

    Raises a 422 that names everything wrong with it.
    """
    errors = [*_order_errors(body)]
    if errors:
        raise invalid(*errors)
    lines = tuple(_line(line.sku, line.quantity, line.unit_price, line.tax) for line in body.lines)
    fee = _amount(body.shipping_fee)
    total = sum(line.quantity * line.unit_price + line.tax for line in lines) + fee
    if total > MAX_AMOUNT:
        raise invalid(FieldError("/lines", f"the total is more than {MAX_AMOUNT} minor units"))
    return NewOrder(
        id=keys.new_id("ord"),
        tenant=tenant,
        customer_id=body.customer.id,
        currency=body.currency,
        total=total,
        shipping_fee=fee,
        country=body.shipping_address.country,
        lines=lines,
        payments=plan_payments(body.payments, total=total, currency=body.currency),
        parcel=Parcel(keys.new_id("shp"), body.shipping.carrier, body.shipping.service),
        deadline=now + timedelta(seconds=settings.payer_patience_s),
        customer=_person(body.customer),
        shipping_address=_address(body.shipping_address),
        metadata=_metadata(body.metadata),
        hold=first_hold(total, body.currency, now=now, settings=settings),
    )


def check_id(text: str, pointer: str) -> None:
    """Somebody else's word in a path: a SKU, a customer's id."""
    if len(text) > MAX_ID or re.fullmatch(ID_PATTERN, text) is None:
        what = f"an id has 1 to {MAX_ID} characters, none of them a control character"
        raise invalid(FieldError(pointer, what))
    check_text(text, pointer)


def check_filter(query: OrderFilterQuery) -> OrderFilter:
    """Which orders somebody wants to see."""
    if query.customer_id is not None:
        check_text(query.customer_id, "/query/customer_id")
    return OrderFilter(
        status=query.status,
        payment_status=query.payment_status,
        fulfillment_status=query.fulfillment_status,
        customer_id=query.customer_id,
        attention=query.attention,
        created_after=query.created_after,
    )


def first_hold(total: int, currency: str, *, now: datetime, settings: Settings) -> Hold | None:
    """Why a new order stops before its money is taken: it is large, or its merchant has to accept it.

    Of both, the rule comes first: a merchant is not asked about an order that may be a fraud.
    """
    limit = settings.review_above.get(currency)
    if limit is not None and total > limit:
        over = f"the total is over {format_amount(limit, currency)}"
        return Hold(RULE_HOLDS, over, REVIEW_RULE, until=hold_ends(now, settings))
    return merchants_hold(now=now, settings=settings)


def merchants_hold(*, now: datetime, settings: Settings) -> Hold | None:
    """Where each order waits for its merchant."""
    if not settings.merchant_accepts:
        return None
    reason = "the merchant accepts it, or does not"
    return Hold(MERCHANT_ACCEPTS, reason, ACCEPTANCE_RULE, until=hold_ends(now, settings))


def hold_ends(now: datetime, settings: Settings) -> datetime:
    """Until when what an order holds is kept for it."""
    return now + timedelta(seconds=settings.hold_patience_s)


def plan_payments(
    payments: Sequence[PaymentBody], *, total: int, currency: str
) -> tuple[NewPayment, ...]:
    """These payments of a total, with ids of their own. None at all: paid later.

    Raises a 422 that names everything wrong with them.
    """
    errors = [*_payment_errors(payments, currency)]
    if errors:
        raise invalid(*errors)
    if not payments:
        return ()
    given = sum(p.amount.amount for p in payments if p.amount is not None)
    open_ones = [i for i, p in enumerate(payments) if p.amount is None]
    if len(open_ones) > 1:
        detail = "only one payment may leave its amount out"
        raise invalid(*(FieldError(f"/payments/{i}/amount", detail) for i in open_ones[1:]))
    if open_ones and given >= total:
        detail = f"nothing is left to pay of {format_amount(total, currency)}"
        raise invalid(FieldError(f"/payments/{open_ones[0]}/amount", detail))
    if not open_ones and given != total:
        come_to = f"the payments come to {format_amount(given, currency)}"
        raise invalid(
            FieldError("/payments", f"{come_to}, the order to {format_amount(total, currency)}")
        )
    return tuple(
        NewPayment(
            plan=PaymentPlan(
                id=keys.new_id("pay"),
                method=p.method,
                amount=total - given if p.amount is None else p.amount.amount,
            ),
            token=None if p.method == "balance" else p.token,
        )
        for p in payments
    )


def check_money(money: Money, pointer: str) -> None:
    """Money that is given to somebody: a currency there is, and more than nothing of it."""
    if money.currency not in MINOR_UNIT_DECIMALS:
        raise invalid(_unknown_currency(f"{pointer}/currency"))
    if money.amount == 0:
        raise invalid(FieldError(f"{pointer}/amount", "must be more than 0"))


def check_part(money: Money, pointer: str, *, currency: str) -> None:
    """Some of an order's money: in its currency, and more than nothing."""
    errors = [*_foreign(money, pointer, currency)]
    if money.amount == 0:
        errors.append(FieldError(f"{pointer}/amount", "must be more than 0"))
    if errors:
        raise invalid(*errors)


def check_return_lines(lines: Sequence[ReturnLineBody]) -> dict[str, int]:
    """Units by SKU, each of which is named once."""
    wanted: dict[str, int] = {}
    twice = []
    for i, line in enumerate(lines):
        if line.sku in wanted:
            twice.append(FieldError(f"/lines/{i}/sku", "is named twice"))
        wanted[line.sku] = line.quantity
    if twice:
        raise invalid(*twice)
    return wanted


def _order_errors(body: OrderBody) -> Iterator[FieldError]:
    if body.currency not in MINOR_UNIT_DECIMALS:
        yield _unknown_currency("/currency")
        return
    for i, line in enumerate(body.lines):
        yield from _foreign(line.unit_price, f"/lines/{i}/unit_price", body.currency)
        yield from _foreign(line.tax, f"/lines/{i}/tax", body.currency)
    yield from _foreign(body.shipping_fee, "/shipping_fee", body.currency)
    if body.shipping.carrier not in CARRIERS:
        yield FieldError("/shipping/carrier", f"must be one of {', '.join(sorted(CARRIERS))}")
    yield from _metadata_errors(body.metadata)
    yield from _payment_errors(body.payments, body.currency)


def _payment_errors(payments: Sequence[PaymentBody], currency: str) -> Iterator[FieldError]:
    for i, payment in enumerate(payments):
        pointer = f"/payments/{i}"
        method = METHODS.get(payment.method)
        if method is None:
            yield FieldError(f"{pointer}/method", f"must be one of {', '.join(sorted(METHODS))}")
            continue
        if method.currencies is not None and currency not in method.currencies:
            takes = ", ".join(sorted(method.currencies))
            yield FieldError(f"{pointer}/method", f"{method.name} takes {takes} only")
        if payment.token is None and not (method.site == OWN and method.name == "balance"):
            what = "the voucher's code" if method.name == "voucher" else "the provider's token"
            yield FieldError(f"{pointer}/token", f"is needed: {what}")
        yield from _foreign(payment.amount, f"{pointer}/amount", currency)
        if payment.amount is not None and payment.amount.amount == 0:
            yield FieldError(f"{pointer}/amount/amount", "must be more than 0")


def _foreign(money: Money | None, pointer: str, currency: str) -> Iterator[FieldError]:
    if money is not None and money.currency != currency:
        yield FieldError(f"{pointer}/currency", f"must be the order's, {currency}")


def _unknown_currency(pointer: str) -> FieldError:
    return FieldError(pointer, "is no currency of ISO 4217 that people pay with")


def _metadata_errors(metadata: Mapping[str, object]) -> Iterator[FieldError]:
    if len(metadata) > MAX_METADATA:
        yield FieldError("/metadata", f"has more than {MAX_METADATA} entries")
        return
    for name, value in metadata.items():
        pointer = "/metadata/" + name.replace("~", "~0").replace("/", "~1")
        if not 0 < len(name) <= MAX_METADATA_NAME:
            yield FieldError("/metadata", f"names have 1 to {MAX_METADATA_NAME} characters")
        elif isinstance(value, str):
            if len(value) > MAX_METADATA_TEXT:
                yield FieldError(pointer, f"has more than {MAX_METADATA_TEXT} characters")
        elif isinstance(value, int):  # a boolean is one too
            if abs(value) > MAX_AMOUNT:
                yield FieldError(pointer, f"must be from -{MAX_AMOUNT} to {MAX_AMOUNT}")
        elif isinstance(value, float):
            if not math.isfinite(value):
                yield FieldError(pointer, "is not a number that can be stored")
        elif value is not None:
            yield FieldError(pointer, "must be a string, a number, a boolean or null")


def _metadata(metadata: Mapping[str, object]) -> Mapping[str, JsonValue]:
    return {
        name: value
        for name, value in metadata.items()
        if value is None or isinstance(value, str | int | float)
    }


def _amount(money: Money | None) -> int:
    return 0 if money is None else money.amount


def _line(sku: str, quantity: int, unit_price: Money, tax: Money | None) -> Line:
    return Line(sku=sku, quantity=quantity, unit_price=unit_price.amount, tax=_amount(tax))


def _person(customer: Customer) -> Mapping[str, JsonValue]:
    return customer.model_dump(exclude={"id"})


def _address(address: Address) -> Mapping[str, JsonValue]:
    return address.model_dump()
