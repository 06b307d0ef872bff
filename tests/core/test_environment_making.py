# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's environment, really made by venv and pip: with one tiny package instead of torch and all that."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from aim_blender.core.shared.foundation.errors import Cancelled, InputError
from aim_blender.jobs.environment.environment_making import make_environment, remove_environment, traces
from aim_blender.jobs.environment.environment_plan import BUILDS, Plan, detect_build, find_base_python, steps_for
from aim_blender.jobs.folders.folder import JobFolder
from aim_blender.jobs.supervision.interpreter import InterpreterError, python_of
from aim_blender.jobs.supervision.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "tqdm==4.70.1"
OPTIONS = "--extra-index-url file:///nowhere"  # so that a build that needs options counts as possible everywhere


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    """A folder with the tiny package's wheel, or a skip."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "0", "--dest", str(folder)]
    done = subprocess.run([*command, PACKAGE], capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"pip reaches no package index from here: {done.stderr.strip().splitlines()[-1]}")
    return folder


@pytest.fixture
def plan(tmp_path) -> Plan:
    """An environment in a folder whose name has blanks and other scripts in it, from the package index."""
    (tmp_path / "requirements.txt").write_text(f"{PACKAGE}\n")
    build = "apple" if sys.platform == "darwin" else "cpu"
    return Plan(tmp_path / "Zoë 顔" / "environment", Path(sys.executable), build, tmp_path / "requirements.txt", "")


def offline(plan: Plan, wheels: Path) -> Plan:
    return replace(plan, options=f"--no-index --find-links '{wheels}'")


def imports_it(folder: Path) -> bool:
    python = python_of(folder)
    return python is not None and subprocess.run([python, "-c", "import tqdm"], capture_output=True).returncode == 0


def test_made_from_the_package_index_and_removed(plan, wheels):
    plan.folder.mkdir(parents=True)
    (plan.folder / "old").touch()
    told = []
    figures = make_environment(plan, told.append, trial=False)
    assert figures["folder"] == str(plan.folder)
    assert 1 < figures["size_mb"] < 200
    assert traces(plan.folder) == [plan.folder]
    assert imports_it(plan.folder)
    assert not (plan.folder / "old").exists()
    assert not list(plan.folder.glob("download"))
    shares = [each["done"] for each in told if each.get("total")]
    assert shares == sorted(shares)
    assert told[0]["message"] == "Making the environment"
    assert any(each["message"].startswith("Installing") for each in told)
    remove_environment(plan.folder)
    assert list(plan.folder.parent.iterdir()) == []


def test_one_that_cannot_learn_does_not_replace_one_that_is_there(plan, wheels):
    plan.folder.mkdir(parents=True)
    (plan.folder / "works").touch()
    with pytest.raises(InputError, match=r"does not work, and is removed: the Python .* lacks torch"):
        make_environment(offline(plan, wheels), lambda _: None)
    assert traces(plan.folder) == [plan.folder]
    assert (plan.folder / "works").exists()


def test_cancelled_while_pip_works(plan, wheels):
    def cancel(report):
        if report["message"] != "Making the environment":
            raise Cancelled

    with pytest.raises(Cancelled):
        make_environment(offline(plan, wheels), cancel, trial=False)
    assert traces(plan.folder) == []


def test_no_network(plan):
    closed = "http://127.0.0.1:9"  # this machine's own discard port, where nobody listens
    options = f"--retries 0 --timeout 2 --isolated --index-url {closed}"
    with pytest.raises(InputError, match=r"could not be made|could not reach"):
        make_environment(replace(plan, options=options), lambda _: None)
    assert traces(plan.folder) == []


def test_a_folder_that_cannot_be_written(plan, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file") as caught:
        make_environment(replace(plan, folder=tmp_path / "file" / "environment"), lambda _: None)
    assert caught.value.filename is not None


@pytest.mark.parametrize(("options", "words"), [("--find-links 'open", "cannot be read")])
def test_options_that_cannot_be_read(plan, options, words):
    with pytest.raises(InputError, match=words):
        replace(plan, options=options).check()


@pytest.mark.skipif(sys.platform != "linux", reason="about what pip finds on Linux")
def test_builds_on_linux(plan):
    replace(plan, build="cuda").check()
    replace(plan, build="rocm", options=OPTIONS).check()
    assert plan.takes_cuda_instead
    assert plan.expected is BUILDS["cuda"]
    assert replace(plan, options=OPTIONS).expected is BUILDS["cpu"]
    with pytest.raises(InputError, match="--index-url"):
        replace(plan, build="rocm").check()
    with pytest.raises(InputError, match="not for this system"):
        replace(plan, build="apple", options=OPTIONS).check()


def test_what_this_computer_has_is_one_of_the_builds():
    assert detect_build() in BUILDS


# -- the Python to start from -----------------------------------------------------------------------------------------


def test_base_python(tmp_path, monkeypatch):
    assert find_base_python(sys.executable) == Path(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_base_python("", [tmp_path / "none", sys.executable]) == Path(sys.executable)
    with pytest.raises(InterpreterError, match=r"no Python from 3\.11 to 3\.14"):
        find_base_python(None)
    with pytest.raises(InterpreterError, match="does not exist"):
        find_base_python(str(tmp_path / "python"))
    if sys.platform != "win32":
        with pytest.raises(InterpreterError, match="is not a Python interpreter"):
            find_base_python("/bin/cat")


def test_a_python_without_packages_starts_the_worker():
    """Without site-packages, as the base Python is."""
    code = (
        "import sys, aim_blender.jobs.command_line.command_line\n"
        "print([each for each in ('numpy', 'torch') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


# -- as a job ---------------------------------------------------------------------------------------------------------


def start(plan: Plan, folder: Path) -> Supervisor:
    supervisor = Supervisor(JobFolder.create(folder, "environment", steps_for(plan)), plan.base, trusted="environment")
    supervisor.start()
    return supervisor


def wait_for(what, seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_killed_worker_takes_pip_with_it_and_the_next_try_clears_up(plan, tmp_path):
    """pip waits for a server that never answers; then its worker is killed, as when Blender crashes badly."""
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        waiting = replace(plan, options=f"--isolated --timeout 60 --index-url {address}")
        supervisor = start(waiting, tmp_path / "job")
        wait_for(lambda: "Asking" in supervisor.poll().message)
        pip = processes_of(supervisor.process_id)
        assert len(pip) == 1
        os.kill(supervisor.process_id, signal.SIGKILL)
        wait_for(lambda: supervisor.poll().ended)
        wait_for(lambda: not alive(pip[0]))
    assert supervisor.poll().state == "interrupted"
    assert traces(plan.folder) == [plan.unfinished]
    with pytest.raises(Cancelled):
        make_environment(plan, cancel_at_once)
    assert traces(plan.folder) == []


def cancel_at_once(_: dict) -> None:
    raise Cancelled


def processes_of(parent: int) -> list[int]:
    """The children of a process, from ps."""
    found = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in found.splitlines() if int(line.split()[1]) == parent]


def alive(process: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")
