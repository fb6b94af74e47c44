"""What runs where: for scripts (`--ready-file`) and for `ordersaga demo` and `audit`."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from cli.stack.lock import is_locked
from ordersaga.config import SECRET_PREFIX

READY_FILE = "ready.json"
WEBHOOK_SECRET_BYTES = 32  # of 24 to 64 that the standard allows


class Keys(BaseModel):
    """API keys of the tenant `demo`."""

    model_config = ConfigDict(frozen=True)

    write: str
    read: str
    ops: str


def make_webhook_secret() -> str:
    """A fresh one, of the form of Standard Webhooks; Stripe's scheme takes it too."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(WEBHOOK_SECRET_BYTES)).decode()


class WebhookSecrets(BaseModel):
    """What messages from outside are signed with: the sandbox programs' own, or made by hand."""

    model_config = ConfigDict(frozen=True)

    payments: str = Field(default_factory=make_webhook_secret, description="of `stripe`, `sandbox`")
    carrier: str = Field(default_factory=make_webhook_secret, description="of `sandbox`")
    merchant: str = Field(
        default_factory=make_webhook_secret, description="of whoever ships for the merchant"
    )


class Ready(BaseModel):
    """A running stack. Addresses are URLs, but for Temporal's own, which is host:port."""

    model_config = ConfigDict(frozen=True)

    api: str
    console: str = Field(default="", description="the operators' pages")
    temporal: str
    temporal_namespace: str
    temporal_ui: str
    database: str = Field(description="as the service's role")
    database_owner: str = Field(description="as the role that owns the tables")
    payment_provider: str
    payment_provider_key: str
    carrier: str
    carrier_key: str
    keys: Keys
    webhook_secrets: WebhookSecrets
    pids: dict[str, int]
    data_dir: Path
    database_dir: Path
    logs: Path
    start_s: dict[str, float] = Field(description="seconds each part took to start")


def find_running(data_dir: Path) -> Ready | None:
    """The stack that runs on this directory, if it is all there."""
    path = data_dir / READY_FILE
    if not path.exists() or not is_locked(data_dir):
        return None
    return Ready.model_validate_json(path.read_bytes())
