"""Our own programs as parts of the stack: sandbox provider and carrier; worker and API, apart or in one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from cli.environment import faults_of
from cli.stack.errors import StackError
from cli.stack.ports import HOST
from cli.stack.processes import Child, Program, http_status
from cli.stack.temporal import NAMESPACE
from ordersaga.config import ENV_PREFIX, Settings

# Whoever sends orders here wants to see how many it takes.
LIMITLESS = dict.fromkeys(
    (
        "requests_per_s_per_key",
        "requests_per_s_per_tenant",
        "open_orders_per_key",
        "open_orders_per_tenant",
    ),
    0,
)
WORKER_STOP_PATIENCE_S = 12.0  # it gives its activities 10 s to end


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Where a sandbox program tells what happens, and how it signs that."""

    url: str
    secret: str


def provider_program(
    *, port: int, data_dir: Path, log: Path, key: str, env: Mapping[str, str], webhook: Webhook
) -> Program:
    # As strict as Stripe about parameters that its current version has removed.
    strict = ("--refuse-removed-params",)
    return _sandbox(
        "provider",
        port=port,
        data_dir=data_dir,
        log=log,
        key=key,
        env=env,
        webhook=webhook,
        options=strict,
    )


def carrier_program(
    *, port: int, data_dir: Path, log: Path, key: str, env: Mapping[str, str], webhook: Webhook
) -> Program:
    return _sandbox(
        "carrier", port=port, data_dir=data_dir, log=log, key=key, env=env, webhook=webhook
    )


def _sandbox(
    name: str,
    *,
    port: int,
    data_dir: Path,
    log: Path,
    key: str,
    env: Mapping[str, str],
    webhook: Webhook,
    options: tuple[str, ...] = (),
) -> Program:
    async def is_ready(_: Child) -> bool:
        return await http_status(host=HOST, port=port, path="/healthz") == 200

    books = str(data_dir / f"{name}.db")
    where = ("--port", str(port), "--books", books, "--key", key)
    # Nobody there: it keeps its messages, and goes on trying.
    tells = ("--webhook-url", webhook.url, "--webhook-secret", webhook.secret)
    return Program(
        name=name,
        argv=(*_python_module(f"sandbox.{name}"), *where, *tells, *options),
        env=env,
        log=log,
        is_ready=is_ready,
    )


def worker_program(*, log: Path, env: Mapping[str, str]) -> Program:
    async def is_ready(child: Child) -> bool:
        return child.has_said("worker ready")

    return Program(
        name="worker",
        argv=_python_module("worker"),
        env=env,
        log=log,
        is_ready=is_ready,
        stop_patience_s=WORKER_STOP_PATIENCE_S,
    )


def api_program(*, port: int, log: Path, env: Mapping[str, str]) -> Program:
    async def is_ready(_: Child) -> bool:
        return await http_status(host=HOST, port=port, path="/readyz") == 200

    return Program(
        name="api",
        argv=_python_module("api"),
        env={**env, "ORDERSAGA_API_HOST": HOST, "ORDERSAGA_API_PORT": str(port)},
        log=log,
        is_ready=is_ready,
    )


def server_program(*, port: int, log: Path, env: Mapping[str, str]) -> Program:
    """API and worker in one."""
    api, worker = api_program(port=port, log=log, env=env), worker_program(log=log, env=env)

    async def is_ready(child: Child) -> bool:
        return await worker.is_ready(child) and await api.is_ready(child)

    return replace(
        api,
        name="server",
        argv=_python_module("cli.together"),
        is_ready=is_ready,
        stop_patience_s=worker.stop_patience_s + api.stop_patience_s,
    )


def _python_module(module: str) -> tuple[str, ...]:
    # -P: a directory named `api` or `worker` where we were started is not ours.
    return (sys.executable, "-P", "-m", module)


def environment(base: Mapping[str, str], *, settings: Settings, temporal: str) -> dict[str, str]:
    """The caller's environment, but for what decides where the stack's parts are."""
    ours = ("TEMPORAL_", ENV_PREFIX)
    kept = {name: value for name, value in base.items() if not name.startswith(ours)}
    no_proxy = ",".join(filter(None, [kept.get("NO_PROXY"), kept.get("no_proxy"), HOST]))
    return {
        **kept,
        **settings.to_env(),
        "TEMPORAL_ADDRESS": temporal,
        "TEMPORAL_NAMESPACE": NAMESPACE,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "PYTHONUNBUFFERED": "1",  # a log line is in the log when it happens
    }


def settings_for(base: Mapping[str, str], ours: Mapping[str, object]) -> Settings:
    """The local stack's own defaults, the caller's `ORDERSAGA_*` over them, `ours` over both.

    Raises StackError naming each wrong one.
    """
    callers = {
        name: base[ENV_PREFIX + name.upper()]
        for name in Settings.model_fields
        if ENV_PREFIX + name.upper() in base
    }
    try:
        return Settings.model_validate({**LIMITLESS, **callers, **ours})
    except ValidationError as error:
        raise StackError("; ".join(faults_of(error))) from None
