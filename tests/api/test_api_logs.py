"""Logs say what was asked and how it went; never what somebody sent."""

from __future__ import annotations

import httpx
import pytest
import structlog
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from api.edge import Edge
from tests.api.calls import brl, fresh, place

CANARY = "canary-7f3a"


async def test_a_request_is_one_line_without_people_and_tokens(shop: httpx.AsyncClient) -> None:
    structlog.reset_defaults()
    with capture_logs() as lines:
        await place(
            shop,
            customer={"id": CANARY, "name": CANARY, "email": CANARY},
            payments=[{"method": "card", "token": CANARY}],
            metadata={"note": CANARY},
        )
        await place(shop, customer={"id": CANARY}, lines=[], metadata={CANARY: {}})
        await shop.get(f"/v1/accounts/{CANARY}?x={CANARY}")
        await shop.post(
            "/v1/vouchers",
            json={"code": CANARY, "amount": brl(1)},
            headers={"Idempotency-Key": fresh("key")},
        )

    assert CANARY not in str(lines)
    asked = [line for line in lines if line["event"] == "request"]
    assert [(line["route"], line["status"]) for line in asked] == [
        ("/v1/orders", 201),
        ("/v1/orders", 422),
        ("/v1/accounts/{customer_id:account_owner}", 200),
        ("/v1/vouchers", 201),
    ]
    assert all(line["key_id"].startswith("key_") for line in asked)


@pytest.mark.parametrize("has_begun", [False, True])
async def test_a_bug_is_answered_and_logged_without_what_it_says(has_begun: bool) -> None:
    async def buggy(scope: Scope, receive: Receive, send: Send) -> None:
        if has_begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError(CANARY)

    structlog.reset_defaults()
    transport = httpx.ASGITransport(Edge(buggy))
    with capture_logs() as lines:
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            if has_begun:
                with pytest.raises(KeyError):
                    await client.get("/")
            else:
                response = await client.get("/")
                assert (response.status_code, response.json()["code"]) == (500, "internal_error")
                assert CANARY not in response.text

    assert [line["event"] for line in lines] == ["request.failed", "request"]
    assert lines[0]["error"] == "KeyError"
    assert CANARY not in str(lines)
