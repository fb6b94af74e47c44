"""The audit: books in, violations out. No I/O, so that every kind of violation can be planted.

`evidence` is what is judged: our tables at one moment, and the provider's and the carrier's own
books. `judge` asks every invariant; each family has a file of its own: money, ledger, stock,
parcels, history, decisions, endings.
"""

from __future__ import annotations

from ordersaga.audit.evidence import (
    BookedParcel,
    BookedPayment,
    Books,
    Ours,
)
from ordersaga.audit.findings import Explanation, Violation
from ordersaga.audit.judge import INVARIANTS, Judgement, judge

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
