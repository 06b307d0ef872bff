# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Python file is shown to mypy once, and commit messages are looked at."""

from __future__ import annotations

from collections import Counter

import pytest

from building.basics import ROOT
from building.checks import CHECKED, files_of
from building.commit_subject import complaint


def test_every_file_but_those_of_blenders_side_is_checked_once() -> None:
    counted = Counter(path.as_posix() for checked in CHECKED for path in files_of(checked))
    assert set(counted.values()) == {1}
    folders = ("tests", "benchmarks", "scripts", "docs", "building", "aim_blender/core", "aim_blender/jobs")
    there = {path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*.py")}
    assert there | {"build.py", "aim_blender/__main__.py"} == set(counted)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Say what it does\n\nAnd why.\n", ""),
        (f"{'a' * 72}\n# a comment of git's\n", ""),
        (f"{'a' * 73}\n", "has 73 characters"),
        ("Say what it does\nand why\n", "second line must be blank"),
        ("\n\nwhy\n", "first line is empty"),
    ],
)
def test_subjects_are_short_and_alone(message: str, said: str) -> None:
    assert said in complaint(message)
    assert bool(said) == bool(complaint(message))
