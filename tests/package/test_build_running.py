# SPDX-License-Identifier: GPL-3.0-or-later
"""What build.py shows while tests run beside each other, and that nothing is left when it ends early."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from building.basics import ROOT, BuildError
from building.side_by_side import Job, run_beside_each_other
from building.steps import GRACE, Output, Step, run_step

# build.py test, with tests of its own instead of the three storeys. The root is named: else pytest takes
# the folder that these tests and the checkout share, and names tests otherwise in a checkout among temporary files.
RUN = """\
import runpy, sys
from types import SimpleNamespace
sys.path.insert(0, {root!r})
from building import progress, testing
progress.EVERY = 0.3
this = SimpleNamespace(python=sys.executable)
given = ["--rootdir={folder}", "{folder}/test_{{}}.py"]
jobs = [testing.pytest_job(name, this, [given[0], given[1].format(name)]) for name in ("first", "second")]
testing.run_tests = lambda *_: testing.summarise(testing.run_beside_each_other(jobs))
sys.argv = ["build.py", "test"]
runpy.run_path({root!r} + "/build.py", run_name="__main__")
"""

FIRST = """\
import os, subprocess, sys, time
from pathlib import Path
import pytest

def test_fails():
    assert 1 + 1 == 3, "a sum"

@pytest.mark.skip
def test_skipped():
    pass

def test_hangs():
    lives = os.open("{folder}/lives", os.O_WRONLY)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=[lives])
    try:
        wait()
        child.kill()
    except KeyboardInterrupt:
        raise RuntimeError("an operator of Blender's has failed")

def test_hangs_too():
    wait()

def wait():
    for _ in range(300):
        if Path("{folder}/go").exists():
            return
        time.sleep(0.1)
    raise AssertionError("nobody let it go on")
"""

SECOND = """\
def test_passes():
    pass
"""


class Running:
    """The process, with its words. `lives` is readable as long as a test or a process that it has started lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "test_first.py").write_text(FIRST.format(folder=folder))
        (folder / "test_second.py").write_text(SECOND)
        os.mkfifo(folder / "lives")
        self.lives = os.open(folder / "lives", os.O_RDONLY | os.O_NONBLOCK)
        command = [sys.executable, "-c", RUN.format(root=str(ROOT), folder=folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.out = self.process.stdout

    def read_until(self, words: str) -> list[str]:
        """The lines up to one with these words in it."""
        lines: list[str] = []
        for line in self.out:
            lines.append(line.rstrip())
            if words in line:
                return lines
        raise AssertionError(f"{words!r} is not among:\n" + "\n".join(lines))

    def has_left_something(self) -> bool:
        try:
            return os.read(self.lives, 1) != b""
        except BlockingIOError:
            return True

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate()
        os.close(self.lives)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    if sys.platform == "win32":
        pytest.skip("a named pipe tells whether something is left, and Windows has none in folders")
    running = Running(tmp_path)
    yield running
    running.close()


def test_it_shows_at_once_what_fails_and_what_hangs(running: Running) -> None:
    early = running.read_until("test_first.py::test_hangs runs for")
    assert "tests/first: starts" in early
    assert [line for line in early if "FAILED" in line] == ["tests/first: FAILED test_first.py::test_fails"]
    assert early[-1].startswith("tests/first: 2 of 4 tests after ")
    assert ", 1 failed; " in early[-1]
    assert "a sum" not in "\n".join(early)

    (running.folder / "go").touch()
    late = running.read_until("3 passed, 1 failed, 1 skipped")
    heading = late.index("=== tests/first")
    report = late[heading : late.index("=== summary")]
    assert any("a sum" in line for line in report)
    assert any("1 failed, 2 passed, 1 skipped" in line for line in report)
    assert not any(line.startswith("tests/first: ") for line in report)
    assert running.process.wait(20) == 1
    assert "=== tests/second" in early + late
    assert running.process.stderr is not None
    assert running.process.stderr.read() == ""


@pytest.mark.parametrize("how", ["nobody reads", "terminated", "interrupted"])
def test_it_leaves_nothing_when_it_ends_early(running: Running, how: str) -> None:
    running.read_until("test_first.py::test_hangs runs for")
    assert running.has_left_something()
    if how == "nobody reads":
        running.out.close()
        expected, said = 1, ""
    else:
        running.process.send_signal(signal.SIGTERM if how == "terminated" else signal.SIGINT)
        expected, said = (143 if how == "terminated" else 130), running.out.read()
    started = time.monotonic()
    assert running.process.wait(20) == expected
    assert time.monotonic() - started < GRACE  # pytest ended by itself
    assert not running.has_left_something()
    assert ("a sum" in said) == (how != "nobody reads")  # what was found until then is not lost
    assert running.process.stderr is not None
    assert running.process.stderr.read() == ""


def test_what_runs_at_a_time_is_shown_in_one_piece(capfd: pytest.CaptureFixture[str]) -> None:
    def job(number: int) -> Job:
        words = f"import sys, time; print({number}); time.sleep(0.2); sys.exit('{number} ends' * {number} or 0)"
        command: list[object] = [sys.executable, "-c", words]
        return Job(f"step {number}", lambda output: [run_step(f"step {number}", command, output)])

    def refused(output: Output) -> list[Step]:
        raise BuildError("A file is missing.")

    steps = run_beside_each_other([*(job(number) for number in range(3)), Job("step 3", refused)])
    assert [(step.name, step.passed) for step in steps] == [(f"step {n}", n == 0) for n in range(4)]
    shown = capfd.readouterr().out
    for words in ("step 0\n0\n", "step 1\n1\n1 ends\n", "step 2\n2\n2 ends2 ends\n"):
        assert f"\n=== {words}" in shown
    assert "\nA file is missing.\n" in shown
    assert run_beside_each_other([job(0)])[0].passed
    assert capfd.readouterr().out == "\n=== step 0\n0\n"
