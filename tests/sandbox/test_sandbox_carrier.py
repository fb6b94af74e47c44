"""The carrier books by our key, keeps tombstones, and fails as its service tokens say."""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid

import httpx
import pytest

from sandbox.carrier.errors import IllegalError
from sandbox.carrier.lifecycle import MOVES, TRACKING, Event, Status, move
from tests.sandbox.programs import Program


@pytest.fixture
def path() -> str:
    return f"/parcels/ord_{uuid.uuid4().hex}:parcel:shp_1:1"


def booking(service: str = "standard") -> dict[str, object]:
    return {"service": service, "reference": "ord_1", "ship_to": {"country": "BR"}}


NONSENSE: tuple[object, ...] = (
    {},
    [],
    {**booking(), "service": "ship_none"},
    {**booking(), "service": 3},
    {**booking(), "colour": "red"},
    {**booking(), "ship_to": {"country": "Brazil"}},
)


def code(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


@pytest.mark.parametrize(("status", "event"), list(itertools.product(Status, Event)))
def test_every_move_of_a_parcel_is_in_the_table_or_is_refused(status: Status, event: Event) -> None:
    if (status, event) in MOVES:
        assert move(status, event) in Status
    else:
        with pytest.raises(IllegalError):
            move(status, event)


async def test_a_parcel_is_booked_once_by_our_key(parcels: httpx.AsyncClient, path: str) -> None:
    first = await parcels.put(path, json=booking())
    again = await parcels.put(path, json=booking())
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["status"] == "booked"
    assert first.json()["key"] == path.removeprefix("/parcels/")
    assert first.json()["tracking_number"].startswith("SB")
    assert code(await parcels.put(path, json=booking("express"))) == (409, "key_reused")


async def test_release_and_cancel_may_be_repeated(parcels: httpx.AsyncClient, path: str) -> None:
    await parcels.put(path, json=booking())
    for _ in range(2):
        assert (await parcels.post(f"{path}/release")).json()["status"] == "released"
    for _ in range(2):
        assert (await parcels.post(f"{path}/cancel")).json()["status"] == "canceled"
    assert code(await parcels.post(f"{path}/release")) == (409, "parcel_canceled")
    assert code(await parcels.put(path, json=booking())) == (409, "parcel_canceled")


async def test_a_cancel_before_the_booking_is_a_tombstone(
    parcels: httpx.AsyncClient, path: str
) -> None:
    tombstone = (await parcels.post(f"{path}/cancel")).json()
    assert (tombstone["status"], tombstone["tracking_number"]) == ("canceled", None)
    assert code(await parcels.put(path, json=booking())) == (409, "parcel_canceled")
    assert (await parcels.get(path)).json() == {**tombstone, "events": []}


async def test_a_parcel_on_its_way_cannot_be_canceled(
    parcels: httpx.AsyncClient, path: str
) -> None:
    number = (await parcels.put(path, json=booking())).json()["tracking_number"]
    await parcels.post(f"{path}/release")
    events = f"/test/parcels/{number}/events"
    assert (await parcels.post(events, json={"status": "pre_transit"})).status_code == 201
    assert (await parcels.get(path)).json()["status"] == "released"
    await parcels.post(events, json={"status": "picked_up"})
    assert code(await parcels.post(f"{path}/cancel")) == (409, "already_picked_up")
    assert (await parcels.post(f"{path}/release")).json()["status"] == "picked_up"
    await parcels.post(events, json={"status": "canceled", "detail": "van broke down"})
    found = (await parcels.get(path)).json()
    assert found["status"] == "canceled"
    assert [event["status"] for event in found["events"]] == [
        "pre_transit",
        "picked_up",
        "canceled",
    ]
    assert code(await parcels.post(events, json={"status": "in_transit"})) == (
        409,
        "parcel_canceled",
    )


async def test_every_tracking_status_of_the_contract_is_taken(
    parcels: httpx.AsyncClient, path: str
) -> None:
    number = (await parcels.put(path, json=booking())).json()["tracking_number"]
    for status in TRACKING:
        played = await parcels.post(f"/test/parcels/{number}/events", json={"status": status})
        assert played.status_code == 201


async def test_an_audit_can_list_every_parcel(parcels: httpx.AsyncClient, path: str) -> None:
    await parcels.put(path, json=booking())
    await parcels.post(f"{path}-never/cancel")
    found: list[str] = []
    more = True
    after: dict[str, str] = {}
    while more:
        page = (await parcels.get("/parcels", params={"limit": "3", **after})).json()
        found += [parcel["key"] for parcel in page["data"]]
        more, after = page["has_more"], {"after": found[-1]}
    key = path.removeprefix("/parcels/")
    assert found[-2:] == [key, f"{key}-never"]
    assert len(set(found)) == len(found)


async def test_a_stranger_and_nonsense_are_refused(
    parcels: httpx.AsyncClient, carrier: Program, path: str
) -> None:
    async with httpx.AsyncClient(base_url=carrier.url) as stranger:
        assert code(await stranger.get(path)) == (401, "unauthorized")
    assert code(await parcels.get(path)) == (404, "parcel_unknown")
    assert code(await parcels.post(f"{path}/release")) == (404, "parcel_unknown")
    for bad in NONSENSE:
        assert (await parcels.put(path, json=bad)).status_code in (400, 422)
    half = json.dumps({**booking(), "reference": "\ud800"})
    assert code(await parcels.put(path, content=half)) == (422, "invalid_request")
    unknown = await parcels.put(path, json=booking("ship_none"))
    assert code(unknown) == (422, "unknown_service")
    assert code(await parcels.put(path, content=b"{")) == (400, "malformed")
    assert code(await parcels.get("/parcels", params={"limit": "0"})) == (422, "invalid_request")
    assert code(await parcels.get(path)) == (404, "parcel_unknown")


async def test_ship_refused_is_a_no_and_books_nothing(
    parcels: httpx.AsyncClient, path: str
) -> None:
    refused = await parcels.put(path, json=booking("ship_refused"))
    assert code(refused) == (422, "shipping_refused")
    assert (await parcels.get(path)).status_code == 404


async def test_ship_unavailable_never_books_and_can_be_canceled(
    parcels: httpx.AsyncClient, path: str
) -> None:
    for _ in range(2):
        assert (await parcels.put(path, json=booking("ship_unavailable"))).status_code == 503
        with pytest.raises(httpx.RemoteProtocolError):
            await parcels.put(path, json=booking("ship_unavailable"))
    assert (await parcels.post(f"{path}/cancel")).json()["status"] == "canceled"


async def test_ship_flaky_fails_as_often_as_it_says(parcels: httpx.AsyncClient, path: str) -> None:
    replies = [(await parcels.put(path, json=booking("ship_flaky_2"))) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [500, 500, 201]


async def test_ship_lost_reply_books_and_releases_without_saying_so(
    parcels: httpx.AsyncClient, path: str
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await parcels.put(path, json=booking("ship_lost_reply"))
    assert (await parcels.get(path)).json()["status"] == "booked"
    assert (await parcels.put(path, json=booking("ship_lost_reply"))).status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        await parcels.post(f"{path}/release")
    assert (await parcels.post(f"{path}/release")).json()["status"] == "released"


async def test_ship_slow_comes_after_a_cancel_and_is_refused(
    parcels: httpx.AsyncClient, path: str
) -> None:
    slow = asyncio.create_task(parcels.put(path, json=booking("ship_slow_300")))
    await asyncio.sleep(0.1)
    await parcels.post(f"{path}/cancel")
    assert code(await slow) == (409, "parcel_canceled")


async def test_ship_cancel_lost_reply_cancels_without_saying_so(
    parcels: httpx.AsyncClient, path: str
) -> None:
    await parcels.put(path, json=booking("ship_cancel_lost_reply"))
    with pytest.raises(httpx.RemoteProtocolError):
        await parcels.post(f"{path}/cancel")
    assert (await parcels.get(path)).json()["status"] == "canceled"


@pytest.mark.parametrize(
    ("service", "move_path", "restore"),
    [
        ("ship_cancel_unavailable", "cancel", "/test/cancels/restore"),
        ("ship_release_unavailable", "release", "/test/releases/restore"),
    ],
)
async def test_what_is_unavailable_works_again_when_told_so(
    parcels: httpx.AsyncClient, path: str, service: str, move_path: str, restore: str
) -> None:
    await parcels.put(path, json=booking(service))
    for _ in range(3):
        assert (await parcels.post(f"{path}/{move_path}")).status_code == 503
    key = path.removeprefix("/parcels/")
    assert (await parcels.post(restore, json={"key": key})).json() == {"restored": 1}
    assert (await parcels.post(f"{path}/{move_path}")).status_code == 200
    other = f"{path}-2"
    await parcels.put(other, json=booking(service))
    assert (await parcels.post(restore)).json()["restored"] >= 2
    assert (await parcels.post(f"{other}/{move_path}")).status_code == 200


@pytest.mark.parametrize("operation", ["cancel", "release"])
async def test_flaky_undo_and_release_work_after_their_failures(
    parcels: httpx.AsyncClient, path: str, operation: str
) -> None:
    await parcels.put(path, json=booking(f"ship_{operation}_flaky_2"))
    replies = [await parcels.post(f"{path}/{operation}") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [500, 500, 200]


async def test_ship_release_refused_is_final_and_the_parcel_can_be_canceled(
    parcels: httpx.AsyncClient, path: str
) -> None:
    await parcels.put(path, json=booking("ship_release_refused"))
    for _ in range(2):
        assert code(await parcels.post(f"{path}/release")) == (409, "release_refused")
    assert (await parcels.get(path)).json()["status"] == "booked"
    assert (await parcels.post(f"{path}/cancel")).status_code == 200
    assert code(await parcels.post(f"{path}/release")) == (409, "parcel_canceled")
