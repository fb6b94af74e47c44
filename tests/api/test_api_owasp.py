"""OWASP's ten for APIs, those that no other file asks for: mass assignment, injections, unlimited lists.

docs/security.md says where each of the ten is answered.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from ordersaga import keys
from tests.api.calls import Database, fresh, order_body, place, placed, pointers, post_order
from tests.api.running import RunningApi

SECURITY: Final = Path(__file__).parents[2] / "docs" / "security.md"
ROOT: Final = SECURITY.parents[1]

# What is ours to say of an order, with what somebody would like it to be.
NOT_THEIRS: Final[dict[str, object]] = {
    "id": "ord_mine",
    "tenant": "another",
    "status": "confirmed",
    "payment_status": "captured",
    "fulfillment_status": "delivered",
    "total": {"amount": 1, "currency": "BRL"},
    "version": 99,
    "paid_at": "2026-01-01T00:00:00Z",
    "confirmed_at": "2026-01-01T00:00:00Z",
    "failure": None,
    "attention": None,
    "hold": None,
    "allowed": ["refunds"],
    "deadline": "2099-01-01T00:00:00Z",
    "created_at": "2020-01-01T00:00:00Z",
    "refunds": [],
    "__proto__": {"ops": True},
}
INJECTIONS: Final = (
    "' OR '1'='1",
    "'; DROP TABLE orders; --",
    "x' OR WorkflowType = 'OrderWorkflow",
    '" OR ExecutionStatus = "Running',
    "%' UNION SELECT key_hash FROM api_keys --",
    "{{7*7}}${7*7}",
    "../../etc/passwd",
    "order:ord_1",
    "return:ret_1",
)


@pytest.mark.parametrize("field", NOT_THEIRS)
async def test_nobody_sets_what_is_ours_to_say(
    shop: httpx.AsyncClient, database: Database, tenant: str, field: str
) -> None:
    """API3, mass assignment."""
    answer = await post_order(shop, {**order_body(), field: NOT_THEIRS[field]})
    assert pointers(answer) == [f"/{field}"]
    assert not await database.fetchval("select count(*) from orders where tenant = $1", tenant)


@pytest.mark.parametrize(
    ("part", "field"),
    [("customer", "store_credit"), ("customer", "tenant"), ("shipping", "price")],
)
async def test_nor_within_what_is_theirs(shop: httpx.AsyncClient, part: str, field: str) -> None:
    given = order_body(shipping={"carrier": "merchant"})
    inner = given[part]
    assert isinstance(inner, dict)
    answer = await post_order(shop, {**given, part: {**inner, field: 1}})
    assert pointers(answer) == [f"/{part}/{field}"]


@pytest.mark.parametrize("text", INJECTIONS)
async def test_text_is_text_wherever_it_comes_in(
    shop: httpx.AsyncClient, database: Database, tenant: str, text: str
) -> None:
    """SQL, Temporal's visibility queries, templates, paths, workflow ids: kept as it was sent, or refused."""
    before = await database.fetchval("select count(*) from orders")
    for params in ({"status": text}, {"cursor": text}, {"created_after": text}):
        assert (await shop.get("/v1/orders", params=params)).status_code == 422
    found = await shop.get("/v1/orders", params={"customer_id": text})
    assert found.status_code in (200, 422)
    assert not found.json().get("orders")
    assert (await shop.get("/v1/orders/" + httpx.URL(path=text).path)).status_code in (404, 422)
    answer = await place(shop, customer={"id": text}, metadata={"note": text})
    if answer.status_code == 201:
        assert answer.json()["metadata"] == {"note": text}
        assert answer.json()["customer"]["id"] == text
    else:
        assert "/customer/id" in pointers(answer)
    assert await database.fetchval("select count(*) from orders") >= before


async def test_a_workflow_has_no_name_that_anybody_gave(
    shop: httpx.AsyncClient, database: Database
) -> None:
    """Its id is made of the order's, which we mint: nothing that is sent gets into it."""
    order_id = await placed(shop, customer={"id": "order:x"}, metadata={"id": "order:y"})
    assert re.fullmatch(r"ord_[0-9A-HJKMNP-TV-Z]{26}", order_id)
    assert keys.workflow_id(order_id) == f"order:{order_id}"
    for other in (f"order:{order_id}", f"return:{order_id}", f"{order_id}:1", order_id.lower()):
        answer = await shop.get(f"/v1/orders/{other}")
        assert answer.status_code == 404


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1e3", "9" * 40, "all"])
async def test_no_list_is_longer_than_a_page(shop: httpx.AsyncClient, limit: str) -> None:
    """API4, unlimited lists."""
    answer = await shop.get("/v1/orders", params={"limit": limit})
    assert pointers(answer) == ["/query/limit"]


async def test_every_list_in_the_contract_has_an_end(api: RunningApi) -> None:
    """What lists is paged, or of one order, or a table of one machine's states, or a stream."""
    async with api.client() as nobody:
        document: dict[str, Any] = (await nobody.get("/openapi.json")).json()
    lists = {
        path: {parameter["name"] for parameter in verbs["get"].get("parameters", ())}
        for path, verbs in document["paths"].items()
        if "get" in verbs and path.startswith("/v1/") and not path.endswith("}")
    }
    for path, parameters in lists.items():
        is_one_orders = "{" in path
        # A tenant has no more than a few endpoints, and a machine no more than a dozen states.
        is_capped = path in ("/v1/webhook-endpoints", "/v1/analytics/transitions")
        is_stream = path.endswith(("/export", "/stream"))
        assert is_one_orders or is_capped or is_stream or "limit" in parameters, path


async def test_an_id_that_can_be_guessed_does_not_help(
    shop: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    """API1: another tenant's order is no order, whatever is done to it."""
    order_id = await placed(shop)
    for verb, path in (
        ("GET", f"/v1/orders/{order_id}"),
        ("GET", f"/v1/orders/{order_id}/events"),
        ("POST", f"/v1/orders/{order_id}/cancel"),
    ):
        headers = {"Idempotency-Key": fresh("key")} if verb == "POST" else {}
        body = {"reason": "mine now"} if verb == "POST" else None
        theirs = await stranger.request(verb, path, json=body, headers=headers)
        nobodys = await stranger.request(
            verb, path.replace(order_id, keys.new_id("ord")), json=body, headers=headers
        )
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.json() == nobodys.json()


def test_what_the_docs_name_as_proof_is_there() -> None:
    named = set(re.findall(r"`(tests/[\w/]+(?:\.py)?)`", SECURITY.read_text("utf-8")))
    assert len(named) > 10
    assert not {name for name in named if not (ROOT / name).exists()}
