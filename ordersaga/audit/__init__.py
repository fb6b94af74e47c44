"""The audit: books in, violations out. No I/O, so that every kind of violation can be planted.

`ours` is our tables at one moment, `books` the provider's and the carrier's own, `evidence` both.
`judge` asks every invariant; each family has a file of its own: money, refunds, ledger, stock, returns,
parcels, sightings, history, decisions, endings, outbox.
"""

from __future__ import annotations

from ordersaga.audit.books import BookedParcel, BookedPayment, Books
from ordersaga.audit.findings import Explanation, Violation
from ordersaga.audit.judge import INVARIANTS, Judgement, judge
from ordersaga.audit.ours import Ours

__all__ = [
    "INVARIANTS",
    "BookedParcel",
    "BookedPayment",
    "Books",
    "Explanation",
    "Judgement",
    "Ours",
    "Violation",
    "judge",
]
