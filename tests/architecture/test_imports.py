"""Imports go one way, as requests do: nothing flows back."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

from tests.architecture.tree import ROOMS, ROOT, Import, imports_of_room, modules, reached_from

# Room → what it may see of ours besides itself: whole rooms, or single modules of one.
MAY_SEE: Final[dict[str, tuple[str, ...]]] = {
    "ordersaga": (),
    "sandbox": (),
    "activities": ("ordersaga",),
    "workflows": ("ordersaga", "activities"),
    "adapters": ("ordersaga", "workflows.names"),
    "api": ("ordersaga", "workflows.names", "adapters"),
    "worker": ("ordersaga", "workflows", "activities", "adapters"),
    "cli": ("ordersaga", "workflows.names", "adapters", "api", "worker"),
}
# Room → what it may see of others' besides the standard library, where that is limited.
MAY_USE: Final = {
    "ordersaga": {"pydantic"},
    "workflows": {"temporalio"},
    "activities": {"temporalio"},
}
# What is given to those who call us lives beside the core, and speaks HTTP; nothing of ours but the
# command that calls us as they do may see it.
CLIENT: Final = "ordersaga.client"
CLIENT_MAY_USE: Final = {"pydantic", "httpx"}
# Within a workflow's sandbox these crash the process, or reach for the world.
NEVER_IN_A_WORKFLOW: Final = ("asyncpg", "uvloop", "httpx", "stripe", "aiosql", "fastapi")


def _sees(imported: Import, seen: tuple[str, ...]) -> bool:
    return any(imported.name == one or imported.name.startswith(f"{one}.") for one in seen)


def test_the_rooms_are_those_of_the_design() -> None:
    assert set(MAY_SEE) == set(ROOMS)
    packages = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    assert packages == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_sees_only_the_rooms_below_it(room: str) -> None:
    assert imports_of_room(room), "nothing was read"
    seen = (room, *MAY_SEE[room])
    forbidden = [str(i) for i in imports_of_room(room) if i.is_ours and not _sees(i, seen)]
    assert not forbidden


@pytest.mark.parametrize("room", MAY_USE)
def test_a_room_that_must_stay_pure_uses_no_other_packages(room: str) -> None:
    foreign = [
        str(i)
        for i in imports_of_room(room)
        if not i.is_ours
        and not i.is_standard_library
        and i.room not in (CLIENT_MAY_USE if _is_client(i.importer) else MAY_USE[room])
    ]
    assert not foreign


def test_the_client_is_seen_by_the_command_only() -> None:
    seen_by = {
        i.importer
        for room in ROOMS
        for i in imports_of_room(room)
        if _is_client(i.name) and not _is_client(i.importer) and room != "cli"
    }
    assert not seen_by


def _is_client(name: str) -> bool:
    return name == CLIENT or name.startswith(f"{CLIENT}.")


def test_no_room_of_the_product_imports_its_tests() -> None:
    backwards = [
        str(i) for room in ROOMS for i in imports_of_room(room) if i.room in ("tests", "pytest")
    ]
    assert not backwards


@pytest.mark.parametrize("name", [m.name for m in modules().values() if m.room == "workflows"])
def test_a_workflow_reaches_nothing_but_the_core_the_steps_and_temporal(name: str) -> None:
    """By any number of imports: what comes with a step's module comes into the sandbox too."""
    foreign = {
        reached: " → ".join(way)
        for reached, way in reached_from(name).items()
        if (root := reached.partition(".")[0]) not in sys.stdlib_module_names
        and root not in {"workflows", "activities", "ordersaga", "temporalio", "pydantic"}
    }
    assert not foreign


def test_a_workflow_that_is_imported_brings_no_input_or_output_with_it() -> None:
    """The same, seen from within: what is really loaded, also by the packages we use."""
    program = (
        "import sys, workflows.order; "
        f"print(*sorted(set({NEVER_IN_A_WORKFLOW!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize("room", ROOMS)
def test_nobody_imports_a_module_by_a_name_that_only_running_tells(room: str) -> None:
    """Such an import would be invisible to every test here."""
    hidden = [
        str(i) for i in imports_of_room(room) if i.room == "importlib" and i.name == "importlib"
    ]
    assert not hidden
