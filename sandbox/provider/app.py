"""The provider's HTTP face: routes, bearer key, idempotency and faults around each call."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from sandbox.books import Books
from sandbox.deliveries import Deliveries, NoReceiver, Outlet, new_id, stripe_signer
from sandbox.faults import FaultBook, Verdict, delay_s
from sandbox.provider.calls import Call
from sandbox.provider.errors import BadKeyError, InjectedError, StripeError
from sandbox.provider.idempotency import IdempotencyKeys
from sandbox.provider.ledger import Ledger
from sandbox.provider.params import Params, fingerprint, read_params
from sandbox.provider.payers import Payers
from sandbox.provider.payments import Payments
from sandbox.provider.reading import Reading
from sandbox.provider.records import Reply
from sandbox.provider.refunds import Refunds
from sandbox.provider.stage import stage_routes
from sandbox.provider.versions import check_version
from sandbox.provider.wire import dumps
from sandbox.server import ConnectionDropped

SCHEMA = Path(__file__).with_name("schema.sql")

Endpoint = Callable[[Request], Awaitable[Response]]
Planner = Callable[[Request, Params], Call]
Reader = Callable[[Request, Params], Reply]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the program was started. `webhook` is (url, secret), or None to send no events."""

    books: Path
    key: str
    base_url: str
    webhook: tuple[str, str] | None
    forget_keys_after_s: float
    refuse_removed: bool


def build_app(settings: Settings) -> ASGIApp:
    """Open the books and wire the program. Raises OSError, sqlite3.Error, BooksVersionError."""
    books = Books(path=settings.books, schema=SCHEMA)
    outlet = _outlet(books, settings.webhook)
    fault_book = FaultBook(books)
    ledger = Ledger(books=books, outlet=outlet)
    payments = Payments(ledger=ledger, pay_url=f"{settings.base_url}/test/payers")
    refunds = Refunds(ledger=ledger, fault_book=fault_book)
    reading = Reading(ledger=ledger)
    desk = Desk(
        books=books,
        fault_book=fault_book,
        keys=IdempotencyKeys(books=books, forget_after_s=settings.forget_keys_after_s),
        bearer=f"Bearer {settings.key}",
        refuse_removed=settings.refuse_removed,
    )

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        async with outlet.sending():
            yield
        books.close()

    one = "/v1/payment_intents/{id}"
    routes = [
        desk.moves("/v1/payment_intents", lambda _r, p: payments.plan_create(p)),
        desk.moves(f"{one}/confirm", lambda r, p: payments.plan_confirm(_id(r), p)),
        desk.moves(f"{one}/capture", lambda r, p: payments.plan_capture(_id(r), p)),
        desk.moves(f"{one}/cancel", lambda r, p: payments.plan_cancel(_id(r), p)),
        desk.moves("/v1/refunds", lambda _r, p: refunds.plan_create(p)),
        desk.reads("/v1/payment_intents", lambda _r, p: reading.intents(p)),
        desk.reads(one, lambda r, p: reading.intent(_id(r), p)),
        desk.reads("/v1/refunds", lambda _r, p: reading.refunds(p)),
        desk.reads("/v1/refunds/{id}", lambda r, p: reading.refund(_id(r), p)),
        *stage_routes(
            books=books, ledger=ledger, payers=Payers(ledger=ledger), refunds=refunds, outlet=outlet
        ),
    ]
    # the bare router: Starlette's own error page would answer where a reply must be lost
    return Router(routes=routes, lifespan=lifespan)


def _id(request: Request) -> str:
    found: str = request.path_params["id"]
    return found


def _outlet(books: Books, webhook: tuple[str, str] | None) -> Outlet:
    if webhook is None:
        return NoReceiver()
    url, secret = webhook
    return Deliveries(books=books, url=url, signer=stripe_signer(secret))


class Desk:
    """Takes requests of Stripe's protocol: checks the key, applies faults, keeps answers."""

    def __init__(
        self,
        *,
        books: Books,
        fault_book: FaultBook,
        keys: IdempotencyKeys,
        bearer: str,
        refuse_removed: bool,
    ) -> None:
        self._books = books
        self._fault_book = fault_book
        self._keys = keys
        self._bearer = bearer.encode()
        self._refuse_removed = refuse_removed

    def reads(self, path: str, reader: Reader) -> Route:
        """A GET route."""

        async def endpoint(request: Request) -> Response:
            return _respond(reader(request, read_params(request.url.query.encode())))

        return Route(path, self._guarded(endpoint), methods=["GET"])

    def moves(self, path: str, planner: Planner) -> Route:
        """A POST route with idempotency keys and faults."""

        async def endpoint(request: Request) -> Response:
            params = read_params(await request.body())
            if self._refuse_removed:
                check_version(params, request.headers.get("stripe-version", ""))
            key = request.headers.get("idempotency-key")
            if key is None:
                return _respond(await self._run(planner(request, params), _keep_nothing))
            return await self._once(key, request, params, planner)

        return Route(path, self._guarded(endpoint), methods=["POST"])

    async def _once(self, key: str, request: Request, params: Params, planner: Planner) -> Response:
        path, print_ = request.url.path, fingerprint(params)

        def save(reply: Reply) -> None:
            self._keys.save(key, reply, path=path, fingerprint=print_)

        with self._keys.using(key):
            saved = self._keys.saved_reply(key, path=path, fingerprint=print_)
            if saved is not None:
                return _respond(saved, replayed=True)
            return _respond(await self._run(planner(request, params), save))

    async def _run(self, call: Call, save: Callable[[Reply], None]) -> Reply:
        """Do the call as its faults allow. Raises ConnectionDropped when no reply may be sent."""
        pause_s = delay_s(call.faults, call.operations)
        if pause_s:
            await asyncio.sleep(pause_s)
        with self._books.transaction():
            verdict = self._fault_book.meet(
                subject=call.subject, operations=call.operations, faults=call.faults
            )
            if not verdict.no_answer:
                reply = self._answer(call, verdict)
                if reply.saved:
                    save(reply)
        if verdict.no_answer or verdict.lose_reply:
            raise ConnectionDropped
        return reply

    def _answer(self, call: Call, verdict: Verdict) -> Reply:
        try:
            if verdict.error_status is not None:
                raise InjectedError(verdict.error_status)
            with self._books.savepoint():
                return call.act()
        except StripeError as error:
            return _refusal(error)

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            try:
                given = request.headers.get("authorization", "")
                if not hmac.compare_digest(given.encode(), self._bearer):
                    raise BadKeyError("Invalid API Key provided.")
                return await endpoint(request)
            except StripeError as error:
                return _respond(_refusal(error))

        return guarded


def _keep_nothing(_reply: Reply) -> None:
    """No idempotency key: the answer is not kept."""


def _refusal(error: StripeError) -> Reply:
    return Reply(error.status, dumps(error.body()), saved=error.saved)


def _respond(reply: Reply, *, replayed: bool = False) -> Response:
    headers = {"request-id": new_id("req")}
    if replayed:
        headers["idempotent-replayed"] = "true"
    return Response(
        reply.body, status_code=reply.status, headers=headers, media_type="application/json"
    )
