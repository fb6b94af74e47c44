"""The /test routes, no key needed: they play payers and banks, and tell how the sandbox is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sandbox.books import Books
from sandbox.deliveries import Outlet
from sandbox.json_body import BodyError, count_field, read_object, text_field
from sandbox.provider.errors import RequestError, StripeError
from sandbox.provider.ledger import Ledger
from sandbox.provider.payers import Payers
from sandbox.provider.records import Intent
from sandbox.provider.refunds import Refunds
from sandbox.provider.wire import dumps, intent_json, list_json

LONGEST_TEXT = 255  # characters of an id or a reason
FORM = "application/x-www-form-urlencoded"  # what the payer's page posts: no fields

Endpoint = Callable[[Request], Awaitable[Response]]


def stage_routes(
    *, books: Books, ledger: Ledger, payers: Payers, refunds: Refunds, outlet: Outlet
) -> list[Route]:
    """The routes of the stage, and /healthz."""

    async def pay(request: Request) -> Response:
        body = await _body(request, "amount")
        with books.transaction():
            paid = payers.pay(request.path_params["id"], amount=count_field(body, "amount"))
        return _shown(request, paid)

    async def fail(request: Request) -> Response:
        await _body(request)
        with books.transaction():
            failed = payers.fail(request.path_params["id"])
        return _shown(request, failed)

    async def waiting(_request: Request) -> Response:
        data = [intent_json(intent) for intent in ledger.waiting()]
        return _json(list_json(url="/test/payers/waiting", data=data, has_more=False))

    async def page(request: Request) -> Response:
        return HTMLResponse(payers.page(request.path_params["id"]))

    async def dispute(request: Request) -> Response:
        body = await _body(request, "amount", "reason")
        amount = count_field(body, "amount")
        reason = text_field(body, "reason", longest=LONGEST_TEXT)
        with books.transaction():
            found = payers.dispute(request.path_params["id"], amount=amount, reason=reason)
        return _json(found)

    async def restore(request: Request) -> Response:
        body = await _body(request, "payment_intent")
        with books.transaction():
            count = refunds.restore(text_field(body, "payment_intent", longest=LONGEST_TEXT))
        return _json({"restored": count})

    async def deliveries(_request: Request) -> Response:
        waiting_count, delivered = outlet.count()
        return _json({"waiting": waiting_count, "delivered": delivered})

    async def health(_request: Request) -> Response:
        return _json({"status": "ok"})

    return [
        Route("/healthz", health),
        Route("/test/payers/waiting", waiting),
        Route("/test/payers/{id}", _guarded(page)),
        Route("/test/payers/{id}/pay", _guarded(pay), methods=["POST"]),
        Route("/test/payers/{id}/fail", _guarded(fail), methods=["POST"]),
        Route("/test/disputes/{id}", _guarded(dispute), methods=["POST"]),
        Route("/test/refunds/restore", _guarded(restore), methods=["POST"]),
        Route("/test/deliveries", deliveries),
    ]


def _guarded(endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except BodyError as error:
            return _json(RequestError(str(error)).body(), status=400)
        except StripeError as error:
            return _json(error.body(), status=error.status)

    return guarded


async def _body(request: Request, *known: str) -> dict[str, object]:
    if _from_page(request):
        return {}
    return await read_object(request, *known)


def _from_page(request: Request) -> bool:
    """Whether a button of the payer's page was pressed: an empty form."""
    is_form = request.headers.get("content-type", "").startswith(FORM)
    return is_form and request.headers.get("content-length", "0") == "0"


def _shown(request: Request, intent: Intent) -> Response:
    if _from_page(request):  # a person pressed the button: show the page again
        return Response(status_code=303, headers={"location": f"/test/payers/{intent.id}"})
    return _json(intent_json(intent))


def _json(value: dict[str, object], *, status: int = 200) -> Response:
    return Response(dumps(value), status_code=status, media_type="application/json")
