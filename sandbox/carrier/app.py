"""The carrier's HTTP face: routes, bearer key, and faults around each call."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from sandbox.books import Books
from sandbox.carrier.bodies import key_of, read, read_booking, read_sighting, text, whole_number
from sandbox.carrier.errors import BadKeyError, CarrierError, OutError, RefusedError
from sandbox.carrier.parcels import Parcel, Parcels, parcel_json
from sandbox.carrier.services import RESTORABLE, Operation, service_faults
from sandbox.deliveries import Deliveries, NoReceiver, Outlet, standard_signer
from sandbox.faults import Fault, FaultBook, Kind, delay_s, fault_for
from sandbox.server import ConnectionDropped

SCHEMA = Path(__file__).with_name("schema.sql")
DEFAULT_LIMIT = 100  # parcels of a page
LARGEST_LIMIT = 1000  # parcels of a page
REFUSAL_STATUS = {Operation.BOOK: 422, Operation.RELEASE: 409}

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the program was started. `webhook` is (url, secret), or None to send no events."""

    books: Path
    key: str
    webhook: tuple[str, str] | None


def build_app(settings: Settings) -> ASGIApp:
    """Open the books and wire the program.

    Raises OSError, sqlite3.Error, BooksVersionError, and ValueError for a bad webhook secret.
    """
    books = Books(path=settings.books, schema=SCHEMA)
    outlet = _outlet(books, settings.webhook)
    desk = Desk(
        books=books,
        fault_book=FaultBook(books),
        parcels=Parcels(books=books, outlet=outlet),
        outlet=outlet,
    )

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        async with outlet.sending():
            yield
        books.close()

    bearer = f"Bearer {settings.key}".encode()
    routes = [
        Route("/parcels", _guarded(desk.list_all, bearer)),
        Route("/parcels/{key}", _guarded(desk.retrieve, bearer)),
        Route("/parcels/{key}", _guarded(desk.book, bearer), methods=["PUT"]),
        Route("/parcels/{key}/release", _guarded(desk.release, bearer), methods=["POST"]),
        Route("/parcels/{key}/cancel", _guarded(desk.cancel, bearer), methods=["POST"]),
        Route("/test/parcels/{number}/events", _guarded(desk.play, None), methods=["POST"]),
        Route("/test/cancels/restore", _guarded(desk.restore_cancels, None), methods=["POST"]),
        Route("/test/releases/restore", _guarded(desk.restore_releases, None), methods=["POST"]),
        Route("/test/deliveries", _guarded(desk.deliveries, None)),
        Route("/healthz", _healthy),
    ]
    # the bare router: Starlette's own error page would answer where a reply must be lost
    return Router(routes=routes, lifespan=lifespan)


def _outlet(books: Books, webhook: tuple[str, str] | None) -> Outlet:
    if webhook is None:
        return NoReceiver()
    url, secret = webhook
    return Deliveries(books=books, url=url, signer=standard_signer(secret))


class Desk:
    """The carrier's endpoints."""

    def __init__(
        self, *, books: Books, fault_book: FaultBook, parcels: Parcels, outlet: Outlet
    ) -> None:
        self._books = books
        self._fault_book = fault_book
        self._parcels = parcels
        self._outlet = outlet

    async def book(self, request: Request) -> Response:
        """PUT /parcels/{key}: 201 when new, 200 when repeated."""
        key = key_of(request)
        booking = await read_booking(request)
        known = self._parcels.find(key) is not None
        parcel = await self._run(
            key,
            Operation.BOOK,
            service_faults(booking.service),
            lambda: self._parcels.book(key, booking),
        )
        return _json(parcel_json(parcel), status=200 if known else 201)

    async def release(self, request: Request) -> Response:
        """POST /parcels/{key}/release: the parcel is ready, come and take it."""
        key = key_of(request)
        await read(request)
        faults = service_faults(self._parcels.get(key).service)
        parcel = await self._run(key, Operation.RELEASE, faults, lambda: self._parcels.release(key))
        return _json(parcel_json(parcel))

    async def cancel(self, request: Request) -> Response:
        """POST /parcels/{key}/cancel: a key never seen becomes a tombstone."""
        key = key_of(request)
        await read(request)
        found = self._parcels.find(key)
        faults = service_faults(found.service if found else None)
        parcel = await self._run(key, Operation.CANCEL, faults, lambda: self._parcels.cancel(key))
        return _json(parcel_json(parcel))

    async def retrieve(self, request: Request) -> Response:
        """GET /parcels/{key}: with everything said about it."""
        return _json(self._with_events(self._parcels.get(key_of(request))))

    async def list_all(self, request: Request) -> Response:
        """GET /parcels?limit&after&expand: tombstones too, oldest first; `after` is the last key.

        expand=events: each with everything said about it.
        """
        limit = whole_number(request, "limit", default=DEFAULT_LIMIT, most=LARGEST_LIMIT)
        found = self._parcels.page(after=request.query_params.get("after"), most=limit + 1)
        with_events = request.query_params.get("expand") == "events"
        shown = self._with_events if with_events else parcel_json
        return _json(
            {"data": [shown(parcel) for parcel in found[:limit]], "has_more": len(found) > limit}
        )

    async def play(self, request: Request) -> Response:
        """POST /test/parcels/{tracking_number}/events: the carrier says something."""
        number: str = request.path_params["number"]
        sighting = await read_sighting(request)
        with self._books.transaction():
            message_id = self._parcels.sight(number, sighting)
        shown = parcel_json(self._parcels.by_number(number))
        return _json({"id": message_id, "parcel": shown}, status=201)

    async def restore_cancels(self, request: Request) -> Response:
        """POST /test/cancels/restore {"key"?}: cancels that were unavailable work again."""
        return await self._restore(request, Operation.CANCEL)

    async def restore_releases(self, request: Request) -> Response:
        """POST /test/releases/restore {"key"?}: releases that were unavailable work again."""
        return await self._restore(request, Operation.RELEASE)

    async def deliveries(self, _request: Request) -> Response:
        """GET /test/deliveries: how many webhooks wait and how many were taken."""
        waiting, delivered = self._outlet.count()
        return _json({"waiting": waiting, "delivered": delivered})

    def _with_events(self, parcel: Parcel) -> dict[str, object]:
        return {**parcel_json(parcel), "events": self._parcels.events(parcel)}

    async def _restore(self, request: Request, operation: Operation) -> Response:
        key = text(await read(request, "key"), "key")
        with self._books.transaction():
            if key is None:
                keys = self._parcels.keys_with_service(RESTORABLE[operation])
            else:
                keys = [self._parcels.get(key).key]
            for found in keys:
                self._fault_book.restore(subject=found, operations=(operation,))
        return _json({"restored": len(keys)})

    async def _run(
        self,
        key: str,
        operation: Operation,
        faults: tuple[Fault, ...],
        act: Callable[[], Parcel],
    ) -> Parcel:
        """Do it as the faults allow.

        Raises CarrierError, and ConnectionDropped when no reply may be sent.
        """
        pause_s = delay_s(faults, (operation,))
        if pause_s:
            await asyncio.sleep(pause_s)
        with self._books.transaction():  # a verdict alone is kept too: it counted a try
            verdict = self._fault_book.meet(subject=key, operations=(operation,), faults=faults)
            if not verdict.prevents:
                outcome = self._act(operation, faults, act)
        if verdict.no_answer or verdict.lose_reply:
            raise ConnectionDropped
        if verdict.error_status is not None:
            raise OutError(verdict.error_status)
        if isinstance(outcome, CarrierError):
            raise outcome
        return outcome

    def _act(
        self, operation: Operation, faults: tuple[Fault, ...], act: Callable[[], Parcel]
    ) -> Parcel | CarrierError:
        refusal = fault_for(faults, Kind.REFUSE, operation)
        try:
            with self._books.savepoint():
                done = act()
                if refusal is not None:  # after the act: a canceled parcel's own no comes first
                    raise RefusedError(
                        f"the carrier does not {operation.value} this parcel",
                        status=REFUSAL_STATUS[operation],
                        code=refusal.reason,
                    )
                return done
        except CarrierError as error:
            return error


def _guarded(endpoint: Endpoint, bearer: bytes | None) -> Endpoint:
    """Check the bearer key (None: no key needed) and answer a CarrierError."""

    async def guarded(request: Request) -> Response:
        try:
            given = request.headers.get("authorization", "").encode()
            if bearer is not None and not hmac.compare_digest(given, bearer):
                raise BadKeyError
            return await endpoint(request)
        except CarrierError as error:
            return _json(error.body(), status=error.status)

    return guarded


async def _healthy(_request: Request) -> Response:
    return _json({"status": "ok"})


def _json(value: dict[str, object], *, status: int = 200) -> Response:
    body = json.dumps(value, separators=(",", ":"))
    return Response(body, status_code=status, media_type="application/json")
