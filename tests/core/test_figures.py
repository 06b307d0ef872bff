# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of figures is made from the tables that benchmarks kept, each of which says what it was measured on."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "figures.py"


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("figures_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_as_the_tables_are() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "docs/figures.md is as the tables are\n"), "run benchmarks/figures.py"


def test_kept_tables_say_what_they_are_of(figures: ModuleType) -> None:
    kept = [path for path in figures.TABLES.glob("*.md") if path.stem != figures.EARLIER]
    assert kept
    for path in kept:
        for title, table in figures.split_tables(path.read_text(encoding="utf-8")).items():
            assert re.search(r"(?m)^commit [0-9a-f]{7,}, .+, torch \S+, \d{4}-\d\d-\d\d$", table), title


def test_a_table_takes_the_place_of_the_last_one(figures: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "heads.py").write_text('"""How heads\nare.\n\nMore."""\n')
    kept = tmp_path / "heads.md"
    for table in ("## One\n\n| a |\n| 1 |\n", "## Two\n\n| b |\n| 2 |\n", "## One\n\n| a |\n| 3 |\n"):
        figures.keep_table(kept, table)
    assert list(figures.split_tables(kept.read_text())) == ["One", "Two"]
    (tmp_path / "earlier.md").write_text("## Earlier\n")
    page = figures.assemble(tmp_path, tmp_path).removeprefix(figures.INTRODUCTION)
    heads = "\n## heads.py\n\nHow heads are.\n\n### One\n\n| a |\n| 3 |\n\n### Two\n\n| b |\n| 2 |\n"
    assert page == f"{heads}\n## Earlier\n"
    (tmp_path / "gone.md").write_text("## Nobody's\n")
    with pytest.raises(FileNotFoundError):
        figures.assemble(tmp_path, tmp_path)
