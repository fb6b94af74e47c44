"""An attribute that is written is registered wherever our workflows run: else they would stand still."""

from __future__ import annotations

import re
from typing import Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.common import SearchAttributeKey

from cli.stack.temporal import SEARCH_ATTRIBUTES
from tests.temporal_ui.page import PAGE, ROOT
from workflows import names

KINDS: Final = {
    IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD: "Keyword",
    IndexedValueType.INDEXED_VALUE_TYPE_INT: "Int",
}
WRITTEN: Final = {
    key.name: KINDS[IndexedValueType.ValueType(key.indexed_value_type)]
    for key in vars(names).values()
    if isinstance(key, SearchAttributeKey)
}


def test_the_local_stack_registers_every_attribute() -> None:
    assert SEARCH_ATTRIBUTES == WRITTEN


def test_the_compose_file_registers_every_attribute() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    listed = text.split("for attribute in", 1)[1].split("; do", 1)[0]
    assert dict(re.findall(r"(\w+):(\w+)", listed)) == WRITTEN


def test_the_commands_for_a_cluster_register_every_attribute() -> None:
    text = PAGE.read_text("utf-8")
    keywords = text.split("for name in ", 1)[1].split(";", 1)[0].split()
    assert {name for name, kind in WRITTEN.items() if kind == "Keyword"} == set(keywords)
    others = re.findall(r"search-attribute create --name (\w+) --type (\w+)", text)
    assert dict(others) == {name: kind for name, kind in WRITTEN.items() if kind != "Keyword"}
