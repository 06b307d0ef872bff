# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's interpreter: where it is looked for, and one sentence for each that cannot do the work."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from aim_blender.jobs.supervision import interpreter
from aim_blender.jobs.supervision.interpreter import InterpreterError, check_interpreter, find_interpreter

posix = pytest.mark.skipif(sys.platform == "win32", reason="files of a POSIX system")


def environment(folder: Path, with_torch: bool = True) -> Path:
    """The files of an environment by which it is found; returns its interpreter."""
    inside, packages = ("Scripts/python.exe", "Lib") if sys.platform == "win32" else ("bin/python3", "lib/python3.11")
    python = folder / inside
    python.parent.mkdir(parents=True)
    python.touch()
    if with_torch:
        torch = folder / packages / "site-packages" / "torch" / "__init__.py"
        torch.parent.mkdir(parents=True)
        torch.touch()
    return python


def refused(path: object, **options: Any) -> str:
    with pytest.raises(InterpreterError) as caught:
        check_interpreter(str(path), **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert str(path) in sentence
    return sentence


# -- looking for one --------------------------------------------------------------------------------------------------


def test_the_best_place_wins(tmp_path):
    extension, user = tmp_path / "extensions" / "aim_blender", tmp_path / "user"
    extension.mkdir(parents=True)
    with pytest.raises(InterpreterError, match="no Python with torch was found") as caught:
        find_interpreter(None, extension, user)
    assert str(user / "environment") in str(caught.value)
    older = environment(extension / ".env" / "worker-py3.9")
    assert find_interpreter("", extension, user) == older
    newer = environment(extension / ".env" / "worker-py3.13")
    assert find_interpreter(None, extension, user) == newer
    beside = environment(extension.parent / interpreter.NEIGHBOUR)
    assert find_interpreter(None, extension, user) == beside
    own = environment(user / "environment")
    assert find_interpreter(None, extension, user) == own
    assert find_interpreter(None, extension, None) == beside
    chosen = environment(tmp_path / "chosen", with_torch=False)
    assert find_interpreter(str(chosen), extension, user) == chosen
    assert find_interpreter(str(tmp_path / "chosen"), extension, user) == chosen


def test_a_half_installed_environment_is_passed_over(tmp_path):
    environment(tmp_path / "user" / "environment", with_torch=False)
    made_by_build = environment(tmp_path / "aim" / ".env" / "worker-py3.11")
    assert find_interpreter(None, tmp_path / "aim", tmp_path / "user") == made_by_build


def test_a_choice_that_does_not_exist_is_not_replaced_by_another(tmp_path):
    environment(tmp_path / "user" / "environment")
    with pytest.raises(InterpreterError, match="does not exist"):
        find_interpreter(str(tmp_path / "python"), tmp_path / "aim", tmp_path / "user")
    with pytest.raises(InterpreterError, match="no Python in the folder"):
        find_interpreter(str(tmp_path), tmp_path / "aim", tmp_path / "user")


# -- trying one -------------------------------------------------------------------------------------------------------


def test_this_interpreter_does_the_work():
    found = check_interpreter(sys.executable)
    import torch

    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["torch"] == torch.__version__
    assert found["cuda"] is torch.cuda.is_available()
    assert found["devices"][0] == "cpu"


def test_one_that_does_not_exist(tmp_path):
    assert "does not exist" in refused(tmp_path / "python")


def test_a_folder(tmp_path):
    assert "is a folder" in refused(tmp_path)


@posix
def test_one_that_may_not_be_run(tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\n")
    (tmp_path / "python").chmod(0o644)
    assert "is not executable" in refused(tmp_path / "python")


@posix
@pytest.mark.parametrize("program", ["sh", "true", "cat"])
def test_another_program(program):
    assert "is not a Python interpreter" in refused(shutil.which(program))


@posix
def test_a_file_of_noise(tmp_path):
    (tmp_path / "python").write_bytes(bytes(range(200)))
    (tmp_path / "python").chmod(0o755)
    assert "is not a Python interpreter" in refused(tmp_path / "python")


@posix
def test_one_that_never_answers(tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "python").chmod(0o755)
    assert "gave no answer for 0.5 s" in refused(tmp_path / "python", timeout_s=0.5)


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory) -> Path:
    """The interpreter of a real environment that holds no packages at all."""
    folder = tmp_path_factory.mktemp("bare") / "environment"
    venv.create(folder, with_pip=False, symlinks=sys.platform != "win32")
    python = interpreter.python_of(folder)
    assert python is not None
    return python


def test_one_without_the_packages(bare_python):
    sentence = refused(bare_python)
    assert f"lacks {', '.join(interpreter.PACKAGES)};" in sentence


def test_one_with_a_damaged_torch(bare_python):
    printed = subprocess.check_output(
        [bare_python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    packages = Path(printed.strip())
    for name in interpreter.PACKAGES:
        (packages / f"{name}.py").write_text("raise OSError('a library\\nis missing')" if name == "torch" else "")
    try:
        assert "cannot import torch: a library is missing" in refused(bare_python)
    finally:
        for name in interpreter.PACKAGES:
            (packages / f"{name}.py").unlink()


def test_what_blender_sets_for_its_own_python_does_not_reach_the_worker(bare_python, monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("raise SystemExit('not this one')")
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "lacks torch" in refused(bare_python)


def old_pythons() -> list[str]:
    """Pythons older than AIM needs that this machine happens to have."""
    found = [shutil.which(f"python{version}") for version in ("3.8", "3.9", "3.10")]
    for version in ("2.7", "3.6", "3.10"):
        found += map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return [path for path in found if path and subprocess.run([path, "-V"], capture_output=True).returncode == 0]


@pytest.mark.skipif(not old_pythons(), reason="this machine has no Python older than 3.11")
def test_one_that_is_too_old():
    for path in old_pythons():
        assert "choose Python 3.11 or newer" in refused(path)


def test_the_worker_waits_passively_and_finds_the_package(tmp_path):
    variables = interpreter.worker_environment(tmp_path)
    assert variables["OMP_WAIT_POLICY"] == "passive"
    assert variables["PYTHONPATH"] == str(tmp_path)
    assert "PYTHONHOME" not in variables
    assert variables["PATH"] == os.environ["PATH"]
