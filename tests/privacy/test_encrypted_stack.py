"""A stack with payload keys: its orders end as they would without, and Temporal reads nothing of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from adapters.payload_codec import KeyRing, data_converter
from api.codec import create_codec_server
from cli.stack.stack import LocalStack
from ordersaga.config import PayloadKey
from ordersaga.keys import workflow_id
from tests.conftest import SHORT_PATIENCE
from tests.privacy.keys import NEW, OLD
from tests.saga.shop import Json, Shop, card, until_true
from tests.stack.conftest import temporary_data_dir

pytestmark = pytest.mark.slow  # two stacks of their own

UI = "http://127.0.0.1:8233"
KEYS = [{"id": NEW.id, "key": NEW.key}]


@pytest.fixture(scope="module")
async def keyed() -> AsyncIterator[LocalStack]:
    settings = {**SHORT_PATIENCE, "payload_keys": KEYS}
    with temporary_data_dir() as path:
        async with LocalStack(data_dir=path, port=0, settings=settings) as stack:
            yield stack


@pytest.fixture(scope="module")
async def histories(keyed: LocalStack) -> list[Json]:
    """Of an order that is paid and called off, a declined one, and one that an outage ended."""
    async with Shop(keyed) as shop:
        paid = await shop.order(card(), carrier="sandbox")
        assert paid["status"] == "confirmed"
        assert (await shop.cancel(paid["id"])).json()["status"] == "canceled"
        declined = await shop.order(card("tok_declined"))
        away = await shop.order(card("tok_unavailable"), prefer="wait=0")
        away = await shop.until_final(away["id"], within_s=60)
        assert (declined["status"], away["failure"]["code"]) == ("rejected", "provider_unavailable")
    client = await Client.connect(keyed.ready.temporal)
    return [
        (await client.get_workflow_handle(workflow_id(o["id"])).fetch_history()).to_json_dict()
        for o in (paid, declined, away)
    ]


def payloads(node: Any, name: str = "") -> list[tuple[str, Json]]:
    """(what it is, payload) of all, but what the SDK notes in a marker for itself, and search attributes."""
    if isinstance(node, list):
        return [found for item in node for found in payloads(item, name)]
    if not isinstance(node, dict):
        return []
    if "metadata" in node and "encoding" in node["metadata"]:
        return [(name, node)]
    own = ("searchAttributes", "data")
    return [found for key, item in node.items() if key not in own for found in payloads(item, key)]


async def test_every_payload_of_every_history_is_encrypted(histories: list[Json]) -> None:
    found = [pair for history in histories for pair in payloads(history)]
    assert {name for name, _ in found} >= {"payloads", "encodedAttributes", "summary"}
    encodings = {payload["metadata"]["encoding"] for _, payload in found}
    assert encodings == {"YmluYXJ5L2VuY3J5cHRlZA=="}, "binary/encrypted"
    assert "ProviderUnavailable:" not in json.dumps(histories)


async def test_with_the_keys_a_result_is_read(keyed: LocalStack, histories: list[Json]) -> None:
    started = histories[1]["events"][0]["workflowExecutionStartedEventAttributes"]
    client = await Client.connect(keyed.ready.temporal, data_converter=data_converter([NEW]))
    outcome = await client.get_workflow_handle(started["workflowId"]).result()
    assert outcome["status"] == "rejected"


@pytest.fixture
async def codec_server() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_codec_server(KeyRing([NEW]), ui_origin=UI))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8234") as client:
        yield client


async def test_temporals_ui_is_told_what_a_history_says(
    codec_server: httpx.AsyncClient, histories: list[Json]
) -> None:
    asked = {"payloads": [payload for _, payload in payloads(histories[1])]}
    told = await codec_server.post("/decode", json=asked, headers={"Origin": UI})
    assert told.headers["access-control-allow-origin"] == UI
    decoded = told.json()["payloads"]
    assert len(decoded) == len(asked["payloads"])
    assert not [p for p in decoded if p["metadata"]["encoding"] == "YmluYXJ5L2VuY3J5cHRlZA=="]
    back = await codec_server.post("/encode", json={"payloads": decoded})
    assert (await codec_server.post("/decode", json=back.json())).json()["payloads"] == decoded


async def test_the_codec_server_answers_no_other_page_and_no_other_name(
    codec_server: httpx.AsyncClient,
) -> None:
    elsewhere = await codec_server.post(
        "/decode", json={"payloads": []}, headers={"Origin": "https://evil.example"}
    )
    assert "access-control-allow-origin" not in elsewhere.headers
    rebound = await codec_server.post(
        "/decode", json={"payloads": []}, headers={"Host": "evil.example"}
    )
    assert rebound.status_code == 400


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b'{"payloads": 1}', b'{"payloads": [{"data": 1}]}', b'{"x": 1}']
)
async def test_what_are_no_payloads_is_refused(
    codec_server: httpx.AsyncClient, body: bytes
) -> None:
    assert (await codec_server.post("/decode", content=body)).status_code == 400


async def test_what_the_keys_do_not_open_is_refused(codec_server: httpx.AsyncClient) -> None:
    forged = {"metadata": {"encoding": "YmluYXJ5L2VuY3J5cHRlZA=="}, "data": "AAAA"}
    assert (await codec_server.post("/decode", json={"payloads": [forged]})).status_code == 400


async def test_orders_wait_for_a_key_that_is_missing_and_then_go_on() -> None:
    with temporary_data_dir() as path:
        async with _stack(path, OLD) as stack, Shop(stack) as shop:
            order = await shop.order(prefer="wait=0")
            await until_true(lambda: _is_waiting(stack, order))
        async with _stack(path, NEW) as stack, Shop(stack, stocked=True) as shop:
            paid = await shop.ask(order, "pay", {"payments": [card()]}, Prefer="wait=3")
            assert (paid.status_code, paid.json()["status"]) == (202, "pending")
            assert f"no payload key '{OLD.id}'" in (stack.logs / "worker.log").read_text("utf-8")
        async with _stack(path, NEW, OLD) as stack, Shop(stack, stocked=True) as shop:
            shop.sku = order["lines"][0]["sku"]
            await shop.assert_all_of_it(await shop.until_final(order["id"], within_s=60))


def _stack(data_dir: Path, *keys: PayloadKey) -> LocalStack:
    ring = [{"id": key.id, "key": key.key} for key in keys]
    return LocalStack(
        data_dir=data_dir, port=0, settings={"payload_keys": ring, "sweep_interval_s": 0.5}
    )


async def _is_waiting(stack: LocalStack, order: Json) -> bool:
    """Its workflow has a history, by the key of its time."""
    client = await Client.connect(stack.ready.temporal)
    history = await client.get_workflow_handle(workflow_id(order["id"])).fetch_history()
    return any(event.HasField("timer_started_event_attributes") for event in history.events)
