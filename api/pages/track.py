"""The buyer's page of an order: opened by a signed link, without a key, a login or a cookie."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

import structlog
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from adapters.mail.figures import LANGUAGES
from adapters.postgres.idempotency import IdempotencyMismatch, RequestInFlight
from adapters.postgres.orders import read_events, read_order
from adapters.postgres.pool import reading
from adapters.postgres.shipping import read_tracking
from adapters.postgres.streams import find_tenant, find_version
from api.asking import Ask, find_terms
from api.bodies import parse_body, read_body
from api.following import follow_changes
from api.live import Visitor
from api.models import MAX_POSITION, CancelBody, ReceiptBody, ReturnBody, ReviewBody, Strict
from api.pages import site
from api.pages.track_arrival import expected_of
from api.pages.track_forms import (
    CANCEL_REASONS,
    MAX_FORM_BYTES,
    MAX_NOTE,
    RETURN_REASONS,
    TAKE,
    Form,
    Wrong,
    body_of,
    key_of,
    new_key,
    parse_form,
)
from api.pages.track_said import true_word
from api.pages.track_view import FORMS, Looked, expected_in_words, view_of
from api.pages.track_words import Speaker, speaker_for, words_in
from api.problems import Problem
from api.routes.receipts import note_receipt, note_review
from api.routes.requests import cancel
from api.routes.returns import begin_return
from api.routes.streams import LiveResponse
from api.services import Services, services_of
from api.waiting import Patience
from ordersaga.errors import IllegalMove, Unavailable
from ordersaga.lifecycle import FINAL

log = structlog.get_logger(__name__)

BUYER: Final = "buyer"  # who asks, in history: whoever has the link
CANCEL_PATIENCE_S: Final = 4.0  # a carrier answers within; else the page says that we wait
NO_SITE: Final = frozenset({"same-origin", "none"})  # what a browser says of our own forms
SAID: Final = "said"
WISH: Final = "lang"
ONLY_READ: Final = "read"  # the page without its forms: for who is not the buyer


class PageRoute(APIRoute):
    """Says no in the reader's own language."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_or_refuse(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                return _refusal(request, problem)
            except Unavailable as error:
                log.warning("request.unavailable", error=str(error))
                return _refusal(request, Problem("unavailable", "try again in a moment"))

        return handle_or_refuse


router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.api_route("/track/{token}", methods=["GET", "HEAD"])
async def show_order(request: Request, token: str) -> Response:
    """The page; with `said`, what became of a form."""
    looked = await _look(request, token)
    said = true_word(request.query_params.get(SAID, ""), looked)
    speaker = _speaker(request, looked)
    return _page(request, token, looked, speaker, said=speaker.words.said.get(said, ""))


@router.get("/track/{token}/stream")
async def stream_order(request: Request, token: str) -> Response:
    """That something happened, as it happens: whoever hears it reads the page again."""
    services = services_of(request)
    order_id = _order_of(services, token)
    services.links.take(order_id)
    asked = request.headers.get("last-event-id") or request.query_params.get("known", "0")
    known = int(asked) if asked.isdecimal() and len(asked) < len(str(MAX_POSITION)) else 0
    async with reading(services.pool) as connection:
        tenant = await find_tenant(connection, order_id=order_id)
        if tenant is None:
            raise _no_such_page()
        version = await find_version(connection, tenant=tenant, order_id=order_id)
    visitor = Visitor(order_id)
    services.live.admit(visitor)
    # The hub goes on from what its first listener knows: nobody may know more than has happened.
    events = follow_changes(services, order_id, known=min(known, version or 0))
    return LiveResponse(events, hub=services.live, caller=visitor)


@router.get("/track/{token}/{action}")
async def show_order_again(request: Request, token: str, action: str) -> Response:
    """Who opens anew where a form was answered is led back to the page."""
    _order_of(services_of(request), token)
    if action not in MOVES:
        raise _no_such_page()
    return _to_page(request)


@router.post("/track/{token}/{action}")
async def send_form(request: Request, token: str, action: str) -> Response:
    """The same move as the API's, by the same code; then the page again."""
    if request.headers.get("sec-fetch-site", "none") not in NO_SITE:
        raise Problem("forbidden", "the form was sent from another site")
    move = MOVES.get(action)
    if move is None:
        raise _no_such_page()
    looked = await _look(request, token)
    raw = await read_body(request, most_bytes=MAX_FORM_BYTES)
    form = parse_form(raw, request.headers.get("content-type", ""))
    try:
        said = await _move(services_of(request), looked, action, move, form)
    except Wrong as wrong:
        speaker = _speaker(request, looked)
        told = Filled(action, speaker.words.wrong[wrong.word], form)
        return _page(request, token, looked, speaker, filled=told)
    return _to_page(request, said)


# --- What a form does -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Move:
    """The API's own. `make`: makes it, and tells by which word to say what became of it."""

    model: type[Strict]
    make: Callable[[Ask[Any]], Awaitable[str]]


async def _receive(ask: Ask[ReceiptBody]) -> str:
    await note_receipt(ask)
    return "received"


async def _review(ask: Ask[ReviewBody]) -> str:
    await note_review(ask)
    return "reviewed"


async def _return(ask: Ask[ReturnBody]) -> str:
    await begin_return(ask)
    return "return_asked"


async def _cancel(ask: Ask[CancelBody]) -> str:
    order, answer, _ = await cancel(ask, Patience.of(CANCEL_PATIENCE_S))
    if answer == "refused":
        return "cancel_refused"
    return "canceled" if answer == "accepted" and order.status in FINAL else "cancel_asked"


MOVES: Final[Mapping[str, Move]] = {
    "receive": Move(ReceiptBody, _receive),
    "review": Move(ReviewBody, _review),
    "return": Move(ReturnBody, _return),
    "cancel": Move(CancelBody, _cancel),
}


async def _move(services: Services, looked: Looked, action: str, move: Move, form: Form) -> str:
    """Which word says what became of it. Raises `Wrong`."""
    key, raw = key_of(form), body_of(action, form)
    order_id = looked.order.id
    try:
        return await move.make(
            Ask(
                services=services,
                tenant=looked.tenant,
                by=BUYER,
                order_id=order_id,
                move=FORMS[action],
                key=key,
                raw=raw,
                body=parse_body(move.model, raw),
                terms=await find_terms(services, tenant=looked.tenant, order_id=order_id),
            )
        )
    except IllegalMove:
        return "too_late"
    except RequestInFlight:
        return "working"
    except IdempotencyMismatch:
        return "again"
    except Problem as problem:
        return _in_words(problem)


def _in_words(problem: Problem) -> str:
    """Of what the API says no to; raises `Wrong` where its sender can mend it."""
    match problem.kind.code:
        case "return_window_over":
            return "too_late"
        case "card_number":
            raise Wrong("card_number") from None
        case "invalid_request":
            is_count = any(error.pointer.endswith("/quantity") for error in problem.errors)
            raise Wrong("too_many" if is_count else "invalid") from None
    raise problem


# --- What is shown --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filled:
    """A form that could not be taken, why, and what was in it."""

    action: str
    wrong: str
    form: Form


NOT_FILLED: Final = Filled("", "", {})


def _page(
    request: Request,
    token: str,
    looked: Looked,
    speaker: Speaker,
    *,
    said: str = "",
    filled: Filled = NOT_FILLED,
) -> Response:
    settings = services_of(request).settings
    view = view_of(looked, speaker, settings)
    if ONLY_READ in request.query_params:
        view = replace(view, forms=())
    path = f"/track/{quote(token, safe='')}"
    return site.page(
        "track/order.html",
        language=speaker.reader.language,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if filled.wrong else HTTPStatus.OK,
        speaker=speaker,
        say=speaker.say,
        words=speaker.words,
        shop_name=settings.shop_name,
        view=view,
        expected=expected_in_words(view, speaker),
        path=path,
        query=f"?{urlencode(_wish(request))}" if _wish(request) else "",
        languages={tag: words_in(tag).language for tag in LANGUAGES},
        in_language=lambda tag: f"{path}?{urlencode({**_wish(request), WISH: tag})}",
        said=said,
        filled=filled,
        new_key=new_key,
        take=TAKE,
        most_note=MAX_NOTE,
        cancel_reasons=CANCEL_REASONS,
        return_reasons=RETURN_REASONS,
    )


def _refusal(request: Request, problem: Problem) -> Response:
    speaker = speaker_for(
        wish=request.query_params.get(WISH),
        customers=None,
        accepts=request.headers.get("accept-language", ""),
    )
    reasons = speaker.words.problem
    headers = dict(problem.headers)
    if problem.kind.retry_after_s is not None:
        headers["Retry-After"] = str(problem.kind.retry_after_s)
    return site.page(
        "track/refusal.html",
        language=speaker.reader.language,
        status=problem.kind.status,
        headers=headers,
        say=speaker.say,
        reason=reasons.get(problem.kind.code, reasons["other"]),
        shop_name=services_of(request).settings.shop_name,
    )


async def _look(request: Request, token: str) -> Looked:
    """What the link's order is now; a 404 where it is nobody's."""
    services = services_of(request)
    order_id = _order_of(services, token)
    services.links.take(order_id)
    async with reading(services.pool) as connection:
        tenant = await find_tenant(connection, order_id=order_id)
        if tenant is None:
            raise _no_such_page()
        order = await read_order(connection, tenant=tenant, order_id=order_id)
        events = await read_events(connection, tenant=tenant, order_id=order_id)
        sightings = await read_tracking(connection, tenant=tenant, order_id=order_id)
    assert order is not None, "an order is never deleted"
    looked = Looked(
        tenant=tenant, order=order, events=events, sightings=sightings or (), expected=None
    )
    return replace(looked, expected=await expected_of(services, tenant, order))


def _order_of(services: Services, token: str) -> str:
    order_id = services.track_links.order_of(token)
    if order_id is None:
        raise _no_such_page()
    return order_id


def _speaker(request: Request, looked: Looked) -> Speaker:
    return speaker_for(
        wish=request.query_params.get(WISH),
        customers=(looked.order.customer or {}).get("locale"),
        accepts=request.headers.get("accept-language", ""),
    )


def _to_page(request: Request, said: str = "") -> Response:
    """From one of its forms; `said`: what became of it."""
    asked = urlencode({**({SAID: said} if said else {}), **_wish(request)})
    where = request.url.path.rpartition("/")[0] + (f"?{asked}" if asked else "")
    mark = "#said" if said else ""
    return RedirectResponse(quote(where, safe="/?=&") + mark, HTTPStatus.SEE_OTHER)


def _wish(request: Request) -> dict[str, str]:
    """What every look of this visitor has: the language that he chose, and that he only reads."""
    wish = request.query_params.get(WISH)
    return {
        **({ONLY_READ: "1"} if ONLY_READ in request.query_params else {}),
        **({WISH: wish} if wish in LANGUAGES else {}),
    }


def _no_such_page() -> Problem:
    """The same words whether it was made up, was signed with another secret, or has no order."""
    return Problem("not_found", "this is no link of ours")
