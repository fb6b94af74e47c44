"""A mail server that takes everything: `python -m sandbox.listeners.mailbox --port 4025 --books FILE`.

It speaks plain SMTP on loopback, writes a mail down by its Message-ID, and only then says that it has it.
"""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from email.policy import default
from functools import partial

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.listeners.diary import Diary
from sandbox.listeners.running import listener_parser, open_diary, run_until_told, say_ready
from sandbox.server import LOOPBACK

HOSTNAME = "mailbox.sandbox"


class Mailbox:
    """What `aiosmtpd` calls for each mail."""

    def __init__(self, diary: Diary) -> None:
        self._diary = diary

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        message_id = str(mail["Message-ID"] or "").strip().strip("<>")
        if not message_id:
            return "554 no Message-ID"
        for recipient in envelope.rcpt_tos:
            self._diary.keep_mail(message_id=message_id, recipient=recipient)
        return "250 taken"


async def _serve(diary: Diary, port: int, program: str) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Mailbox(diary), hostname=HOSTNAME, enable_SMTPUTF8=True), LOOPBACK, port
    )
    async with server:
        say_ready(program)
        await server.serve_forever()


def main() -> None:
    """Parse the command line and serve until SIGTERM."""
    parser = listener_parser(program="sandbox.listeners.mailbox", description="Takes all mail.")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1")
    given = parser.parse_args()
    diary = open_diary(parser, given.books)
    run_until_told(partial(_serve, diary, given.port, parser.prog))
    diary.close()


if __name__ == "__main__":
    main()
