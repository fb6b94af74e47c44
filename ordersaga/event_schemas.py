"""What each event carries, as JSON Schema (2020-12): one table, from which the published one is made.

A field that is not here is never told; those who read events skip fields that they do not know, so that
more may come.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from ordersaga import lifecycle
from ordersaga.events import SCHEMA, SEQUENCE_DIGITS, SOURCE, TYPE_PREFIX
from ordersaga.history import (
    ACCEPTED,
    NOTES,
    PAYMENT_STATUS,
    PAYMENTS_ADDED,
    RETURN_REQUESTED,
)
from ordersaga.lifecycle import FULFILLMENT, RETURN, STATUS

Schema = dict[str, JsonValue]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Field:
    """One field of an event's data. Not `always`: only where it says something."""

    schema: Schema
    always: bool = True


def _text(description: str) -> Field:
    return Field({"type": "string", "description": description})


def _maybe(field: Field) -> Field:
    return Field(field.schema, always=False)


def _objects(**fields: Schema) -> Schema:
    return {
        "type": "array",
        "items": {"type": "object", "required": [*fields], "properties": {**fields}},
    }


_TEXT: Final[Schema] = {"type": "string"}
_MINOR_UNITS: Final[Schema] = {"type": "integer", "minimum": 0, "description": "minor units"}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 1}

_AMOUNT: Final = Field(_MINOR_UNITS)
_PAYMENT_ID: Final = _text("which payment of the order")
_RETURN_ID: Final = _text("which return of the order")
_CODE: Final = _text("why, for programs: it stays the same")
_DETAIL: Final = _text("why, for people")
_STEP: Final = _text("which step of the order")
_REQUEST: Final = _text("id of the request that asked for it")
_BY: Final = _text("who asked: an API key's id, or a part of the product")
_TO: Final = Field({"enum": ["payer", "store_credit", "credit", "voucher"]})
_LINES: Final = Field(_objects(sku=_TEXT, quantity=_COUNT))
_PAYMENTS: Final = Field(_objects(id=_TEXT, method=_TEXT, amount=_MINOR_UNITS))
_FAILURE: Final = Field(
    {
        "type": "object",
        "required": ["participant", "code", "detail"],
        "properties": {"participant": _TEXT, "code": _TEXT, "detail": _TEXT},
        "description": "who said no, why for programs, why for people",
    }
)
_BACK: Final = {
    "payment_id": _PAYMENT_ID,
    "amount": _AMOUNT,
    "to": _TO,
    "refund_id": _maybe(_text("of the refund, where it was not an undo")),
}

DATA: Final[Mapping[str, Mapping[str, Field]]] = {
    ACCEPTED: {"payments": _PAYMENTS, "total": _AMOUNT, "currency": _text("ISO 4217")},
    PAYMENTS_ADDED: {"payments": _PAYMENTS},
    # The order
    "order.confirmed": {},
    "order.compensating": {"failure": _FAILURE},
    "order.reversing": {"failure": _FAILURE},
    "order.rejected": {"failure": _FAILURE},
    "order.canceled": {"failure": _maybe(_FAILURE)},  # told before, where it was a reversal
    "order.shipped": {},
    "order.delivered": {},
    "order.completed": {},
    "order.returned": {},
    # Its payments
    "payment.requires_action": {"payment_id": _PAYMENT_ID},
    "payment.authorized": {"payment_id": _PAYMENT_ID},
    "payment.captured": {
        "payment_id": _PAYMENT_ID,
        "amount": _AMOUNT,
        "late": Field(
            {"const": True, "description": "came after its order was over"}, always=False
        ),
    },
    "payment.failed": {"payment_id": _PAYMENT_ID, "code": _CODE},
    "payment.refused": {"payment_id": _PAYMENT_ID, "code": _CODE},
    "payment.voided": {"payment_id": _PAYMENT_ID},
    "payment.partially_refunded": _BACK,
    "payment.refunded": _BACK,
    "payment.disputed": {"payment_id": _PAYMENT_ID},
    "refund.requested": {"request": _REQUEST, "amount": _AMOUNT, "by": _BY},
    # Its goods
    "stock.reserved": {"lines": _LINES},
    "stock.refused": {"code": _CODE, "detail": _DETAIL},
    "stock.released": {"lines": _LINES},
    "stock.restocked": {"lines": _LINES},
    # Its parcel
    "parcel.booked": {"carrier": _text("who brings it")},
    "parcel.refused": {"code": _CODE, "detail": _maybe(_DETAIL)},
    "parcel.released": {},
    "parcel.canceled": {},
    "parcel.shipped": {"by": _maybe(_BY)},
    "parcel.delivered": {},
    "parcel.returned": {},
    "tracking.updated": {
        "event_id": _text("the carrier's own"),
        "status": _text("where the parcel is, as the carrier says"),
        "estimated_at": Field({"type": ["string", "null"], "format": "date-time"}),
    },
    "receipt.confirmed": {"request": _REQUEST, "by": _BY},
    "review.given": {"rating": Field({"type": "integer", "minimum": 1, "maximum": 5})},
    # Its returns
    RETURN_REQUESTED: {"return_id": _RETURN_ID, "amount": _AMOUNT, "lines": _LINES},
    "return.approved": {"return_id": _RETURN_ID, "by": _BY},
    "return.declined": {"return_id": _RETURN_ID, "by": _maybe(_BY)},
    "return.received": {"return_id": _RETURN_ID, "amount": _AMOUNT, "by": _BY},
    "return.refunded": {"return_id": _RETURN_ID},
    # What people ask of it, and what holds it up
    "cancel.requested": {"request": _REQUEST, "by": _BY},
    "cancel.refused": {"code": _CODE, "detail": _DETAIL},
    "hold.placed": {
        "kind": _text("who holds it: operator, rule or merchant"),
        "reason": _maybe(_text("a rule's; a person's own words are not told")),
        "request": _maybe(_REQUEST),
        "by": _BY,
        "since": Field(_TIME),
        "until": Field(_TIME),
    },
    "hold.released": {
        "kind": _text("who held it"),
        "reason": _maybe(_text("why it ended by itself")),
        "request": _maybe(_REQUEST),
        "by": _maybe(_BY),
    },
    "attention.raised": {
        "step": _STEP,
        "error": _text("what fails, without what was sent"),
        "tries": Field(_COUNT),
        "since": Field(_TIME),
        "actions": Field({"type": "array", "items": {"enum": ["retry", "skip"]}}),
    },
    "attention.answered": {
        "request": _REQUEST,
        "by": _BY,
        "step": _STEP,
        "action": Field({"enum": ["retry", "skip"]}),
    },
    "attention.cleared": {"step": _STEP},
}


@dataclass(frozen=True)
class Moves:
    """Which machine of an order an event can move, and between which states. No machine: a note."""

    machine: str | None
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    says: str = "worth telling, and moves nothing"


def moves_of(type_: str) -> Moves:
    """Of each event that there is; raises `KeyError`."""
    if type_ == ACCEPTED:
        return Moves(STATUS, (), (lifecycle.Status.PENDING,), "the order stands")
    if type_ == PAYMENTS_ADDED:
        return Moves(None, says="an order without payments got some")
    if type_ == RETURN_REQUESTED:
        return Moves(RETURN, (), (lifecycle.ReturnStatus.REQUESTED,), "goods shall come back")
    if type_ in NOTES:
        return Moves(None)
    for machine in (STATUS, FULFILLMENT, RETURN):
        for move in lifecycle.MACHINES[machine]:
            if move.event == type_:
                return Moves(machine, move.sources, (move.target,), move.reason)
    for move in lifecycle.PAYMENT_MOVES:
        if move.event == type_:
            states = tuple(lifecycle.PaymentStatus)
            return Moves(PAYMENT_STATUS, states, states, move.reason)
    raise KeyError(type_)


def schema_of(type_: str) -> Schema:
    """Of a CloudEvent's `data`; its `$id` is the event's `dataschema`. Raises `KeyError`."""
    fields, moves = DATA[type_], moves_of(type_)
    body: Schema = {
        "order_id": _TEXT,
        "sequence": _COUNT,
        "type": {"const": type_},
        "machine": _one_of(moves.machine, is_optional=moves.machine == PAYMENT_STATUS),
        "from": _state(moves, moves.sources),
        "to": _state(moves, moves.targets),
        "data": {
            "type": "object",
            "required": [name for name, field in fields.items() if field.always],
            "properties": {name: field.schema for name, field in fields.items()},
        },
        "occurred_at": _TIME,
        "recorded_at": _TIME,
    }
    return {
        "$id": SCHEMA + type_,
        "description": moves.says,
        "type": "object",
        "required": [*body],
        "properties": body,
    }


def _one_of(*values: str | None, is_optional: bool) -> Schema:
    listed: list[JsonValue] = [*values, None] if is_optional and None not in values else [*values]
    return {"const": listed[0]} if len(listed) == 1 else {"enum": listed}


def _state(moves: Moves, states: tuple[str, ...]) -> Schema:
    """A payment's event moves the order's derived status, or leaves it: then all three are null."""
    return _one_of(*(states or (None,)), is_optional=moves.machine == PAYMENT_STATUS)


def bundle() -> Schema:
    """A whole CloudEvent, and within it each type's data."""
    named: Schema = {type_: schema_of(type_) for type_ in sorted(DATA)}
    choices: list[JsonValue] = [
        {
            "if": {"properties": {"type": {"const": TYPE_PREFIX + type_}}},
            "then": {
                "properties": {
                    "dataschema": {"const": SCHEMA + type_},
                    "data": {"$ref": SCHEMA + type_},
                }
            },
        }
        for type_ in sorted(DATA)
    ]
    attributes: Schema = {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "description": "<order>:<sequence>: the same for every delivery"},
        "source": {"type": "string", "pattern": f"^{SOURCE}"},
        "type": {"enum": [TYPE_PREFIX + type_ for type_ in sorted(DATA)]},
        "subject": {"type": "string", "description": "the order's id"},
        "time": _TIME,
        "datacontenttype": {"const": "application/json"},
        "dataschema": _TEXT,
        "sequence": {"type": "string", "pattern": f"^[0-9]{{{SEQUENCE_DIGITS}}}$"},
        "data": {"type": "object"},
    }
    return {
        "$schema": DIALECT,
        "title": "Events of ordersaga",
        "type": "object",
        "required": [*attributes],
        "properties": attributes,
        "allOf": choices,
        "$defs": named,
    }


def to_text() -> str:
    """The bundle as it is published."""
    return json.dumps(bundle(), indent=1, ensure_ascii=False) + "\n"
