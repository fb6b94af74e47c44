"""Listeners keep what comes before they say that they have it, also where they are killed then."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.sandbox.programs import ROOT, STOP_TIMEOUT_S

SECRET = "whsec_" + "c2VjcmV0" * 4  # made here, and good for nothing
READY_WITHIN_S = 30

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `sandbox.listeners.<module>`; it is ready then."""
    started: list[subprocess.Popen[str]] = []

    def run(module: str, *options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"sandbox.listeners.{module}", *options],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "LISTENER_SECRET": SECRET},
        )
        started.append(process)
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        return process

    yield run
    for process in started:
        end(process, signal.SIGKILL)


def end(process: subprocess.Popen[str], how: signal.Signals) -> int:
    process.send_signal(how)
    process.communicate(timeout=STOP_TIMEOUT_S)
    return process.returncode


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def event(sequence: int = 1) -> str:
    data = {"order_id": "ord_1", "sequence": sequence, "type": "order.accepted"}
    return json.dumps(
        {
            "id": f"ord_1:{sequence}",
            "type": "ordersaga.order.accepted",
            "subject": "ord_1",
            "sequence": str(sequence).zfill(9),
            "data": data,
        }
    )


def post(port: str, body: str, *, signed: str | None = None) -> int:
    """Signed as if it were `signed`."""
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", now, signed or body),
    }
    return httpx.post(
        f"http://127.0.0.1:{port}/hooks", content=body, headers=headers, trust_env=False
    ).status_code


def rows(books: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(books)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_a_webhook_that_was_answered_is_in_the_books_of_a_killed_receiver(
    start: Start, tmp_path: Path
) -> None:
    books, port = tmp_path / "books.db", free_port()
    options = ("--port", port, "--books", str(books))
    first = start("webhooks", *options)
    assert post(port, event(1)) == 204
    end(first, signal.SIGKILL)
    second = start("webhooks", *options)
    assert post(port, event(1)) == 204
    assert post(port, event(2)) == 204
    assert end(second, signal.SIGTERM) == 0
    assert rows(books, "select sequence from events order by number") == [(1,), (1,), (2,)]


def test_a_receiver_takes_nothing_that_is_forged_or_no_event(start: Start, tmp_path: Path) -> None:
    books, port = tmp_path / "books.db", free_port()
    start("webhooks", "--port", port, "--books", str(books))
    assert post(port, event(1), signed=event(2)) == 401
    assert post(port, "{}") == 400
    assert rows(books, "select * from events") == []


def test_a_mail_that_was_taken_is_in_the_books_of_a_killed_mailbox(
    start: Start, tmp_path: Path
) -> None:
    books, port = tmp_path / "books.db", free_port()
    mailbox = start("mailbox", "--port", port, "--books", str(books))
    mail = EmailMessage()
    mail["From"], mail["To"] = "orders@shop.example", "ana@example.org"
    mail["Message-ID"] = "<ord_1.confirmed.buyer@shop.example>"
    mail.set_content("confirmed")
    with smtplib.SMTP("127.0.0.1", int(port), timeout=READY_WITHIN_S) as line:
        line.send_message(mail)
        end(mailbox, signal.SIGKILL)
        line.close()
    found = rows(books, "select message_id, recipient from mails")
    assert found == [("ord_1.confirmed.buyer@shop.example", "ana@example.org")]


def test_a_mailbox_takes_no_mail_that_has_no_id(start: Start, tmp_path: Path) -> None:
    books, port = tmp_path / "books.db", free_port()
    start("mailbox", "--port", port, "--books", str(books))
    with smtplib.SMTP("127.0.0.1", int(port), timeout=READY_WITHIN_S) as line:
        with pytest.raises(smtplib.SMTPDataError, match="no Message-ID"):
            line.sendmail("orders@shop.example", ["ana@example.org"], "Subject: hello\r\n\r\nhi")
        assert line.noop()[0] == 250
    assert rows(books, "select * from mails") == []
