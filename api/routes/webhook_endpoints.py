"""Where a tenant's events are sent: its endpoints and their secrets."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from adapters import webhooks
from adapters.egress import Egress, ForbiddenAddress, check_url
from adapters.postgres import webhook_endpoints as stored
from adapters.postgres.api_keys import OPS
from adapters.postgres.idempotency import Claim, claim_key, hash_body
from adapters.postgres.pool import reading, transaction
from adapters.postgres.webhook_endpoints import NewEndpoint, StoredEndpoint
from api.auth import Operator
from api.bodies import parse_body, read_body
from api.endpoint_models import (
    EndpointBody,
    EndpointList,
    EndpointView,
    RotationBody,
    SecretView,
    TestView,
)
from api.endpoints import (
    answer_with_endpoint,
    endpoint_id_of,
    find_endpoint,
    no_such_endpoint,
    read_change,
    render_endpoint,
    replayed,
)
from api.headers import IdempotencyKey
from api.openapi import make_router, operation
from api.problems import FieldError, Problem, invalid
from api.rendering import json_response
from api.services import services_of
from ordersaga import keys

router = make_router("webhook endpoints")


@router.post(
    "/webhook-endpoints",
    status_code=201,
    summary="Add an endpoint",
    **operation(
        {201: SecretView},
        scope=OPS,
        body=EndpointBody,
        has_key=True,
        refusals=["too_many_endpoints", "not_found"],  # what this key made was deleted since
    ),
)
async def add_webhook_endpoint(request: Request, caller: Operator, key: IdempotencyKey) -> Response:
    """It is told of what happens from now on, with a secret that is shown this once."""
    services = services_of(request)
    raw = await read_body(request)
    body = parse_body(EndpointBody, raw)
    try:
        check_url(body.url, allow_private=services.settings.webhooks_to_private)
    except ForbiddenAddress as error:
        raise invalid(FieldError("/url", str(error))) from None
    new = NewEndpoint(
        id=keys.new_id("whe"),
        tenant=caller.tenant,
        url=body.url,
        description=body.description,
        event_types=tuple(dict.fromkeys(body.event_types)),
        secret=webhooks.new_secret(),
    )
    claim = Claim(
        tenant=caller.tenant,
        route="POST /v1/webhook-endpoints",
        key=key,
        body_hash=hash_body(raw),
        resource=new.id,
    )
    try:
        async with transaction(services.pool) as connection:
            earlier = await claim_key(connection, claim)
            if earlier is None:
                await stored.add_endpoint(connection, new)
    except stored.TooManyEndpoints:
        raise Problem("too_many_endpoints", f"{stored.MOST_ENDPOINTS} are the most") from None
    endpoint = await find_endpoint(services, caller, earlier or new.id)
    return _answer_with_secret(endpoint, new.secret, status=201, is_replay=earlier is not None)


@router.get(
    "/webhook-endpoints",
    summary="All endpoints",
    **operation({200: EndpointList}, scope=OPS),
)
async def list_webhook_endpoints(request: Request, caller: Operator) -> Response:
    """Oldest first."""
    async with reading(services_of(request).pool) as connection:
        endpoints = await stored.list_endpoints(connection, tenant=caller.tenant)
    return json_response({"endpoints": [render_endpoint(endpoint) for endpoint in endpoints]})


@router.get(
    "/webhook-endpoints/{endpoint_id}",
    summary="One endpoint",
    **operation({200: EndpointView}, scope=OPS, refusals=["not_found"]),
)
async def get_webhook_endpoint(request: Request, caller: Operator, endpoint_id: str) -> Response:
    """Without its secret, which was shown where it was made."""
    return json_response(
        render_endpoint(await find_endpoint(services_of(request), caller, endpoint_id))
    )


@router.delete(
    "/webhook-endpoints/{endpoint_id}",
    status_code=204,
    summary="Delete an endpoint",
    **operation({}, scope=OPS, refusals=["not_found"]),
)
async def delete_webhook_endpoint(request: Request, caller: Operator, endpoint_id: str) -> Response:
    """With its secrets and all that waits for it."""
    endpoint_id = endpoint_id_of(endpoint_id)
    async with reading(services_of(request).pool) as connection:
        if not await stored.delete_endpoint(
            connection, tenant=caller.tenant, endpoint_id=endpoint_id
        ):
            raise no_such_endpoint()
    return Response(status_code=204)


@router.post(
    "/webhook-endpoints/{endpoint_id}/rotate-secret",
    summary="Make a new secret",
    **operation(
        {200: SecretView},
        scope=OPS,
        body=RotationBody,
        body_needed=False,
        has_key=True,
        refusals=["not_found"],
    ),
)
async def rotate_webhook_secret(
    request: Request, caller: Operator, key: IdempotencyKey, endpoint_id: str
) -> Response:
    """Each message has a signature by it from now on, and for a while one by each secret before it."""
    raw = await read_body(request)
    body = parse_body(RotationBody, raw or b"{}")
    change = await read_change(
        request, caller, key=key, endpoint_id=endpoint_id, move="rotate-secret", raw=raw
    )
    secret = webhooks.new_secret()
    earlier = await change.make(
        lambda connection: stored.rotate_secret(
            connection, change.endpoint.id, secret=secret, overlap_s=body.overlap_s
        )
    )
    return _answer_with_secret(change.endpoint, secret, is_replay=earlier is not None)


@router.post(
    "/webhook-endpoints/{endpoint_id}/enable",
    summary="Enable an endpoint",
    **operation({200: EndpointView}, scope=OPS, has_key=True, refusals=["not_found"]),
)
async def enable_webhook_endpoint(
    request: Request, caller: Operator, key: IdempotencyKey, endpoint_id: str
) -> Response:
    """What waited for it goes on its way; what happened meanwhile does not."""
    change = await read_change(request, caller, key=key, endpoint_id=endpoint_id, move="enable")
    earlier = await change.make(lambda connection: stored.enable(connection, change.endpoint.id))
    return await answer_with_endpoint(change, caller, is_replay=earlier is not None)


@router.post(
    "/webhook-endpoints/{endpoint_id}/disable",
    summary="Disable an endpoint",
    **operation({200: EndpointView}, scope=OPS, has_key=True, refusals=["not_found"]),
)
async def disable_webhook_endpoint(
    request: Request, caller: Operator, key: IdempotencyKey, endpoint_id: str
) -> Response:
    """It hears of nothing that happens from now on. What is on its way to it waits until it is enabled."""
    change = await read_change(request, caller, key=key, endpoint_id=endpoint_id, move="disable")
    earlier = await change.make(
        lambda connection: stored.disable(connection, change.endpoint.id, why="asked")
    )
    return await answer_with_endpoint(change, caller, is_replay=earlier is not None)


@router.post(
    "/webhook-endpoints/{endpoint_id}/test",
    summary="Send a test",
    **operation({200: TestView}, scope=OPS, has_key=True, refusals=["not_found"]),
)
async def test_webhook_endpoint(
    request: Request, caller: Operator, key: IdempotencyKey, endpoint_id: str
) -> Response:
    """Sends an `ordersaga.test` event now, also to one that is disabled, and says what came back. An equal
    request sends the same message again, under the same `webhook-id`.
    """
    change = await read_change(
        request,
        caller,
        key=key,
        endpoint_id=endpoint_id,
        move="test",
        resource=keys.new_id("evt"),
    )
    async with transaction(change.services.pool) as connection:
        earlier = await claim_key(connection, change.claim)
        signed_with = await stored.read_secrets(connection, change.endpoint.id)
    event_id = earlier or change.claim.resource
    async with Egress(allow_private=change.services.settings.webhooks_to_private) as egress:
        outcome = await webhooks.send(
            egress,
            change.endpoint.url,
            message_id=event_id,
            body=webhooks.test_body(event_id, tenant=caller.tenant),
            signed_with=signed_with,
        )
    return json_response(
        {
            "event_id": event_id,
            "delivered": outcome.is_taken,
            "http_status": outcome.http_status,
            "error": outcome.error,
            "excerpt": outcome.excerpt,
        },
        headers=replayed(earlier is not None),
    )


def _answer_with_secret(
    endpoint: StoredEndpoint, secret: str, *, is_replay: bool, status: int = 200
) -> Response:
    shown = {**render_endpoint(endpoint), "secret": None if is_replay else secret}
    return json_response(shown, status=status, headers=replayed(is_replay))
