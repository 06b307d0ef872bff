# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's folder: whole files or none, progress that is still being written, its states, one worker at a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.jobs.folders.folder import FolderBusy, JobFolder, write_atomically

ROOT = Path(__file__).parents[2]
STEPS = [{"task": "info", "arguments": {"file": "nothing"}}]


def python(script: str, *arguments: object) -> subprocess.Popen:
    """Another Python process that knows aim_blender."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_atomic_write_replaces_the_whole_file(tmp_path):
    write_atomically(tmp_path / "a.json", "a longer text than the next")
    write_atomically(tmp_path / "a.json", "ä")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "ä"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="the limit of a file's size is a matter of POSIX")
def test_a_write_that_fails_keeps_the_old_file(tmp_path):
    files = [tmp_path / "a.json", tmp_path / "a.pc2"]
    script = """
import pathlib, resource, sys
import numpy as np
from aim_blender.core.shared.captured.mesh_caches import write_cache
from aim_blender.jobs.folders.folder import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
frames = np.zeros((1, 100, 3), np.float32), np.arange(1), 24.0
writers = lambda path: write_atomically(path, "n" * 3000), lambda path: write_cache(path, *frames)
for path, write in zip(sys.argv[1:], writers):
    try:
        write(pathlib.Path(path))
    except OSError as error:
        print(error.strerror, error.filename)
"""
    for path in files:
        path.write_text("old")
    said, _ = python(script, *files).communicate()
    assert said == "".join(f"File too large {path}\n" for path in files)
    assert [path.read_text() for path in files] == ["old", "old"]
    assert names(tmp_path) == ["a.json", "a.pc2"]


@pytest.mark.skipif(sys.platform == "win32", reason="which processes live is asked for by a signal of POSIX")
def test_what_a_killed_process_was_writing_is_removed_by_the_next_and_that_of_a_living_one_is_not(tmp_path):
    script = """
import os, pathlib, sys, time
from aim_blender.core.shared.foundation.whole_files import written_whole
with written_whole(pathlib.Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    print("writing", flush=True)
    sys.stdin.read()
"""
    path = tmp_path / "a [1].json"
    killed, living = (python(script, path) for _ in range(2))
    for process in (killed, living):
        process.stdout.readline()
    killed.kill()
    killed.communicate()
    (tmp_path / "a [1].json.0badcafe-1-1.part").touch()  # of another computer
    assert len(names(tmp_path)) == 3
    write_atomically(path, "whole")
    assert len(names(tmp_path)) == 3
    assert path.read_text() == "whole"
    living.communicate()
    assert names(tmp_path) == ["a [1].json", "a [1].json.0badcafe-1-1.part"]
    assert path.read_text() == "half"


def test_job_is_read_as_it_was_described(tmp_path):
    JobFolder.create(tmp_path / "deep" / "job", "Ada", STEPS)
    job = JobFolder(tmp_path / "deep" / "job").read_job()
    assert (job["version"], job["name"], job["steps"]) == (1, "Ada", STEPS)


def test_a_new_job_forgets_the_one_before_but_no_other_file(tmp_path):
    folder = JobFolder.create(tmp_path, "first", STEPS)
    folder.write_figures(0, {"error_mm": 1})
    folder.write_result({"state": "cancelled"})
    folder.request_cancel()
    folder.checkpoint_folder(0).mkdir(parents=True)
    (tmp_path / "A.actor.safetensors").touch()
    JobFolder.create(tmp_path, "second", STEPS)
    assert names(tmp_path) == ["A.actor.safetensors", "job.json"]
    assert folder.state() == "new"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 1}', '{"version": 1, "steps": [{"task": 3}]}'])
def test_damaged_description_is_one_sentence(tmp_path, content):
    (tmp_path / "job.json").write_text(content)
    with pytest.raises(InputError, match=r"job\.json"):
        JobFolder(tmp_path).read_job()


def test_job_without_steps_is_refused(tmp_path):
    with pytest.raises(InputError, match="no steps"):
        JobFolder.create(tmp_path / "job", "empty", [])
    assert not (tmp_path / "job").exists()


def test_half_a_line_is_left_for_later(tmp_path):
    folder = JobFolder(tmp_path)
    assert folder.read_progress() == ([], 0)
    folder.progress_file.write_bytes(b'{"done": 1}\n{"done": 2}\n{"do')
    records, offset = folder.read_progress()
    assert [record["done"] for record in records] == [1, 2]
    assert folder.read_progress(offset) == ([], offset)
    with open(folder.progress_file, "ab") as file:
        file.write(b'ne": 3}\n')
    records, offset = folder.read_progress(offset)
    assert [record["done"] for record in records] == [3]
    assert offset == folder.progress_file.stat().st_size


def test_half_a_line_of_a_killed_worker_spoils_only_itself(tmp_path):
    folder = JobFolder(tmp_path)
    folder.progress_file.write_bytes(b'{"done": 1}\n{"do')
    with folder.open_progress() as file:
        file.write(b'{"done": 2}\n')
    with folder.open_progress() as file:
        file.write(b'{"done": 3}\n')
    records, _ = folder.read_progress()
    assert [record["done"] for record in records] == [1, 2, 3]


def test_states(tmp_path):
    folder = JobFolder.create(tmp_path, "Ada", STEPS)
    assert folder.state() == "new"
    with folder.locked():
        pass
    assert folder.state() == "interrupted"
    for state in ("finished", "failed", "cancelled"):
        folder.write_result({"state": state})
        assert folder.state() == state


def test_starting_again_forgets_a_failure_but_not_the_end(tmp_path):
    folder = JobFolder.create(tmp_path, "Ada", STEPS)
    folder.request_cancel()
    folder.write_result({"state": "failed", "message": "no"})
    folder.prepare_start()
    assert (folder.read_result(), folder.cancel_requested()) == ({}, False)
    folder.write_result({"state": "finished", "figures": []})
    folder.prepare_start()
    assert folder.state() == "finished"


def test_figures_of_finished_steps(tmp_path):
    folder = JobFolder(tmp_path)
    assert folder.finished_figures() == []
    folder.write_figures(0, {})
    folder.write_figures(1, {"error_mm": 0.5})
    folder.write_figures(3, {"error_mm": 9})
    assert folder.finished_figures() == [{}, {"error_mm": 0.5}]
    assert json.loads((tmp_path / "step_1.json").read_text()) == {"error_mm": 0.5}


def test_a_folder_has_one_worker_and_a_killed_one_leaves_it_free(tmp_path):
    folder = JobFolder.create(tmp_path, "Ada", STEPS)
    script = """
import sys, time
from aim_blender.jobs.folders.folder import JobFolder
with JobFolder(sys.argv[1]).locked():
    print("mine", flush=True)
    time.sleep(60)
"""
    other = python(script, tmp_path)
    try:
        assert other.stdout.readline() == "mine\n"
        assert folder.state() == "running"
        with pytest.raises(FolderBusy, match="another worker"):
            with folder.locked(patience_s=0.1):
                pass
        with pytest.raises(FolderBusy):
            JobFolder.create(tmp_path, "second", STEPS)
        assert folder.read_job()["name"] == "Ada"
    finally:
        other.kill()
        other.communicate()
    assert folder.state() == "interrupted"
    with folder.locked(patience_s=0.1):
        pass
