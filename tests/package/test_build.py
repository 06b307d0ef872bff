# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py itself: what it stages, when it makes environments anew, and which tests it runs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import build


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the zip and the environments are made from, which build.py takes for its own."""
    root = tmp_path / "checkout"
    for name in [*build.extension_files(), *(f"requirements/{name}" for name in build.BLENDER.requirements)]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(build.ROOT / name, root / name)
    monkeypatch.setattr(build, "ROOT", root)
    return root


def test_it_stages_the_same_files_without_git_and_without_leftovers(checkout: Path, tmp_path: Path) -> None:
    expected = set(build.extension_files())
    (checkout / "aim_blender" / "core" / "__pycache__").mkdir()
    (checkout / "aim_blender" / "core" / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"")
    (checkout / "tests").mkdir()
    (checkout / "tests" / "test_x.py").write_text("")
    build.stage(tmp_path / "staged")
    staged = {path.relative_to(tmp_path / "staged").as_posix() for path in (tmp_path / "staged").rglob("*.*")}
    assert staged | {"LICENSE"} == expected


def test_a_stray_file_stops_the_build_by_name(checkout: Path) -> None:
    (checkout / "ops" / "notes.txt").write_text("to do")
    with pytest.raises(build.BuildError, match=r"^ops/notes\.txt is of a kind that the extension does not contain"):
        build.extension_files()


def test_a_missing_licence_stops_the_build_by_name(checkout: Path) -> None:
    (checkout / "LICENSE").unlink()
    with pytest.raises(build.BuildError, match=r"^LICENSE is missing"):
        build.extension_files()


def test_another_requirement_makes_the_environment_anew(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "ENVIRONMENTS", tmp_path / "environments")
    environment = replace(build.BLENDER, name="other")
    assert not environment.is_current()
    environment.python.parent.mkdir(parents=True)
    environment.python.write_text("")
    environment.stamp.write_text(environment.wanted_stamp())
    assert environment.is_current()
    with open(checkout / "requirements" / "blender.txt", "a") as file:
        file.write("zstandard\n")
    assert not environment.is_current()


def test_another_python_is_told_which_ones_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "PYTHON", "3.12")
    assert build.main([]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("build.py needs Python 3.11 or 3.13")
    assert line.endswith("this is Python 3.12.")


def test_paths_choose_the_storeys_and_options_go_to_all() -> None:
    here = str(Path(__file__))
    assert build.chosen_storeys([f"{here}::test_x", "-x"]) == {"package": ["-x", f"{here}::test_x"]}
    assert list(build.chosen_storeys(["-k", "word"])) == ["core", "blender", "package", "window"]
    with pytest.raises(build.BuildError, match="is in none of"):
        build.chosen_storeys([str(build.ROOT / "README.md")])


def test_a_failing_step_fails_the_whole_and_the_counts_are_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [build.Step("ruff", passed=True), build.Step("core", True, 1.0, {"passed": 3, "failed": 0})]
    assert build.summarise(steps) == 0
    steps.append(build.Step("package", False, 1.0, {"passed": 1, "failed": 2, "skipped": 1}))
    assert build.summarise(steps) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "4 passed, 2 failed, 1 skipped"


def test_blenders_are_chosen_by_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "PYTHON", "3.11")
    chosen, rest = build.chosen_blenders(["-x", "--blenders", "4.2", "5.0", "tests/blender"])
    assert list(chosen) == ["4.2", "5.0"]
    assert len({environment.folder for environment in (*chosen.values(), build.BLENDER)}) == 3
    assert rest == ["-x", "tests/blender"]
    assert build.chosen_blenders(["-k", "word"]) == ({}, ["-k", "word"])
    for arguments, words in (
        (["--blenders"], "needs versions behind it"),
        (["--blenders", "3.6"], "Blender 3.6 is none that the tests know"),
        (["--blenders", "5.2"], "needs Python 3.13"),
    ):
        with pytest.raises(build.BuildError, match=words):
            build.chosen_blenders(arguments)


def test_a_window_is_opened_by_a_program(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.touch()
    assert build.chosen_window(["-x", "--window", str(tool), "-k", "word"]) == (tool, ["-x", "-k", "word"])
    assert build.chosen_window(["-k", "word"]) == (None, ["-k", "word"])
    for arguments in (["--window"], ["--window", str(tmp_path / "none")]):
        with pytest.raises(build.BuildError, match="needs a program behind it"):
            build.chosen_window(arguments)
