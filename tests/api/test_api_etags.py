"""ETags: an order is sent once, and moved only as its caller knows it."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from api.etags import etag_of, expected_versions, is_known
from tests.api.calls import CONFIRMED, Database, fresh, happens, place, placed
from tests.api.lives import ask, look
from tests.api.running import RunningApi


async def cancel(
    client: httpx.AsyncClient, order_id: str, if_match: str, *, key: str | None = None
) -> httpx.Response:
    headers = {"Idempotency-Key": key or fresh("key"), "Prefer": "wait=0", "If-Match": if_match}
    return await client.post(f"/v1/orders/{order_id}/cancel", headers=headers)


async def test_an_order_that_is_known_is_not_sent_again(shop: httpx.AsyncClient) -> None:
    order_id = await placed(shop)
    first = await shop.get(f"/v1/orders/{order_id}")
    etag = first.headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await shop.get(f"/v1/orders/{order_id}", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag


async def test_an_order_that_has_changed_is_sent(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order_id = await placed(shop)
    etag = (await shop.get(f"/v1/orders/{order_id}")).headers["etag"]
    await happens(api.pool, order_id, CONFIRMED)
    again = await shop.get(f"/v1/orders/{order_id}", headers={"If-None-Match": etag})

    assert (again.status_code, again.json()["status"]) == (200, "confirmed")
    assert again.headers["etag"] != etag


async def test_what_changes_without_a_new_version_is_sent_too(
    shop: httpx.AsyncClient, database: Database
) -> None:
    """A person is forgotten, a carrier thinks again: nobody keeps an answer that is not so any more."""
    order_id = await placed(shop)
    before = await shop.get(f"/v1/orders/{order_id}")
    await database.execute(
        "update shipments set estimated_at = now() where order_id = $1", order_id
    )
    etag = before.headers["etag"]
    again = await shop.get(f"/v1/orders/{order_id}", headers={"If-None-Match": etag})

    assert again.status_code == 200
    assert again.json()["version"] == before.json()["version"]


async def test_every_answer_with_one_order_has_its_etag(shop: httpx.AsyncClient) -> None:
    made = await place(shop)
    order_id = made.json()["id"]
    moved = await ask(shop, order_id, "hold", {"reason": "odd"})

    assert made.headers["etag"].startswith('"1-')
    assert moved.headers["etag"] == (await shop.get(f"/v1/orders/{order_id}")).headers["etag"]


@pytest.mark.parametrize("form", ["{etag}", '"1"', "W/{etag}", '"9", "1"', "*"])
async def test_a_move_of_the_order_as_it_is_known_is_made(
    shop: httpx.AsyncClient, form: str
) -> None:
    made = await place(shop)
    if_match = form.format(etag=made.headers["etag"])

    assert (await cancel(shop, made.json()["id"], if_match)).status_code == 202


@pytest.mark.parametrize(
    "if_match", ['"1"', '"2-00000000", "1"', "1", "nonsense", '"999999999999"']
)
async def test_a_move_of_the_order_as_it_was_is_refused_and_changes_nothing(
    api: RunningApi, shop: httpx.AsyncClient, if_match: str
) -> None:
    order_id = await placed(shop)
    await happens(api.pool, order_id, CONFIRMED)
    before = await look(shop, order_id)
    version = before["version"]
    refused = await cancel(shop, order_id, if_match.replace('"2-', '"77-'))

    assert (refused.status_code, refused.json()["code"]) == (412, "version_mismatch")
    assert str(version) in refused.json()["detail"]
    assert await look(shop, order_id) == before


async def test_every_move_takes_if_match(shop: httpx.AsyncClient) -> None:
    order_id = await placed(shop)
    moves = {
        "cancel": {},
        "pay": {"payments": [{"method": "card", "token": "t"}]},
        "attention": {"step": "stock", "action": "retry", "note": "n"},
        "hold": {"reason": "r"},
        "release": {},
        "accept": {},
        "decline": {},
        "ship": {"tracking_number": "T"},
        "confirm-receipt": {},
        "review": {"rating": 5},
        "returns": {"reason": "r"},
        "returns/ret_01M7YSM35RQCGYCAPV98JR57X1/approve": {},
        "refunds": {"amount": {"amount": 1, "currency": "BRL"}, "reason": "r"},
    }
    for move, body in moves.items():
        headers = {"Idempotency-Key": fresh("key"), "If-Match": '"7"'}
        response = await shop.post(f"/v1/orders/{order_id}/{move}", json=body, headers=headers)
        assert (response.status_code, response.json()["code"]) == (412, "version_mismatch"), move


async def test_an_equal_request_is_answered_again_although_it_changed_the_version_itself(
    shop: httpx.AsyncClient,
) -> None:
    order_id = await placed(shop)
    first = await cancel(shop, order_id, '"1"', key="k")
    again = await cancel(shop, order_id, '"1"', key="k")

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_refused_key_is_free_for_the_next_try(shop: httpx.AsyncClient) -> None:
    order_id = await placed(shop)

    assert (await cancel(shop, order_id, '"2"', key="k")).status_code == 412
    assert (await cancel(shop, order_id, '"1"', key="k")).status_code == 202


async def test_of_two_who_move_the_same_version_one_is_refused(shop: httpx.AsyncClient) -> None:
    """Both saw it: only the lock tells who came first."""
    order_id = await placed(shop)
    answers = await asyncio.gather(*(cancel(shop, order_id, '"1"') for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [202, 412, 412, 412, 412]


async def test_another_tenants_order_is_none_whatever_its_version(
    shop: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    order_id = await placed(shop)

    assert (await cancel(stranger, order_id, '"7"')).status_code == 404


def test_tags_are_read_as_http_writes_them() -> None:
    tag = etag_of(7, b"shown")

    assert expected_versions([]) is None
    assert expected_versions([f'{tag},"8"', 'W/"9-0f"']) == frozenset({7, 8, 9})
    assert expected_versions(['"x"']) == frozenset()
    assert is_known(tag, [f"W/{tag}"])
    assert not is_known(tag, [etag_of(7, b"shown otherwise")])
    assert not is_known(tag, [])
