# SPDX-License-Identifier: GPL-3.0-or-later
"""Real workers: they finish, fail in one sentence, stop when asked, die with their parent, and are resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.jobs.folders.folder import JobFolder
from aim_blender.jobs.running.registry import TASKS
from aim_blender.jobs.supervision.interpreter import python_of
from aim_blender.jobs.supervision.supervisor import JobCancelled, JobFailed, Status, Supervisor
from tests.core.tiny_capture import learn_step, write_capture, write_performance

ROOT = Path(__file__).parents[2]
ENDLESS = 10_000_000  # iterations of a learning that only ends when it is ended
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and files of a POSIX system")


@pytest.fixture
def started(tmp_path) -> Iterator[Callable[..., Supervisor]]:
    """Makes and starts jobs in tmp_path / "job", and leaves no worker behind."""
    supervisors = []

    def start(steps: list[dict], **options: Any) -> Supervisor:
        supervisor = Supervisor(JobFolder.create(tmp_path / "job", "Ada", steps), sys.executable, **options)
        supervisors.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in supervisors:
        supervisor.stop(grace_s=0)


@pytest.fixture
def endless(tmp_path) -> list[dict]:
    return [learn_step(write_capture(tmp_path / "capture.npz"), tmp_path / "A.actor.safetensors", ENDLESS)]


def until(supervisor: Supervisor, condition: Callable[[Status], object], seconds: float = 120) -> Status:
    """Poll, as a timer would, until the condition holds."""
    patient_until = time.monotonic() + seconds
    while not condition(status := supervisor.poll()):
        assert time.monotonic() < patient_until, status
        assert not status.ended, status
        time.sleep(0.02)
    return status


def learning(status: Status) -> bool:
    return status.state == "running" and status.fraction > 0 and "error_mm" in status.figures


def ended(status: Status) -> bool:
    return status.ended


def failure(supervisor: Supervisor) -> str:
    with pytest.raises(JobFailed) as caught:
        supervisor.wait()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert supervisor.poll().error == sentence
    return sentence


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_unknown_task(started):
    supervisor = started([{"task": "dance", "arguments": {}}])
    assert failure(supervisor) == f"there is no task dance; there are {', '.join(TASKS)}"
    assert supervisor.folder.state() == "failed"
    assert supervisor.folder.read_result()["state"] == "failed"
    assert "Traceback" not in supervisor.folder.log_file.read_text()


def test_missing_and_misspelt_arguments(started):
    assert failure(started([{"task": "fit", "arguments": {"out": "t"}}])) == "fit needs actor, which was not given"
    asked = {"folder": "/e", "base": "/python", "build": "cpu"}
    assert "asks for the task environment" in failure(started([{"task": "environment", "arguments": asked}]))
    with pytest.raises(InputError, match="info does not know fiel; it takes file"):
        TASKS["info"]({"file": "a", "fiel": "b"}, lambda line: None, None)


def test_a_missing_file_is_named_and_a_mended_job_starts_again(started, tmp_path):
    performance = tmp_path / "performance.npz"
    supervisor = started([{"task": "info", "arguments": {"file": str(performance)}}])
    assert str(performance) in failure(supervisor)
    write_performance(performance)
    supervisor.start()
    assert supervisor.poll().error == ""
    supervisor.wait()
    assert supervisor.folder.state() == "finished"


def test_unforeseen_error_names_its_kind_and_the_log(started, tmp_path):
    arguments = {"actor": 3, "take": "b", "out": str(tmp_path / "b.npz")}
    supervisor = started([{"task": "bake", "arguments": arguments}])
    sentence = failure(supervisor)
    assert sentence.startswith("unexpected TypeError: ")
    assert str(supervisor.folder.log_file) in sentence
    assert "Traceback" in supervisor.folder.log_file.read_text()


def on_small_disk(pages: int, script: str, *arguments: object) -> str:
    """What the script prints with the working directory on a real disk of so many pages of 4 KiB; skips without one."""
    mount = 'mount -t tmpfs -o size="$2" tmpfs "$1" && cd "$1" && shift 2 && exec "$@"'
    folder = Path(str(arguments[0]))
    folder.mkdir()
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh", str(folder), f"{4 * pages}k"]
    if shutil.which("unshare") is None or subprocess.run([*inside, "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine does not let a test mount a small disk")
    command = [*inside, sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.check_output(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True).strip()


SUPERVISE = """
import json, pathlib, sys
from aim_blender.jobs.folders.folder import JobFolder
from aim_blender.jobs.supervision.supervisor import JobFailed, Supervisor
disk, folder, step = sys.argv[1:]
folder = JobFolder.create(folder, "Ada", [json.loads(step)])
supervisor = Supervisor(folder, sys.executable)
try:
    supervisor.start()
    supervisor.wait()
except JobFailed as error:
    print(error)
    print(*sorted(path.name for path in pathlib.Path(disk).iterdir()))
"""


def test_full_disk_of_the_output(tmp_path):
    disk = tmp_path / "disk"
    step = learn_step(write_capture(tmp_path / "capture.npz"), disk / "A.actor.safetensors", 2)
    said = on_small_disk(2, SUPERVISE, disk, tmp_path / "job", json.dumps(step))
    assert said == f"the disk of {disk} is full; free some space on it, then resume"
    assert JobFolder(tmp_path / "job").state() == "failed"


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_full_disk_of_the_job(tmp_path, pages):
    """One page is too few for the supervisor's own files, two for the worker's progress, three for its result."""
    disk = tmp_path / "disk"
    said = on_small_disk(
        pages, SUPERVISE, disk, disk / "job", json.dumps({"task": "info", "arguments": {"file": "nothing"}})
    )
    assert said.splitlines()[0] == f"the disk of {disk / 'job'} is full; free some space on it, then resume"


def test_interpreter_that_does_not_exist(tmp_path):
    folder = JobFolder.create(tmp_path / "job", "Ada", [{"task": "info", "arguments": {"file": "a"}}])
    supervisor = Supervisor(folder, tmp_path / "python")
    with pytest.raises(JobFailed, match="python cannot be started"):
        supervisor.start()
    assert not folder.is_locked()


@posix
def test_interpreter_that_is_no_python(tmp_path):
    folder = JobFolder.create(tmp_path / "job", "Ada", [{"task": "info", "arguments": {"file": "a"}}])
    supervisor = Supervisor(folder, "/bin/sh")
    supervisor.start()
    assert "the worker left no result (status " in failure(supervisor)
    assert folder.state() == "interrupted"


def test_folder_without_a_job(tmp_path):
    with pytest.raises(InputError, match="is not the folder of a job"):
        Supervisor(JobFolder(tmp_path), sys.executable).start()


def test_a_job_that_was_not_started_is_no_success(tmp_path):
    folder = JobFolder.create(tmp_path / "job", "Ada", [{"task": "info", "arguments": {"file": "a"}}])
    supervisor = Supervisor(folder, sys.executable)
    assert supervisor.poll().state == "new"
    with pytest.raises(JobFailed, match="is not started"):
        supervisor.wait()


# -- Blender's process ------------------------------------------------------------------------------------------------


def test_blender_needs_no_package_to_supervise(tmp_path):
    """As an extension the package has another name, and the Python is one without torch, here even without numpy."""
    venv.create(tmp_path / "environment", with_pip=False, symlinks=sys.platform != "win32")
    extension = tmp_path / "extensions" / "bl_ext" / "user_default" / "aim_blender"
    extension.mkdir(parents=True)
    (extension / "aim_blender").symlink_to(ROOT / "aim_blender", target_is_directory=True)
    script = """
import sys
from bl_ext.user_default.aim_blender.aim_blender.jobs.folders.folder import JobFolder
from bl_ext.user_default.aim_blender.aim_blender.jobs.supervision.interpreter import check_interpreter, find_interpreter
from bl_ext.user_default.aim_blender.aim_blender.jobs.supervision.supervisor import JobFailed, Supervisor
folder = JobFolder.create(sys.argv[1], "Ada", [{"task": "dance", "arguments": {}}])
supervisor = Supervisor(folder, sys.argv[2])
supervisor.start()
try:
    supervisor.wait()
except JobFailed as error:
    print(error)
"""
    python = python_of(tmp_path / "environment")
    said = subprocess.check_output(
        [python, "-c", script, tmp_path / "job", sys.executable], cwd=extension.parents[2], text=True
    )
    assert said.startswith("there is no task dance")


def test_worker_without_torch_says_so(tmp_path):
    venv.create(tmp_path / "environment", with_pip=False, symlinks=sys.platform != "win32")
    python = python_of(tmp_path / "environment")
    folder = JobFolder.create(tmp_path / "job", "Ada", [learn_step(tmp_path, tmp_path / "A.actor.safetensors", 2)])
    supervisor = Supervisor(folder, python)
    supervisor.start()
    assert failure(supervisor).endswith("; install it or choose another interpreter")


# -- the whole life of a job ------------------------------------------------------------------------------------------


def test_finished_job_tells_its_figures_and_skips_its_steps_when_resumed(started, tmp_path):
    actor = tmp_path / "A.actor.safetensors"
    learn = learn_step(write_capture(tmp_path / "capture.npz"), actor, 30)
    supervisor = started([learn, {"task": "info", "arguments": {"file": str(tmp_path / "missing")}}])
    seen = []
    with pytest.raises(JobFailed, match="missing"):
        supervisor.wait(seen.append)
    assert max(status.fraction for status in seen) >= 0.5
    assert any(status.task == "learn" for status in seen)
    assert supervisor.folder.state() == "failed"

    written = actor.stat().st_mtime_ns
    actor.rename(tmp_path / "missing")
    supervisor.start()
    result = supervisor.wait()
    assert (tmp_path / "missing").stat().st_mtime_ns == written
    assert not actor.exists(), "the finished first step was done again"
    assert [type(figures) for figures in result["figures"]] == [dict, dict]
    status = supervisor.poll()
    assert (status.state, status.fraction, status.error) == ("finished", 1.0, "")
    assert status.figures == {**result["figures"][0], **result["figures"][1]}
    assert [name for name in files(tmp_path) if name.endswith(".part")] == []


def test_cancelled_then_resumed_then_killed(started, endless):
    supervisor = started(endless)
    until(supervisor, lambda status: learning(status) and status.remaining_s is not None)
    supervisor.cancel()
    assert supervisor.poll().message == "Stopping"
    status = until(supervisor, ended)
    assert (status.state, supervisor.folder.state()) == ("cancelled", "cancelled")
    cancelled_at = supervisor.folder.read_progress()[0][-1]["done"]
    with pytest.raises(JobCancelled):
        supervisor.wait()
    assert files(supervisor.folder.checkpoint_folder(0))
    assert not any(name.endswith(".actor.safetensors") for name in files(supervisor.folder.path.parent))

    _, offset = supervisor.folder.read_progress()
    supervisor.start()
    until(supervisor, learning)
    resumed_at = next(record["done"] for record in supervisor.folder.read_progress(offset)[0] if record["done"])
    assert resumed_at >= cancelled_at

    os.kill(supervisor.process_id, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    status = until(supervisor, ended)
    assert (status.state, supervisor.folder.state()) == ("interrupted", "interrupted")
    assert "can be resumed" in status.error
    again = Supervisor(JobFolder(supervisor.folder.path), sys.executable)  # as after a new start of Blender
    assert again.poll().state == "interrupted"


def test_second_worker_leaves_the_first_alone(started, endless):
    supervisor = started(endless)
    until(supervisor, lambda status: status.task == "learn")
    folder = supervisor.folder
    command = [sys.executable, "-m", "aim_blender", "job", str(folder.path)]
    second = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert second.returncode == 2
    assert second.stderr == f"another worker is already at work in {folder.path}; wait for it or cancel it first\n"
    with pytest.raises(InputError, match="another worker"):
        Supervisor(folder, sys.executable).start()
    assert folder.read_result() == {}
    assert supervisor.poll().state == "running"


@posix
def test_worker_that_does_not_heed_a_cancellation_is_killed(started, endless):
    supervisor = started(endless, grace_s=0.5)
    until(supervisor, lambda status: status.task == "learn")
    os.kill(supervisor.process_id, signal.SIGSTOP)
    supervisor.cancel()
    assert supervisor.poll().state == "running"
    status = until(supervisor, ended, seconds=20)
    assert (status.state, supervisor.folder.state()) == ("cancelled", "cancelled")
    assert supervisor.process_id is None


PARENT = """
import sys, time
from aim_blender.jobs.folders.folder import JobFolder
from aim_blender.jobs.supervision.supervisor import Supervisor
supervisor = Supervisor(JobFolder(sys.argv[1]), sys.executable)
supervisor.start()
while not (supervisor.folder.is_locked() and supervisor.poll().message == sys.argv[2]):
    time.sleep(0.02)
print(supervisor.process_id, flush=True)
time.sleep(60)
"""


def outlives_its_parent(folder: JobFolder, message: str) -> float:
    """Kill the parent once its worker says `message`; returns for how many seconds the worker lived on."""
    command = [sys.executable, "-c", PARENT, str(folder.path), message]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        os.kill(worker, 0)  # raises if there is no such process
        parent.kill()
    killed_at = time.monotonic()
    while folder.is_locked():
        assert time.monotonic() < killed_at + 30, f"the worker {worker} outlived its parent"
        time.sleep(0.02)
    return time.monotonic() - killed_at


@posix
def test_worker_saves_its_work_and_ends_when_its_parent_is_killed(endless, tmp_path):
    folder = JobFolder.create(tmp_path / "job", "Ada", endless)
    outlives_its_parent(folder, "Learning the anatomy")
    assert folder.state() == "interrupted"
    assert files(folder.checkpoint_folder(0))


@posix
def test_worker_that_hangs_ends_too_when_its_parent_is_killed(tmp_path):
    os.mkfifo(tmp_path / "capture.npz")  # a file that no one writes to: reading it never ends
    step = learn_step(tmp_path / "capture.npz", tmp_path / "A.actor.safetensors", 2)
    folder = JobFolder.create(tmp_path / "job", "Ada", [step])
    assert outlives_its_parent(folder, "Reading the capture") > 1  # it was given time to end by itself
    assert folder.state() == "interrupted"
