"""Orders that run now go on after a deployment: every recorded history replays with the code as it is."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from tests.histories.driving import CUSTOMER
from tests.histories.paths import RECORDED

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
HISTORIES: Final = sorted(HERE.glob("*.json"))
RUNNERS: Final = ("plain", "sandboxed")
REPLAYED_WITHIN_S: Final = 90  # all of them; in some ten seconds on a busy machine

Failures: TypeAlias = Mapping[str, str]


def replay(runner: str, files: Sequence[Path], *, code: Path = ROOT) -> Failures:
    """What failed, by the history's name. In a process that can be killed: a replay may hang.

    The engine's own threads can abort the process (seen once in some dozens): then once more.
    """
    ended = _replayed(runner, files, code)
    if ended.returncode < 0:
        ended = _replayed(runner, files, code)
    assert ended.returncode == 0, ended.stderr[-2000:]
    failures: Failures = json.loads(
        ended.stdout.splitlines()[-1]
    )  # after the engine's own warnings
    return failures


def _replayed(runner: str, files: Sequence[Path], code: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "tests.histories.replay", runner, *map(str, files)),
        cwd=code,
        env={**os.environ, "PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
        timeout=REPLAYED_WITHIN_S,
        check=False,
    )


@pytest.fixture(scope="module")
def failures() -> Mapping[str, Failures]:
    """By runner. Our worker gives the SDK's sandbox up: what that would catch is caught here."""
    return {runner: replay(runner, HISTORIES) for runner in RUNNERS}


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("path", RECORDED)
def test_a_recorded_order_goes_on(failures: Mapping[str, Failures], path: str, runner: str) -> None:
    assert path not in failures[runner], failures[runner][path]


def test_every_path_has_its_history_and_every_history_its_path() -> None:
    assert [file.stem for file in HISTORIES] == sorted(RECORDED)


# A change of the workflow → (file, what is there, what is put in its place, a path that it breaks).
BREAKING: Final = {
    "a step more": (
        "workflows/order.py",
        "        decision = await self._decide(objection)\n",
        "        await workflow.sleep(1)\n        decision = await self._decide(objection)\n",
        "own_site_confirmed",
    ),
    "a step less": (
        "workflows/order.py",
        "            or await self._capture()\n",
        "",
        "card_confirmed",
    ),
    "steps in another order": (
        "workflows/order.py",
        "            or await self._charge()\n            or await self._book_parcel_if_it_waited()\n",
        "            or await self._book_parcel_if_it_waited()\n            or await self._charge()\n",
        "boleto_paid",
    ),
    "undo oldest first": (
        "workflows/saga.py",
        "self._undos[::-1], []",
        "self._undos[:], []",
        "capture_declined",
    ),
    "another activity": (
        "workflows/asks.py",
        "PaymentActivities.refund_payment, RefundStep",
        "PaymentActivities.undo_payment, RefundStep",
        "goods_returned",
    ),
    "a skip that tries once more": (
        "workflows/saga.py",
        'if self._instructions.pop(step) == "skip":',
        'if self._instructions.pop(step) == "never":',
        "undo_skipped",
    ),
}


@pytest.mark.parametrize("change", BREAKING)
def test_a_change_that_would_break_a_running_order_is_found(change: str, tmp_path: Path) -> None:
    path, there, instead, broken = BREAKING[change]
    code = tmp_path / "code"
    for room in ("workflows", "activities", "ordersaga"):
        shutil.copytree(ROOT / room, code / room)
    (code / "tests" / "histories").mkdir(parents=True)
    shutil.copy(HERE / "replay.py", code / "tests" / "histories")
    text = (code / path).read_text("utf-8")
    assert text.count(there) == 1, "the change is of code that is not there any more"
    (code / path).write_text(text.replace(there, instead), "utf-8")
    assert broken in replay("plain", [HERE / f"{broken}.json"], code=code)


NOT_DETERMINISTIC: Final = (
    "        decision = await self._decide(objection)\n",
    "        import os\n\n        os.listdir('.')\n        decision = await self._decide(objection)\n",
)


@pytest.mark.long
def test_what_only_the_sandbox_sees_is_found_too(tmp_path: Path) -> None:
    code = tmp_path / "code"
    for room in ("workflows", "activities", "ordersaga"):
        shutil.copytree(ROOT / room, code / room)
    (code / "tests" / "histories").mkdir(parents=True)
    shutil.copy(HERE / "replay.py", code / "tests" / "histories")
    text = (code / "workflows/order.py").read_text("utf-8")
    assert text.count(NOT_DETERMINISTIC[0]) == 1
    (code / "workflows/order.py").write_text(text.replace(*NOT_DETERMINISTIC), "utf-8")
    history = [HERE / "own_site_confirmed.json"]
    assert replay("plain", history, code=code) == {}
    assert "own_site_confirmed" in replay("sandboxed", history, code=code)


# --- What a history must not tell -----------------------------------------------------------------


def texts(node: Any) -> Iterator[str]:
    """Every string within, payloads decoded."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "data" and isinstance(value, str):
                yield base64.b64decode(value).decode("utf-8")
            else:
                yield from texts(value)
    elif isinstance(node, list):
        for item in node:
            yield from texts(item)
    elif isinstance(node, str):
        yield node


# A path of a machine, a traceback, a process on a host, an address, a mail (but Stripe's in its errors).
TELLTALE: Final = re.compile(
    r"(?:^|[\s\"'(])/(?!/)[\w.-]+/[\w.-]+|Traceback|File \"|\d+@\w|://|\b127\.0\.0\.1|[\w.]+@(?!stripe\.com)[\w.]+\.\w"
)


@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.stem)
def test_a_kept_history_names_no_person_and_no_machine(file: Path) -> None:
    recorded = json.loads(file.read_text("utf-8"))
    assert "stackTrace" not in file.read_text("utf-8")
    for text in texts(recorded):
        assert CUSTOMER not in text
        assert "a note" not in text, "an operator's words stay in our own tables"
        assert TELLTALE.search(text) is None, text
