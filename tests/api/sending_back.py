"""Goods on their way back, as buyers and sellers ask for it; and what goes back for them."""

from __future__ import annotations

import httpx

from tests.api.calls import Database, Json
from tests.api.lives import ask

REASON = "too small, says Rosa"


async def send_back(
    client: httpx.AsyncClient, order_id: object, *, key: str | None = None, **units: int
) -> httpx.Response:
    """So many units by SKU; all that is left where none is named."""
    lines = [{"sku": sku, "quantity": n} for sku, n in units.items()]
    body = {"reason": REASON, **({"lines": lines} if lines else {})}
    return await ask(client, str(order_id), "returns", body, key=key)


async def sent_back(client: httpx.AsyncClient, order_id: object, **units: int) -> Json:
    """The new return, approved."""
    answer = await send_back(client, order_id, key=None, **units)
    assert answer.status_code == 201, answer.text
    asked: Json = answer.json()["returns"][-1]
    await say(client, order_id, asked, "approve")
    return asked


async def say(
    client: httpx.AsyncClient, order_id: object, asked: Json, word: str, key: str | None = None
) -> httpx.Response:
    return await ask(client, str(order_id), f"returns/{asked['id']}/{word}", key=key)


async def received(client: httpx.AsyncClient, order_id: object, **units: int) -> Json:
    """A return of these units whose goods are here, as it is shown then."""
    asked = await sent_back(client, order_id, **units)
    answer = await say(client, order_id, asked, "receive")
    assert answer.status_code == 200, answer.text
    return next(r for r in answer.json()["returns"] if r["id"] == asked["id"])


async def allocated(database: Database, order_id: object) -> list[tuple[str, int]]:
    """What goes back: payment's method and amount, in the order of its payments."""
    rows = await database.fetch(
        "select p.method, sum(r.amount)::bigint from refunds r join payments p on p.id = r.payment_id "
        "where r.order_id = $1 group by p.method, p.position order by p.position",
        order_id,
    )
    return [(row[0], row[1]) for row in rows]
