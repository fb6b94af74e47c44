"""What goes to others: webhook deliveries, and events that a sink does not take; sent again, or let go."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final, get_args

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from adapters.postgres import outbox
from adapters.postgres.console import list_parked
from adapters.postgres.idempotency import Claim, claim_key, hash_body
from adapters.postgres.pool import reading, transaction
from adapters.postgres.sessions import add_act
from adapters.postgres.webhook_endpoints import (
    LAST_NUMBER,
    DeliveryStatus,
    StoredDelivery,
    list_deliveries,
    list_endpoints,
)
from api.asking import find_terms
from api.endpoints import read_change
from api.models import MAX_ID
from api.pages.console.moves import key_of, new_key, reason_of
from api.pages.console.refusals import REFUSALS, words_of
from api.pages.console.session import FromForm, Posted, Session, SignedIn
from api.pages.console.shell import console_page
from api.problems import Problem
from api.routes.webhook_deliveries import replay, replay_of
from api.services import services_of

router = APIRouter(include_in_schema=False)

PAGE: Final = 50
MOST_PARKED: Final = 200
STATUSES: Final = get_args(DeliveryStatus)
DONE: Final = {
    "replay": "It is sent again.",
    "retry": "It is tried again now.",
    "skip": "That sink will not hear of it.",
}

Text = Annotated[str, Query(max_length=MAX_ID)]


@router.get("/console/deliveries")
async def get_deliveries(
    request: Request,
    session: SignedIn,
    endpoint: Text = "",
    status: Text = "",
    before: Text = "",
    done: Text = "",
) -> Response:
    return await _show(
        request, session, endpoint=endpoint, status=status, before=before, said=DONE.get(done, "")
    )


@router.post("/console/deliveries/{endpoint_id}/{event_id}/replay")
async def post_replay(
    request: Request, posted: FromForm, endpoint_id: str, event_id: str
) -> Response:
    try:
        reason = reason_of(posted)
        change = await read_change(
            request,
            posted.session.stored.key,
            key=key_of(posted),
            endpoint_id=endpoint_id,
            move=replay_of(event_id),
            beside=lambda connection: add_act(
                connection,
                posted.session.stored,
                act="webhook/replay",
                order_id=event_id.partition(":")[0],
                subject=f"{event_id.partition(':')[2]} to {endpoint_id}",
                reason=reason,
            ),
        )
        await replay(change, event_id)
    except REFUSALS as error:
        return await _complain(request, posted.session, error, endpoint=endpoint_id)
    return _done("replay", endpoint_id)


@router.post("/console/parked/{sink}/{order_id}/{sequence}/{word}")
async def post_parked(
    request: Request, posted: FromForm, sink: str, order_id: str, sequence: int, word: str
) -> Response:
    """`retry`: now, not when its time comes. `skip`: that sink never hears of this event."""
    if word not in ("retry", "skip"):
        raise Problem("not_found", "there is no such move")
    try:
        await _answer_parked(request, posted, sink, order_id, sequence, word)
    except REFUSALS as error:
        return await _complain(request, posted.session, error)
    return _done(word)


async def _answer_parked(
    request: Request, posted: Posted, sink: str, order_id: str, sequence: int, word: str
) -> None:
    services, session, reason = services_of(request), posted.session, reason_of(posted)
    await find_terms(services, tenant=session.tenant, order_id=order_id)
    claim = Claim(
        tenant=session.tenant,
        route=f"POST /console/parked/{sink}/{order_id}/{sequence}/{word}",
        key=key_of(posted),
        body_hash=hash_body(reason.encode()),
        resource=order_id,
    )
    async with transaction(services.pool) as connection:
        if await claim_key(connection, claim) is not None:
            return
        if word == "skip":
            found = await outbox.skip(
                connection, sink, order_id, sequence=sequence, note=f"{session.by}: {reason}"
            )
        else:
            found = await outbox.try_now(connection, sink, order_id)
        if not found:
            raise Problem("not_found", "that event does not wait for that sink any more")
        await add_act(
            connection,
            session.stored,
            act=f"event/{word}",
            order_id=order_id,
            subject=f"{sequence} to {sink}",
            reason=reason,
        )


def _done(word: str, endpoint_id: str = "") -> Response:
    endpoint = f"&endpoint={endpoint_id}" if endpoint_id else ""
    return RedirectResponse(f"/console/deliveries?done={word}{endpoint}", HTTPStatus.SEE_OTHER)


async def _complain(
    request: Request, session: Session, error: Exception, *, endpoint: str = ""
) -> Response:
    status, words = words_of(error)
    return await _show(request, session, endpoint=endpoint, complaint=words, http_status=status)


async def _show(
    request: Request,
    session: Session,
    *,
    endpoint: str = "",
    status: str = "",
    before: str = "",
    said: str = "",
    complaint: str = "",
    http_status: int = HTTPStatus.OK,
) -> Response:
    chosen = next((each for each in STATUSES if each == status), None)
    async with reading(services_of(request).pool) as connection:
        endpoints = await list_endpoints(connection, tenant=session.tenant)
        shown = next((e for e in endpoints if e.id == endpoint), None)
        if shown is None and endpoints:
            shown = endpoints[0]
        found: tuple[StoredDelivery, ...] = ()
        if shown is not None:
            found = await list_deliveries(
                connection,
                shown.id,
                status=chosen,
                order_id=None,
                before=int(before) if before.isdecimal() and len(before) < 19 else LAST_NUMBER,
                limit=PAGE + 1,
            )
        parked = await list_parked(connection, tenant=session.tenant, limit=MOST_PARKED)
    older = None
    if shown is not None and len(found) > PAGE:
        older = (
            f"/console/deliveries?endpoint={shown.id}&status={chosen or ''}"
            f"&before={found[PAGE - 1].number}"
        )
    return console_page(
        session,
        "deliveries.html",
        here="deliveries",
        status=http_status,
        said=said,
        complaint=complaint,
        look_at="/console/deliveries" if complaint else "",
        endpoints=endpoints,
        shown=shown,
        statuses=STATUSES,
        chosen=chosen or "",
        deliveries=found[:PAGE],
        parked=parked,
        older=older,
        new_key=new_key,
    )
