"""What mails say: every notice, of real orders, in both languages, as text and as HTML."""

from __future__ import annotations

import re
from email.message import EmailMessage
from functools import partial
from html import unescape

import pytest

from adapters.mail.figures import LANGUAGES, Reader
from adapters.mail.writing import Letter, Words, Writer, words_in
from adapters.postgres.pool import Pool
from cli.stack.stack import LocalStack
from ordersaga.links import TRACK_PATH
from ordersaga.notices import MAILED, NOTICES, Channel
from tests.notices.conftest import (
    ANA,
    BUYER,
    LINKS,
    PUBLIC_URL,
    SELLER,
    Mailbox,
    all_done,
    buy,
    rows_of,
    sender_to,
    sending,
    written_down,
)
from tests.notices.lives import PAYABLE_UNTIL, SLIP_URL, Lives
from tests.postgres.merchant import Merchant
from tests.relay.conftest import until

# What a buyer reads of some of them: words, and figures as his language writes them.
FACTS = {
    "en": {
        ("rejected", "rejected"): ["Hello Ana,", "Something in it is out of stock."],
        ("canceled", "canceled"): ["It was canceled by request."],
        ("waits for its payer", "please_pay"): ["R$1,234.56", Reader.of("en").time(PAYABLE_UNTIL)],
        ("delivered", "shipped"): ["Tracking number: T-", "(sandbox)"],
        ("lost", "returned"): ["The carrier has lost the parcel."],
        ("lost", "refunded"): ["R$70.00 goes back to you.", "the way you paid"],
        ("sent back", "return_approved"): ["1 × mug"],
        ("sent back", "refunded"): ["R$25.00", "for what you returned", "on your voucher"],
    },
    "zh": {
        ("rejected", "rejected"): ["Ana，您好：", "部分商品缺货。"],
        ("canceled", "canceled"): ["订单已应要求取消。"],
        ("waits for its payer", "please_pay"): ["R$1,234.56", Reader.of("zh").time(PAYABLE_UNTIL)],
        ("delivered", "shipped"): ["运单号：T-", "（sandbox）"],
        ("lost", "returned"): ["包裹在运输途中丢失。"],
        ("lost", "refunded"): ["R$70.00 正在退还给您", "原支付方式"],
        ("sent back", "return_approved"): ["1 × mug"],
        ("sent back", "refunded"): ["您的退货款 R$25.00", "代金券"],
    },
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_notice_is_told_of_real_orders(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox, language: str
) -> None:
    async with written_down(stack, pool), sending(sender_to(mailbox, pool)):
        orders = await Lives(merchant, pool, {**ANA, "locale": language}).all()
        for order in orders.values():
            await until(partial(all_done, pool, order))
    told = {each for order in orders.values() for each in (await rows_of(pool, order))}
    assert told == set(MAILED)
    mails = {
        (what, mail["Message-ID"].split(".")[1]): mail
        for what, order in orders.items()
        for mail in mailbox.of(order)
    }
    assert {notice for _, notice in mails} == {n for n, audience in MAILED if audience == "buyer"}
    for key, facts in FACTS[language].items():
        for part in _parts(mails[key]):
            assert not [fact for fact in facts if fact not in part], key
    (slip,) = mailbox.of(orders["waits for its payer"])
    assert all(SLIP_URL in part for part in _parts(slip))
    for mail in mailbox.received:
        _is_well_made(mail, language if mail["To"] == BUYER else "en")


def _is_well_made(mail: EmailMessage, language: str) -> None:
    assert mail.get_content_type() == "multipart/alternative"
    assert mail["Content-Language"] == language
    assert ("请" in _text(mail) or "您" in _text(mail)) == (language == "zh")
    assert "{{" not in _text(mail) + _html(mail)
    assert "&lt;" not in _text(mail)
    assert f'<html lang="{language}">' in _html(mail)
    # Nothing is fetched when it is read, so nobody is told who has read it.
    assert not re.search(r"<(img|script|link|iframe|style)|src=|url\(", _html(mail), re.IGNORECASE)
    links = set(re.findall(r'https?://[^\s"<]+', unescape(_html(mail))))
    assert len(links - {SLIP_URL}) == (1 if mail["To"] == BUYER else 0)
    for link in links - {SLIP_URL}:
        path = link.removeprefix(PUBLIC_URL + TRACK_PATH)
        assert str(LINKS.order_of(path)) in mail["Subject"], "its own order's page, no other's"
        assert link in _text(mail)


async def test_a_sellers_mail_tells_nothing_of_the_person_who_buys(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    async with written_down(stack, pool), sending(sender_to(mailbox, pool)):
        orders = await Lives(merchant, pool, {**ANA, "name": "Canary"}).all()
        for order in orders.values():
            await until(partial(all_done, pool, order))
    mails = [mail for order in orders.values() for mail in mailbox.of(order, SELLER)]
    assert len(mails) >= 6
    assert not [m for m in mails if "Canary" in m.as_string() or BUYER in m.as_string()]


@pytest.mark.parametrize(
    "name",
    [
        "Ana\r\nBcc: eve@example.org",
        "Ana\nSubject: you have won",
        "Ana\r\n\r\n<b>you have won</b>",
        "<script>alert(1)</script>",
        '"Ana" <eve@example.org>, ',
        "{{ order }}{% raw %}",
        "A" * 200,
        "\u202eanA\u2028\x00",
    ],
)
async def test_a_name_is_a_name_whatever_is_in_it(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox, name: str
) -> None:
    shown = name.replace("\x00", "")  # nothing that PostgreSQL keeps has one
    async with written_down(stack, pool), sending(sender_to(mailbox, pool)):
        order = await buy(merchant, customer={**ANA, "name": shown})
        await until(lambda: all_done(pool, order))
    (mail,) = mailbox.of(order)
    assert mail["Bcc"] is None
    assert mail["To"] == BUYER
    assert mail["Subject"] == f"Order {order.id} is confirmed"
    greeting = _text(mail).splitlines()[0]
    assert greeting.startswith("Hello ")
    assert greeting.endswith(",")
    assert len(greeting) <= len("Hello ,") + 60
    assert "<script" not in _html(mail)
    assert "<b>" not in _html(mail)


@pytest.mark.parametrize(
    ("tag", "language", "amount"),
    [
        (None, "en", "€1,234.50"),
        ("en-GB", "en", "€1,234.50"),
        ("zh-CN", "zh", "€1,234.50"),
        ("zh-Hant-TW", "zh", "€1,234.50"),
        ("pt-BR", "en", "€1,234.50"),
        ("not a tag", "en", "€1,234.50"),
    ],
)
def test_a_reader_is_known_by_his_tag(tag: str | None, language: str, amount: str) -> None:
    reader = Reader.of(tag)
    assert reader.language == language
    assert reader.money(123_450, "EUR") == amount


def test_money_has_the_decimals_of_its_currency_wherever_it_is_read() -> None:
    digits = {
        currency: re.sub(r"[^\d.]", "", Reader.of("en").money(1234, currency))
        for currency in ("JPY", "KWD", "USD", "COP", "IQD")
    }
    assert digits == {"JPY": "1234", "KWD": "1.234", "USD": "12.34", "COP": "12.34", "IQD": "1.234"}


def test_both_languages_say_the_same_things_with_the_same_facts() -> None:
    english, chinese = (_facts_used(words_in(language)) for language in LANGUAGES)
    assert english == chinese
    assert set(english) == set(MAILED)
    assert words_in("en").why.keys() == words_in("zh").why.keys()


def test_a_mail_written_twice_has_one_name() -> None:
    letter = Letter(
        notice="delivered",
        audience="buyer",
        address="ana@bücher.example",
        message_id="ord_1.delivered.buyer",
        facts={"order": "ord_1", "name": "", "why": "", "link": ""},
    )
    mails = [Writer("orders@shop.example").write(letter, Reader.of(tag)) for tag in ("en", "zh")]
    assert {mail["Message-ID"] for mail in mails} == {"<ord_1.delivered.buyer@shop.example>"}
    assert mails[0]["To"] == "ana@xn--bcher-kva.example"


def test_what_goes_to_the_carrier_is_never_mailed() -> None:
    by_api = [notice for notice in NOTICES if notice.channel == Channel.CARRIER_API]
    assert {n.event for n in by_api} == {"parcel.booked", "parcel.released", "parcel.canceled"}
    assert {n.audience for n in by_api} == {"carrier"}


def _parts(mail: EmailMessage) -> tuple[str, str]:
    return _text(mail), unescape(_html(mail))


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def _html(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def _facts_used(words: Words) -> dict[tuple[str, str], tuple[set[str], bool]]:
    """(notice, audience) → the names within its braces, and whether it has a link."""
    return {
        (notice, audience): (
            {
                name
                for braces in re.findall(r"{[{%](.*?)[%}]}", said.body, re.DOTALL)
                for name in re.findall(r"[a-z_]{2,}", braces)
            },
            bool(said.link),
        )
        for audience, sayings in (("buyer", words.buyer), ("seller", words.seller))
        for notice, said in sayings.items()
    }
