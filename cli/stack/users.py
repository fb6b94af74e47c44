"""Whom PostgreSQL runs as, and where: it refuses to be root, and must reach its own files."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import stat
import subprocess
from pathlib import Path

SYSTEM_USER = "ordersaga-pg"
# Where root's own directories are closed to that user (a checkout under /root, say).
OUTSIDE = Path("/var/lib/ordersaga")


def database_user() -> pwd.struct_passwd | None:
    """None: as we are. Root makes a user for it once; `nobody` serves where it cannot."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    useradd = shutil.which("useradd")
    if useradd is None:
        return pwd.getpwnam("nobody")
    command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    # Another stack may have made it meanwhile: what counts is that it is there.
    made = subprocess.run(command, capture_output=True, check=False)
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        if made.returncode == 0:
            raise
        return pwd.getpwnam("nobody")


def may_reach(path: Path, user: pwd.struct_passwd | None) -> bool:
    """Whether the user can pass every directory above `path` (which need not exist yet)."""
    if user is None:
        return True
    return all(_may_pass(above, user) for above in path.resolve().parents if above.exists())


def _may_pass(directory: Path, user: pwd.struct_passwd) -> bool:
    status = directory.stat()
    if status.st_uid == user.pw_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.pw_gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def database_dir(data_dir: Path, user: pwd.struct_passwd | None) -> Path:
    """Inside the data directory, or outside under a name of its own where that is closed."""
    inside = data_dir / "postgres"
    return inside if may_reach(inside, user) else OUTSIDE / secrets.token_hex(8)


def within_reach(programs: Path, *, version: str, user: pwd.struct_passwd | None) -> Path:
    """The PostgreSQL programs, or a copy of them, made once, that the user can run."""
    if may_reach(programs / "bin" / "postgres", user):
        return programs
    copy = OUTSIDE / f"postgresql-{version}"
    if not copy.exists():
        draft = copy.with_name(f".{copy.name}.{os.getpid()}")
        for part in ("bin", "lib", "share"):
            shutil.copytree(programs / part, draft / part, symlinks=True)
        draft.chmod(0o755)
        draft.rename(copy)
    return copy
