# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide quotes messages and names buttons and settings that the code really has."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide"
PAGE = GUIDE / "troubleshooting.md"


def quoted() -> list[str]:
    rows = [
        line.split("|")[1].strip() for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    return [row for row in rows if row != "message" and not row.startswith("---")]


@pytest.fixture(scope="module")
def texts() -> str:
    """Every text in the code, with `...` for what is put in."""
    found = []
    for folder in ("aim_blender", "ops", "addon_manifest"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
                if isinstance(node, ast.JoinedStr):
                    found.append(
                        "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values)
                    )
    return " ".join(" ".join(found).split()).lower()


@pytest.mark.parametrize("message", quoted())
def test_the_message_exists(texts, message):
    for part in re.split(r"\.\.\.|, \.\.\.", message.lower()):
        words = part.strip(" ,;0123456789.")
        assert words in texts


@pytest.mark.parametrize("page", sorted(each.name for each in GUIDE.glob("*.md")))
def test_buttons_and_settings_exist(texts, page):
    text = re.sub(r"`[^`]*`", "", (GUIDE / page).read_text(encoding="utf-8"))
    # A path such as *Edit > Preferences* is one of Blender's own.
    named = set(re.findall(r"(?<!\*)\*([A-Z][^*\n>]*)\*(?!\*)", text))
    assert sorted(name for name in named if name.lower() not in texts) == []
