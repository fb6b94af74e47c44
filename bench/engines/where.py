"""What a process of the bench has to know: handed on in its environment, as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Self

VARIABLE: Final = "BENCH_WHERE"


@dataclass(frozen=True, kw_only=True)
class Where:
    """Addresses. `databases`: by name, as the service's role; `ports`: of the engines' own programs."""

    engine: str
    database: str
    owner: str  # the same database, as the role that owns its tables
    databases: Mapping[str, str]
    temporal: str
    temporal_namespace: str
    provider: str
    provider_key: str
    ports: Mapping[str, int]

    @classmethod
    def from_env(cls) -> Self:
        return cls(**json.loads(os.environ[VARIABLE]))

    def to_env(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(asdict(self))}

    def of(self, engine: str, *, owner: str) -> Where:
        """The same for an engine with its own database. `owner`: that database as its owner."""
        return replace(self, engine=engine, database=self.databases[engine], owner=owner)

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"
