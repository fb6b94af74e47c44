"""Numbers of payment cards are refused wherever they are written, and never repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cards import LENGTHS, has_card_number, is_gtin
from api.problems import Problem
from api.texts import MOST_LOOKED_AT, check_document
from tests.api.calls import Json, fresh, order_body, placed, post_order
from tests.api.senders import Sender, payment_message, tracking_message


def with_check_digit(digits: str) -> str:
    """What a network could issue. No number stands in these files."""
    doubled = [int(d) * (2 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits))]
    return digits + str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)


def card(prefix: str, length: int = 16) -> str:
    return with_check_digit(prefix.ljust(length - 1, "2"))


VISA = card("42")
GROUPED = " ".join(VISA[i : i + 4] for i in range(0, 16, 4))
NUMBERS = {
    "Visa": VISA,
    "Visa of 13": card("42", 13),
    "Visa of 19": card("42", 19),
    "Mastercard": card("55"),
    "Mastercard, new": card("2223"),
    "American Express": card("37", 15),
    "Diners Club": card("305", 14),
    "Discover": card("6011"),
    "JCB": card("3566"),
    "UnionPay": card("62"),
    "UnionPay of 19": card("62", 19),
    "Maestro": card("6759", 18),
    "Elo": card("5067"),
    "Hipercard": card("6062"),
}
WRITTEN = {
    "plain": VISA,
    "with spaces": GROUPED,
    "with dashes": GROUPED.replace(" ", "-"),
    "with long dashes": GROUPED.replace(" ", "–"),
    "with hard spaces": GROUPED.replace(" ", "\u00a0"),
    "with both": " - ".join(GROUPED.split()),
    "in fours to the end": " ".join(card("305", 14)[i : i + 4] for i in range(0, 14, 4)),
    "in a sentence": f"my card is {GROUPED}, thank you",
    "with its date": f"{GROUPED} 12/29",
    "after a number": f"no 7 {GROUPED}",
    "in other digits": VISA.translate({ord("0") + i: 0xFF10 + i for i in range(10)}),
    "after a colon": f"pan:{VISA}",
    "after an underscore": f"tok_{VISA}",
    "long, after a plus": f"+{VISA}",
}


@pytest.mark.parametrize("network", NUMBERS)
def test_a_number_of_every_network_is_known(network: str) -> None:
    assert has_card_number(NUMBERS[network])
    wrong = str((int(NUMBERS[network][-1]) + 1) % 10)
    assert not has_card_number(NUMBERS[network][:-1] + wrong), "its check digit is wrong"


@pytest.mark.parametrize("how", WRITTEN)
def test_it_is_known_however_it_is_written(how: str) -> None:
    assert has_card_number(WRITTEN[how])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tok_ok",
        f"A{VISA}",  # an id
        f"{VISA}x",
        f"0{VISA}",  # of 17 digits, and no network's
        f"{VISA}{VISA}",
        with_check_digit("17672256000000"),  # milliseconds since 1970, and longer
        with_check_digit("176722560000000"),
        "+" + card("49151", 13),  # telephones
        "+49 " + card("49151", 13)[2:],
        "+44 " + card("4", 13),
        "550e8400-e29b-41d4-a716-446655440000",
        "00000000000000000",
        "2026-03-01T10:00:00.123456Z",
        VISA.replace("2", "2/"),
    ],
)
def test_what_is_none_is_not_taken_for_one(text: str) -> None:
    assert not has_card_number(text)


@given(st.integers(min_value=10**12, max_value=10**19 - 1))
def test_few_numbers_are_taken_for_one(number: int) -> None:
    """Only what begins as a network's do, is as long, and has the right check digit: not one in ten."""
    text = str(number)
    if has_card_number(text):
        assert text == with_check_digit(text[:-1])
        assert len(text) in LENGTHS[text[:4]]


@given(st.text(alphabet="0123456789 -+a\u00a0", max_size=80))
def test_any_text_can_be_looked_at(text: str) -> None:
    has_card_number(text)


@pytest.mark.parametrize("unit", ["4 ", "424 ", "4242   ", "42424242 ", f"{VISA[:-1]} "])
def test_an_order_costs_no_more_for_being_full_of_digits(unit: str) -> None:
    """Counted, for no machine is as fast as the next: looked at is no more than so much of it."""
    text = unit * (MOST_LOOKED_AT // len(unit))
    document = [text, text]
    with pytest.raises(Problem) as refused:
        check_document(document, json.dumps(document))

    assert [error.detail for error in refused.value.errors] == ["has too many long numbers"]


# --- Where -------------------------------------------------------------------------------------

LINE: Json = {"sku": "tea", "quantity": 2, "unit_price": {"amount": 7500, "currency": "BRL"}}
# (what is put into a good order, where it is said to be)
PLACES: list[tuple[Json, str]] = [
    ({"payments": [{"method": "card", "token": VISA}]}, "/payments/0/token"),
    ({"metadata": {"note": GROUPED}}, "/metadata/note"),
    ({"metadata": {"note": int(VISA)}}, "/metadata/note"),
    ({"metadata": {"note": float(VISA)}}, "/metadata/note"),
    ({"metadata": {VISA: "x"}}, "/metadata"),
    ({"metadata": {"tracking_number": VISA}}, "/metadata/tracking_number"),
    ({"metadata": {"deep": [{"er": VISA}]}}, "/metadata/deep/0/er"),
    ({VISA: 1}, ""),
    ({"unknown": {VISA: {"more": VISA}}}, "/unknown"),
    ({"customer": {"id": VISA}}, "/customer/id"),
    ({"customer": {"id": "c", "name": GROUPED}}, "/customer/name"),
    ({"customer": {"id": "c", "email": f"{VISA}@example.org"}}, "/customer/email"),
    ({"customer": {"id": "c", "phone": VISA}}, "/customer/phone"),
    ({"lines": [{**LINE, "sku": VISA}]}, "/lines/0/sku"),
    ({"shipping_address": {"country": "BR", "line2": GROUPED}}, "/shipping_address/line2"),
    ({"shipping": {"service": VISA}}, "/shipping/service"),
    ({"currency": VISA}, "/currency"),
]


def assert_refused(response: httpx.Response, pointer: str) -> None:
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "card_number"), response.text
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert not has_card_number(json.dumps([problem, *response.headers.values()]))
    assert VISA not in response.text


@pytest.mark.parametrize(("change", "pointer"), PLACES, ids=lambda v: str(v)[:50])
async def test_an_order_with_one_is_refused_where_it_is(
    shop: httpx.AsyncClient, change: Json, pointer: str
) -> None:
    assert_refused(await post_order(shop, order_body(**change)), pointer)


async def test_it_is_known_in_escapes_too(shop: httpx.AsyncClient) -> None:
    escaped = "".join(f"\\u{ord(digit):04x}" for digit in VISA)
    body = json.dumps(order_body(metadata={"note": "HERE"})).replace("HERE", escaped)
    headers = {"Idempotency-Key": fresh("key")}

    assert_refused(await shop.post("/v1/orders", content=body, headers=headers), "/metadata/note")


MOVES: Mapping[str, tuple[dict[str, Any], str]] = {
    "cancel": ({"reason": GROUPED}, "/reason"),
    "pay": ({"payments": [{"method": "card", "token": VISA}]}, "/payments/0/token"),
    "hold": ({"reason": f"card {VISA}"}, "/reason"),
    "review": ({"rating": 5, "comment": GROUPED}, "/comment"),
    "returns": ({"reason": GROUPED}, "/reason"),
    "refunds": (
        {"amount": {"amount": 1, "currency": "BRL"}, "reason": f"to {VISA}"},
        "/reason",
    ),
    "attention": ({"step": "stock", "action": "skip", "note": VISA}, "/note"),
}


@pytest.mark.parametrize("move", MOVES)
async def test_a_move_with_one_is_refused_and_changes_nothing(
    shop: httpx.AsyncClient, move: str
) -> None:
    order_id = await placed(shop)
    body, pointer = MOVES[move]
    headers = {"Idempotency-Key": fresh("key")}

    assert_refused(
        await shop.post(f"/v1/orders/{order_id}/{move}", json=body, headers=headers), pointer
    )
    assert (await shop.get(f"/v1/orders/{order_id}")).json()["version"] == 1


async def test_in_a_path_a_query_or_a_key_it_is_refused_too(shop: httpx.AsyncClient) -> None:
    credit = {"amount": {"amount": 1, "currency": "BRL"}, "reason": "r"}
    key = {"Idempotency-Key": fresh("key")}

    assert_refused(await shop.get(f"/v1/accounts/{GROUPED}"), "/path/customer_id")
    assert_refused(
        await shop.post(f"/v1/accounts/{VISA}/credits", json=credit, headers=key),
        "/path/customer_id",
    )
    assert_refused(await shop.put(f"/v1/stock/{VISA}", json={"on_hand": 1}), "/path/sku")
    for path in ("/v1/orders", "/v1/orders/export"):
        found = await shop.get(path, params={"customer_id": VISA})
        assert_refused(found, "/query/customer_id")
    voucher = {"code": VISA, "amount": {"amount": 1, "currency": "BRL"}}
    assert_refused(await shop.post("/v1/vouchers", json=voucher, headers=key), "/code")
    again = await shop.post("/v1/orders", json=order_body(), headers={"Idempotency-Key": VISA})
    assert_refused(again, "/header/Idempotency-Key")


async def test_whatever_takes_a_key_says_that_the_key_may_be_refused_for_it(
    shop: httpx.AsyncClient,
) -> None:
    document = (await shop.get("/openapi.json")).json()
    silent = [
        f"{verb} {path}"
        for path, verbs in document["paths"].items()
        for verb, operation in verbs.items()
        if "Idempotency-Key" in str(operation.get("parameters"))
        and "card_number" not in str(operation["responses"].get("422"))
    ]
    assert silent == []


async def test_a_name_in_a_query_is_not_repeated(shop: httpx.AsyncClient) -> None:
    response = await shop.get("/v1/orders", params={VISA: "1"})

    assert response.status_code == 422
    assert VISA not in response.text


async def test_it_is_not_logged(
    shop: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await post_order(shop, order_body(metadata={"note": VISA}))
    await shop.get(f"/v1/accounts/{VISA}")
    await shop.get("/v1/orders", params={VISA: VISA})
    said = capsys.readouterr()

    assert "request" in said.out
    assert VISA not in said.out + said.err


async def test_a_message_from_outside_with_one_is_refused(provider: Sender) -> None:
    message = payment_message(payment_id="pay_1", reason=f"card {VISA} declined")

    assert_refused(await provider.send(message), "/data/reason")
    assert await provider.kept() == []


# --- What only looks like one ------------------------------------------------------------------


def gtin_that_a_card_could_have(length: int) -> str:
    """A barcode's number whose last digit is right for a card as well."""
    for i in range(1000):
        number = with_check_digit(f"4{i:03d}".ljust(length - 1, "1"))
        if is_gtin(number) and has_card_number(number):
            return number
    raise AssertionError("there is none")


async def test_a_barcode_is_a_good_sku_and_nothing_else(shop: httpx.AsyncClient) -> None:
    barcode = gtin_that_a_card_could_have(13)

    assert (await shop.put(f"/v1/stock/{barcode}", json={"on_hand": 1})).status_code == 200
    order = await post_order(shop, order_body(lines=[{**LINE, "sku": barcode}]))
    assert order.status_code == 201
    assert_refused(await post_order(shop, order_body(metadata={"note": barcode})), "/metadata/note")


async def test_carriers_numbers_are_as_long_as_cards(carrier: Sender) -> None:
    number = card("42", 13)

    assert (await carrier.send(tracking_message(number))).status_code == 200


async def test_a_telephone_number_begins_with_a_plus(shop: httpx.AsyncClient) -> None:
    phone = "+" + card("49151", 13)
    order = await post_order(shop, order_body(customer={"id": "c", "phone": phone}))

    assert order.json()["customer"]["phone"] == phone
