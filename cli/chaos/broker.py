"""A RabbitMQ of chaos' own, which can be killed: a broker that others use never is."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

from cli.stack.ports import HOST
from cli.stack.processes import Child, Program

# The wrapper on the path becomes another user; these are run as who we are.
SCRIPTS: Final = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/rabbitmq/sbin/rabbitmq-server")
STARTS_WITHIN_S: Final = 90.0
STOPS_WITHIN_S: Final = 20.0


def find_broker() -> str | None:
    """The program of a broker, where there is one."""
    return next((s for s in SCRIPTS if Path(s).exists()), shutil.which("rabbitmq-server"))


def broker_program(
    script: str, *, home: Path, port: int, nodes_port: int, log: Path, config: str = ""
) -> Program:
    """`home`: its databases, logs and cookie, nobody else's. `nodes_port`: for other nodes; none comes.

    `config`: lines of rabbitmq.conf.
    """

    def furnish() -> None:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / "rabbitmq.conf").write_text(config, encoding="utf-8")
        (home / "enabled_plugins").write_text("[].", encoding="utf-8")

    async def is_ready(_: Child) -> bool:
        try:
            _reader, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            return False
        writer.close()
        return True

    return Program(
        name="broker",
        argv=(script,),
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "RUNNING_UNDER_SYSTEMD": "1",  # the script becomes the broker: SIGKILL is the broker's
            "RABBITMQ_NODENAME": f"ordersaga-{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(nodes_port),
            "RABBITMQ_MNESIA_BASE": str(home / "db"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",  # one scheduler is enough
        },
        log=log,
        is_ready=is_ready,
        ready_patience_s=STARTS_WITHIN_S,
        stop_patience_s=STOPS_WITHIN_S,
        before_start=furnish,
    )
