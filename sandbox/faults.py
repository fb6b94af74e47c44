"""Faults on demand: a token says how the sandbox misbehaves, and a table says what tokens mean.

The provider reads them from payment methods (`tok_…`), the carrier from services (`ship_…`). How
often a fault was met is kept in the books, so a restart does not forgive anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import aiosql

from sandbox.books import Books

MOST_FAILURES = 1000  # tries; more would be "unavailable", which has a token of its own
LONGEST_DELAY_MS = 120_000  # ms; longer than any sensible client time-out
UNAVAILABLE_STATUS = 503
_NUMBERED = re.compile(r"(?P<name>[a-z_]+?)_(?P<number>[0-9]{1,9})")


class Kind(StrEnum):
    """What a fault does to the operations it names."""

    REFUSE = "refuse"  # a business no, with a reason
    WAIT = "wait"  # answered only when a third party acts; the reason names how it waits
    FAIL_FIRST = "fail_first"  # an error status before any effect, the first N times
    OUT = "out"  # 503 and no answer by turns, for ever
    OUT_UNTIL_RESTORED = "out_until_restored"  # 503 until told to work again
    LOSE_FIRST_REPLY = "lose_first_reply"  # takes effect, then the connection closes, once
    DELAY = "delay"  # takes N milliseconds, then works


COUNTED = frozenset({Kind.FAIL_FIRST, Kind.OUT, Kind.LOSE_FIRST_REPLY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One misbehaviour of some operations.

    `number` counts tries (FAIL_FIRST) or milliseconds (DELAY); `status` is the HTTP status of
    FAIL_FIRST; `reason` is the program's own word for REFUSE and WAIT.
    """

    kind: Kind
    operations: frozenset[str]
    number: int = 0
    status: int = 500
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A row of a program's token table; `most` > 0 means the token ends in `_<number>`."""

    faults: tuple[Fault, ...] = ()
    most: int = 0


class UnknownTokenError(Exception):
    """No row of the table has this token."""


def faults_of(token: str, table: Mapping[str, Token]) -> tuple[Fault, ...]:
    """What the token asks for.

    Raises UnknownTokenError when the table has no such row or its number is too big.
    """
    row = table.get(token)
    if row is not None and row.most == 0:
        return row.faults
    match = _NUMBERED.fullmatch(token)
    row = table.get(match["name"]) if match else None
    if match is None or row is None or not int(match["number"]) <= row.most:
        raise UnknownTokenError(token)
    return tuple(replace(fault, number=int(match["number"])) for fault in row.faults)


def fault_for(faults: Iterable[Fault], kind: Kind, operation: str) -> Fault | None:
    """The fault of this kind that touches the operation, if the token asked for one."""
    return next((f for f in faults if f.kind is kind and operation in f.operations), None)


def delay_s(faults: Iterable[Fault], operations: Iterable[str]) -> float:
    """Seconds that the operations are held up before they begin."""
    delays = (fault_for(faults, Kind.DELAY, operation) for operation in operations)
    return sum(delay.number for delay in delays if delay) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the faults make of one call.

    `error_status`: answer this and do nothing. `no_answer`: do nothing and close the connection.
    `lose_reply`: do the work, then close the connection.
    """

    error_status: int | None = None
    no_answer: bool = False
    lose_reply: bool = False

    @property
    def prevents(self) -> bool:
        """Whether the call must have no effect."""
        return self.no_answer or self.error_status is not None


CLEAR = Verdict()


class FaultBook:
    """Counts in the books how often each fault was met."""

    def __init__(self, books: Books) -> None:
        self._connection = books.connection
        path = Path(__file__).with_name("shared_queries.sql")
        self._queries = aiosql.from_path(path, "sqlite3")

    def meet(self, *, subject: str, operations: Iterable[str], faults: Iterable[Fault]) -> Verdict:
        """Count this try and say what becomes of it; inside the caller's transaction."""
        verdict = CLEAR
        for operation in operations:
            for fault in faults:
                if operation in fault.operations:
                    verdict = self._judge(fault, subject, operation, verdict)
                    if verdict.prevents:
                        return verdict
        return verdict

    def _judge(self, fault: Fault, subject: str, operation: str, so_far: Verdict) -> Verdict:
        if fault.kind is Kind.OUT_UNTIL_RESTORED:
            restored = self._queries.is_restored(
                self._connection, subject=subject, operation=operation
            )
            return so_far if restored else Verdict(error_status=UNAVAILABLE_STATUS)
        if fault.kind not in COUNTED:
            return so_far
        row = self._queries.count_try(self._connection, subject=subject, operation=operation)
        tries: int = row["tries"]
        if fault.kind is Kind.FAIL_FIRST:
            return Verdict(error_status=fault.status) if tries <= fault.number else so_far
        if fault.kind is Kind.OUT:
            odd = tries % 2 == 1
            return Verdict(error_status=UNAVAILABLE_STATUS) if odd else Verdict(no_answer=True)
        return replace(so_far, lose_reply=True) if tries == 1 else so_far

    def restore(self, *, subject: str, operations: Iterable[str]) -> None:
        """Let the operations work again for the subject; inside the caller's transaction."""
        for operation in operations:
            self._queries.restore(self._connection, subject=subject, operation=operation)
