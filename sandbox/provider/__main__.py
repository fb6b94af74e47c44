"""Start the sandbox payment provider: `python -m sandbox.provider --port 4010 --books FILE …`."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sandbox.books import BooksVersionError
from sandbox.provider.app import Settings, build_app
from sandbox.provider.idempotency import FORGET_AFTER_S
from sandbox.server import LOOPBACK, base_parser, listen, serve


def main() -> None:
    """Parse the command line and serve until SIGTERM."""
    parser = base_parser(
        program="sandbox.provider", description="A stand-in for Stripe, with books of its own."
    )
    parser.add_argument(
        "--forget-keys-after-s",
        type=float,
        default=FORGET_AFTER_S,
        help="how long an idempotency key replays its answer",
    )
    parser.add_argument(
        "--refuse-removed-params",
        action="store_true",
        help="refuse parameters that the caller's Stripe-Version no longer has, as Stripe does",
    )
    given = parser.parse_args()
    if bool(given.webhook_url) != bool(given.webhook_secret):
        parser.error("--webhook-url and --webhook-secret go together")
    try:
        listener = listen(given.port)
        settings = Settings(
            books=Path(given.books),
            key=given.key,
            base_url=f"http://{LOOPBACK}:{listener.getsockname()[1]}",
            webhook=(given.webhook_url, given.webhook_secret) if given.webhook_url else None,
            forget_keys_after_s=given.forget_keys_after_s,
            refuse_removed=given.refuse_removed_params,
        )
        app = build_app(settings)
    except (OSError, ValueError, sqlite3.Error, BooksVersionError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    serve(app=app, name=parser.prog, listener=listener)


if __name__ == "__main__":
    main()
