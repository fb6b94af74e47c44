"""The list of planted bugs stays worth something: each applies to the source as it is now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.planted.bugs import BUGS
from tests.planted.kinds import Bug, Edit
from tests.planted.scratch import ROOT, DoesNotApply, check

FEWEST_BUGS = 20  # what is promised


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_still_applies_to_the_source(bug: Bug) -> None:
    for edit in bug.edits:
        assert check(edit).replace(edit.old, edit.new) != check(edit)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_names_a_test_that_is_there(bug: Bug) -> None:
    path, _, test = bug.caught_by.partition("::")
    source = (ROOT / path).read_text(encoding="utf-8")
    assert f"def {test.partition('[')[0]}(" in source


def test_there_are_as_many_bugs_as_promised_and_none_twice() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= FEWEST_BUGS
    assert len({bug.edits for bug in BUGS}) == len(BUGS)


def test_text_that_is_not_there_or_twice_does_not_apply(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text("a\nb\na\n", encoding="utf-8")
    for old in ("c", "a"):
        with pytest.raises(DoesNotApply):
            check(Edit("some.py", old, "d"), tmp_path)
