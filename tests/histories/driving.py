"""How the paths take an order along: what they place, what they wait for, whom they play."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from temporalio.client import Client

from ordersaga.keys import workflow_id
from tests.saga.shop import Json, Shop

CUSTOMER: Final = "customer-canary"  # must be in no history
PLACE: Final = "respond-async"
FINAL: Final = ("rejected", "canceled")
TO: Final = {"carrier": "sandbox"}
RUN_AGAIN_WITHIN_S: Final = 60  # the sweep looks for the workflow of an order after half of that

Path: TypeAlias = Callable[[Shop], Awaitable[str]]


async def place(shop: Shop, *payments: Json, prefer: str = PLACE, **how: Any) -> Json:
    return await shop.order(*payments, customer=CUSTOMER, prefer=prefer, **how)


async def ended(shop: Shop, order: Json, *statuses: str) -> str:
    """The order's id once it stands so."""
    wanted = statuses or ("confirmed", *FINAL)
    await shop.until(order["id"], lambda o: o["status"] in wanted)
    return str(order["id"])


async def confirmed(shop: Shop, *payments: Json, **how: Any) -> Json:
    order = await place(shop, *payments, **how)
    await ended(shop, order, "confirmed")
    return order


async def in_attention(shop: Shop, order: Json) -> Json:
    return await shop.until(order["id"], lambda o: o["attention"] is not None)


async def answer(shop: Shop, order: Json, action: str) -> None:
    body = {"step": order["attention"]["step"], "action": action, "note": "a note"}
    (await shop.post(f"/v1/orders/{order['id']}/attention", body)).raise_for_status()


async def until_asks_payer(shop: Shop, order: Json) -> None:
    await shop.until(order["id"], lambda o: o["payment_status"] == "requires_action")


def placed_and_left(*payments: Json, **how: Any) -> Path:
    """An order that nobody touches, until it is decided and, undone, at its end."""

    async def path(shop: Shop) -> str:
        return await ended(shop, await place(shop, *payments, **how))

    return path


async def pick_up(shop: Shop, order: Json) -> None:
    shown = await shop.until(order["id"], lambda o: o["shipments"][0]["tracking_number"])
    number = shown["shipments"][0]["tracking_number"]
    body = {"status": "picked_up"}
    (await shop.carrier.post(f"/test/parcels/{number}/events", json=body)).raise_for_status()


async def workflow_of(shop: Shop, order: Json) -> Any:
    client = await Client.connect(shop.stack.ready.temporal)
    return client.get_workflow_handle(workflow_id(order["id"]))


async def intent_of(shop: Shop, order: Json) -> Json:
    books = await shop.books(order["id"])
    (intent,) = [i for i in books.intents if i["amount_received"]]
    return {"payment_intent": intent["id"]}


async def parcel_of(shop: Shop, order: Json) -> Json:
    (parcel,) = (await shop.books(order["id"])).parcels
    return {"key": parcel["key"]}
