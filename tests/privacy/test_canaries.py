"""What a caller writes is where it may be, and nowhere else; then it is erased, and it is nowhere at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from cli.audit import Sources, run_audit
from cli.stack.stack import LocalStack
from tests.privacy.canaries import (
    ALL,
    CUSTOMER,
    MAY_BE_IN,
    PERSON,
    REFERENCES,
    WRITTEN,
    canary,
    found_in,
)
from tests.privacy.erasing import BY, erase
from tests.privacy.lives import Lives
from tests.privacy.looking import (
    columns_with_canaries,
    kept_by_temporal,
    logged,
    tokens_of,
    undelivered_of,
    values_of,
)
from tests.saga.shop import Json, Shop, until_true

pytestmark = pytest.mark.long

ENDINGS = {"returned", "rejected", "canceled", "completed"}
FAILURES = {"card_declined", "invalid_payment_method", "provider_unavailable", "capture_declined"}
OURS = {"api", "worker", "temporal", "postgres"}


@dataclass(frozen=True)
class Lived:
    """All orders at their ends; and what the API said to those who may see none of it."""

    stack: LocalStack
    orders: Sequence[Json]
    refusals: Sequence[str]


@pytest.fixture(scope="module")
async def lived(stack: LocalStack) -> Lived:
    refusals: list[str] = []
    async with Shop(stack) as shop:
        orders = await Lives(shop).all()
        for body in _refused_bodies(shop):
            answer = await shop.post("/v1/orders", body)
            assert answer.status_code == 422, answer.text
            refusals.append(answer.text)
        late = await shop.ask(orders[1], "cancel", {"reason": canary("cancel")})
        assert late.status_code == 409
        refusals += [late.text, (await shop.api.get("/v1/orders/" + canary("name"))).text]
        refusals += [(await shop.api.get(path)).text for path in ("/metrics", "/readyz")]
    return Lived(stack, orders, refusals)


def _refused_bodies(shop: Shop) -> list[Json]:
    line = {"sku": shop.sku, "quantity": 1, "unit_price": {"amount": 1, "currency": "BRL"}}
    fine: Json = {
        "customer": PERSON,
        "currency": "BRL",
        "lines": [line],
        "shipping_address": {"country": "BR", "line1": canary("line1")},
    }
    return [
        {**fine, "customer": {**PERSON, "name": [canary("name")]}},
        {**fine, "customer": {**PERSON, "phone": canary("phone") * 30}},
        {**fine, "shipping_address": {"country": canary("city"), "line1": canary("line1")}},
        {**fine, "payments": [{"method": canary("token"), "token": canary("token")}]},
        {**fine, "currency": canary("metadata")},
        {**fine, "metadata": {"note": {"deep": canary("metadata")}}},
    ]


async def test_the_lives_are_those_that_are_meant(lived: Lived) -> None:
    assert {order["status"] for order in lived.orders} == ENDINGS
    failures = {order["failure"]["code"] for order in lived.orders if order["failure"]}
    assert failures >= FAILURES


async def test_what_a_caller_wrote_is_in_its_own_columns_only(lived: Lived) -> None:
    found = await columns_with_canaries(lived.stack.ready)
    strayed = {
        field: columns - {**MAY_BE_IN, **REFERENCES}[field] for field, columns in found.items()
    }
    assert not {field: columns for field, columns in strayed.items() if columns}
    assert set(found) >= WRITTEN, "what is found nowhere was not looked for well"


async def test_a_token_is_gone_once_its_provider_knows_the_payment(lived: Lived) -> None:
    tokens = await tokens_of(lived.stack.ready, lived.orders)
    assert tokens == {None, canary("voucher")}


async def test_temporal_sees_references_only(lived: Lived) -> None:
    kept = await kept_by_temporal(lived.stack.ready)
    assert len(kept) >= len(lived.orders)
    assert any("PROVIDER_UNAVAILABLE" in text.upper() for text in kept.values())
    assert any("Ended rejected, because of payment" in text for text in kept.values())
    assert {id_: found for id_, text in kept.items() if (found := found_in(text))} == {}
    assert [id_ for id_, text in kept.items() if "tok_" in text] == []


async def test_no_log_names_a_person_or_a_token(lived: Lived) -> None:
    logs = logged(lived.stack.logs)
    assert set(logs) >= OURS
    assert '"event": "request"' in logs["api"]
    assert {name: found for name, text in logs.items() if (found := found_in(text))} == {}
    assert [name for name in OURS if "tok_" in logs[name]] == []


async def test_no_refusal_repeats_what_was_sent(lived: Lived) -> None:
    assert [found for text in lived.refusals if (found := found_in(text))] == []


async def test_history_shows_operators_words_as_long_as_they_are_kept(lived: Lived) -> None:
    told = await _told(lived)
    words = {field for text in told.values() for field in found_in(text)}
    assert words == {"hold", "release", "note", "refund"}, "and no customer's"


async def test_an_erased_customer_is_a_reference_without_a_person(lived: Lived) -> None:
    stack, ready = lived.stack, lived.stack.ready
    await until_true(lambda: _has_nothing_to_deliver(lived))
    mistyped = erase(stack, "--yes", customer="nobody")
    assert (mistyped.returncode, mistyped.stdout) == (1, "")
    done = erase(stack, "--yes", customer=CUSTOMER)
    assert done.returncode == 0, done.stderr

    found = await columns_with_canaries(ready)
    assert set(found) <= set(REFERENCES)
    assert found["customer"] >= {"orders.customer_id", "ledger_accounts.owner"}
    async with Shop(stack, stocked=True) as shop:
        for order in lived.orders:
            shown = await shop.get(order["id"])
            assert shown["erased_at"] is not None
            nobody = dict.fromkeys(("name", "email", "phone", "locale", "notify"))
            assert shown["customer"] == {"id": CUSTOMER, **nobody}
            assert found_in(str(shown)) == {"customer"}
            assert await shop.history(order["id"])
        assert await shop.credit(CUSTOMER) != [], "what he is owed stays his"
    assert {field for text in (await _told(lived)).values() for field in found_in(text)} == set()
    report = await run_audit(Sources.of_stack(ready))
    ours = {order["id"] for order in lived.orders}
    assert not [each for each in report.violations if each.order_id in ours]
    erased_by = await values_of(ready, "erasures.erased_by")
    assert set(erased_by) == {BY}
    again = erase(stack, "--yes", customer=CUSTOMER)
    assert again.returncode == 0, "once more does no harm"


async def _told(lived: Lived) -> Mapping[str, str]:
    """Order → its history, as the API shows it."""
    async with Shop(lived.stack, stocked=True) as shop:
        return {
            order["id"]: (await shop.api.get(f"/v1/orders/{order['id']}/events")).text
            for order in lived.orders
        }


async def _has_nothing_to_deliver(lived: Lived) -> bool:
    return not await undelivered_of(lived.stack.ready, lived.orders)


assert set(ALL) == {*MAY_BE_IN, *REFERENCES}
