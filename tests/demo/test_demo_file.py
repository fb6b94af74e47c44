"""Orders from a file: each good line is an order, each broken one is named, and the rest goes on."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from cli.demo.file import LONGEST_LINE, BrokenLine, FileOrders, Line, as_played, read_line
from cli.traffic.orders import PlayedOrder, survey

OLIST = Path(__file__).resolve().parents[3] / "shared" / "data" / "olist-orders.jsonl"


def line(**changes: Any) -> dict[str, Any]:
    price = {"amount": 7500, "currency": "BRL"}
    return {
        "reference": "r-1",
        "order": {
            "customer": {"id": "c-1"},
            "currency": "BRL",
            "lines": [{"sku": "mug", "quantity": 2, "unit_price": price}],
            "shipping_address": {"country": "BR", "city": "recife"},
            "shipping_fee": {"amount": 500, "currency": "BRL"},
        },
        "recorded": {
            "status": "delivered",
            "payments": [
                {"type": "credit_card", "installments": 2, "amount": 15000},
                {"type": "voucher", "installments": 1, "amount": 500},
            ],
        },
    } | changes


def parsed(value: object) -> PlayedOrder:
    found = read_line(1, json.dumps(value).encode(), Line)
    assert isinstance(found, Line), found
    return as_played(1, found)


def without(path: str) -> dict[str, Any]:
    found = line()
    at: Any = found
    *parents, last = path.split("/")
    for name in parents:
        at = at[int(name)] if isinstance(at, list) else at[name]
    del at[last]
    return found


def put(path: str, value: object) -> dict[str, Any]:
    found = line()
    at: Any = found
    *parents, last = path.split("/")
    for name in parents:
        at = at[int(name)] if isinstance(at, list) else at[name]
    at[last] = value
    return found


def test_a_line_is_the_request_with_how_it_was_paid() -> None:
    body = parsed(line()).body
    assert body.total == 15500
    assert [(p.method, p.amount.amount if p.amount else 0, p.token) for p in body.payments] == [
        ("card", 15000, "tok_ok"),
        ("voucher", 500, None),
    ]
    assert body.metadata == {"reference": "r-1"}


@pytest.mark.parametrize(
    ("recorded", "method"),
    [("credit_card", "card"), ("debit_card", "debit_card"), ("boleto", "boleto")],
)
def test_every_recorded_type_of_payment_is_a_method_of_ours(recorded: str, method: str) -> None:
    payments = [{"type": recorded, "amount": 15500}]
    assert [p.method for p in parsed(put("recorded/payments", payments)).body.payments] == [method]


def test_what_only_the_api_can_refuse_is_an_order_for_it_to_refuse() -> None:
    for quantity in (0, -1, 2**63):
        assert parsed(put("order/lines/0/quantity", quantity)).body.lines[0].quantity == quantity
    assert parsed(put("order/currency", "XXX")).body.currency == "XXX"
    assert parsed(put("order/lines", [])).body.lines == ()


BROKEN = {
    "not JSON": b"{",
    "not UTF-8": b'{"reference": "\xff"}',
    "a word": b"order",
    "a list": b"[]",
    "half a character": json.dumps(put("order/customer/id", "\ud800")).encode(),
    "no order": json.dumps(without("order")).encode(),
    "no customer": json.dumps(without("order/customer")).encode(),
    "no payments": json.dumps(without("recorded/payments")).encode(),
    "paid by nothing": json.dumps(put("recorded/payments", [])).encode(),
    "a quantity that is a word": json.dumps(put("order/lines/0/quantity", "2")).encode(),
    "a quantity that is a fraction": json.dumps(put("order/lines/0/quantity", 1.5)).encode(),
    "a price that is a number": json.dumps(put("order/lines/0/unit_price", 75)).encode(),
    "a field nobody knows": json.dumps(put("order/colour", "red")).encode(),
    "payments of its own": json.dumps(put("order/payments", [{"method": "card"}])).encode(),
    "a type nobody knows": json.dumps(
        put("recorded/payments", [{"type": "barter", "amount": 1}])
    ).encode(),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_line_is_named_with_its_number(what: str) -> None:
    found = read_line(41, BROKEN[what], Line)
    assert isinstance(found, BrokenLine)
    assert found.number == 41
    assert found.reason


def test_the_reason_says_where(tmp_path: Path) -> None:
    found = read_line(1, BROKEN["a quantity that is a word"], Line)
    assert isinstance(found, BrokenLine)
    assert found.reason.startswith("/order/lines/0/quantity: ")


def test_the_rest_of_a_file_goes_on_after_a_broken_line(tmp_path: Path) -> None:
    good = json.dumps(line()).encode()
    path = tmp_path / "orders.jsonl"
    path.write_bytes(b"\n".join([good, b"{", b"", good, b"x" * (LONGEST_LINE + 9), good]))
    told: list[BrokenLine] = []
    names = [order.name for order in FileOrders(path, told.append)]
    assert names == ["line 1", "line 4", "line 6"]
    assert [broken.number for broken in told] == [2, 5]
    assert f"longer than {LONGEST_LINE:,} bytes" in told[1].reason


def test_a_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    count, good = 5000, json.dumps(line()).encode() + b"\n"
    path.write_bytes(good * count)
    tracemalloc.start()
    found = survey(FileOrders(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.orders, found.demand) == (count, {"mug": 2 * count})
    assert peak < path.stat().st_size / 4


def test_quantities_that_no_order_can_have_ask_for_no_stock(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    lines = [put("order/lines/0/quantity", quantity) for quantity in (3, -5, 2**63)]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert survey(FileOrders(path)).demand == {"mug": 3}


@pytest.mark.skipif(not OLIST.exists(), reason="the real orders are not beside the repository")
def test_every_real_order_can_be_read() -> None:
    told: list[BrokenLine] = []
    orders = list(FileOrders(OLIST, told.append))
    assert (len(orders), told) == (500, [])
    off = [
        o
        for o in orders
        if sum(p.amount.amount for p in o.body.payments if p.amount) != o.body.total
    ]
    assert len(off) == 3
