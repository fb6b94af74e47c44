"""How PostgreSQL carries a named statement out, as it comes to do for a statement it has seen often."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import asyncpg

from adapters.postgres.pool import QUERIES, load_queries

Plan: TypeAlias = Mapping[str, Any]
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

LOOKS: Final = 6  # after five plans for the values at hand PostgreSQL may keep one for all values
LARGE: Final = 10_000  # rows; what grows with the orders has more here
MOST_SORTED: Final = 10_000  # rows

VARIABLE: Final = re.compile(r"(?<![:\w'])(:)([a-z_]+)\b")
SORTS: Final = ("Sort", "Incremental Sort")

# What a caller would give, by name; by type where no name is here. All of these exist, and are typical.
LATE_NUMBER: Final = "99970".zfill(26)
LATE: Final = f"ord_{LATE_NUMBER}"  # an order that is under way
SAMPLES: Final[Mapping[str, str]] = {
    "tenant": "big",
    "order_id": LATE,
    "customer_id": "c-7",
    "payment_id": f"pay_{LATE_NUMBER}",
    "shipment_id": f"shp_{LATE_NUMBER}",
    "order_ids": f"{{{LATE}}}",
    "payment_ids": f"{{pay_{LATE_NUMBER}}}",
    "return_id": "ret_99980",
    "skus": "{sku-7,sku-8}",
    "currency": "BRL",
    "status": "confirmed",
    "before": "ord_~",
    "oldest": "ord_",
    "after": "ord_" + "99700".zfill(26),
    "limit": "20",
    "most": "20",
    "older_than_s": str(7 * 24 * 3600),
    "again_after_s": "300",
    "kept_s": str(7 * 24 * 3600),
    "slack_s": "10",
    "generation": "1",
    "step": "stock",
    "steps": "{stock}",
    "kind": "credit",
    "kinds": "{credit}",
    "owner": "c-7",
    "owners": "{c-7}",
    "tracking_number": "T99970",
    "provider_ref": "pi_99970",
    "after_time": "2020-01-01",
    "position": "49900",
    "sink": "webhooks",
    "sinks": "{webhooks}",
    "partitions": "{0,1,2,3,4,5,6,7}",
    "endpoint_id": "whe_1",
    "key_cap": "100000",
    "tenant_cap": "100000",
    "per_endpoint": "5",
    "room": "100",
    "key_id": "key_1",
    "key": "k-99970",
    "route": "POST /v1/orders",
    "final": "{completed,canceled,rejected,returned}",
    "id": "1",
    "key_hash": r"\x0000000000000001",
}
OTHERWISE: Final = {
    "text": "x",
    "jsonb": "1",
    "boolean": "true",
    "timestamp with time zone": "2026-01-01",
    "interval": "1 day",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "bytea": r"\x00",
    "date": "2026-01-01",
}
NUMBERS: Final = ("smallint", "integer", "bigint", "double precision")
NUMERIC: Final = re.compile(r"[{}\d,.]+")
# Optional filters: the usual call has none of them.
ABSENT: Final = frozenset(
    ("payment_status", "fulfillment_status", "created_after", "attention", "failure", "hold")
)


def statements(exclude: Mapping[str, str]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(file.name, its SQL with $n, its parameters' names in their order), but for what is excluded."""
    for path in sorted(QUERIES.glob("*.sql")):
        queries = load_queries(path.stem)
        for name in queries.available_queries:
            full_name = f"{path.stem}.{name}"
            if name.endswith("_cursor") or not {path.stem, full_name}.isdisjoint(exclude):
                continue
            yield full_name, getattr(queries, name).sql, _parameters(path.read_text(), name)


def _parameters(text: str, name: str) -> tuple[str, ...]:
    """In the order in which they first appear: how aiosql numbers them."""
    body = re.split(rf"^-- name: {name}[\^$!*#]*\s*$", text, flags=re.M)[1].split("-- name:")[0]
    without_comments = re.sub(r"--.*$", "", body, flags=re.M)
    return tuple(dict.fromkeys(found[2] for found in VARIABLE.finditer(without_comments)))


async def plan_of(connection: Connection, sql: str, parameters: tuple[str, ...]) -> Plan:
    """Of a statement that has run some times before."""
    await connection.execute(f"prepare looked_at as {sql.rstrip().rstrip(';')}")
    try:
        types: list[str] = await connection.fetchval(
            "select parameter_types::text[] from pg_prepared_statements where name = 'looked_at'"
        )
        given = ", ".join(map(_sample, parameters, types))
        execute = f"execute looked_at({given})" if given else "execute looked_at"
        for _ in range(LOOKS):
            shown = await connection.fetchval(f"explain (format json) {execute}")
        plan: Plan = json.loads(shown)[0]["Plan"]
        return plan
    finally:
        await connection.execute("deallocate looked_at")


def _sample(name: str, kind: str) -> str:
    if name in ABSENT and not kind.endswith("[]"):
        return "null"
    base = kind.removesuffix("[]")
    value = SAMPLES.get(name, "")
    if not value or (base in NUMBERS and NUMERIC.fullmatch(value) is None):
        value = OTHERWISE.get(base, "1")
    if kind != base and not value.startswith("{"):
        value = f'{{"{value}"}}'
    return f"'{value}'"


def faults(plan: Plan, rows: Mapping[str, int], *, stops_early: bool = False) -> list[str]:
    """What in it goes through all of something large, or sorts so much. `rows`: of each table and index."""
    kind, beneath, found = plan["Node Type"], plan.get("Plans", []), []
    if kind == "Seq Scan" and rows[plan["Relation Name"]] > LARGE:
        found.append(f"all of {plan['Relation Name']}")
    index = plan.get("Index Name")
    if index and "Index Cond" not in plan and rows[index] > LARGE and not stops_early:
        found.append(f"all of {index}")
    if kind in SORTS and beneath[0]["Plan Rows"] > MOST_SORTED:
        found.append(f"a sort of {beneath[0]['Plan Rows']:,} rows")
    # A limit stops what streams; a sort reads all that is beneath it first.
    below = (stops_early or kind == "Limit") and kind not in SORTS
    return found + [fault for each in beneath for fault in faults(each, rows, stops_early=below)]


async def count_rows(connection: Connection) -> Mapping[str, int]:
    """Of each table and index, as the planner has it."""
    counted = await connection.fetch(
        "select relname, reltuples::bigint as rows from pg_class where relkind in ('r', 'i')"
    )
    return {row["relname"]: row["rows"] for row in counted}
