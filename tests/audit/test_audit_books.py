"""Others' books, read from the running sandbox programs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters.books import PAYMENTS_PAGE, Address, BookReader
from ordersaga.errors import ProviderUnavailable
from tests.sandbox.programs import KEY, Payments, Program


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program("sandbox.provider", tmp_path_factory.mktemp("provider") / "books.db").start()
    yield program
    program.stop()


@pytest.fixture
def carrier(tmp_path: Path) -> Iterator[Program]:
    program = Program("sandbox.carrier", tmp_path / "books.db").start()
    yield program
    program.stop()


def nowhere() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


async def test_every_payment_of_many_pages_is_read_once(provider: Program) -> None:
    payments = Payments(provider.url)
    count = PAYMENTS_PAGE + 5
    made = await asyncio.gather(*(payments.create() for _ in range(count)))
    await payments.close()
    async with BookReader(provider=Address(provider.url, KEY), carrier=None) as reader:
        books = await reader.read()
    assert {p.reference for p in books.payments} >= {intent.id for intent in made}
    assert len({p.reference for p in books.payments}) == len(books.payments)
    assert books.parcels == ()


async def test_a_payment_is_what_was_received_less_its_refunds(provider: Program) -> None:
    payments = Payments(provider.url)
    metadata = {"order_id": "ord_1", "payment_id": "pay_1"}
    intent = await payments.create(hold=False, metadata=metadata)
    await payments.intents.confirm_async(intent.id)
    for amount in (100, 50):
        await payments.refunds.create_async({"payment_intent": intent.id, "amount": amount})
    held = await payments.confirmed()
    slip = await payments.confirmed(method="boleto")
    dead = await payments.create()
    await payments.intents.cancel_async(dead.id)
    await payments.close()

    async with BookReader(provider=Address(provider.url, KEY), carrier=None) as reader:
        booked = {p.reference: p for p in (await reader.read()).payments}
    paid = booked[intent.id]
    assert (paid.order_id, paid.payment_id, paid.currency) == ("ord_1", "pay_1", "BRL")
    assert (paid.state, paid.amount, paid.received, paid.refunded) == ("taken", 1000, 1000, 150)
    assert paid.has_money
    assert (booked[held.id].state, booked[held.id].has_money) == ("held", True)
    assert (booked[slip.id].state, booked[slip.id].has_money) == ("payable", False)
    assert (booked[dead.id].state, booked[dead.id].has_money) == ("dead", False)


async def test_a_parcel_is_live_until_it_is_canceled(provider: Program, carrier: Program) -> None:
    async with httpx.AsyncClient(
        base_url=carrier.url, headers={"authorization": f"Bearer {KEY}"}
    ) as client:
        booking = {"service": "standard", "ship_to": {"country": "BR"}}
        for order in ("ord_1", "ord_2"):
            (await client.put(f"/parcels/{order}:parcel:shp:1", json=booking)).raise_for_status()
        for order in ("ord_2", "ord_3"):
            (await client.post(f"/parcels/{order}:parcel:shp:1/cancel")).raise_for_status()

    async with BookReader(
        provider=Address(provider.url, KEY), carrier=Address(carrier.url, KEY)
    ) as reader:
        parcels = {p.order_id: p for p in (await reader.read()).parcels}
    assert {order: p.is_live for order, p in parcels.items()} == {
        "ord_1": True,
        "ord_2": False,
        "ord_3": False,
    }
    assert parcels["ord_1"].tracking_number is not None
    assert parcels["ord_3"].tracking_number is None


async def test_a_refund_is_known_by_the_key_it_was_asked_with(provider: Program) -> None:
    payments = Payments(provider.url)
    intent = await payments.create(hold=False)
    await payments.intents.confirm_async(intent.id)
    for amount, metadata in ((100, {"refund_key": "ord_1:refund:rfd_1:1:hold"}), (50, {})):
        await payments.refunds.create_async(
            {"payment_intent": intent.id, "amount": amount, "metadata": metadata}
        )
    await payments.close()
    async with BookReader(provider=Address(provider.url, KEY), carrier=None) as reader:
        booked = {p.reference: p for p in (await reader.read()).payments}
    refunds = {refund.key: refund.amount for refund in booked[intent.id].refunds}
    assert refunds == {"ord_1:refund:rfd_1:1:hold": 100, None: 50}


async def test_everything_that_a_carrier_said_is_in_its_books(
    provider: Program, carrier: Program
) -> None:
    key = "ord_1:parcel:shp:1"
    async with httpx.AsyncClient(
        base_url=carrier.url, headers={"authorization": f"Bearer {KEY}"}
    ) as client:
        booking = {"service": "standard", "ship_to": {"country": "BR"}}
        number = (await client.put(f"/parcels/{key}", json=booking)).json()["tracking_number"]
        told = [
            (await client.post(f"/test/parcels/{number}/events", json={"status": status})).json()
            for status in ("picked_up", "delivered")
        ]
    async with BookReader(
        provider=Address(provider.url, KEY), carrier=Address(carrier.url, KEY)
    ) as reader:
        (parcel,) = (await reader.read()).parcels
    assert parcel.sightings is not None
    assert {said.id: said.status for said in parcel.sightings} == {
        told[0]["id"]: "picked_up",
        told[1]["id"]: "delivered",
    }


async def test_books_that_cannot_be_read_are_no_books(provider: Program) -> None:
    for address in (Address(nowhere(), KEY), Address(provider.url, "wrong")):
        async with BookReader(provider=address, carrier=None) as reader:
            with pytest.raises(ProviderUnavailable):
                await reader.read()


async def test_something_else_at_that_address_is_no_book(
    provider: Program, carrier: Program
) -> None:
    address = Address(carrier.url, KEY)
    async with BookReader(provider=address, carrier=None) as reader:
        with pytest.raises(ProviderUnavailable):
            await reader.read()
