"""What the console shows and does, as far as no engine is needed: the API in this process, Temporal away."""

from __future__ import annotations

import json

import httpx
import pytest

from adapters.postgres.console import find_order_ids
from adapters.postgres.customers import erase_customer
from adapters.postgres.orders import OrderFilter, read_order
from adapters.postgres.pool import transaction
from api.outlook import waiting_for
from ordersaga.history import Happening
from tests.api.calls import CONFIRMED, Database, brl, fresh, happens, placed
from tests.api.lives import confirmed, delivered, history, listed, look
from tests.api.running import RunningApi
from tests.pages.console import (
    NAME,
    RAISED,
    STEP,
    UNDOING,
    key,
    nobody,
    operator,
    shop,
    submit,
)

pytestmark = pytest.mark.long

__all__ = [
    "key",
    "nobody",
    "operator",
    "shop",
]  # fixtures


async def do(client: httpx.AsyncClient, order_id: object, move: str, **form: str) -> httpx.Response:
    """A move, from the order's page."""
    at = f"/console/orders/{order_id}"
    return await submit(client, at, f"{at}/{move}", {"reason": "so it was said", **form})


async def acts(database: Database, order_id: object) -> list[tuple[str, str, str]]:
    rows = await database.fetch(
        "select operator, act, reason from operator_acts where order_id = $1 order by id", order_id
    )
    return [(row["operator"], row["act"], row["reason"]) for row in rows]


# --- What is done -------------------------------------------------------------------------------


async def test_a_hold_and_its_release_stand_in_the_history_with_name_and_reason(
    operator: httpx.AsyncClient, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = await placed(shop)
    assert (await do(operator, order_id, "hold", reason="odd address")).status_code == 303
    assert (await do(operator, order_id, "release", reason="called her")).status_code == 303
    placed_, released = (await history(shop, order_id))[-2:]
    assert str(placed_["data"]["by"]).startswith(f"{NAME} (key_")  # type: ignore[index]
    assert placed_["data"]["reason"] == "odd address"  # type: ignore[index]
    assert released["data"]["reason"] == "called her"  # type: ignore[index]
    told = [(NAME, "hold", "odd address"), (NAME, "release", "called her")]
    assert await acts(database, order_id) == told
    page = (await operator.get(f"/console/orders/{order_id}")).text
    assert "odd address" in page
    assert f"by <strong>{NAME} (key_" in page


async def test_a_move_without_words_of_its_own_has_a_reason_here(
    api: RunningApi, operator: httpx.AsyncClient, shop: httpx.AsyncClient, database: Database
) -> None:
    order = await confirmed(shop, api.pool)
    number = fresh("BR")
    answer = await do(operator, order["id"], "ship", tracking_number=number, reason="by bike")
    assert answer.status_code == 303
    assert (await look(shop, order["id"]))["status"] == "shipped"
    assert await acts(database, order["id"]) == [(NAME, "ship", "by bike")]
    shipped = next(e for e in await history(shop, order["id"]) if e["type"] == "parcel.shipped")
    assert str(shipped["data"]["by"]).startswith(NAME)  # type: ignore[index]


@pytest.mark.parametrize(
    ("typed", "minor"), [("12.50", 1250), ("3", 300), ("0.01", 1), (" 7.5 ", 750)]
)
async def test_a_refund_is_typed_as_people_write_it(
    api: RunningApi, operator: httpx.AsyncClient, shop: httpx.AsyncClient, typed: str, minor: int
) -> None:
    order = await delivered(shop, api.pool)
    assert (await do(operator, order["id"], "refunds", amount=typed)).status_code == 303
    (refund,) = listed(await look(shop, order["id"]), "refunds")
    assert refund["amount"] == brl(minor)


@pytest.mark.parametrize("typed", ["", "x", "-1", "1,50", "1e3", "1.234", "NaN", "0", "9" * 16])
async def test_what_is_no_amount_or_too_much_gives_nothing_back(
    api: RunningApi, operator: httpx.AsyncClient, shop: httpx.AsyncClient, typed: str
) -> None:
    order = await delivered(shop, api.pool)
    answer = await do(operator, order["id"], "refunds", amount=typed)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert listed(await look(shop, order["id"]), "refunds") == []


async def test_a_form_that_is_sent_twice_does_its_work_once(
    api: RunningApi, operator: httpx.AsyncClient, shop: httpx.AsyncClient, database: Database
) -> None:
    order = await delivered(shop, api.pool)
    key = "0123456789abcdef" * 2
    for _ in range(2):
        answer = await do(operator, order["id"], "refunds", amount="1.00", key=key)
        assert answer.status_code == 303
    assert len(listed(await look(shop, order["id"]), "refunds")) == 1
    assert len(await acts(database, order["id"])) == 1


async def test_a_move_that_is_refused_leaves_nothing_and_says_why(
    api: RunningApi, operator: httpx.AsyncClient, shop: httpx.AsyncClient, database: Database
) -> None:
    order = await delivered(shop, api.pool)
    answer = await do(operator, order["id"], "cancel")
    assert answer.status_code == 409
    assert "It is delivered by now and takes no cancel." in answer.text
    assert await acts(database, order["id"]) == []
    assert (await do(operator, order["id"], "pay")).status_code == 404


async def test_goods_that_come_back_are_answered_for_with_a_reason(
    api: RunningApi, operator: httpx.AsyncClient, shop: httpx.AsyncClient, database: Database
) -> None:
    order = await delivered(shop, api.pool)
    asked = await shop.post(
        f"/v1/orders/{order['id']}/returns",
        json={"reason": "too small"},
        headers={"Idempotency-Key": fresh("key")},
    )
    return_id = asked.json()["returns"][0]["id"]
    for word, status in (("approve", "approved"), ("receive", "received")):
        done = await do(operator, order["id"], f"returns/{return_id}/{word}", reason=word)
        assert done.status_code == 303
        (return_,) = listed(await look(shop, order["id"]), "returns")
        assert return_["status"] == status
    told = await acts(database, order["id"])
    assert told == [(NAME, f"returns/{return_id}/{word}", word) for word in ("approve", "receive")]


async def test_what_an_operator_wrote_goes_with_the_customer(
    api: RunningApi, operator: httpx.AsyncClient, shop: httpx.AsyncClient, tenant: str
) -> None:
    order_id = await placed(shop, customer={"id": "c-9", "name": "Ana"})
    assert (await do(operator, order_id, "hold", reason="lives at her aunt's")).status_code == 303
    await happens(api.pool, order_id, Happening.of("order.rejected"))
    async with transaction(api.pool) as connection:
        await erase_customer(connection, tenant=tenant, customer_id="c-9", by="test")
    page = (await operator.get(f"/console/orders/{order_id}")).text
    assert "aunt" not in page
    assert "(erased)" in page
    assert NAME in page, "who did it stays"


# --- Deliveries ---------------------------------------------------------------------------------


async def test_a_delivery_is_sent_again_with_a_reason(
    api: RunningApi, operator: httpx.AsyncClient, shop: httpx.AsyncClient, database: Database
) -> None:
    endpoint = (
        await shop.post(
            "/v1/webhook-endpoints",
            json={"url": "https://hooks.example.org/in", "event_types": ["*"]},
            headers={"Idempotency-Key": fresh("key")},
        )
    ).json()
    order_id = await placed(shop)
    await database.execute(
        "insert into webhook_deliveries "
        "(endpoint_id, order_id, sequence, type, status, tries, ended_at, error) "
        "values ($1, $2, 1, 'order.accepted', 'failed', 9, now(), 'HTTP 500')",
        *(endpoint["id"], order_id),
    )
    page = await operator.get("/console/deliveries")
    assert "https://hooks.example.org/in" in page.text
    assert "HTTP 500" in page.text
    action = f"/console/deliveries/{endpoint['id']}/{order_id}:1/replay"
    silent = await submit(operator, "/console/deliveries", action, {"reason": ""})
    assert silent.status_code == 422
    assert 'data-look-at="/console/deliveries"' in silent.text, "its own address takes no GET"
    done = await submit(operator, "/console/deliveries", action, {"reason": "they mended it"})
    assert done.status_code == 303
    row = await database.fetchrow("select * from webhook_deliveries where order_id = $1", order_id)
    assert row is not None
    assert (row["status"], row["tries"]) == ("pending", 0)
    assert await acts(database, order_id) == [(NAME, "webhook/replay", "they mended it")]


async def parked(shop: httpx.AsyncClient, database: Database) -> str:
    """An order whose first event RabbitMQ did not take."""
    order_id = await placed(shop)
    await database.execute(
        "insert into relay_parked (sink, order_id, sequence, error, next_try_at) "
        "values ('rabbitmq', $1, 1, 'no such exchange', now() + interval '1 hour')",
        order_id,
    )
    return order_id


async def test_a_parked_event_is_let_go_with_name_and_note(
    operator: httpx.AsyncClient, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = await parked(shop, database)
    assert "no such exchange" in (await operator.get("/console/deliveries")).text
    at = f"/console/parked/rabbitmq/{order_id}/1"
    for word in ("retry", "skip"):
        done = await submit(operator, "/console/deliveries", f"{at}/{word}", {"reason": "it is so"})
        assert done.status_code == 303, word
    row = await database.fetchrow("select * from relay_parked where order_id = $1", order_id)
    assert row is not None
    assert row["sequence"] == 2
    assert NAME in row["error"]
    assert "it is so" in row["error"]
    told = [(NAME, "event/retry", "it is so"), (NAME, "event/skip", "it is so")]
    assert await acts(database, order_id) == told
    late = await submit(operator, "/console/deliveries", f"{at}/skip", {"reason": "again"})
    assert late.status_code == 404
    assert len(await acts(database, order_id)) == 2


async def test_a_form_about_a_delivery_that_says_something_else_than_before_is_refused_on_its_page(
    operator: httpx.AsyncClient, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = await parked(shop, database)
    action = f"/console/parked/rabbitmq/{order_id}/1/retry"
    for reason, status in (("it is mended", 303), ("once more", 422)):
        form = {"reason": reason, "key": "0123456789abcdef" * 2}
        answer = await submit(operator, "/console/deliveries", action, form)
        assert answer.status_code == status
    assert "This form was sent before" in answer.text
    assert "no such exchange" in answer.text, "it is the page of deliveries"
    assert len(await acts(database, order_id)) == 1


# --- What is shown ------------------------------------------------------------------------------


async def test_an_orders_page_is_there_while_the_engine_is_away(
    operator: httpx.AsyncClient, shop: httpx.AsyncClient
) -> None:
    order_id = await placed(shop)
    page = await operator.get(f"/console/orders/{order_id}")
    assert page.status_code == 200
    assert "which does not answer now" in page.text
    assert "not yet" in page.text
    assert f"namespaces/default/workflows/order:{order_id}" in page.text


async def test_a_list_waits_for_whom_the_api_says(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str
) -> None:
    """`orders_waiting` is the one place that says in SQL what api/outlook.py says in Python."""
    later = await placed(shop, payments=[])
    held = await placed(shop)
    await happens(
        api.pool,
        held,
        Happening.of(
            "hold.placed", kind="merchant", by="x", since="2026-01-01", until="2026-01-02"
        ),
    )
    ruled = await placed(shop)
    await happens(
        api.pool,
        ruled,
        Happening.of("hold.placed", kind="rule", by="x", since="2026-01-01", until="2026-01-02"),
    )
    by_slip = await placed(shop)
    payment = listed(await look(shop, by_slip), "payments")[0]["id"]
    await happens(api.pool, by_slip, Happening.of("payment.requires_action", payment_id=payment))
    undone, calling = await placed(shop), await placed(shop)
    await happens(api.pool, undone, UNDOING)
    await happens(api.pool, calling, UNDOING, RAISED)
    ours, theirs = await placed(shop), await placed(shop, shipping={"carrier": "sandbox"})
    for order_id in (ours, theirs):
        await happens(api.pool, order_id, CONFIRMED)
    here = str((await delivered(shop, api.pool))["id"])
    over = await placed(shop)
    await happens(api.pool, over, Happening.of("order.rejected"))
    all_ = [
        later,
        held,
        ruled,
        by_slip,
        undone,
        calling,
        ours,
        theirs,
        here,
        over,
        await placed(shop),
    ]
    async with api.pool.acquire() as connection:
        expected: dict[str | None, set[str]] = {}
        for order_id in all_:
            order = await read_order(connection, tenant=tenant, order_id=order_id)
            assert order is not None
            expected.setdefault(waiting_for(order), set()).add(order_id)
        assert len(expected) == 7, "every one who can be waited for, and nobody"
        for whom, order_ids in expected.items():
            if whom is None:
                continue
            found = await find_order_ids(
                connection, tenant=tenant, shown=OrderFilter(), waiting_for=whom, limit=50
            )
            assert set(found) == order_ids, whom


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (
            "select id from orders where tenant = 't' and metadata ->> 'reference' = 'r' "
            "order by id desc limit 5",
            "orders_by_reference",
        ),
        (
            "select order_id from order_lines where sku = 's' and order_id < 'ord_Z' "
            "order by order_id desc limit 5",
            "order_lines_by_sku",
        ),
        ("select * from ledger_entries where order_id = 'o'", "ledger_entries_by_order"),
        (
            "select * from operator_acts where order_id = 'o' order by id",
            "operator_acts_order_id_id_idx",
        ),
    ],
)
async def test_what_orders_are_found_by_has_an_index(
    database: Database, statement: str, index: str
) -> None:
    async with database.transaction():
        await database.execute("set local enable_seqscan = off")
        (plan,) = await database.fetchrow(f"explain (format json) {statement}") or ("",)
    assert f'"{index}"' in json.dumps(json.loads(plan)), plan


async def test_the_overview_counts_what_there_is(
    api: RunningApi, operator: httpx.AsyncClient, shop: httpx.AsyncClient
) -> None:
    for _ in range(3):
        await placed(shop)
    calling = await placed(shop)
    await happens(api.pool, calling, UNDOING, RAISED)
    page = (await operator.get("/console")).text
    assert 'id="attention-count">1<' in page
    assert ">3 undecided<" in page
    assert ">1 being undone<" in page
    assert "4 orders, 3 of them undecided" in page
    queue = (await operator.get("/console/attention")).text
    assert calling in queue
    assert STEP in queue
