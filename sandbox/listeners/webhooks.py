"""A receiver of webhooks: `python -m sandbox.listeners.webhooks --port 4030 --books FILE`.

The secret comes by the environment, as LISTENER_SECRET. A message is verified by the reference library of
Standard Webhooks, written down, and only then answered 204.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from sandbox.listeners.diary import Diary, NotAnEventError
from sandbox.listeners.running import listener_parser, open_diary
from sandbox.server import listen, serve

SECRET = "LISTENER_SECRET"  # noqa: S105  the name of a variable
ANY_PATH = "/hooks"


def build_app(diary: Diary, secret: str) -> ASGIApp:
    """Raises ValueError for a secret that is none."""
    verifier = Webhook(secret)

    async def hear(request: Request) -> Response:
        raw = await request.body()
        try:
            verifier.verify(raw, dict(request.headers))
            diary.keep_event(raw)
        except WebhookVerificationError as error:
            return Response(str(error), status_code=401)
        except NotAnEventError as error:
            return Response(str(error), status_code=400)
        return Response(status_code=204)

    async def healthy(_: Request) -> Response:
        return Response("ok")

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        yield
        diary.close()

    routes = [Route(ANY_PATH, hear, methods=["POST"]), Route("/healthz", healthy)]
    return Router(routes=routes, lifespan=lifespan)


def main() -> None:
    """Parse the command line and serve until SIGTERM."""
    parser = listener_parser(
        program="sandbox.listeners.webhooks", description="Hears of orders by webhooks."
    )
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    given = parser.parse_args()
    secret = os.environ.get(SECRET, "")
    try:
        app = build_app(open_diary(parser, given.books), secret)
        listener = listen(given.port)
    except (OSError, ValueError, RuntimeError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    serve(app=app, name=parser.prog, listener=listener)


if __name__ == "__main__":
    main()
