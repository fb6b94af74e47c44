"""Everything that a place keeps, as text: tables by column, histories of Temporal, logs."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
from google.protobuf.json_format import MessageToDict
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from cli.stack.ready import Ready
from tests.privacy.canaries import found_in
from tests.saga.shop import Json


async def columns_with_canaries(ready: Ready) -> dict[str, set[str]]:
    """Field → the columns, of any table, that have its canary."""
    connection = await asyncpg.connect(ready.database_owner)
    found: dict[str, set[str]] = {}
    try:
        for table, column in await _columns(connection):
            values = await connection.fetch(f'select "{column}"::text as value from "{table}"')  # noqa: S608
            for field in found_in(" ".join(str(row["value"]) for row in values)):
                found.setdefault(field, set()).add(f"{table}.{column}")
    finally:
        await connection.close()
    return found


async def values_of(ready: Ready, column: str) -> list[str | None]:
    """A column from top to bottom: `payments.token`."""
    table, _, name = column.partition(".")
    connection = await asyncpg.connect(ready.database_owner)
    try:
        rows = await connection.fetch(f'select "{name}"::text as value from "{table}"')  # noqa: S608
    finally:
        await connection.close()
    return [row["value"] for row in rows]


async def tokens_of(ready: Ready, orders: Sequence[Json]) -> set[str | None]:
    """What is kept of what these orders' buyers gave to be paid by."""
    rows = await _rows_of(ready, orders, "select token from payments where order_id = any($1)")
    return {row["token"] for row in rows}


async def undelivered_of(ready: Ready, orders: Sequence[Json]) -> int:
    """Messages about these orders that they have not heard of."""
    asked = "select from inbox where delivered_at is null and order_id = any($1)"
    return len(await _rows_of(ready, orders, asked))


async def _rows_of(ready: Ready, orders: Sequence[Json], asked: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(ready.database_owner)
    try:
        return await connection.fetch(asked, [order["id"] for order in orders])
    finally:
        await connection.close()


async def kept_by_temporal(ready: Ready) -> Mapping[str, str]:
    """Workflow id → all that Temporal keeps and shows of it, payloads decoded."""
    client = await Client.connect(ready.temporal, data_converter=pydantic_data_converter)
    kept = {}
    async for found in client.list_workflows():
        handle = client.get_workflow_handle(found.id, run_id=found.run_id)
        history = (await handle.fetch_history()).to_json_dict()
        described = MessageToDict((await handle.describe()).raw_description)
        listed = MessageToDict(found.raw_info)
        said: WorkflowMetadata = await handle.query(
            "__temporal_workflow_metadata", result_type=WorkflowMetadata
        )
        kept[found.id] = "\n".join(
            [found.id, said.current_details, *_texts(history), *_texts(described), *_texts(listed)]
        )
    return kept


def logged(logs: Path) -> dict[str, str]:
    """Program → its log."""
    return {log.stem: log.read_text("utf-8", errors="replace") for log in logs.glob("*.log")}


async def _columns(connection: asyncpg.Connection[asyncpg.Record]) -> list[tuple[str, str]]:
    rows = await connection.fetch(
        "select table_name, column_name from information_schema.columns where table_schema = 'public'"
    )
    return [(row["table_name"], row["column_name"]) for row in rows]


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield str(key)
            if key == "data" and isinstance(value, str):
                yield base64.b64decode(value).decode("utf-8", errors="replace")
            else:
                yield from _texts(value)
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item)
    else:
        yield str(node)
