"""What an operator may do about an order: the API's own moves, with his name and a reason.

Each is made by the function that the API's route makes it with; what the console adds is a row of
`operator_acts` in the same transaction.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias, TypeVar

import orjson
from pydantic import BaseModel

from adapters.postgres.api_keys import OPS, ORDERS_WRITE
from adapters.postgres.moves import allowed_now
from adapters.postgres.orders import StoredOrder
from adapters.postgres.sessions import add_act
from api.asking import Ask, find_terms
from api.bodies import parse_body
from api.models import (
    AcceptBody,
    AttentionBody,
    CancelBody,
    DeclineBody,
    HoldBody,
    ReceiptBody,
    RefundBody,
    ReleaseBody,
    ReturnMoveBody,
    ShipBody,
)
from api.pages.console.session import Posted, Session
from api.problems import FieldError, Problem, invalid
from api.routes import holds, parcels, receipts, refunds, requests, returns
from api.services import Services
from api.texts import check_text
from api.waiting import Patience
from ordersaga.money import MINOR_UNIT_DECIMALS

Body = TypeVar("Body", bound=BaseModel)
Carry: TypeAlias = Callable[[Any], Awaitable[object]]

PATIENCE_S: Final = 2.0  # what is done by then is on the page that follows
MAX_REASON: Final = 500  # characters, as of the API's own
_KEY: Final = re.compile(r"[0-9a-f]{32}")
_AMOUNT: Final = re.compile(r"[0-9]{1,16}([.][0-9]{1,3})?")


@dataclass(frozen=True, kw_only=True)
class Move:
    """`scope`: what a key needs for it, as in the API. `fields`: of its form, beside the reason."""

    name: str
    label: str
    says: str
    scope: str
    model: type[BaseModel]
    carry: Carry
    fields: tuple[str, ...] = ()
    takes_back: bool = False
    reason_as: str | None = "reason"  # where the body has it; None: nowhere


async def _cancel(ask: Ask[CancelBody]) -> None:
    _, answer, _ = await requests.cancel(ask, Patience.of(PATIENCE_S))
    if answer == "refused":
        raise Problem("cancel_refused", "the parcel cannot be called back")


async def _attend(ask: Ask[AttentionBody]) -> object:
    return await requests.attend(ask, Patience.of(PATIENCE_S))


async def _let_go_on(ask: Ask[ReleaseBody]) -> object:
    return await holds.let_go_on(ask, Patience.of(PATIENCE_S), ask.body.reason)


async def _decline(ask: Ask[DeclineBody]) -> object:
    return await holds.decline(ask, Patience.of(PATIENCE_S))


MOVES: Final = {
    move.name: move
    for move in (
        Move(
            name="release",
            label="Let it go on",
            says="It is not held any more; its money is taken next.",
            scope=OPS,
            model=ReleaseBody,
            carry=_let_go_on,
        ),
        Move(
            name="hold",
            label="Hold",
            says="It stops before its money is taken, until somebody lets it go on.",
            scope=OPS,
            model=HoldBody,
            carry=holds.hold,
        ),
        Move(
            name="accept",
            label="Accept",
            says="The merchant takes the order.",
            scope=ORDERS_WRITE,
            model=AcceptBody,
            carry=_let_go_on,
        ),
        Move(
            name="decline",
            label="Decline",
            says="The merchant does not take the order; all of it is undone.",
            scope=ORDERS_WRITE,
            model=DeclineBody,
            carry=_decline,
            takes_back=True,
        ),
        Move(
            name="ship",
            label="Ship",
            says="The merchant has handed the parcel over.",
            scope=ORDERS_WRITE,
            model=ShipBody,
            carry=parcels.ship,
            fields=("tracking_number",),
            reason_as=None,
        ),
        Move(
            name="confirm-receipt",
            label="Confirm receipt",
            says="The buyer has said that he has it; the order is completed.",
            scope=ORDERS_WRITE,
            model=ReceiptBody,
            carry=receipts.note_receipt,
            reason_as=None,
        ),
        Move(
            name="refunds",
            label="Refund",
            says="Money goes back without goods, to the newest payment first.",
            scope=OPS,
            model=RefundBody,
            carry=refunds.refund,
            fields=("amount",),
            takes_back=True,
        ),
        Move(
            name="cancel",
            label="Cancel",
            says="All of it is given back. After the decision the parcel is asked for first.",
            scope=ORDERS_WRITE,
            model=CancelBody,
            carry=_cancel,
            takes_back=True,
        ),
        Move(
            name="attention",
            label="Answer",
            says="For the step that keeps failing.",
            scope=OPS,
            model=AttentionBody,
            carry=_attend,
            fields=("step", "action"),
            reason_as="note",
        ),
    )
}


def offered(order: StoredOrder, session: Session, *, return_window_s: int) -> tuple[Move, ...]:
    """What it takes now of what this session may ask. (Attention has a form of its own.)"""
    allowed = allowed_now(order, return_window_s=return_window_s)
    return tuple(
        move
        for name, move in MOVES.items()
        if name in allowed and name != "attention" and session.has(move.scope)
    )


def new_key() -> str:
    """Makes a form do its work once, however often it is sent."""
    return secrets.token_hex(16)


def key_of(posted: Posted) -> str:
    if _KEY.fullmatch(posted.text("key")) is None:
        raise Problem("malformed_request", "this is no form of ours")
    return posted.text("key")


def reason_of(posted: Posted) -> str:
    """Nobody does anything here without one; what has no letter and no digit says nothing."""
    reason = posted.text("reason")
    if len(reason) > MAX_REASON or not any(map(str.isalnum, reason)):
        raise invalid(FieldError("/reason", f"say why, in at most {MAX_REASON} characters"))
    check_text(reason, "/reason")
    return reason


async def make_move(services: Services, posted: Posted, order_id: str, name: str) -> None:
    """One of `MOVES`. Raises what its route would answer with."""
    move = MOVES.get(name)
    if move is None:
        raise Problem("not_found", "there is no such move")
    if not posted.session.has(move.scope):
        raise Problem("forbidden", f"your key has no scope {move.scope}")
    terms = await find_terms(services, tenant=posted.session.tenant, order_id=order_id)
    document: dict[str, object] = {field: posted.text(field) for field in move.fields}
    if "amount" in document:
        document["amount"] = _money(posted.text("amount"), terms.currency)
    if move.reason_as is not None:
        document[move.reason_as] = reason_of(posted)
    subject = " ".join(posted.text(field) for field in move.fields)
    ask = await _ask(services, posted, order_id, name, move.model, document, subject=subject)
    await move.carry(ask)


async def answer_return(
    services: Services, posted: Posted, order_id: str, return_id: str, word: str
) -> None:
    """`approve`, `decline` or `receive`: as the seller."""
    if not (posted.session.has(OPS) or posted.session.has(ORDERS_WRITE)):
        raise Problem("forbidden", "your key may not answer returns")
    name = f"returns/{return_id}/{word}"
    ask = await _ask(services, posted, order_id, name, ReturnMoveBody, {}, subject=return_id)
    await returns.answer_return(ask, return_id, word)


async def _ask(
    services: Services,
    posted: Posted,
    order_id: str,
    name: str,
    model: type[Body],
    document: Mapping[str, object],
    *,
    subject: str,
) -> Ask[Body]:
    """As a request's, but by a person; and what he does stands beside it with his reason."""
    reason, session = reason_of(posted), posted.session
    raw = orjson.dumps(document)
    return Ask(
        services=services,
        tenant=session.tenant,
        by=session.by,
        order_id=order_id,
        move=name,
        key=key_of(posted),
        raw=raw,
        body=parse_body(model, raw),
        terms=await find_terms(services, tenant=session.tenant, order_id=order_id),
        beside=lambda connection: add_act(
            connection,
            session.stored,
            act=name,
            order_id=order_id,
            subject=subject,
            reason=reason,
        ),
    )


def _money(text: str, currency: str) -> dict[str, object]:
    """`12.50` in minor units. Raises a 422 where it is not so much of that currency."""
    decimals = MINOR_UNIT_DECIMALS[currency]
    try:
        amount = Decimal(text).scaleb(decimals) if _AMOUNT.fullmatch(text) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if amount.is_nan() or amount != amount.to_integral_value():
        example = f"{Decimal(1250).scaleb(-decimals)}"
        raise invalid(FieldError("/amount", f"is no amount of {currency}: {example}, say"))
    return {"amount": int(amount), "currency": currency}
