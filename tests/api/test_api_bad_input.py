"""Whatever is sent, the answer is a problem that says where it is wrong; never a 500."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Message

from api.bodies import read_body
from api.models import MAX_LINES, MAX_PAYMENTS
from api.problems import Problem
from ordersaga.money import MAX_AMOUNT
from tests.api.calls import Json, brl, fresh, order_body, place, placed, pointers, post_order

LINE: Json = {"sku": "tea", "quantity": 2, "unit_price": brl(7500)}
CARD: Json = {"method": "card", "token": "tok_ok"}

# (what is put into a good order, where it is said to be wrong)
WRONG_ORDERS: list[tuple[Json, list[str]]] = [
    ({"unknown": 1}, ["/unknown"]),
    ({"customer": {}}, ["/customer/id"]),
    ({"customer": {"id": ""}}, ["/customer/id"]),
    ({"customer": {"id": "c" * 65}}, ["/customer/id"]),
    ({"customer": {"id": 7}}, ["/customer/id"]),
    ({"customer": {"id": "c", "name": "\0"}}, ["/customer/name"]),
    ({"customer": {"id": "c", "name": "n" * 201}}, ["/customer/name"]),
    ({"currency": "XXX"}, ["/currency"]),
    ({"currency": "brl"}, ["/currency"]),
    ({"lines": []}, ["/lines"]),
    ({"lines": None}, ["/lines"]),
    ({"lines": [LINE] * (MAX_LINES + 1)}, ["/lines"]),
    ({"lines": [{**LINE, "quantity": 0}]}, ["/lines/0/quantity"]),
    ({"lines": [{**LINE, "quantity": -1}]}, ["/lines/0/quantity"]),
    ({"lines": [{**LINE, "quantity": 2**63}]}, ["/lines/0/quantity"]),
    ({"lines": [{**LINE, "quantity": 10**400}]}, ["/lines/0/quantity"]),
    ({"lines": [{**LINE, "quantity": True}]}, ["/lines/0/quantity"]),
    ({"lines": [{**LINE, "quantity": 1.0}]}, ["/lines/0/quantity"]),
    ({"lines": [{**LINE, "quantity": "1"}]}, ["/lines/0/quantity"]),
    ({"lines": [{**LINE, "sku": ""}]}, ["/lines/0/sku"]),
    ({"lines": [LINE, {**LINE, "unit_price": brl(-1)}]}, ["/lines/1/unit_price/amount"]),
    (
        {"lines": [{**LINE, "unit_price": {"amount": 1, "currency": "USD"}}]},
        ["/lines/0/unit_price/currency"],
    ),
    (
        {"lines": [{**LINE, "tax": {"amount": 1, "currency": "USD"}}]},
        ["/lines/0/tax/currency"],
    ),
    ({"lines": [{**LINE, "quantity": 2, "unit_price": brl(MAX_AMOUNT)}]}, ["/lines"]),
    ({"shipping_fee": {"amount": 1, "currency": "USD"}}, ["/shipping_fee/currency"]),
    ({"shipping_address": {}}, ["/shipping_address/country"]),
    ({"shipping_address": {"country": "Brazil"}}, ["/shipping_address/country"]),
    ({"shipping_address": {"country": "br"}}, ["/shipping_address/country"]),
    ({"shipping": {"carrier": "pigeon"}}, ["/shipping/carrier"]),
    ({"shipping": {"service": "two words"}}, ["/shipping/service"]),
    ({"payments": [{"method": "barter", "token": "t"}]}, ["/payments/0/method"]),
    ({"payments": [{"method": "card"}]}, ["/payments/0/token"]),
    ({"payments": [{"method": "voucher"}]}, ["/payments/0/token"]),
    ({"payments": [{**CARD, "token": ""}]}, ["/payments/0/token"]),
    ({"payments": [{**CARD, "amount": brl(0)}, CARD]}, ["/payments/0/amount/amount"]),
    ({"payments": [{**CARD, "amount": brl(14999)}]}, ["/payments"]),
    ({"payments": [{**CARD, "amount": brl(15001)}]}, ["/payments"]),
    ({"payments": [CARD, CARD]}, ["/payments/1/amount"]),
    ({"payments": [{**CARD, "amount": brl(15000)}, CARD]}, ["/payments/1/amount"]),
    ({"payments": [CARD] * (MAX_PAYMENTS + 1)}, ["/payments"]),
    (
        {"payments": [{**CARD, "amount": {"amount": 15000, "currency": "USD"}}]},
        ["/payments/0/amount/currency"],
    ),
    ({"metadata": {"a": {"b": 1}}}, ["/metadata/a"]),
    ({"metadata": {"a/b~c": 2**60}}, ["/metadata/a~1b~0c"]),
    ({"metadata": {str(i): i for i in range(51)}}, ["/metadata"]),
    ({"metadata": {"\0": 1}}, ["/metadata"]),
    ({"customer": {"id": "a\nb"}}, ["/customer/id"]),
    ({"lines": [{**LINE, "sku": "\x7f"}]}, ["/lines/0/sku"]),
    (
        {"lines": [{**LINE, "quantity": 0}], "customer": {"id": ""}},
        ["/customer/id", "/lines/0/quantity"],
    ),
]


@pytest.mark.parametrize(("change", "where"), WRONG_ORDERS, ids=lambda v: str(v)[:60])
async def test_a_wrong_order_is_refused_where_it_is_wrong(
    shop: httpx.AsyncClient, change: Json, where: list[str]
) -> None:
    assert pointers(await post_order(shop, order_body(**change))) == where


TURNS = [chr(c) for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]


@pytest.mark.parametrize("turn", TURNS, ids=lambda c: f"U+{ord(c):04X}")
@pytest.mark.parametrize("is_escaped", [False, True])
async def test_what_turns_the_direction_of_a_text_is_refused(
    shop: httpx.AsyncClient, turn: str, is_escaped: bool
) -> None:
    """Read by a person, it would be another name, reason or id than it is."""
    text = f"Ana{turn}gpj.exe"
    order = order_body(customer={"id": text, "name": text}, metadata={text: 1, "note": text})
    body = json.dumps(order, ensure_ascii=is_escaped)
    headers = {"Idempotency-Key": fresh("key")}
    response = await shop.post("/v1/orders", content=body.encode(), headers=headers)

    where = ["/customer/id", "/customer/name", "/metadata", "/metadata/note"]
    assert sorted(pointers(response)) == where
    assert turn not in response.text


async def test_it_is_refused_in_paths_and_queries_too(shop: httpx.AsyncClient) -> None:
    found = await shop.get("/v1/orders", params={"customer_id": "a\u202eb"})
    assert pointers(found) == ["/query/customer_id"]
    assert pointers(await shop.get("/v1/accounts/a\u202eb")) == ["/path/customer_id"]
    put = await shop.put("/v1/stock/a\u202eb", json={"on_hand": 1})
    assert pointers(put) == ["/path/sku"]


async def test_people_write_from_right_to_left(shop: httpx.AsyncClient) -> None:
    name = "\u200fعائشة\u200e"  # with marks, which change nothing of what they stand beside
    response = await place(shop, customer={"id": "c-1", "name": name})

    assert response.json()["customer"]["name"] == name


async def test_boleto_is_paid_in_brazilian_real_only(shop: httpx.AsyncClient) -> None:
    usd = {"amount": 5, "currency": "USD"}
    response = await place(
        shop,
        currency="USD",
        lines=[{"sku": "tea", "quantity": 1, "unit_price": usd}],
        payments=[{"method": "boleto", "token": "tok_ok"}],
    )

    assert pointers(response) == ["/payments/0/method"]


async def test_payments_that_do_not_add_up_are_told_both_sums(shop: httpx.AsyncClient) -> None:
    response = await place(shop, payments=[{**CARD, "amount": brl(9500)}])

    detail = response.json()["errors"][0]["detail"]
    assert detail == "the payments come to 95.00 BRL, the order to 150.00 BRL"


# (a body that is no good order however it is read, status, code)
RAW_BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "malformed_request"),
    (b"{", 400, "malformed_request"),
    (b"null", 422, "invalid_request"),
    (b"[]", 422, "invalid_request"),
    (b'"text"', 422, "invalid_request"),
    (b"{}", 422, "invalid_request"),
    (b'{"currency": NaN}', 400, "malformed_request"),
    (b'{"currency": Infinity}', 400, "malformed_request"),
    (b'{"currency": "BRL", "currency": "USD"}', 400, "malformed_request"),
    (b'{"currency": "\xff"}', 400, "malformed_request"),
    (b'{"currency": "\x00"}', 400, "malformed_request"),
    (b"\xef\xbb\xbf{}", 400, "malformed_request"),
    (b'{"currency": ' + b"9" * 5000 + b"}", 400, "malformed_request"),
    (b"[" * 100_000, 400, "malformed_request"),
    (b'{"a":' * 100_000, 400, "malformed_request"),
    (b'{"metadata": {"a": "\\ud800"}}', 422, "invalid_request"),
    (b'{"\\udfff": 1}', 422, "invalid_request"),
    (b'{"customer": {"id": "\\u0000"}}', 422, "invalid_request"),
    (b" " * 1_048_577, 413, "body_too_large"),
]


@pytest.mark.parametrize(("body", "status", "code"), RAW_BODIES, ids=lambda v: str(v)[:40])
async def test_a_body_that_is_no_order_is_refused(
    shop: httpx.AsyncClient, body: bytes, status: int, code: str
) -> None:
    response = await shop.post(
        "/v1/orders", content=body, headers={"Idempotency-Key": fresh("key")}
    )

    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "number", ["1e3", "true", "1.5", "1.0", "-0.0", "1e400", "-1", "9007199254740992", "null"]
)
async def test_only_whole_numbers_within_bounds_are_amounts(
    shop: httpx.AsyncClient, number: str
) -> None:
    body = json.dumps(order_body(shipping_fee=brl(424242))).replace("424242", number)
    response = await shop.post(
        "/v1/orders", content=body, headers={"Idempotency-Key": fresh("key")}
    )

    assert pointers(response) == ["/shipping_fee/amount"]


async def test_a_body_announced_too_large_is_refused_unread(shop: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k", "Content-Length": "9" * 4000}
    response = await shop.post("/v1/orders", content=b"{}", headers=headers)

    assert response.status_code == 413


async def test_a_body_that_trickles_is_given_up() -> None:
    """Each piece in time, and no end: it would hold its connection for ever."""

    async def receive() -> Message:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    with pytest.raises(Problem) as refused:
        await read_body(Request({"type": "http", "headers": []}, receive), patience_s=0.1)

    assert refused.value.kind.code == "request_timeout"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, identity", "x"])
async def test_a_compressed_body_is_refused(shop: httpx.AsyncClient, encoding: str) -> None:
    headers = {"Idempotency-Key": "k", "Content-Encoding": encoding}
    response = await shop.post("/v1/orders", content=b"\x1f\x8b", headers=headers)

    assert (response.status_code, response.json()["code"]) == (415, "unsupported_encoding")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/v1/orders/",
        "/v1/orders/ord_1",
        "/v1/orders/%00",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1/events",
        "/v1/orders/%ff/events",
        "/v1/stock/%00",
        "/v1/stock/never-heard-of",
    ],
)
async def test_what_is_not_there_is_a_404(shop: httpx.AsyncClient, path: str) -> None:
    response = await shop.get(path)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_a_line_feed_in_a_path_is_no_way_around_its_route(shop: httpx.AsyncClient) -> None:
    """Found by fuzzing: to a router's dot it is no character."""
    put = await shop.put("/v1/stock/a%0Ab", json={"on_hand": 1})

    assert pointers(put) == ["/path/sku"]
    assert pointers(await shop.get("/v1/accounts/a%0A")) == ["/path/customer_id"]


async def test_what_is_below_an_account_is_not_part_of_its_owner(shop: httpx.AsyncClient) -> None:
    """Found by fuzzing."""
    response = await shop.get("/v1/accounts/c-1/credits")

    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert (await shop.get("/v1/accounts/shop/c-1")).json()["customer_id"] == "shop/c-1"


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/v1/orders"), ("POST", "/healthz")])
async def test_a_wrong_method_is_told_the_right_ones(
    shop: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await shop.request(method, path)

    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in response.headers["allow"]


def cursor_of(text: str) -> str:
    """As ours are made, but of any text."""
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("limit=0", "/query/limit"),
        ("limit=101", "/query/limit"),
        ("limit=1e1", "/query/limit"),
        ("status=lost", "/query/status"),
        ("attention=perhaps", "/query/attention"),
        ("created_after=yesterday", "/query/created_after"),
        ("created_after=0.5", "/query/created_after"),
        ("created_after=1772359200", "/query/created_after"),
        ("created_after=2026-01-01T00:00:00", "/query/created_after"),
        ("created_after=0001-01-01T00:00:00%2B14:00", "/query/created_after"),
        ("created_after=9999-12-31T23:59:59-14:00", "/query/created_after"),
        ("customer_id=%00", "/query/customer_id"),
        ("customer_id=", "/query/customer_id"),
        ("cursor=x", "/query/cursor"),
        ("cursor=%ff", "/query/cursor"),
        ("cursor=b3JkXzE", "/query/cursor"),
        ("cursor=" + "A" * 65, "/query/cursor"),
        ("cursor=%00", "/query/cursor"),
        (f"cursor={cursor_of('ret_01M7YSM35RQCGYCAPV98JR57X1')}", "/query/cursor"),
        (f"cursor={cursor_of('ord_01M7YSM35RQCGYCAPV98JR57X1~')}", "/query/cursor"),
        (f"cursor={cursor_of('ord_01m7ysm35rqcgycapv98jr57x1')}", "/query/cursor"),
        (f"cursor={cursor_of('')}", "/query/cursor"),
        ("customer_id=a%0Ab", "/query/customer_id"),
        ("limit=9223372036854775808", "/query/limit"),
        ("limit=-1", "/query/limit"),
        ("limit=NaN", "/query/limit"),
        ("sattus=pending", "/query/sattus"),
    ],
)
async def test_a_wrong_filter_is_refused_by_name(
    shop: httpx.AsyncClient, query: str, where: str
) -> None:
    assert pointers(await shop.get(f"/v1/orders?{query}")) == [where]


@pytest.mark.parametrize(
    "body", [{"reason": ""}, {"reason": 7}, {"reason": "r" * 501}, {"reason": "\0"}, {"why": "?"}]
)
async def test_a_wrong_cancel_changes_nothing(shop: httpx.AsyncClient, body: Json) -> None:
    order_id = await placed(shop)
    response = await shop.post(
        f"/v1/orders/{order_id}/cancel", json=body, headers={"Idempotency-Key": fresh("key")}
    )

    assert response.status_code == 422
    assert (await shop.get(f"/v1/orders/{order_id}")).json()["version"] == 1
