"""What a buyer may do on his order's page: with a script or without, once, and from nowhere else."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from playwright.async_api import expect

from cli.stack.stack import LocalStack
from tests.pages.conftest import OpenPage, Watch
from tests.pages.test_track_live import sent
from tests.pages.tracking import form_of, path_of, send, visiting
from tests.saga.shop import Json, Shop, card

pytestmark = pytest.mark.long

CARD_NUMBER: Final = "4242 4242 4242 4242"


async def completed(shop: Shop) -> Json:
    order = await shop.delivered(await sent(shop))
    return await shop.until(order["id"], lambda o: o["status"] == "completed")


async def test_receipt_is_confirmed_without_a_script_once_however_often_it_is_pressed(
    shop: Shop, open_page: OpenPage
) -> None:
    order = await sent(shop)
    await shop.carrier_says(order, "picked_up")
    await shop.until(order["id"], lambda o: o["status"] == "shipped")
    page = await open_page(java_script_enabled=False)
    await page.goto(path_of(order))
    await page.get_by_role("heading", name="Confirm receipt").click()
    await page.get_by_role("button", name="I have received it").dblclick()
    await expect(page.locator("#said")).to_have_text("Thank you. The order is completed.")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your order is completed")
    happened = await shop.history(order["id"])
    assert happened.count("receipt.confirmed") == 1
    events = (await shop.api.get(f"/v1/orders/{order['id']}/events")).json()["events"]
    (receipt,) = [event for event in events if event["type"] == "receipt.confirmed"]
    assert receipt["data"]["by"] == "buyer"


@pytest.mark.parametrize("has_script", [True, False])
async def test_an_order_is_canceled_on_its_page(
    shop: Shop, open_page: OpenPage, has_script: bool
) -> None:
    order = await shop.order(card())
    page = await open_page(java_script_enabled=has_script)
    await page.goto(path_of(order))
    await page.get_by_role("heading", name="Cancel the order").click()
    await page.get_by_label("Why do you cancel?").select_option("I ordered by mistake")
    await page.get_by_role("button", name="Cancel this order").click()
    await expect(page.locator("#said")).to_be_visible()
    order = await shop.until(order["id"], lambda o: o["status"] == "canceled")
    await page.goto(path_of(order))
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your order is canceled")
    await expect(page.locator("#part-goods")).to_contain_text("Given back")
    await shop.assert_clean_slate(order)


async def test_some_of_it_is_sent_back(shop: Shop, open_page: OpenPage) -> None:
    order = await completed(shop)
    page = await open_page(java_script_enabled=False)
    await page.goto(path_of(order))
    await page.get_by_role("heading", name="Send something back").click()
    await page.get_by_label(f"{shop.sku}: how many? (up to 2)").fill("1")
    await page.get_by_label("Why?").select_option("It does not fit")
    await page.get_by_label("Anything else the seller should know?").fill("too small")
    await page.get_by_role("button", name="Ask for a return").click()
    await expect(page.locator("#said")).to_contain_text("The seller looks at it next.")
    await expect(page.locator("#part-goods")).to_contain_text("asked for: the seller looks at it")
    (asked,) = (await shop.get(order["id"]))["returns"]
    assert asked["reason"] == "does_not_fit: too small"
    assert [(line["sku"], line["quantity"]) for line in asked["lines"]] == [(shop.sku, 1)]


async def test_what_cannot_be_taken_is_said_and_what_was_written_stays(
    shop: Shop, open_page: OpenPage, watch: Watch
) -> None:
    order = await completed(shop)
    page = await open_page(java_script_enabled=False)
    watch.expects("422")
    await page.goto(path_of(order))
    await page.get_by_role("heading", name="Send something back").click()
    await page.get_by_label("Why?").select_option("It is damaged or does not work")
    await page.get_by_label("Anything else the seller should know?").fill("a crack")
    await page.get_by_role("button", name="Ask for a return").click()
    await expect(page.get_by_role("alert")).to_contain_text("at least one item")
    await expect(page.get_by_label("Anything else the seller")).to_have_value("a crack")
    await expect(page.get_by_label("Why?")).to_have_value("damaged")
    assert (await shop.get(order["id"]))["returns"] == []


async def test_a_form_that_is_sent_twice_at_once_happens_once(shop: Shop) -> None:
    order = await completed(shop)
    async with visiting(shop) as buyer:
        path = path_of(order)
        form = form_of(await buyer.get(path), "return", reason="other", note="")
        form[f"take:{shop.sku}"] = "1"
        answers = await asyncio.gather(*(send(buyer, path, "return", form) for _ in range(4)))
        assert {answer.status_code for answer in answers} == {303}
        again = await send(buyer, path, "return", {**form, f"take:{shop.sku}": "2"})
    assert again.headers["location"].endswith("?said=again#said"), "its key was another form's"
    assert len((await shop.get(order["id"]))["returns"]) == 1


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("review", {"rating": "6", "comment": ""}),
        ("review", {"rating": "", "comment": ""}),
        ("review", {"rating": "5", "comment": "x" * 2001}),
        ("review", {"rating": "5", "comment": f"my card is {CARD_NUMBER}"}),
        ("review", {"rating": "5", "comment": "nul \x00"}),
        ("return", {"reason": "other", "note": "", "take:nothing-of-it": "1"}),
        ("return", {"reason": "other", "note": "", "take:{sku}": "3"}),
        ("return", {"reason": "other", "note": "", "take:{sku}": "-1"}),
        ("return", {"reason": "no reason of ours", "note": "", "take:{sku}": "1"}),
        ("return", {"reason": "other", "note": "x" * 401, "take:{sku}": "1"}),
    ],
)
async def test_a_form_that_was_tampered_with_changes_nothing(
    reviewable: Json, shop: Shop, name: str, fields: dict[str, str]
) -> None:
    sku = str(reviewable["lines"][0]["sku"])
    path = path_of(reviewable)
    async with visiting(shop) as buyer:
        filled = {field.replace("{sku}", sku): value for field, value in fields.items()}
        form = form_of(await buyer.get(path), name, **filled)
        answer = await send(buyer, path, name, form)
    assert answer.status_code == 422, answer.text
    assert 'role="alert"' in answer.text
    after = await shop.get(reviewable["id"])
    assert (after["returns"], after["review"]) == ([], None)


@pytest.fixture(scope="module")
async def reviewable(stack: LocalStack) -> Json:
    """A completed order that nothing is sent back of."""
    async with Shop(stack) as shop:
        return await completed(shop)


async def test_a_form_from_elsewhere_is_refused(shop: Shop) -> None:
    order = await shop.order(card())
    path = path_of(order)
    async with visiting(shop) as buyer:
        form = form_of(await buyer.get(path), "cancel", reason="other")
        for site in ("cross-site", "same-site", "made-up"):
            answer = await send(buyer, path, "cancel", form, **{"Sec-Fetch-Site": site})
            assert answer.status_code == 403
            assert "<h1>That came from elsewhere</h1>" in answer.text
        for wrong in ("application/json", "text/plain", "multipart/form-data"):
            sent_ = await buyer.post(
                f"{path}/cancel", content=b"key=x", headers={"Content-Type": wrong}
            )
            assert sent_.status_code == 400
        without_key = await send(buyer, path, "cancel", {"reason": "other"})
        assert without_key.status_code == 400
        unknown = await send(buyer, path, "refunds", form)
        assert unknown.status_code == 404
    assert (await shop.get(order["id"]))["status"] == "confirmed"


async def test_what_is_too_late_is_said_and_the_order_is_shown_as_it_is(shop: Shop) -> None:
    order = await shop.order(card())
    path = path_of(order)
    async with visiting(shop) as buyer:
        form = form_of(await buyer.get(path), "cancel", reason="other")
        await shop.ask(order, "ship", {"tracking_number": f"T-{order['id']}"})
        answer = await send(buyer, path, "cancel", form)
        assert answer.headers["location"].endswith("?said=too_late#said")
        page = await buyer.get(answer.headers["location"])
    assert "the order has moved on" in page.text
    assert "Your parcel is on its way" in page.text
    assert "cancel.requested" not in await shop.history(order["id"])


async def test_the_chosen_language_stays_through_a_form(shop: Shop) -> None:
    order = await shop.order(card())
    path = path_of(order)
    async with visiting(shop) as buyer:
        page = await buyer.get(path, params={"lang": "zh"})
        assert f'action="{path}/cancel?lang=zh"' in page.text
        form = form_of(page, "cancel", reason="other")
        answer = await buyer.post(f"{path}/cancel", params={"lang": "zh"}, data=form)
        said = await buyer.get(answer.headers["location"])
    assert said.headers["content-language"] == "zh"
    assert "您的订单已取消。" in said.text or "正在等待答复" in said.text
