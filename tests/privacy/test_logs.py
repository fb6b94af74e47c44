"""A log line names no person and tells no secret, whoever wrote it and whatever went wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.typing import EventDict

from adapters.logs import HIDDEN, hide

ROOT = Path(__file__).parent.parent.parent
CANARY = "canary-9f1c"

PROGRAM = f"""
import asyncio, logging
import structlog
from adapters.logs import configure_logs
from ordersaga.errors import ProviderUnavailable

configure_logs()
log = structlog.get_logger()

def fail():
    raise KeyError("{CANARY}")

def outage():
    try:
        fail()
    except KeyError as error:
        raise ProviderUnavailable("HTTP 503") from error

for go_wrong in (fail, outage):
    try:
        go_wrong()
    except Exception:
        log.exception("went.wrong")
        logging.getLogger("a.library").exception("it failed")
log.info("a.customer", customer={{"email": "{CANARY}"}}, nested=[{{"phone": "{CANARY}"}}], order_id="ord_1")
logging.getLogger("a.library").warning("first line\\nthen: %s", "{CANARY}")

async def forgotten():
    asyncio.get_running_loop().create_task(failing())
    await asyncio.sleep(0)

async def failing():
    fail()

asyncio.run(forgotten())
"""


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert CANARY not in done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_line_is_an_object_with_its_level_and_time(lines: list[dict[str, Any]]) -> None:
    assert len(lines) >= 7
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)


def test_an_exception_is_told_by_its_type_and_place(lines: list[dict[str, Any]]) -> None:
    for line in lines[:2]:
        assert line["exception"].endswith("KeyError")
        assert "in fail" in line["exception"]


def test_what_our_own_errors_say_is_told_and_what_led_to_them_is_not(
    lines: list[dict[str, Any]],
) -> None:
    for line in lines[2:4]:
        assert line["exception"].endswith("ProviderUnavailable: HTTP 503")
        assert "KeyError\nthen\n" in line["exception"]


def test_people_are_hidden_by_name_at_any_depth_and_references_are_not(
    lines: list[dict[str, Any]],
) -> None:
    line = next(line for line in lines if line["event"] == "a.customer")
    assert line["customer"] == HIDDEN
    assert line["nested"] == [{"phone": HIDDEN}]
    assert line["order_id"] == "ord_1"


def test_of_a_librarys_sentence_the_first_line_is_told(lines: list[dict[str, Any]]) -> None:
    events = [line["event"] for line in lines if line.get("logger")]
    assert "first line" in events
    assert "Task exception was never retrieved" in events


@pytest.mark.parametrize(
    "name",
    [
        *(
            "password",
            "token",
            "payment_token",
            "authorization",
            "api_key",
            "payload_keys",
            "secret",
        ),
        *("email", "phone", "customer", "shipping_address", "metadata", "body", "comment", "note"),
        *("database_url", "location", "reason", "name"),
    ],
)
def test_what_goes_by_such_a_name_is_hidden(name: str) -> None:
    assert hide(None, "info", {name: CANARY}) == {name: HIDDEN}


def test_what_finds_an_order_or_a_key_again_is_not_hidden() -> None:
    said: EventDict = {
        "event": "request",
        "order_id": "ord_1",
        "key_id": "key_1",
        "tenant": "demo",
        "route": "/v1/orders",
        "status": 201,
        "error": None,
    }
    assert hide(None, "info", dict(said)) == said


@pytest.mark.parametrize(
    "secret",
    [
        "osk_" + "a1" * 16,
        "whsec_" + "YQ" * 8,
        "sk_" + "test_" + "a1" * 8,
        "rk_" + "live_" + "a1" * 8,
        "app:" + "hunter2",
    ],
)
def test_a_secret_within_a_sentence_is_hidden(secret: str) -> None:
    sentence = f"cannot reach postgresql://{secret}@db/orders"
    told = hide(None, "info", {"event": sentence})["event"]
    assert secret not in told
    assert told.startswith("cannot reach")
