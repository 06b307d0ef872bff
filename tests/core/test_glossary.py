# SPDX-License-Identifier: GPL-3.0-or-later
"""The code says what the glossary says: no name in it is a word that the glossary has another word for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "glossary.md"
# Where the old words still stand.
LEFT = {
    "face_measures": {"still"},
    "jaw_estimate": {"say"},
    "jaw_of_frame": {"say"},
}


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] not in ("word", "---")]


def banned() -> set[str]:
    return {name for row in rows() for name in re.findall(r"`(\w+)`", row[-1])}


def names_in(tree: ast.Module) -> Iterator[str]:
    """Names of functions, classes, parameters, variables and attributes."""
    for node in ast.walk(tree):
        for attribute in ("id", "arg", "name", "attr"):
            if isinstance(name := getattr(node, attribute, None), str):
                yield name


def test_every_word_stands_once_with_a_meaning() -> None:
    words = [row[0] for row in rows()]
    assert len(words) > 30
    assert len(set(words)) == len(words)
    assert all(len(row) == 3 and row[1] for row in rows())


@pytest.mark.parametrize("folder", ["aim_blender", "addon_manifest", "ops", "scripts"])
def test_names_are_those_of_the_glossary(folder: str) -> None:
    wrong = banned()
    assert {"say", "still", "MILLIMETRES"} <= wrong
    for path in sorted((ROOT / folder).rglob("*.py")):
        used = wrong.intersection(names_in(ast.parse(path.read_text(encoding="utf-8"))))
        assert used == LEFT.get(path.stem, set()) & used, f"{path.name}: {', '.join(used)}"


def test_exceptions_are_used() -> None:
    for stem, names in LEFT.items():
        (path,) = (ROOT / "aim_blender").rglob(f"{stem}.py")
        assert names <= set(names_in(ast.parse(path.read_text(encoding="utf-8")))), f"{stem} is put right: take it out"
