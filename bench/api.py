"""How long a caller waits: an order accepted, and an order decided, beside the bare minimum of each.

`python -m bench.api [--rounds R] [--requests N] [--output F]`. Own-site orders (stock, merchant's
parcel, store credit), one SKU a client. The bare ones run on the same PostgreSQL and Temporal, under
the same client, in turns with ours: only the ratios are to be believed.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Final

import asyncpg
import httpx
import typer
from rich.console import Console
from rich.table import Table

from cli.stack.stack import LocalStack
from ordersaga.client import ApiClient, Money, StockItem

CLIENTS: Final = (1, 8, 50)  # at once
KINDS: Final = ("bare insert", "bare start", "accepted", "decided")
BESIDE: Final = {"accepted": ("bare insert", "bare start"), "decided": ("bare start",)}
PRICE: Final = {"amount": 500, "currency": "EUR"}
ENOUGH: Final = 1_000_000  # units of each SKU
START_PATIENCE_S: Final = 20.0
DRAIN_PATIENCE_S: Final = 300.0
LOOK_EVERY_S: Final = 0.1

Send = Callable[[int], Awaitable[None]]  # by the number of its client


def main(
    rounds: Annotated[int, typer.Option(help="Each kind once a round, in turns.", min=1)] = 5,
    requests: Annotated[int, typer.Option(help="Of each kind in a round.", min=10)] = 200,
    output: Annotated[Path | None, typer.Option(help="Where the figures go, as JSON.")] = None,
) -> None:
    """Measure, print a table, write the figures."""
    with tempfile.TemporaryDirectory(prefix="ordersaga-bench-") as home:
        Path(home).chmod(0o711)  # where we are root, PostgreSQL runs as another user
        figures = asyncio.run(_run(Path(home), rounds, requests))
    _print(figures)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(figures, indent=1) + "\n")


async def _run(home: Path, rounds: int, requests: int) -> dict[str, object]:
    taken: dict[tuple[str, int], list[list[float]]] = defaultdict(list)
    async with (
        LocalStack(data_dir=home / "data", port=0, keep_data=False) as stack,
        _bare(stack) as bare,
        httpx.AsyncClient(
            timeout=60, trust_env=False, limits=httpx.Limits(max_connections=100)
        ) as http,
    ):
        await _fill_shelves(stack)
        senders = _senders(stack, bare, http)
        for send in senders.values():
            await _round(send, clients=8, requests=50)  # caches, plans, connections
        for clients in CLIENTS:
            for _ in range(rounds):
                for kind, send in senders.items():
                    taken[kind, clients].append(await _round(send, clients, requests))
                    await _until_all_are_decided(stack)
    return {
        "requests": requests,
        "rounds": rounds,
        "cores": os.cpu_count(),
        "kinds": [_figures(kind, clients, each) for (kind, clients), each in taken.items()],
        "ratios": [
            {
                "of": kind,
                "to": other,
                "clients": clients,
                **{p: round(_ratio(taken, kind, other, clients, p), 2) for p in ("p50", "p99")},
            }
            for kind, others in BESIDE.items()
            for other in others
            for clients in CLIENTS
        ],
    }


async def _until_all_are_decided(stack: LocalStack) -> None:
    """Orders that were only accepted are still being worked on: the next round would wait behind them."""
    database = await asyncpg.connect(stack.ready.database)
    async with asyncio.timeout(DRAIN_PATIENCE_S):
        while await database.fetchval("select true from orders where status = 'pending' limit 1"):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY_S)
    await database.close()


async def _fill_shelves(stack: LocalStack) -> None:
    async with ApiClient(base_url=stack.ready.api, key=stack.ready.keys.ops) as api:
        await api.set_stock([StockItem(sku=_sku(n), on_hand=ENOUGH) for n in range(max(CLIENTS))])
        for n in range(max(CLIENTS)):
            money = Money(amount=ENOUGH * 500, currency="EUR")
            await api.credit_account(_customer(n), money, reason="bench")


def _senders(stack: LocalStack, bare: str, http: httpx.AsyncClient) -> Mapping[str, Send]:
    numbers = count()

    async def post(url: str, client: int, **headers: str) -> None:
        order = {
            "customer": {"id": _customer(client)},
            "currency": "EUR",
            "lines": [{"sku": _sku(client), "quantity": 1, "unit_price": PRICE}],
            "shipping_address": {"country": "PT"},
            "payments": [{"method": "balance", "amount": PRICE}],
            "metadata": {"number": next(numbers)},
        }
        answer = await http.post(url, json=order, headers=headers)
        answer.raise_for_status()
        if "wait=30" in headers.values():
            assert answer.json()["status"] == "confirmed", answer.text

    def ours(prefer: str) -> Send:
        return lambda client: post(
            f"{stack.ready.api}/v1/orders",
            client,
            authorization=f"Bearer {stack.ready.keys.ops}",
            prefer=prefer,
            **{"idempotency-key": uuid.uuid4().hex},
        )

    return {
        "bare insert": lambda client: post(f"{bare}/insert", client),
        "bare start": lambda client: post(f"{bare}/start", client),
        "accepted": ours("respond-async"),
        "decided": ours("wait=30"),
    }


async def _round(send: Send, clients: int, requests: int) -> list[float]:
    """Seconds that each request took."""
    numbers = iter(range(requests))
    taken: list[float] = []

    async def client(own: int) -> None:
        for _ in numbers:
            began_s = time.perf_counter()
            await send(own)
            taken.append(time.perf_counter() - began_s)

    await asyncio.gather(*(client(own) for own in range(clients)))
    return taken


@asynccontextmanager
async def _bare(stack: LocalStack) -> AsyncIterator[str]:
    owner = await asyncpg.connect(stack.ready.database_owner)
    await owner.execute("create table bare_orders (id text primary key, body jsonb not null)")
    await owner.execute("grant insert on bare_orders to public")
    await owner.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.bare",
        env={
            **os.environ,
            "DATABASE": stack.ready.database,
            "TEMPORAL": stack.ready.temporal,
            "NAMESPACE": stack.ready.temporal_namespace,
            "PORT": str(port),
        },
    )
    try:
        await _until_it_listens(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _until_it_listens(port: int) -> None:
    async with asyncio.timeout(START_PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


def _figures(kind: str, clients: int, rounds: list[list[float]]) -> dict[str, object]:
    return {
        "kind": kind,
        "clients": clients,
        "p50_ms": round(median(_percentile(each, "p50") for each in rounds) * 1000, 1),
        "p99_ms": round(median(_percentile(each, "p99") for each in rounds) * 1000, 1),
        "rounds_p50_ms": [round(_percentile(each, "p50") * 1000, 1) for each in rounds],
    }


def _ratio(
    taken: Mapping[tuple[str, int], list[list[float]]], kind: str, other: str, clients: int, p: str
) -> float:
    """The median of the rounds' ratios: both were measured within the same seconds."""
    pairs = zip(taken[kind, clients], taken[other, clients], strict=True)
    return median(_percentile(mine, p) / _percentile(theirs, p) for mine, theirs in pairs)


def _percentile(taken: list[float], p: str) -> float:
    return quantiles(taken, n=100)[49 if p == "p50" else 98]


def _print(figures: dict[str, object]) -> None:
    console = Console()
    times = Table("clients", "kind", "p50 ms", "p99 ms", title="a caller waits")
    kinds = figures["kinds"]
    assert isinstance(kinds, list)
    for row in kinds:
        times.add_row(
            str(row["clients"]), row["kind"], f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}"
        )
    console.print(times)
    ratios = Table("clients", "ratio", "p50", "p99", title="beside the bare minimum")
    found = figures["ratios"]
    assert isinstance(found, list)
    for row in found:
        name = f"{row['of']} / {row['to']}"
        ratios.add_row(str(row["clients"]), name, f"{row['p50']:.1f} x", f"{row['p99']:.1f} x")
    console.print(ratios)


def _sku(client: int) -> str:
    return f"bench-{client}"


def _customer(client: int) -> str:
    return f"bench-{client}"


if __name__ == "__main__":
    typer.run(main)
