"""What OpenAPI says of each move of an order: its refusals by name, and that the order is answered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.running import RunningApi

ORDER = "/v1/orders/{order_id}"
RETURN = ORDER + "/returns/{return_id}"

# Move → the problems of its own, beside those of every POST.
MOVES = {
    f"{ORDER}/cancel": {"illegal_move", "cancel_refused"},
    f"{ORDER}/pay": {"illegal_move"},
    f"{ORDER}/attention": {"illegal_move"},
    f"{ORDER}/hold": {"illegal_move"},
    f"{ORDER}/release": {"illegal_move"},
    f"{ORDER}/accept": {"illegal_move"},
    f"{ORDER}/decline": {"illegal_move"},
    f"{ORDER}/ship": {"illegal_move", "tracking_number_taken"},
    f"{ORDER}/confirm-receipt": {"illegal_move"},
    f"{ORDER}/review": {"illegal_move"},
    f"{ORDER}/returns": {"illegal_move", "return_window_over"},
    f"{RETURN}/approve": {"illegal_move"},
    f"{RETURN}/decline": {"illegal_move"},
    f"{RETURN}/receive": {"illegal_move"},
    f"{ORDER}/refunds": {"illegal_move", "refund_too_large"},
}
EVERY_MOVES = {"not_found", "version_mismatch", "invalid_request", "card_number"}


async def _document(api: RunningApi) -> dict[str, Any]:
    async with api.client() as nobody:
        document: dict[str, Any] = (await nobody.get("/openapi.json")).json()
    return document


async def test_every_move_is_in_that_table(api: RunningApi) -> None:
    paths = (await _document(api))["paths"]
    posts = {path for path in paths if path.startswith(f"{ORDER}/") and "post" in paths[path]}

    assert posts == set(MOVES)


@pytest.mark.parametrize("path", MOVES)
async def test_a_move_says_by_name_what_it_may_be_refused_for(api: RunningApi, path: str) -> None:
    document = await _document(api)
    described, shared = document["paths"][path]["post"], document["components"]["responses"]
    told = [
        shared.get(r.get("$ref", "").rpartition("/")[2], r) for r in described["responses"].values()
    ]
    said = " ".join(response["description"] for response in told)
    wanted = MOVES[path] | EVERY_MOVES

    assert {code for code in wanted if f"`{code}`" in said} == wanted
    assert {"400", "401", "403", "404", "409", "422", "503"} <= set(described["responses"])
    assert described["summary"]


async def test_a_move_is_answered_with_the_order(api: RunningApi) -> None:
    document = await _document(api)
    for path in MOVES:
        responses = document["paths"][path]["post"]["responses"]
        for status in {"200", "201", "202"} & set(responses):
            answer = responses[status]["content"]["application/json"]["schema"]["$ref"]
            assert answer.endswith("/OrderView")
