"""What an order's page answers to each way of opening it, and that it says only what is so by now."""

from __future__ import annotations

from typing import Final

import pytest

from tests.pages.tracking import path_of, visiting
from tests.saga.shop import Json, Shop, card, payment

CHINESE: Final = {"Accept-Language": "zh-CN,zh;q=0.9"}


async def received(shop: Shop) -> Json:
    """An order that its shop brought itself, and its buyer has."""
    order = await shop.order(card())
    (await shop.ask(order, "ship", {"tracking_number": f"T-{order['id']}"})).raise_for_status()
    (await shop.ask(order, "confirm-receipt")).raise_for_status()
    return await shop.until(order["id"], lambda o: o["status"] == "completed")


async def text_of(shop: Shop, order: Json, **query: str) -> str:
    async with visiting(shop) as buyer:
        answer = await buyer.get(path_of(order), params=query)
    assert answer.status_code == 200
    return answer.text


async def test_a_return_says_what_its_buyer_has_to_do(shop: Shop) -> None:
    order = await received(shop)
    assert "Nothing more, unless" in await text_of(shop, order)
    lines = [{"sku": shop.sku, "quantity": 1}]
    asked = await shop.ask(order, "returns", {"reason": "too small", "lines": lines})
    (return_,) = asked.json()["returns"]
    page = await text_of(shop, order)
    assert "The seller looks at your return." in page
    assert "Nothing more" not in page
    assert "商家正在审核您的退货申请。" in await text_of(shop, order, lang="zh")

    (await shop.ask(order, f"returns/{return_['id']}/approve")).raise_for_status()
    assert "Send the goods back to the seller" in await text_of(shop, order)
    assert "请将商品寄回商家" in await text_of(shop, order, lang="zh")

    (await shop.ask(order, f"returns/{return_['id']}/receive")).raise_for_status()
    await shop.until(order["id"], lambda o: o["returns"][0]["status"] == "refunded")
    assert "Nothing more, unless" in await text_of(shop, order)


@pytest.mark.parametrize(("locale", "language"), [(None, "zh"), ("en", "en")])
async def test_the_browser_is_asked_for_a_language_where_the_shop_gave_none(
    shop: Shop, locale: str | None, language: str
) -> None:
    customer = {"id": "c-1"} if locale is None else {"id": "c-1", "locale": locale}
    lines = [{"sku": shop.sku, "quantity": 1, "unit_price": {"amount": 500, "currency": "BRL"}}]
    body = {
        "customer": customer,
        "currency": "BRL",
        "lines": lines,
        "shipping_address": {"country": "BR"},
        "payments": [card()],
    }
    order = (await shop.post("/v1/orders", body)).json()
    assert order["customer"]["locale"] == "en", "what his mails are written in"
    async with visiting(shop, **CHINESE) as buyer:
        assert (await buyer.get(path_of(order))).headers["content-language"] == language


async def test_a_page_is_asked_for_its_headers_alone(shop: Shop) -> None:
    path = path_of(await shop.order(card()))
    async with visiting(shop) as buyer:
        whole, headers = await buyer.get(path), await buyer.head(path)
        assert (headers.status_code, headers.content) == (200, b"")
        assert headers.headers["content-language"] == whole.headers["content-language"]
        assert (await buyer.head(f"{path}x")).status_code == 404


async def test_who_reloads_where_a_form_was_answered_is_led_to_the_page(shop: Shop) -> None:
    path = path_of(await shop.order(card()))
    async with visiting(shop) as buyer:
        for action in ("receive", "review", "return", "cancel"):
            answer = await buyer.get(f"{path}/{action}", params={"lang": "zh"})
            assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?lang=zh")
        assert (await buyer.get(f"{path}/cancel")).headers["location"] == path
        assert (await buyer.get(f"{path}/refunds")).status_code == 404
        assert (await buyer.get(f"{path}x/cancel")).status_code == 404


@pytest.mark.parametrize(
    "said", ["canceled", "cancel_asked", "cancel_refused", "received", "reviewed", "return_asked"]
)
async def test_an_address_cannot_make_a_page_say_what_is_not_so(shop: Shop, said: str) -> None:
    order = await shop.order(card())
    assert 'id="said"' not in await text_of(shop, order, said=said)


async def test_a_wish_to_cancel_that_was_answered_meanwhile_is_said_as_it_is(shop: Shop) -> None:
    order = await shop.order(payment("boleto"))
    await shop.cancel(order["id"])
    await shop.until(order["id"], lambda o: o["status"] == "canceled")
    page = await text_of(shop, order, said="cancel_asked")
    assert "Your order is canceled." in page.partition('id="said"')[2]


async def test_a_parcel_that_the_shop_brings_itself_has_no_carrier_s_words(shop: Shop) -> None:
    order = await shop.order(card())
    (await shop.ask(order, "ship", {"tracking_number": f"T-{order['id']}"})).raise_for_status()
    page = await text_of(shop, order)
    assert "The shop brings your parcel, or has it brought." in page
    assert "The shop has sent it." in page
    assert "The carrier" not in page
    assert ">Expected arrival<" in page

    page = await text_of(shop, await received(shop))
    assert "No news of the parcel yet" not in page
    assert "It arrived on" in page
    assert ">Arrival<" in page
    assert ">Expected arrival<" not in page
