# SPDX-License-Identifier: GPL-3.0-or-later
"""What README and docs print is what the code takes and writes: commands with their options, and arrays of files."""

import argparse
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from aim_blender.core.files.files import save_actor, save_take
from aim_blender.jobs.command_line.verbs import build_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FORMATS = ROOT / "docs" / "guide" / "file_formats.md"


def printed(pattern: str) -> list[str]:
    """What follows the pattern in code, on any page."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    code = re.findall(r"```.*?```|`[^`]+`", text, flags=re.DOTALL)
    return [found.strip(" `") for block in code for found in re.findall(pattern + r"([^\n]*)", block)]


def options(words: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]*", words))


def verbs() -> dict[str, argparse.ArgumentParser]:
    parser = build_parser("aim")
    (action,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    return dict(action.choices)


def test_printed_commands_are_taken():
    commands = printed(r"(?:-m aim_blender|--command aim) ")
    assert len(commands) >= 15
    known = verbs()
    for command in commands:
        verb, *words = command.split(maxsplit=1)
        taken = {each for action in known[verb]._actions for each in action.option_strings}
        assert options(" ".join(words)) <= taken, command
        assert verb != "fit" or "--out" in command


@pytest.mark.parametrize("command", printed(r"scripts/(?=[a-z_]+\.py -- |pipeline\.py --demo)"))
def test_printed_scripts_are_there(command):
    name, *words = shlex.split(command)
    source = "".join((ROOT / "scripts" / each).read_text(encoding="utf-8") for each in (name, "headless.py"))
    assert [each for each in options(" ".join(words)) if f'"{each}"' not in source] == []


def test_links_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_array_is_explained(demo_learned, demo_take, demo_bake, tmp_path):
    explained = set(re.findall(r"`([a-z_.]+)", FORMATS.read_text(encoding="utf-8")))
    save_actor(demo_learned, tmp_path / "A.actor.safetensors")
    save_take(demo_take, tmp_path / "T.take.safetensors")
    demo_bake.save(tmp_path / "bake.npz")
    written = set(np.load(tmp_path / "bake.npz").files)
    for path in tmp_path.glob("*.safetensors"):
        with safe_open(path, "np") as file:
            written |= set(file.keys())
    families = {"networks", "constraints"}
    assert {name for name in written if name not in explained and name.split(".")[0] not in families} == set()
    parts = {name.split(".")[1] for name in written if name.startswith("constraints.")}
    assert parts <= explained
