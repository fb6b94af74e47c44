"""Each event has a published schema; and nothing in the product writes one that is not so."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
from pydantic import JsonValue

from ordersaga import lifecycle
from ordersaga.event_schemas import DATA, bundle, moves_of, schema_of, to_text
from ordersaga.events import OrderEvent
from ordersaga.history import ACCEPTED, NOTES, PAYMENTS_ADDED, RETURN_REQUESTED
from tests.architecture.tree import ROOT, modules

PUBLISHED = ROOT / "docs" / "events" / "schema.json"
TYPES = (
    {ACCEPTED, PAYMENTS_ADDED, RETURN_REQUESTED}
    | NOTES
    | {move.event for moves in lifecycle.MACHINES.values() for move in moves}
)
CHECK = jsonschema.Draft202012Validator(
    bundle(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def test_every_type_of_the_lifecycle_and_of_the_notes_has_a_schema() -> None:
    assert set(DATA) == TYPES


def test_what_is_published_is_what_is_so() -> None:
    assert PUBLISHED.read_text("utf-8") == to_text(), "`make event-schemas` writes it anew"


def test_the_docs_tell_of_every_type_and_field() -> None:
    lines = (ROOT / "docs" / "events.md").read_text("utf-8").splitlines()
    rows = {line.split("`")[1]: line for line in lines if line.startswith("| `")}
    assert set(rows) >= TYPES
    for type_, fields in DATA.items():
        told = [f"`{name}`" if field.always else f"`{name}`?" for name, field in fields.items()]
        assert f"| {', '.join(told) or '—'} |" in rows[type_]


def test_the_published_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(PUBLISHED.read_text("utf-8")))


def test_an_events_dataschema_names_its_schema() -> None:
    for type_ in TYPES:
        assert _event(type_).to_cloudevent()["dataschema"] == schema_of(type_)["$id"]


def _event(type_: str, **data: JsonValue) -> OrderEvent:
    """As it would be told, at the first of its moves."""
    moves, now = moves_of(type_), datetime.now(UTC)
    return OrderEvent(
        position=1,
        tenant="demo",
        order_id="ord_1",
        sequence=3,
        type=type_,
        machine=moves.machine,
        from_state=next(iter(moves.sources), None),
        to_state=next(iter(moves.targets), None),
        data=data,
        occurred_at=now,
        recorded_at=now,
    )


@pytest.mark.parametrize("type_", sorted(t for t in TYPES if not DATA[t]))
def test_an_event_without_data_is_valid_as_it_is_told(type_: str) -> None:
    CHECK.validate(_event(type_).to_cloudevent())


@pytest.mark.parametrize(
    "changed",
    [
        {"from": "delivered"},
        {"machine": None},
        {"type": "order.shipped"},
        {"sequence": 0},
        {"data": {}},
        {"data": {"failure": {"code": "card_declined"}}},
    ],
)
def test_an_event_that_cannot_be_is_not_valid(changed: dict[str, JsonValue]) -> None:
    failure: JsonValue = {"participant": "payment", "code": "card_declined", "detail": "declined"}
    told: dict[str, Any] = _event("order.compensating", failure=failure).to_cloudevent()
    CHECK.validate(told)
    assert not CHECK.is_valid({**told, "data": {**told["data"], **changed}})


def test_a_type_that_nobody_knows_is_not_valid() -> None:
    told = {**_event("order.confirmed").to_cloudevent(), "type": "ordersaga.order.exploded"}
    assert not CHECK.is_valid(told)


class Written(NamedTuple):
    """A place in the product that says `Happening.of("type", field=…)`."""

    where: str
    type: str
    fields: frozenset[str]
    is_all: bool  # no ** among them


def _written() -> Iterator[Written]:
    for module in modules().values():
        for node in ast.walk(module.syntax):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("Happening"), attr="of"),
                    args=[ast.Constant(str(type_))],
                    keywords=keywords,
                ):
                    named = frozenset(k.arg for k in keywords if k.arg)
                    where = f"{Path(module.path).name}:{node.lineno}"
                    yield Written(where, type_, named, all(k.arg for k in keywords))


WRITTEN = tuple(_written())


def test_the_places_where_events_are_written_are_found() -> None:
    assert len(WRITTEN) > 40


@pytest.mark.parametrize("written", WRITTEN, ids=lambda w: f"{w.where} {w.type}")
def test_what_is_written_is_what_is_published(written: Written) -> None:
    fields = DATA[written.type]
    assert written.fields <= set(fields), "a field that nobody is told of"
    if written.is_all:
        assert {name for name, field in fields.items() if field.always} <= written.fields
