# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py itself: what it stages, when it makes environments anew, and which tests it runs."""

from __future__ import annotations

import shutil
import sys
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


def test_blenders_are_chosen_by_version() -> None:
    chosen, rest = build.chosen_blenders(["-x", "--blenders", *build.BLENDERS, "tests/blender"])
    assert chosen == build.BLENDERS
    assert len({environment.folder for environment in chosen.values()}) == 4
    assert build.BLENDER in chosen.values()
    assert rest == ["-x", "tests/blender"]
    assert build.chosen_blenders(["-k", "word"]) == ({}, ["-k", "word"])
    for arguments, words in (
        (["--blenders"], "needs versions behind it"),
        (["--blenders", "3.6"], "Blender 3.6 is none that the tests know"),
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


def test_what_runs_at_a_time_is_shown_in_one_piece(capfd: pytest.CaptureFixture[str]) -> None:
    def job(number: int) -> build.Job:
        words = f"import sys, time; print({number}); time.sleep(0.2); sys.exit('{number} ends' * {number} or 0)"
        command: list[object] = [sys.executable, "-c", words]
        return f"step {number}", lambda output: [build.run_step(f"step {number}", command, output)]

    steps = build.run_beside_each_other([job(number) for number in range(3)])
    assert [(step.name, step.passed) for step in steps] == [("step 0", True), ("step 1", False), ("step 2", False)]
    shown = capfd.readouterr().out
    for words in ("step 0\n0\n", "step 1\n1\n1 ends\n", "step 2\n2\n2 ends2 ends\n"):
        assert f"\n=== {words}" in shown
    assert build.run_beside_each_other([job(0)])[0].passed
    assert capfd.readouterr().out == "\n=== step 0\n0\n"


def test_a_damaged_environment_is_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a package index: one whose making was interrupted, and one that does not work although it is finished."""
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "ENVIRONMENTS", tmp_path / ".env")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "none.txt").touch()
    environment = build.Environment("small", ("none.txt",), "import pip, wave")
    environment.python.parent.mkdir(parents=True)
    environment.python.touch()  # as far as an interrupted venv may have come
    build.make_environments(environment)
    assert environment.is_current()

    (damaged,) = environment.folder.glob("[lL]ib/**/site-packages")
    (damaged / "sitecustomize.py").write_text("import sys\nsys.modules['wave'] = None\n")
    environment.stamp.unlink()
    build.make_environments(environment)
    assert environment.is_current()
    assert not (damaged / "sitecustomize.py").exists()

    with pytest.raises(build.BuildError, match=r"no Python 3\.2 with a working venv module was found"):
        build.make_environments(replace(environment, version="3.2"))
