"""One order's page: its saga as it ran, its history, its books; and what may be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from adapters.postgres.console_order import read_books
from adapters.postgres.orders import read_events
from adapters.postgres.pool import reading
from adapters.postgres.shipping import read_tracking
from api import outlook
from api.pages.analytics import find_forecast
from api.pages.console import drawing, moves
from api.pages.console.refusals import REFUSALS, words_of
from api.pages.console.saga import trace
from api.pages.console.session import FromForm, Posted, Session, SignedIn
from api.pages.console.shell import console_page
from api.pages.track import ONLY_READ
from api.problems import Problem
from api.services import services_of
from api.waiting import find_order, order_id_of
from ordersaga import keys
from ordersaga.errors import EngineUnavailable
from ordersaga.lifecycle import FINAL, allowed_return_requests

router = APIRouter(include_in_schema=False)

LIVE_EVERY_S: Final = 2
RESTING_EVERY_S: Final = 20  # an order that is over may still have returns

# What a page says after a move that was made: the address names it, and no words of anybody.
DONE: Final = {
    "release": "It goes on.",
    "hold": "It is held.",
    "accept": "Accepted.",
    "decline": "Declined.",
    "ship": "Handed over.",
    "confirm-receipt": "The receipt is confirmed.",
    "refunds": "The refund is on its way.",
    "cancel": "The cancel is asked for.",
    "attention": "Your answer is on its way to the step.",
    "returns": "The return is answered.",
}

REFILLED: Final = ("reason", "amount", "tracking_number")


@dataclass(frozen=True)
class Refused:
    """A form that was not taken: which one, and what was in it."""

    form: str
    filled: Mapping[str, str]

    def text(self, form: str, name: str) -> str:
        return self.filled[name] if form == self.form else ""


NOTHING_REFUSED: Final = Refused("", {})


@router.get("/console/orders/{order_id}")
async def get_order(request: Request, session: SignedIn, order_id: str, done: str = "") -> Response:
    return await _show(request, session, order_id, said=DONE.get(done, ""))


@router.post("/console/orders/{order_id}/returns/{return_id}/{word}")
async def post_return(
    request: Request, posted: FromForm, order_id: str, return_id: str, word: str
) -> Response:
    if word not in ("approve", "decline", "receive"):
        raise Problem("not_found", "there is no such move")
    try:
        await moves.answer_return(services_of(request), posted, order_id, return_id, word)
    except REFUSALS as error:
        return await _complain(request, posted, order_id, f"{return_id}-{word}", error)
    return _done(order_id, "returns")


@router.post("/console/orders/{order_id}/{move}")
async def post_move(request: Request, posted: FromForm, order_id: str, move: str) -> Response:
    """Back to the page it was on; with what is wrong, where something is."""
    try:
        await moves.make_move(services_of(request), posted, order_id, move)
    except REFUSALS as error:
        return await _complain(request, posted, order_id, move, error)
    return _done(order_id, move)


def _done(order_id: str, move: str) -> Response:
    return RedirectResponse(f"/console/orders/{order_id}?done={move}", HTTPStatus.SEE_OTHER)


async def _complain(
    request: Request, posted: Posted, order_id: str, form: str, error: Exception
) -> Response:
    """The order's page with what is wrong, and the form as it was filled in."""
    if isinstance(error, Problem) and error.kind.status in (
        HTTPStatus.NOT_FOUND,
        HTTPStatus.TOO_MANY_REQUESTS,
    ):
        raise error
    status, words = words_of(error)
    refused = Refused(form, {name: posted.text(name) for name in REFILLED})
    return await _show(
        request, posted.session, order_id, complaint=words, status=status, refused=refused
    )


async def _show(
    request: Request,
    session: Session,
    order_id: str,
    *,
    said: str = "",
    complaint: str = "",
    status: int = HTTPStatus.OK,
    refused: Refused = NOTHING_REFUSED,
) -> Response:
    services, tenant = services_of(request), session.tenant
    order = await find_order(services, tenant=tenant, order_id=order_id_of(order_id))
    async with reading(services.pool) as connection:
        events = await read_events(connection, tenant=tenant, order_id=order.id)
        books = await read_books(connection, tenant=tenant, order_id=order.id)
        sightings = await read_tracking(connection, tenant=tenant, order_id=order.id)
    try:
        attempts = await services.workflows.attempts(order.id)
    except EngineUnavailable:
        attempts = None
    saga = trace(order, books, events, attempts)
    pages = services.workflow_pages
    return console_page(
        session,
        "order.html",
        here="orders",
        status=status,
        said=said,
        complaint=complaint,
        refused=refused,
        look_at=f"/console/orders/{order.id}" if refused.form else "",
        order=order,
        events=events,
        books=books,
        references={each.id: each for each in books.references},
        sightings=sightings or (),
        saga=saga,
        drawing=drawing.draw(saga),
        picture=drawing,
        forecast=None
        if order.status in FINAL
        else await find_forecast(services, tenant=tenant, order_id=order.id),
        waits_for=outlook.waiting_for(order),
        deadline=outlook.deadline(order),
        offered=moves.offered(order, session, return_window_s=services.settings.return_window_s),
        answers={r.id: allowed_return_requests(order.status, r.status) for r in order.returns},
        new_key=moves.new_key,
        workflow=f"{pages}/{keys.workflow_id(order.id)}" if pages else None,
        buyers_page=_to_read(services.track_links.url(order.id)),
        every_s=RESTING_EVERY_S if order.status in FINAL else LIVE_EVERY_S,
    )


def _to_read(buyers_page: str | None) -> str | None:
    """Without its forms: what an operator does has his name and his reason."""
    return f"{buyers_page}?{ONLY_READ}=1" if buyers_page else None
