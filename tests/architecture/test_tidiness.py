"""What a reader may rely on everywhere in the tree: short files, no secrets, reasons, SQL in SQL."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.tree import ROOMS, ROOT, modules

MOST_LINES: Final = 450  # about 400 is the aim; beyond this a file has two subjects

SOURCES: Final = tuple(
    path
    for room in (*ROOMS, "tests")
    for pattern in ("*.py", "*.sql")
    for path in sorted((ROOT / room).rglob(pattern))
)
SETTINGS: Final = tuple(
    path
    for path in sorted(ROOT.iterdir())
    if path.suffix in (".toml", ".yml", ".md", ".txt", ".cfg", ".ini")
    or path.name in ("Makefile", "Dockerfile")
)
QUERIES: Final = tuple(sorted((ROOT / "adapters" / "postgres" / "queries").glob("*.sql")))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_are_files_to_look_at() -> None:
    assert len(SOURCES) > 100
    assert len(QUERIES) > 5
    assert ROOT / "pyproject.toml" in SETTINGS


def test_no_file_is_too_long_to_read_in_one_go() -> None:
    lines = {_name(path): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}


# --- Secrets -----------------------------------------------------------------------------------

SECRET_SHAPES: Final = re.compile(
    r"""
      \b[sr]k_live_[0-9A-Za-z]{8,}              # Stripe's live keys
    | \b(?:sk_test|whsec)_[0-9A-Za-z+/]{20,}    # … test keys and webhook secrets, long as real ones
    | \bAKIA[0-9A-Z]{16}\b                      # AWS
    | \bgh[pousr]_[0-9A-Za-z]{30,}              # GitHub
    | \bxox[abprs]-[0-9A-Za-z-]{10,}            # Slack
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----
    | \beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.   # a JSON web token
    | ://[^\s:/@{}$<>"']+:[^\s:/@{}$<>"']{3,}@           # a password within an address
    """,
    re.VERBOSE,
)
SECRET_NAMES: Final = re.compile(
    r"(password|passwd|secret|api_?key|access_?key|private_?key)", re.I
)
# Long, without spaces, digits and letters mixed: what a generator makes, and no word is.
LOOKS_GENERATED: Final = re.compile(r"^(?=.*\d)(?=.*[A-Za-z])[\w+/=.-]{16,}$")


@pytest.mark.parametrize(
    "secret",
    [
        "sk_" + "live_4eC39HqLyjWD",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "-----BEGIN " + "RSA PRIVATE KEY-----",
        "postgresql://app:" + "hunter2@db/orders",
    ],
)
def test_the_detector_of_secrets_sees_one(secret: str) -> None:
    assert SECRET_SHAPES.search(secret)


@pytest.mark.parametrize("path", [*SOURCES, *SETTINGS], ids=_name)
def test_no_file_has_a_secret_in_it(path: Path) -> None:
    found = [match.group() for match in SECRET_SHAPES.finditer(path.read_text("utf-8"))]
    assert not found


def _constants(syntax: ast.Module) -> Iterator[tuple[str, str, int]]:
    """(name, text, line) of every string that is given a name, also as a default or an argument."""
    for node in ast.walk(syntax):
        named: list[tuple[str, ast.expr | None]] = []
        match node:
            case ast.Assign(targets=targets, value=value):
                named = [(ast.unparse(target), value) for target in targets]
            case ast.AnnAssign(target=target, value=value):
                named = [(ast.unparse(target), value)]
            case ast.keyword(arg=str(name), value=value):
                named = [(name, value)]
            case ast.Dict(keys=keys, values=values):
                named = [
                    (str(key.value), value)
                    for key, value in zip(keys, values, strict=True)
                    if isinstance(key, ast.Constant)
                ]
        for name, value in named:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield name, value.value, value.lineno


@pytest.mark.parametrize("room", ROOMS)
def test_no_constant_of_the_product_looks_like_a_secret(room: str) -> None:
    found = [
        f"{module.name}:{line} {name}"
        for module in modules().values()
        if module.room == room
        for name, text, line in _constants(module.syntax)
        if SECRET_NAMES.search(name) and LOOKS_GENERATED.match(text)
    ]
    assert not found


# --- Dependencies ------------------------------------------------------------------------------


def _dependency_lines() -> list[str]:
    """The lines of pyproject.toml that name a package, as they are written."""
    lines = (ROOT / "pyproject.toml").read_text("utf-8").splitlines()
    begin = lines.index("dependencies = [")
    end = lines.index("[project.scripts]")
    return [line for line in lines[begin:end] if line.strip().startswith('"')]


def test_every_dependency_says_what_it_is_for() -> None:
    lines = _dependency_lines()
    assert len(lines) > 10
    silent = [line.strip() for line in lines if not re.search(r"#\s*\w", line)]
    assert not silent


# --- SQL -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", QUERIES, ids=_name)
def test_every_statement_is_described_under_its_name(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    headings = [i for i, line in enumerate(lines) if line.startswith("-- name:")]
    assert headings
    silent = [lines[i] for i in headings if not re.match(r"-- \w", lines[i + 1])]
    assert not silent


@pytest.mark.parametrize("path", QUERIES, ids=_name)
def test_every_statement_has_a_name_of_its_own(path: Path) -> None:
    names = re.findall(r"^-- name:\s*(\w+)", path.read_text("utf-8"), re.MULTILINE)
    assert len(names) == len(set(names))


# A statement's beginning together with what must follow it, so that prose is not taken for SQL.
SQL: Final = re.compile(
    r"""
      \bselect\b .+? \bfrom\b
    | \binsert\s+into\s+\w
    | \bupdate\s+\w+(\s+\w+)?\s+set\b
    | \bdelete\s+from\s+\w
    | \bwith\s+\w+\s+as\s*\(
    | \b(create|alter|drop|truncate)\s+(table|index|role|type|schema|database|function|trigger)\b
    | \b(grant|revoke)\s+\w+(\s*,\s*\w+)*\s+on\b
    | \bon\s+conflict\b
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def _strings(syntax: ast.Module) -> Iterator[tuple[str, int]]:
    """Every string of a module but docstrings, formatted ones joined."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(syntax)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(syntax):
        if isinstance(node, ast.JoinedStr):
            yield ast.unparse(node), node.lineno
        elif isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield str(node.value), node.lineno


@pytest.mark.parametrize(
    ("text", "is_sql"),
    [
        ("select id from orders", True),
        ("INSERT INTO orders VALUES (1)", True),
        ("update orders o set version = 1", True),
        ("with moved as (select 1)", True),
        ("updated from the payment's sums", False),
        ("somebody had it before: insert a coin", False),
        ("select a carrier", False),
    ],
)
def test_the_detector_of_sql_knows_it_from_prose(*, text: str, is_sql: bool) -> None:
    assert bool(SQL.search(text)) == is_sql


def test_sql_lives_in_sql_files() -> None:
    found = [
        f"{module.name}:{line} {text[:60]!r}"
        for module in modules().values()
        if module.room == "adapters"
        for text, line in _strings(module.syntax)
        if SQL.search(text)
    ]
    assert not found
