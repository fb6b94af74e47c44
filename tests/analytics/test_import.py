"""`ordersaga import`: a seller's past, checked line by line, kept once, and all of it or nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from cli.stack import LocalStack
from ordersaga.analytics.past_orders import PastOrder
from tests.analytics.timelines import COUNT, TIMELINES, as_lines, invented_past, needs_timelines
from tests.api.running import RunningApi

GOOD: Final = {
    "reference": "A-1",
    "status": "delivered",
    "purchased_at": "2026-01-02T10:00:00Z",
    "approved_at": "2026-01-02T10:05:00-03:00",
    "handed_to_carrier_at": None,
    "delivered_at": "2026-01-09T12:00:00+08:00",
    "promised_by": "2026-01-12T00:00:00Z",
}


@pytest.fixture
def database_url(postgres: LocalStack, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ORDERSAGA_DATABASE_URL", postgres.ready.database)
    return postgres.ready.database


async def bring(path: Path, tenant: str) -> Result:
    """The command, in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(
        CliRunner().invoke, app, ["import", str(path), "--tenant", tenant]
    )


async def kept(api: RunningApi, tenant: str) -> list[tuple[str, str]]:
    async with api.pool.acquire() as connection:
        rows = await connection.fetch(
            "select reference, status from past_orders where tenant = $1 order by reference", tenant
        )
    return [(row["reference"], row["status"]) for row in rows]


def written(path: Path, *lines: object) -> Path:
    path.write_text(
        "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    )
    return path


async def test_a_file_imported_twice_is_kept_once(
    api: RunningApi, database_url: str, tenant: str, tmp_path: Path
) -> None:
    past = invented_past(2_500, seed=8)
    path = tmp_path / "past.jsonl"
    path.write_text(as_lines(past))

    first, again = await bring(path, tenant), await bring(path, tenant)
    assert (first.exit_code, again.exit_code) == (0, 0), first.output + again.output
    assert f"2,500 past orders of {tenant}: 2,500 new, 0 corrected, 0 known before" in first.output
    assert "0 new, 0 corrected, 2,500 known before" in again.output
    assert len(await kept(api, tenant)) == 2_500


@needs_timelines
async def test_the_5_000_real_timelines_are_imported(
    api: RunningApi, database_url: str, tenant: str
) -> None:
    done = await bring(TIMELINES, tenant)

    assert done.exit_code == 0, done.output
    assert len(await kept(api, tenant)) == COUNT


async def test_a_line_that_says_otherwise_corrects_what_was_known(
    api: RunningApi, database_url: str, tenant: str, tmp_path: Path
) -> None:
    await bring(written(tmp_path / "a", {**GOOD, "status": "shipped"}), tenant)
    done = await bring(written(tmp_path / "b", GOOD, {**GOOD, "reference": "A-2"}), tenant)

    assert "1 new, 1 corrected, 0 known before" in done.output
    assert await kept(api, tenant) == [("A-1", "delivered"), ("A-2", "delivered")]


async def test_the_same_reference_is_another_order_for_another_tenant(
    api: RunningApi, database_url: str, tenant: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "past", GOOD)
    await bring(path, tenant)
    done = await bring(path, f"{tenant}-other")

    assert "1 new" in done.output
    assert len(await kept(api, tenant)) == 1


BAD: Final = {
    "no JSON": ("{", "JSON"),
    "no object": ("[]", "object"),
    "something unknown": ({**GOOD, "mood": "good"}, "/mood"),
    "a status that is none": ({**GOOD, "status": "lost"}, "/status"),
    "no purchase": ({k: v for k, v in GOOD.items() if k != "purchased_at"}, "/purchased_at"),
    "a time without a zone": ({**GOOD, "delivered_at": "2026-01-09T12:00:00"}, "/delivered_at"),
    "a number for a time": ({**GOOD, "promised_by": 1767312000}, "/promised_by"),
    "a time before there were shops": ({**GOOD, "promised_by": "0001-01-01T00:00:00Z"}, "1970"),
    "an empty reference": ({**GOOD, "reference": ""}, "/reference"),
    "a reference with a line in it": ({**GOOD, "reference": "a\nb"}, "/reference"),
    "a reference that is too long": ({**GOOD, "reference": "a" * 65}, "/reference"),
    "far too long": ({**GOOD, "reference": "a" * 100_000}, "longer than 65,536 bytes"),
    "bytes that are no text": ('{"reference": "\udcff"}', "JSON"),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_line_is_named_by_its_number_and_nothing_is_imported(
    api: RunningApi, database_url: str, tenant: str, tmp_path: Path, kind: str
) -> None:
    line, said = BAD[kind]
    text = line if isinstance(line, str) else json.dumps(line)
    path = tmp_path / "past"
    good = [json.dumps({**GOOD, "reference": f"A-{n}"}) for n in range(2)]
    path.write_bytes("\n".join([good[0], "", text, good[1]]).encode("utf-8", "surrogateescape"))

    refused = await bring(path, tenant)
    assert refused.exit_code == 1
    assert f"{path}:3: " in refused.output
    assert said in refused.output
    assert f"{path}:4" not in refused.output
    assert await kept(api, tenant) == []


async def test_a_reference_that_is_there_twice_is_refused(
    api: RunningApi, database_url: str, tenant: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "past", GOOD, "", {**GOOD, "status": "shipped"})

    refused = await bring(path, tenant)
    assert refused.exit_code == 1
    assert f"{path}:3: /reference: line 1 has the same" in refused.output
    assert await kept(api, tenant) == []


async def test_of_very_many_bad_lines_only_some_are_shown(
    database_url: str, tenant: str, tmp_path: Path
) -> None:
    refused = await bring(written(tmp_path / "past", *["{"] * 500), tenant)

    assert "500 bad lines" in refused.output
    assert "and 480 more" in refused.output


async def test_an_empty_file_is_a_mistake(database_url: str, tenant: str, tmp_path: Path) -> None:
    refused = await bring(written(tmp_path / "past"), tenant)

    assert refused.exit_code == 1


def test_no_line_is_echoed_where_it_is_refused() -> None:
    """It may be somebody's export with people in it."""
    with pytest.raises(ValueError, match="reference") as refused:
        PastOrder.model_validate_json(json.dumps({**GOOD, "reference": "Ana Souza, Recife"}))

    assert "Souza" not in str(refused.value)
