"""The OpenAPI document: the committed one, valid, and true: its examples are what is sent and answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from api.app import create_app
from api.openapi import to_text
from api.problems import KINDS, TYPE_PREFIX
from ordersaga.config import Settings
from ordersaga.lifecycle import Circumstances, allowed_requests, allowed_return_requests
from tests.api.calls import fresh
from tests.architecture.tree import ROOT
from tests.stack.conftest import run_ordersaga

COMMITTED = ROOT / "docs" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(COMMITTED.read_text("utf-8"))
PROBLEM = "application/problem+json"


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, described in methods.items():
            yield f"{method.upper()} {path}", described


OPERATIONS = dict(operations())


def resolve(part: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to."""
    found: Any = part
    while "$ref" in found:
        where = found["$ref"].removeprefix("#/").split("/")
        found = DOCUMENT
        for name in where:
            found = found[name]
    assert isinstance(found, dict)
    return found


def responses(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for status, response in described["responses"].items():
        yield status, resolve(response)


def check(value: object, schema: dict[str, Any]) -> None:
    """Against the document's schemas."""
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


# --- The committed copy ------------------------------------------------------------------------


def test_the_committed_document_is_the_api_s_own() -> None:
    made = to_text(create_app(Settings(database_url="")).openapi())

    assert made == COMMITTED.read_text("utf-8"), "the API has changed: run `make openapi`"


def test_the_command_prints_it_without_a_database() -> None:
    done = run_ordersaga("openapi")

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == DOCUMENT


def test_every_reference_leads_somewhere() -> None:
    def walk(part: object) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                resolve(part)
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(DOCUMENT)


# --- Examples ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_body_and_every_answer_has_examples_that_fit_its_schema(name: str) -> None:
    described = OPERATIONS[name]
    contents = [
        c for _, response in responses(described) for c in response.get("content", {}).values()
    ]
    if "requestBody" in described:
        (body,) = described["requestBody"]["content"].values()
        if "$ref" in body["schema"]:  # else others define it
            contents.append(body)
    for content in contents:
        assert content["examples"], name
        for example in content["examples"].values():
            check(resolve(example)["value"], content["schema"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_refusal_is_told_by_type_status_and_code(name: str) -> None:
    for status, response in responses(OPERATIONS[name]):
        content = response.get("content", {}).get(PROBLEM)
        if int(status) < 400 or (name == "GET /readyz" and status == "503"):
            assert content is None
            continue
        told = content["schema"]["allOf"][1]["properties"]
        assert told["status"] == {"const": int(status)}
        assert told["code"]["enum"] == list(content["examples"])
        assert told["type"]["enum"] == [TYPE_PREFIX + code for code in content["examples"]]
        for code in content["examples"]:
            assert KINDS[code].status == int(status)


def test_a_schema_of_refusals_refuses_what_is_not_documented() -> None:
    response = resolve(OPERATIONS["GET /v1/orders/{order_id}"]["responses"]["404"])
    content = response["content"][PROBLEM]
    value = resolve(content["examples"]["not_found"])["value"]
    validator = Draft202012Validator({**content["schema"], "components": DOCUMENT["components"]})

    assert validator.is_valid(value)
    assert not validator.is_valid({**value, "code": "forbidden"})


PLACED = OPERATIONS["POST /v1/orders"]["requestBody"]["content"]["application/json"]["examples"]


@pytest.mark.parametrize("name", PLACED)
async def test_an_order_of_the_examples_is_taken(shop: httpx.AsyncClient, name: str) -> None:
    response = await shop.post(
        "/v1/orders",
        json=resolve(PLACED[name])["value"],
        headers={"Idempotency-Key": fresh("key"), "Prefer": "wait=0"},
    )

    assert response.status_code == 201, response.text


async def test_the_order_that_is_shown_is_what_the_api_makes_of_the_one_that_is_sent(
    shop: httpx.AsyncClient,
) -> None:
    sent = resolve(PLACED["by_card"])["value"]
    headers = {"Idempotency-Key": fresh("key"), "Prefer": "wait=0"}
    order = (await shop.post("/v1/orders", json=sent, headers=headers)).json()
    shown = DOCUMENT["components"]["examples"]["OrderView.pending"]["value"]

    assert shown.keys() == order.keys()
    of_time_or_chance = {
        "id",
        "created_at",
        "updated_at",
        "deadline",
        "links",
        "payments",
        "shipments",
    }
    for name in shown.keys() - of_time_or_chance:
        assert shown[name] == order[name], name
    for many in ("payments", "shipments"):
        (ours,), (theirs,) = shown[many], order[many]
        assert {**ours, "id": ""} == {**theirs, "id": ""}


async def test_what_is_answered_fits_its_schema(shop: httpx.AsyncClient) -> None:
    sent = resolve(PLACED["by_card"])["value"]
    headers = {"Idempotency-Key": fresh("key"), "Prefer": "wait=0"}
    order = (await shop.post("/v1/orders", json=sent, headers=headers)).json()

    check(order, {"$ref": "#/components/schemas/OrderView"})
    refused = await shop.post("/v1/orders", json={}, headers={**headers, "Idempotency-Key": "k"})
    schema = resolve(OPERATIONS["POST /v1/orders"]["responses"]["422"])["content"][PROBLEM][
        "schema"
    ]
    check(refused.json(), schema)


# --- Links -------------------------------------------------------------------------------------


def test_links_give_parameters_that_their_operation_has() -> None:
    by_id = {described["operationId"]: described for described in OPERATIONS.values()}
    for link in DOCUMENT["components"]["links"].values():
        taken = {parameter["name"] for parameter in by_id[link["operationId"]]["parameters"]}
        assert link["parameters"].keys() <= taken
    used = {
        name
        for described in OPERATIONS.values()
        for _, response in responses(described)
        for name in response.get("links", {})
    }
    assert used == DOCUMENT["components"]["links"].keys()


# --- The page about it -------------------------------------------------------------------------


def test_the_page_about_the_api_has_every_code() -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8")

    assert {code for code in KINDS if f"`{code}`" not in page} == set()


ORDERS = {
    name: example["value"]
    for name, example in DOCUMENT["components"]["examples"].items()
    if name.startswith("OrderView.")
}


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_that_is_shown_would_take_what_it_says(name: str) -> None:
    order = ORDERS[name]
    held = order["hold"]
    (sold,) = order["lines"]
    sent_back = [r for r in order["returns"] if r["status"] != "declined"]
    captured = sum(p["captured"]["amount"] - p["refunded"]["amount"] for p in order["payments"])
    given = Circumstances(
        total=order["total"]["amount"],
        has_payments=bool(order["payments"]),
        is_ours_to_ship=True,
        in_attention=order["attention"] is not None,
        cancel_is_open=False,
        held_by=held and held["kind"],
        is_returnable=sum(r["lines"][0]["quantity"] for r in sent_back) < sold["quantity"],
        is_refundable=captured > sum(r["amount"]["amount"] for r in order["refunds"]),
        is_reviewed=order["review"] is not None,
    )

    assert order["allowed"] == [*allowed_requests(order["status"], given)]
    for return_ in order["returns"]:
        assert return_["allowed"] == [*allowed_return_requests(order["status"], return_["status"])]
    due = sold["quantity"] * sold["unit_price"]["amount"] + order["shipping_fee"]["amount"]
    assert order["total"]["amount"] == due == sum(p["amount"]["amount"] for p in order["payments"])
