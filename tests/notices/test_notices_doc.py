"""docs/notices.md has the core's table, and every notice of it is of something that happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from ordersaga import lifecycle
from ordersaga.history import NOTES, RETURN_REQUESTED
from ordersaga.notices import NOTICES, Notice, to_markdown

DOC = Path(__file__).parents[2] / "docs" / "notices.md"
BEGIN, END = "<!-- the table of ordersaga/notices.py -->\n", "<!-- end -->"


def test_the_page_has_the_table_of_the_core() -> None:
    table = DOC.read_text("utf-8").split(BEGIN)[1].split(END)[0]
    assert table == to_markdown(), "put `ordersaga.notices.to_markdown()` there"


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: f"{notice.event} {notice.audience}")
def test_a_notice_is_of_an_event_that_there_is(notice: Notice) -> None:
    moves = {move.event for machine in lifecycle.MACHINES.values() for move in machine}
    assert notice.event in moves | NOTES | {RETURN_REQUESTED}


def test_one_name_is_one_thing_to_say() -> None:
    rows = [(n.event, n.field, n.value, n.audience) for n in NOTICES]
    assert len(rows) == len(set(rows))
