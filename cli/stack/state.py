"""What a data directory remembers between runs: secrets, keys, ports."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from cli.stack.files import write_private
from cli.stack.ready import Keys, WebhookSecrets

STATE_FILE = "state.json"


def _password() -> str:
    return secrets.token_urlsafe(24)


class State(BaseModel):
    """Made with fresh secrets; saved readable for its owner only."""

    model_config = ConfigDict(frozen=True)

    superuser_password: str = Field(default_factory=_password)
    owner_password: str = Field(default_factory=_password)
    app_password: str = Field(default_factory=_password)
    provider_key: str = Field(default_factory=lambda: "sk_test_" + secrets.token_hex(16))
    carrier_key: str = Field(default_factory=lambda: "carrier_test_" + secrets.token_hex(16))
    webhook_secrets: WebhookSecrets = Field(default_factory=WebhookSecrets)
    link_secret: str = Field(default_factory=_password)
    keys: Keys | None = None
    ports: dict[str, int] = {}
    database_dir: Path | None = None

    @classmethod
    def load(cls, data_dir: Path) -> Self | None:
        path = data_dir / STATE_FILE
        return cls.model_validate_json(path.read_bytes()) if path.exists() else None

    def save(self, data_dir: Path) -> None:
        write_private(data_dir / STATE_FILE, self.model_dump_json(indent=2) + "\n")
