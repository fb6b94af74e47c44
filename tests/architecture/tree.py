"""The project's own source, read and never run: its modules, and what each of them imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
ROOMS: Final = (
    "ordersaga",
    "workflows",
    "activities",
    "adapters",
    "worker",
    "api",
    "sandbox",
    "cli",
)


@dataclass(frozen=True)
class Import:
    """What one line of `importer` needs. `name`: as deep as a module of ours, else as written."""

    importer: str
    line: int
    name: str

    @property
    def room(self) -> str:
        """The first part of what is imported: one of our rooms, or somebody else's package."""
        return self.name.partition(".")[0]

    @property
    def is_ours(self) -> bool:
        return self.room in ROOMS

    @property
    def is_standard_library(self) -> bool:
        return self.room in sys.stdlib_module_names

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.name}"


@dataclass(frozen=True)
class Module:
    """One Python file of a room."""

    name: str
    path: Path

    @cached_property
    def syntax(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"), filename=str(self.path))

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]


@cache
def modules() -> Mapping[str, Module]:
    """Every module of every room, by its full name."""
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = Module(name, path)
    return found


@cache
def imports_of(name: str) -> tuple[Import, ...]:
    """All that a module imports, also within functions and for types only."""
    module = modules()[name]
    return tuple(
        Import(name, node.lineno, imported)
        for node in ast.walk(module.syntax)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for imported in _imported_by(node)
    )


def _imported_by(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    assert node.level == 0, "relative imports are refused by the linter"
    assert node.module is not None
    for alias in node.names:
        deeper = f"{node.module}.{alias.name}"
        yield deeper if deeper in modules() else node.module


def imports_of_room(room: str) -> tuple[Import, ...]:
    """All imports of all of a room's modules."""
    return tuple(
        imported
        for module in modules().values()
        if module.room == room
        for imported in imports_of(module.name)
    )


def reached_from(name: str) -> Mapping[str, tuple[str, ...]]:
    """Every module that importing `name` imports, ours or not: how it got there, `name` first.

    Packages on the way are imported too: `a.b.c` runs `a` and `a.b`.
    """
    ways: dict[str, tuple[str, ...]] = {name: (name,)}
    todo = [name]
    while todo:
        here = todo.pop()
        if here not in modules():
            continue
        for imported in [*_packages_of(here), *(i.name for i in imports_of(here))]:
            if imported not in ways:
                ways[imported] = (*ways[here], imported)
                todo.append(imported)
    return ways


def _packages_of(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name
