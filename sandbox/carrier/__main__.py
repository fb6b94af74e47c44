"""Start the sandbox carrier: `python -m sandbox.carrier --port 4020 --books FILE --key K`."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sandbox.books import BooksVersionError
from sandbox.carrier.app import Settings, build_app
from sandbox.server import base_parser, listen, serve


def main() -> None:
    """Parse the command line and serve until SIGTERM."""
    parser = base_parser(
        program="sandbox.carrier", description="A carrier that never drives, with its own books."
    )
    given = parser.parse_args()
    if bool(given.webhook_url) != bool(given.webhook_secret):
        parser.error("--webhook-url and --webhook-secret go together")
    try:
        listener = listen(given.port)
        settings = Settings(
            books=Path(given.books),
            key=given.key,
            webhook=(given.webhook_url, given.webhook_secret) if given.webhook_url else None,
        )
        app = build_app(settings)
    except (OSError, ValueError, sqlite3.Error, BooksVersionError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    serve(app=app, name=parser.prog, listener=listener)


if __name__ == "__main__":
    main()
