"""Which engines there are, what runs for each, and what each promises when the power fails."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.engines.flow import MIXES, Mix, Shape

POSTGRES: Final = "PostgreSQL (fsync on, synchronous_commit on)"
OURS: Final = "ordersaga"
OURS_APART: Final = "ordersaga_apart"
OURS_QUEUED: Final = "ordersaga_queued"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the table. `engine`: its module; `parts`: its programs beside callers and PostgreSQL."""

    key: str
    engine: str
    title: str
    shape: Shape
    durability: str
    parts: tuple[str, ...] = ()
    mixes: tuple[Mix, ...] = MIXES
    package: str | None = None  # what it needs, of the extra `bench`


_TEMPORAL: Final = f"{POSTGRES}; Temporal dev server, SQLite file, synced"
_RESTATE: Final = f"{POSTGRES}; Restate's log and state, RocksDB, fsync on"
_PER_STEP: Final[Shape] = "participant"

ENTRIES: Final = (
    Entry(
        key="none",
        engine="none",
        title="(a) none: asyncpg and httpx alone",
        shape=_PER_STEP,
        durability=f"{POSTGRES} of each step; nobody goes on after a crash",
    ),
    Entry(
        key="none merged",
        engine="none",
        title="(a) none, our merged steps",
        shape="merged",
        durability=f"{POSTGRES} of each step; nobody goes on after a crash",
    ),
    Entry(
        key=OURS,
        engine=OURS,
        title="(b) ordersaga",
        shape="merged",
        durability=_TEMPORAL,
        parts=("temporal",),
    ),
    Entry(
        key="ordersaga apart",
        engine=OURS_APART,
        title="(b) ordersaga, API and worker apart",
        shape="merged",
        durability=_TEMPORAL,
        parts=("temporal", "worker"),
    ),
    Entry(
        key="ordersaga queued",
        engine=OURS_QUEUED,
        title="(b) ordersaga, others asked by the queue",
        shape="merged",
        durability=_TEMPORAL,
        parts=("temporal",),
        mixes=("card",),
    ),
    Entry(
        key="temporal sample",
        engine="temporal_sample",
        title="(c) Temporal sample: a queued activity a step",
        shape=_PER_STEP,
        durability=_TEMPORAL,
        parts=("temporal", "sample worker"),
    ),
    Entry(
        key="dbos",
        engine="dbos",
        title="(d) DBOS, a step a participant",
        shape=_PER_STEP,
        durability=f"{POSTGRES}, its own tables too",
        package="dbos",
    ),
    Entry(
        key="dbos merged",
        engine="dbos",
        title="(d) DBOS, our merged steps",
        shape="merged",
        durability=f"{POSTGRES}, its own tables too",
        package="dbos",
    ),
    Entry(
        key="restate",
        engine="restate",
        title="(e) Restate, a step a participant",
        shape=_PER_STEP,
        durability=_RESTATE,
        parts=("restate server", "restate service"),
        package="restate",
    ),
    Entry(
        key="restate merged",
        engine="restate",
        title="(e) Restate, our merged steps",
        shape="merged",
        durability=_RESTATE,
        parts=("restate server", "restate service"),
        package="restate",
    ),
    Entry(
        key="two-phase commit",
        engine="two_phase",
        title="(f) two-phase commit, three databases",
        shape="merged",
        durability=f"{POSTGRES}, in doubt when the coordinator is gone",
        mixes=("own site",),
    ),
)


def is_installed(entry: Entry) -> bool:
    return entry.package is None or importlib.util.find_spec(entry.package) is not None


def engines_of(entries: Sequence[Entry]) -> list[str]:
    """The modules, each once."""
    return list(dict.fromkeys(entry.engine for entry in entries))
