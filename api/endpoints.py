"""What every request about an endpoint does: finds it, changes it once for its key, answers with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.api_keys import ApiKey
from adapters.postgres.idempotency import Claim, claim_key, hash_body
from adapters.postgres.pool import Connection, reading, transaction
from adapters.postgres.webhook_endpoints import StoredEndpoint, read_endpoint
from api.ids import ENDPOINT_ID
from api.problems import Problem
from api.rendering import json_response
from api.services import Services, services_of


@dataclass(frozen=True, kw_only=True)
class Change:
    """One POST to an endpoint that is there."""

    services: Services
    endpoint: StoredEndpoint
    claim: Claim
    beside: Callable[[Connection], Awaitable[object]] | None = (
        None  # written in its transaction, too
    )

    async def make(self, write: Callable[[Connection], Awaitable[object]]) -> str | None:
        """Writes it once. None: now; else what an equal request named earlier."""
        async with transaction(self.services.pool) as connection:
            earlier = await claim_key(connection, self.claim)
            if earlier is None:
                await write(connection)
                if self.beside is not None:
                    await self.beside(connection)
        return earlier


async def read_change(
    request: Request,
    caller: ApiKey,
    *,
    key: str,
    endpoint_id: str,
    move: str,
    raw: bytes = b"",
    resource: str = "",
    beside: Callable[[Connection], Awaitable[object]] | None = None,
) -> Change:
    services = services_of(request)
    endpoint = await find_endpoint(services, caller, endpoint_id)
    return Change(
        services=services,
        endpoint=endpoint,
        claim=Claim(
            tenant=caller.tenant,
            route=f"POST /v1/webhook-endpoints/{{id}}/{move} {endpoint.id}",
            key=key,
            body_hash=hash_body(raw),
            resource=resource or endpoint.id,
        ),
        beside=beside,
    )


async def find_endpoint(services: Services, caller: ApiKey, endpoint_id: str) -> StoredEndpoint:
    endpoint_id = endpoint_id_of(endpoint_id)
    async with reading(services.pool) as connection:
        found = await read_endpoint(connection, tenant=caller.tenant, endpoint_id=endpoint_id)
    if found is None:
        raise no_such_endpoint()
    return found


def endpoint_id_of(text: str) -> str:
    if ENDPOINT_ID.fullmatch(text) is None:
        raise no_such_endpoint()
    return text


def no_such_endpoint() -> Problem:
    """The same words whether it never was or is another tenant's."""
    return Problem("not_found", "there is no endpoint of this id")


async def answer_with_endpoint(
    change: Change, caller: ApiKey, *, is_replay: bool, status: int = 200
) -> Response:
    """The endpoint as it is now."""
    endpoint = await find_endpoint(change.services, caller, change.endpoint.id)
    return json_response(render_endpoint(endpoint), status=status, headers=replayed(is_replay))


def replayed(is_replay: bool) -> dict[str, str]:
    return {"Idempotency-Replayed": "true"} if is_replay else {}


def render_endpoint(endpoint: StoredEndpoint) -> dict[str, object]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "description": endpoint.description,
        "enabled": endpoint.disabled_at is None,
        "disabled_at": endpoint.disabled_at,
        "disabled_why": endpoint.disabled_why,
        "failing_since": endpoint.failing_since,
        "created_at": endpoint.created_at,
    }
