# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches: what is done is not done again, what changed is, and a failing shot does not stop the others."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from aim_blender.core.files.files import load_actor
from aim_blender.core.shared.foundation.errors import Cancelled
from aim_blender.core.shared.results.kept_files import kept_correspondence
from aim_blender.jobs.batch import shots
from aim_blender.jobs.batch.batch import SUMMARY, summary
from aim_blender.jobs.command_line.command_line import main
from aim_blender.jobs.folders.plain_values import plain
from aim_blender.jobs.running.registry import TASKS
from tests.core.tiny_capture import POINTS, learn_step, shapes, write_capture, write_performance

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive"}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with two learned actors, performances and a table of three shots."""
    folder = tmp_path_factory.mktemp("batch")
    capture = write_capture(folder / "capture.npz")
    with np.load(capture) as archive:
        arrays = dict(archive)
    arrays["vertices"] = arrays["vertices"] * np.array([1.1, 1.0, 0.95], np.float32)
    np.savez(folder / "other.npz", **arrays)
    for name in ("capture", "other"):
        step = learn_step(folder / f"{name}.npz", folder / f"{name}.actor.safetensors", 5)
        TASKS["learn"](step["arguments"], lambda _: None, None)
    for number in (1, 2, 3):
        write_performance(folder / f"sh{number}.npz", 4 + number)
    write_table(folder, [{"performance": f"sh{number}.npz"} for number in (1, 2, 3)])
    return folder


def write_table(folder, rows, **defaults):
    base = {
        "actor": "capture.actor.safetensors",
        "modes": 4,
        "tolerance_mm": 0.5,
        "targets": ["other.actor.safetensors"],
    }
    (folder / "shots.json").write_text(json.dumps({"defaults": {**base, **defaults}, "shots": rows}))


@pytest.fixture
def project(made, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "project"))


def run(project, **more):
    arguments = {"table": str(project / "shots.json"), "out": str(project / "out"), **more}
    return TASKS["batch"](arguments, lambda _: None, None)


def states(figures):
    return [row["state"] for row in figures["rows"]]


def runs(project, shot):
    """The steps that were done for a shot, in their order."""
    return [json.loads(line)["step"] for line in (project / "out" / shot / "runs.jsonl").read_text().splitlines()]


STEPS = ["fit", "retarget other", "bake other"]


def test_all_of_it_then_nothing(project):
    first = run(project)
    assert (states(first), first["failed"]) == ([shots.DONE] * 3, 0), first["rows"]
    assert {path.name for path in (project / "out" / "sh1").iterdir()} >= {
        "sh1.take.safetensors",
        "sh1.other.take.safetensors",
        "sh1.other.bake.npz",
    }
    assert all(0 < row["worst_mm"] <= 0.5 for row in first["rows"])
    with np.load(project / "out" / "sh2" / "sh2.other.bake.npz") as bake:
        assert bake["key_weights"].shape[0] == 6
    before = contents(project / "out")
    again = run(project)
    assert states(again) == [shots.KEPT] * 3
    assert json.loads((project / "out" / SUMMARY).read_text()) == json.loads(json.dumps(plain(again)))
    assert [row["worst_mm"] for row in again["rows"]] == [row["worst_mm"] for row in first["rows"]]
    assert contents(project / "out") == before
    assert all(runs(project, f"sh{number}") == STEPS for number in (1, 2, 3))


def test_what_cannot_be_right_is_in_the_row_and_below_the_table(project):
    write_performance(project / "loud.npz", strength=3.0)
    write_table(project, [{"performance": "loud.npz"}])
    for figures in (run(project), run(project)):  # also where it was done already
        (row,) = figures["rows"]
        assert row["notes"][0].startswith("fit: weights go far beyond the shapes in ")
        assert f"\nnote: loud, {row['notes'][0]}\n" in summary(figures)
    quiet = {**figures, "rows": [{**row, "notes": []}]}
    assert "note" not in summary(quiet)


def contents(folder):
    """Of all files but those that tell of a run."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path: path.read_bytes() for path in files if path.name not in ("worker.lock", SUMMARY)}


def test_what_is_made_again(project):
    run(project)
    out = project / "out"

    # A deleted output is made again, and nothing that follows from it, because it comes out the same.
    (out / "sh1" / "sh1.other.take.safetensors").unlink()
    assert states(run(project)) == [shots.DONE, shots.KEPT, shots.KEPT]
    assert runs(project, "sh1") == [*STEPS, "retarget other"]

    # So is an output that was changed or cut, though its time stays.
    bake = out / "sh2" / "sh2.other.bake.npz"
    times = bake.stat()
    bake.write_bytes(bake.read_bytes()[:-10])
    os.utime(bake, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert states(run(project)) == [shots.KEPT, shots.DONE, shots.KEPT]
    assert runs(project, "sh2") == [*STEPS, "bake other"]

    # A performance of the same size and time but with other contents is another performance.
    performance = project / "sh3.npz"
    times, content = performance.stat(), dict(np.load(performance))
    content["vertices"][1] = shapes()[0]
    np.savez(performance, **content)
    os.utime(performance, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert performance.stat().st_size == times.st_size
    assert states(run(project)) == [shots.KEPT, shots.KEPT, shots.DONE]
    assert runs(project, "sh3") == [*STEPS, *STEPS]

    # Touching a file changes nothing.
    performance.touch()
    assert states(run(project)) == [shots.KEPT] * 3

    # A setting concerns the steps that it is a setting of.
    write_table(project, [{"performance": f"sh{number}.npz"} for number in (1, 2, 3)], tolerance_mm=0.3)
    assert states(run(project)) == [shots.DONE] * 3
    assert runs(project, "sh2") == [*STEPS, "bake other", "bake other"]


def test_a_moved_project_stays_done(project):
    run(project)
    moved = project.rename(project.with_name("elsewhere"))
    assert states(run(moved)) == [shots.KEPT] * 3


def test_existing_takes_caches_ranges_and_the_performer_itself(project):
    run(project)
    rows = [
        {
            "shot": "again",
            "take": "out/sh3/sh3.take.safetensors",
            "targets": ["capture.actor.safetensors", "other.actor.safetensors"],
            "write": ["pc2", "npz"],
            "start": 2,
            "end": 6,
            "fps": 48,
            "first": 1001,
            "strength": 0.5,
        }
    ]
    write_table(project, rows)
    assert states(run(project)) == [shots.DONE]
    assert runs(project, "again") == ["npz capture", "pc2 capture", "retarget other", "npz other", "pc2 other"]
    from aim_blender.core.shared.captured.performances import read_performance

    for target in ("capture", "other"):
        frames = read_performance(project / "out" / "again" / f"again.{target}.npz")
        cache = read_performance(project / "out" / "again" / f"again.{target}.pc2")
        assert frames.frames.tolist() == list(range(1001, 1010))
        assert frames.fps == 48
        assert cache.vertices.shape == (9, POINTS, 3)
        assert np.array_equal(cache.vertices, frames.vertices)


def test_a_correspondence_that_is_kept_beside_the_target_counts(project):
    """What `retarget` takes by itself is a reason to retarget again when it is another."""
    run(project, part="1/3")
    source, target = (project / f"{name}.actor.safetensors" for name in ("capture", "other"))
    kept = kept_correspondence(target, load_actor(source).topology.digest)
    kept.write_bytes(b"a correspondence")
    assert states(run(project, part="1/3")) == [shots.DONE]
    assert states(run(project, part="1/3")) == [shots.KEPT]
    kept.write_bytes(b"a better correspondence")
    assert states(run(project, part="1/3")) == [shots.DONE]
    # The retargeted take is the same, so what follows from it stays.
    assert runs(project, "sh1") == [*STEPS, "retarget other", "retarget other"]


def test_what_a_killed_process_left_is_removed(project):
    left = project / "out" / "sh1" / "sh1.take.safetensors.123-456.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    run(project, part="1/3")
    assert not left.exists()
    assert not (left.parent / "checkpoint").exists()


def test_a_failing_shot_does_not_stop_the_others(project, capsys):
    (project / "sh2.npz").unlink()
    (project / "sh3.npz").write_bytes(b"no performance")
    write_performance(project / "sh4.npz")
    write_table(project, [{"performance": f"sh{number}.npz"} for number in (1, 2, 3, 4)])
    status = main(["batch", str(project / "shots.json"), "--out", str(project / "out")])
    said = capsys.readouterr().out
    assert status == 1
    assert f"shot 2, column performance: {project / 'sh2.npz'} does not exist" in said
    assert f"{project / 'sh3.npz'} cannot be read as a performance" in said
    assert "4 shots in" in said
    assert ": 2 done, 0 already done, 2 failed" in said
    # Mended, only these two are done.
    for number in (2, 3):
        write_performance(project / f"sh{number}.npz", 5)
    assert main(["batch", str(project / "shots.json"), "--out", str(project / "out"), "--json"]) == 0
    assert states(json.loads(capsys.readouterr().out)) == [shots.KEPT, shots.DONE, shots.DONE, shots.KEPT]


def test_wrong_table_or_part(project, capsys):
    for words, sentence in (
        ([str(project / "shots.csv")], "shots.csv does not exist"),
        ([str(project / "shots.json"), "--part", "4/3"], "the part is '4/3'"),
    ):
        assert main(["batch", *words, "--out", str(project / "out")]) == 2
        complained = capsys.readouterr().err
        assert sentence in complained
        assert complained.count("\n") == 1


def test_unforeseen_failures_leave_their_traceback(project, monkeypatch):
    monkeypatch.setitem(shots.TASKS_OF_STEPS, "bake", lambda *_: 1 / 0)
    figures = run(project, part="1/3")
    (row,) = figures["rows"]
    log = project / "out" / "sh1" / "batch.log"
    assert row["message"].endswith(f"unexpected ZeroDivisionError: division by zero (the traceback is in {log})")
    assert "Traceback" in log.read_text()
    assert row["made"] == 2


def test_cancelling_keeps_what_is_done(project):
    seen = []

    def report(record):
        seen.append(record)
        if record["message"].startswith("sh2: Writing the take"):
            raise Cancelled

    with pytest.raises(Cancelled):
        TASKS["batch"]({"table": str(project / "shots.json"), "out": str(project / "out")}, report, None)
    assert seen[-1]["total"] == 3
    assert 1 < seen[-1]["done"] < 2
    assert states(run(project)) == [shots.KEPT, shots.DONE, shots.DONE]
    assert runs(project, "sh1") == STEPS


def start(project, *words):
    command = [sys.executable, "-m", "aim_blender", "batch", str(project / "shots.json"), "--out", str(project / "out")]
    return subprocess.Popen([*command, *words], env=ENVIRONMENT, cwd=project, stdout=subprocess.PIPE, text=True)


def test_two_parts_and_a_third_process_at_once(project):
    """The parts do not meet, and a process that does all of it waits for them and finds their shots done."""
    processes = [start(project, "--json", *words) for words in (["--part", "1/2"], ["--part", "2/2"], [])]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [row["shot"] for row in answers[0]["rows"]] == ["sh1", "sh3"]
    assert [row["shot"] for row in answers[1]["rows"]] == ["sh2"]
    assert all(runs(project, f"sh{number}") == STEPS for number in (1, 2, 3))


@pytest.mark.skipif(sys.platform == "win32", reason="workers are killed by a signal of POSIX")
def test_a_worker_of_a_cluster_dies(project):
    """Two workers, one killed while it works: all shots come out as without a cluster, and each step was done once."""
    distributed = pytest.importorskip("dask.distributed")
    assert run(project, out=str(project / "alone"))["failed"] == 0
    write_table(project, [{"shot": f"s{number}", "performance": f"sh{number % 3 + 1}.npz"} for number in range(6)])
    with subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--dashboard-address", ":0",
         "--no-show", "--host", "127.0.0.1", "--scheduler-file", str(project / "scheduler.json")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as scheduler:  # fmt: skip
        workers = []
        try:
            while not (project / "scheduler.json").exists():
                time.sleep(0.05)
            address = json.loads((project / "scheduler.json").read_text())["address"]
            workers = [
                subprocess.Popen(
                    [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny",
                     "--no-dashboard", "--local-directory", str(project / f"dask{number}")],
                    env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )
                for number in range(2)
            ]  # fmt: skip
            client = distributed.Client(address, set_as_default=False)
            client.wait_for_workers(2, timeout=60)
            client.close()
            master = start(project, "--json", "--scheduler", address)
            victim = workers[0].pid
            until = time.monotonic() + 90
            while victim not in processes_of(project):
                assert time.monotonic() < until
                time.sleep(0.01)
            os.kill(victim, signal.SIGKILL)
            answer = json.loads(master.communicate(timeout=120)[0])
        finally:
            for process in [*workers, scheduler]:
                process.kill()
                process.wait()
    assert master.returncode == 0
    assert (answer["shots"], answer["failed"]) == (6, 0)
    for number in range(6):
        assert runs(project, f"s{number}") == STEPS
    assert set(processes_of(project)) == {worker.pid for worker in workers}
    for number in range(6):
        path, other = (
            project / folder / name / f"{name}.other.bake.npz"
            for folder, name in (("out", f"s{number}"), ("alone", f"sh{number % 3 + 1}"))
        )
        with np.load(path) as ours, np.load(other) as theirs:
            for name in theirs.files:
                assert np.array_equal(ours[name], theirs[name]), name
    assert states(run(project)) == [shots.KEPT] * 6


def processes_of(project):
    """The processes that have done a step."""
    lines = [line for path in (project / "out").glob("*/runs.jsonl") for line in path.read_text().splitlines()]
    return [json.loads(line)["process"] for line in lines]


def test_without_dask_or_a_scheduler(project, capsys, monkeypatch):
    words = ["batch", str(project / "shots.json"), "--out", str(project / "out"), "--scheduler"]
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    assert main([*words, "tcp://127.0.0.1:9"]) == 2
    assert "needs the package dask, which is missing; pip install 'dask[distributed]'" in capsys.readouterr().err
