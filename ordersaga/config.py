"""Every setting of the product, read once from the environment.

Names are `ORDERSAGA_<FIELD>` in upper case; how to reach Temporal is the SDK's own business
(`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, …: `temporalio.envconfig`).
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

ENV_PREFIX = "ORDERSAGA_"


class Settings(BaseModel):
    """What a worker or an API process needs to know. Times are in seconds (`_s`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: str = Field(description="PostgreSQL, as the service's role")
    task_queue: str = "orders"

    payment_provider_url: str = "https://api.stripe.com"
    payment_provider_key: str = ""
    carrier_url: str = ""
    carrier_key: str = ""

    temporal_ui_url: str = Field(default="", description="for links to an order's workflow")

    database_pool_size: int = Field(default=10, ge=1, description="connections a process")
    outage_patience_s: int = Field(
        default=60,
        ge=1,
        description="how long a hold or a charge is retried while its provider is away",
    )
    payer_patience_s: int = Field(
        default=3 * 24 * 3600,
        ge=1,
        description="how long an order waits for a payer: a slip, a 3-D Secure page, a pay-later",
    )
    payer_poll_s: int = Field(
        default=60, ge=1, description="how often slow money is asked after at its provider"
    )
    undo_retry_cap_s: int = Field(
        default=30,
        ge=1,
        description="how often an undo, a refund or a release that keeps failing is tried again",
    )
    sweep_interval_s: float = Field(
        default=5.0, gt=0, description="how often the worker looks for orders nobody drives"
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Reads `ORDERSAGA_*`; raises `pydantic.ValidationError` naming each bad or missing one."""
        fields = {
            name: env[ENV_PREFIX + name.upper()]
            for name in cls.model_fields
            if ENV_PREFIX + name.upper() in env
        }
        return cls.model_validate(fields)

    def to_env(self) -> dict[str, str]:
        """The same settings as environment variables, for a child process."""
        return {ENV_PREFIX + k.upper(): str(v) for k, v in self.model_dump().items()}
