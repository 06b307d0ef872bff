# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py itself: what it stages, when it makes environments anew, and which tests it runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from dataclasses import replace
from pathlib import Path

import pip
import pytest

from building import environments, extension_zip
from building.basics import ROOT, BuildError
from building.choosing import chosen_blenders, chosen_storeys, options_and_paths
from building.environments import BLENDER, BLENDERS, Environment, make_environments
from building.extension_zip import extension_files, stage
from building.steps import Step, summarise
from building.testing import run_tests


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the zip and the environments are made from, which build.py takes for its own."""
    root = tmp_path / "checkout"
    for name in [*extension_files(), *(f"requirements/{name}" for name in BLENDER.requirements)]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    for module in (environments, extension_zip):
        monkeypatch.setattr(module, "ROOT", root)
    return root


def test_it_stages_the_same_files_without_git_and_without_leftovers(checkout: Path, tmp_path: Path) -> None:
    expected = set(extension_files())
    (checkout / "aim_blender" / "core" / "__pycache__").mkdir()
    (checkout / "aim_blender" / "core" / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"")
    (checkout / "tests").mkdir()
    (checkout / "tests" / "test_x.py").write_text("")
    stage(tmp_path / "staged")
    staged = {path.relative_to(tmp_path / "staged").as_posix() for path in (tmp_path / "staged").rglob("*.*")}
    assert staged | {"LICENSE"} == expected


def test_a_stray_file_stops_the_build_by_name(checkout: Path) -> None:
    (checkout / "ops" / "notes.txt").write_text("to do")
    with pytest.raises(BuildError, match=r"^ops/notes\.txt is of a kind that the extension does not contain"):
        extension_files()


def test_a_missing_licence_stops_the_build_by_name(checkout: Path) -> None:
    (checkout / "LICENSE").unlink()
    with pytest.raises(BuildError, match=r"^LICENSE is missing"):
        extension_files()


def test_another_requirement_makes_the_environment_anew(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "environments")
    environment = replace(BLENDER, name="other")
    assert not environment.is_current()
    environment.python.parent.mkdir(parents=True)
    environment.python.write_text("")
    environment.stamp.write_text(environment.wanted_stamp())
    assert environment.is_current()
    with open(checkout / "requirements" / "blender.txt", "a") as file:
        file.write("zstandard\n")
    assert not environment.is_current()


def test_another_python_is_told_which_ones_work() -> None:
    other = f"import runpy, sys; sys.version_info = (3, 12); runpy.run_path({str(ROOT / 'build.py')!r})"
    done = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("build.py needs Python 3.11 or 3.13")
    assert line.endswith("this is Python 3.12.")


def test_it_explains_itself_from_any_folder_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    def build(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", str(ROOT / "build.py"), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    for arguments, words in ((["--help"], "repository"), (["test", "--help"], "--blenders"), (["demo", "-h"], "--out")):
        done = build(*arguments)
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
        assert "test session starts" not in done.stdout
    for arguments, words in (
        (["chek"], "invalid choice: 'chek'"),
        (["check", "--fix"], "check does not know --fix"),
        (["test", "--window", "none"], "none is no program"),
    ):
        done = build(*arguments)
        assert done.returncode == 2
        assert words in done.stderr
    done = build("test", "tests/core/test_none.py")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("tests/core/test_none.py is not there")


def test_paths_choose_the_storeys_and_options_go_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    here = str(Path(__file__))
    monkeypatch.chdir(Path(__file__).parent)
    given = [f"{Path(__file__).name}::test_x", "-x", "--maxfail", "2", "-k", "conftest.py"]
    options, paths = options_and_paths(given)
    assert options == ["-x", "--maxfail", "2", "-k", "conftest.py"]  # a word behind -k is no file
    assert paths == [f"{here}::test_x"]
    assert chosen_storeys(options, paths) == {"package": [*options, *paths]}
    assert list(chosen_storeys(["-k", "word"], [])) == ["core", "blender", "package", "window"]
    for path in (ROOT / "README.md", ROOT / "tests"):
        with pytest.raises(BuildError, match="is in none of"):
            chosen_storeys([], [here, str(path)])
    with pytest.raises(BuildError, match=r"^5 is not there"):
        options_and_paths(["-k", "word", "5"])


def test_a_failing_step_fails_the_whole_and_the_counts_are_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [Step("ruff", passed=True), Step("core", True, 1.0, {"passed": 3, "failed": 0})]
    assert summarise(steps) == 0
    steps.append(Step("package", False, 1.0, {"passed": 1, "failed": 2, "skipped": 1}))
    assert summarise(steps) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "4 passed, 2 failed, 1 skipped"


def test_blenders_are_chosen_by_version() -> None:
    chosen, rest = chosen_blenders([*BLENDERS, "tests/blender"])
    assert chosen == BLENDERS
    assert len({environment.folder for environment in chosen.values()}) == 4
    assert BLENDER in chosen.values()
    assert rest == ["tests/blender"]
    assert chosen_blenders([]) == ({}, [])
    for arguments, words in ((["tests"], "needs versions behind it"), (["3.6"], "Blender 3.6 is none that the tests")):
        with pytest.raises(BuildError, match=words):
            chosen_blenders(arguments)
    with pytest.raises(BuildError, match="tests/core needs no Blender"):
        run_tests([str(ROOT / "tests" / "core")], chosen)


def test_a_damaged_environment_is_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a package index: one that does not work although it is finished, and one whose making was interrupted."""
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / ".env")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "none.txt").touch()
    environment = Environment("small", ("none.txt",), "import pip, wave")
    venv.create(environment.folder, symlinks=sys.platform != "win32")
    (damaged,) = environment.folder.glob("[lL]ib/**/site-packages")
    shutil.copytree(Path(pip.__file__).parent, damaged / "pip")
    (damaged / "sitecustomize.py").write_text("import sys\nsys.modules['wave'] = None\n")
    make_environments(environment)
    assert environment.is_current()
    assert not (damaged / "sitecustomize.py").exists()

    interrupted = replace(environment, version="3.2")
    interrupted.python.parent.mkdir(parents=True)
    interrupted.python.touch()  # as far as an interrupted venv may have come
    with pytest.raises(BuildError, match=r"no Python 3\.2 with a working venv module was found"):
        make_environments(interrupted)
    assert not interrupted.folder.exists()
