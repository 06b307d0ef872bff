# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that stays for the next job: it gives what a process of its own gives, and nothing goes from job to job."""

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from aim_blender.core.checks.face_spots import keep_spots
from aim_blender.core.contact.contact import Contact
from aim_blender.core.files.files import load_actor, save_actor
from aim_blender.core.fitting.fitting_session import FittingSession
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.shared.captured.captures import read_capture
from aim_blender.core.shared.foundation import remembering
from aim_blender.core.shared.settings.fitting_settings import FittingSettings
from aim_blender.core.shared.settings.learning_settings import LearningSettings
from aim_blender.jobs.folders.folder import JobFolder
from aim_blender.jobs.running import staying
from aim_blender.jobs.supervision import workers as workers_module
from aim_blender.jobs.supervision.supervisor import JobCancelled, JobFailed, Supervisor
from aim_blender.jobs.supervision.workers import Worker, Workers
from tests.core.tiny_capture import write_capture, write_performance

NOT_RESULTS = ("setup_s", "frames_per_second")  # they tell how long it took
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of a POSIX system")


@pytest.fixture
def workers() -> Iterator[Workers]:
    found = Workers(lambda: 60.0)
    yield found
    found.close()


@pytest.fixture
def job(tmp_path) -> Callable[..., Supervisor]:
    """Makes a job in a folder of its own."""

    def make(name: str, workers: Workers | None, step: dict) -> Supervisor:
        return Supervisor(JobFolder.create(tmp_path / name, name, [step]), sys.executable, workers=workers)

    return make


@pytest.fixture
def quick(tmp_path) -> dict:
    """A step that does not load PyTorch."""
    return {"task": "info", "arguments": {"file": str(write_performance(tmp_path / "performance.npz"))}}


def done(supervisor: Supervisor) -> dict:
    supervisor.start()
    return supervisor.wait()


def ends(worker: Worker, seconds: float = 20.0) -> bool:
    """Whether a worker ends in time."""
    until = time.monotonic() + seconds
    while worker.status is None and time.monotonic() < until:
        time.sleep(0.02)
    return worker.status is not None


def content(take: Path) -> tuple[dict, bytes]:
    """The header of a take without what it took, and its arrays' bytes."""
    found = take.read_bytes()
    end = 8 + int.from_bytes(found[:8], "little")
    header = json.loads(found[8:end])
    told = json.loads(header["__metadata__"].pop("aim"))
    for name in NOT_RESULTS:
        del told["figures"][name]
    del header["__metadata__"]  # the checksum of what it took, too
    return {**header, "told": told}, found[end:]


def test_a_worker_that_stays_gives_what_a_process_of_its_own_gives(tiny, tmp_path, job, workers):
    actor = tmp_path / "A.actor.safetensors"
    save_actor(tiny[0], actor)

    def fit(name: str, performance: str, where: Workers | None) -> tuple[Path, dict, int | None]:
        out = tmp_path / f"{name}.take.safetensors"
        arguments = {"actor": str(actor), "performance": str(tmp_path / performance), "out": str(out), "modes": 12}
        supervisor = job(name, where, {"task": "fit", "arguments": arguments})
        supervisor.start()
        process_id = supervisor.process_id
        figures = supervisor.wait()["figures"][0]
        told = {key: figures[key] for key in figures if key not in (*NOT_RESULTS, "out", "curve")}
        return out, told, process_id

    write_performance(tmp_path / "one.npz")
    write_performance(tmp_path / "two.npz", frames=4, strength=0.5)
    alone, told_alone, _ = fit("alone", "one.npz", None)
    fit("other", "two.npz", workers)
    stayed, told, process_id = fit("stayed", "one.npz", workers)
    assert workers.kept is not None and workers.kept.process_id == process_id
    assert content(stayed) == content(alone)
    assert told == told_alone
    for picture in ("error.png", "sheet.png"):
        assert stayed.with_name(f"stayed.{picture}").read_bytes() == alone.with_name(f"alone.{picture}").read_bytes()
    logs = [(tmp_path / name / "worker.log").read_text().splitlines() for name in ("alone", "other", "stayed")]
    assert [len(lines) for lines in logs] == [1, 1, 1], logs  # the line that says when it began
    assert not (tmp_path / "stayed" / "checkpoint" / "0").exists()


def test_a_job_that_fails_ends_its_worker_and_the_next_has_a_new_one(tmp_path, job, quick, workers):
    done(job("first", workers, quick))
    kept = workers.kept
    failing = job("failing", workers, {"task": "info", "arguments": {"file": str(tmp_path / "missing.npz")}})
    failing.start()
    assert failing.process_id == kept.process_id
    with pytest.raises(JobFailed, match=r"missing\.npz"):
        failing.wait()
    assert "missing.npz" in failing.folder.log_file.read_text()
    assert "missing.npz" not in (tmp_path / "first" / "worker.log").read_text()
    assert (workers.kept, kept.status) == (None, 2)
    done(job("next", workers, quick))
    assert workers.kept.process_id != kept.process_id


@posix
def test_a_job_of_a_worker_that_stayed_is_cancelled_and_resumed(job, quick, workers):
    done(job("first", workers, quick))
    kept = workers.kept
    os.kill(kept.process_id, signal.SIGSTOP)  # else it would be done before it can be cancelled
    supervisor = job("second", workers, quick)
    supervisor.start()
    supervisor.cancel()
    assert supervisor.poll().message == "Stopping"
    os.kill(kept.process_id, signal.SIGCONT)
    with pytest.raises(JobCancelled):
        supervisor.wait()
    assert (workers.kept, kept.status) == (None, 130)
    done(supervisor)
    assert supervisor.folder.state() == "finished"
    assert workers.kept is not None


def test_two_jobs_at_once_have_a_process_each(job, quick, workers):
    done(job("first", workers, quick))
    one, two = job("one", workers, quick), job("two", workers, quick)
    one.start()
    two.start()
    both = {one._worker, two._worker}
    assert len({one.process_id, two.process_id}) == 2
    one.wait()
    two.wait()
    (other,) = both - {workers.kept}
    assert ends(other), "only one worker stays"


def test_another_environment_needs_another_worker(job, quick, workers, monkeypatch):
    done(job("first", workers, quick))
    before = workers.kept
    monkeypatch.setenv("AIM_TEST_OF_ENVIRONMENT", "1")
    done(job("second", workers, quick))
    second = workers.kept
    assert second.process_id != before.process_id
    assert ends(before)
    monkeypatch.setattr(workers_module, "_state_of", lambda interpreter: [("site-packages", 1)])
    done(job("third", workers, quick))
    assert workers.kept.process_id != second.process_id


def test_a_worker_ends_when_nobody_asks_for_it(job, quick):
    brief = Workers(lambda: 0.2)
    done(job("first", brief, quick))
    assert ends(brief._kept)
    none = Workers(lambda: 0.0)
    done(job("second", none, quick))
    assert none.kept is None


@posix
def test_a_job_whose_worker_ends_before_it_begins_has_a_new_one(job, quick, workers):
    done(job("first", workers, quick))
    kept = workers.kept
    os.kill(kept.process_id, signal.SIGSTOP)
    supervisor = job("second", workers, quick)
    supervisor.start()
    assert supervisor.process_id == kept.process_id
    os.kill(kept.process_id, signal.SIGKILL)
    supervisor.wait()
    assert supervisor.folder.state() == "finished"
    assert workers.kept.process_id != kept.process_id


def test_a_large_worker_does_not_stay(monkeypatch):
    assert staying._may_stay()
    monkeypatch.setattr(staying, "MOST_HELD", 2**20)
    assert not staying._may_stay()


def test_answers_are_forgotten_between_jobs():
    asked = []

    @remembering.remembered
    def counted(points: np.ndarray) -> int:
        asked.append(points)
        return len(points)

    counted(np.zeros(3))
    assert staying._may_stay()
    counted(np.zeros(3))
    assert len(asked) == 2


def test_an_actor_is_read_again_only_when_its_file_has_changed(tiny, tmp_path):
    path = tmp_path / "A.actor.safetensors"
    save_actor(tiny[0], path)
    first = load_actor(path)
    assert load_actor(path) is first
    save_actor(tiny[0], path)
    assert load_actor(path) is not first
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Exception, match="damaged"):
        load_actor(path)


def test_what_follows_from_an_actor_alone_is_made_once(demo_learned):
    """But not where its face is looked for, because how it was found is told each time."""
    settings = FittingSettings(modes=6, device="cpu")
    actor = dataclasses.replace(demo_learned, settings=dict(demo_learned.settings))
    session = FittingSession.of(actor, settings)
    assert FittingSession.of(actor, settings) is session
    assert FittingSession.of(actor, dataclasses.replace(settings, ridge=3.0)) is not session
    seldom_seen = np.full(len(actor.neutral), 0.4)
    assert FittingSession.of(actor, dataclasses.replace(settings, ridge=3.0), None, seldom_seen).usual_trust is not None
    assert Contact.of(actor) is not Contact.of(actor)
    keep_spots(actor)
    assert Contact.of(actor) is Contact.of(actor)


def test_learning_leaves_the_number_of_threads(tmp_path):
    before = torch.get_num_threads()
    settings = LearningSettings(iterations=2, hidden=8, depth=1, device="cpu", threads=before + 1)
    learn_actor(read_capture(write_capture(tmp_path / "capture.npz")), settings)
    assert torch.get_num_threads() == before
