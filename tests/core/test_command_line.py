# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m aim_blender: figures on standard output, one line for bad input, and a way back after Ctrl-C."""

import contextlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aim_blender.core.files.files import load_take
from aim_blender.core.shared.foundation.errors import Cancelled
from aim_blender.jobs.command_line.command_line import main
from aim_blender.jobs.folders.progress import RemainingTime, duration
from aim_blender.jobs.running.registry import task_named
from aim_blender.jobs.supervision.interpreter import python_of
from tests.core.tiny_capture import NAMES, POINTS, write_capture, write_performance

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def aim(*words: object, python: Path | str = sys.executable, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "aim_blender", *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def refusal(*words: object) -> str:
    """The one line on standard error that bad input ends with, here without the seconds that a new process takes."""
    printed, complained = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complained):
        try:
            status = main([str(word) for word in words])
        except SystemExit as ended:
            status = int(ended.code or 0)
    line = complained.getvalue()
    assert (status, printed.getvalue()) == (2, ""), line
    assert line.endswith("\n")
    assert line.count("\n") == 1, line
    assert line.startswith("python -m aim_blender")
    return line


@contextlib.contextmanager
def terminal(shown: Path) -> Iterator[int | None]:
    """What a process may have for its standard error: a terminal, what it shows goes into a file; None on Windows."""
    if sys.platform == "win32":
        yield None
        return
    import fcntl
    import struct
    import termios

    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 110, 0, 0))
    yield theirs
    os.close(theirs)
    with open(ours, "rb") as screen:
        shown.write_bytes(screen.read1())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a capture, a performance, and the actor learned from the capture by the command line."""
    folder = tmp_path_factory.mktemp("command line")
    write_capture(folder / "capture.npz")
    write_performance(folder / "performance.npz")
    words = ["--iterations", "20", "--hidden", "16", "--device", "cpu", "--json"]
    command = [sys.executable, "-m", "aim_blender", "learn", "capture.npz", "--out", "A.actor.safetensors", *words]
    with terminal(folder / "terminal.txt") as errors:
        said = subprocess.check_output(command, cwd=folder, env=ENVIRONMENT, stderr=errors, text=True)
    figures = json.loads(said)
    assert figures["out"] == str(folder / "A.actor.safetensors")
    assert not (folder / "A.actor.safetensors.checkpoint").exists()
    return folder


# -- the whole path ---------------------------------------------------------------------------------------------------


def test_fit_evaluate_and_bake(folder, capsys):
    """Here without the seconds that new processes take."""

    def printed(*words: object) -> str:
        assert main([str(word) for word in words]) == 0
        return capsys.readouterr().out

    actor, take = folder / "A.actor.safetensors", folder / "T.take.safetensors"
    fitted = printed("fit", actor, folder / "performance.npz", "--out", take, "--modes", 8, "--json")
    assert json.loads(fitted)["frames"] == 6

    printed("evaluate", actor, take, "--out", folder / "frames.npz", "--json")
    with np.load(folder / "frames.npz") as frames:
        assert frames["vertices"].shape == (6, POINTS, 3)
        assert frames["jaw"].shape == frames["head"].shape == (6, 4, 4)
        truth = np.load(folder / "performance.npz")["vertices"]
        assert np.linalg.norm(frames["vertices"] - truth, axis=2).mean() < 0.5

    baked = printed("bake", actor, take, "--out", folder / "bake.npz", "--tolerance", 0.2)
    assert f"out {folder / 'bake.npz'}" in " ".join(baked.split())
    with np.load(folder / "bake.npz") as bake:
        assert bake["worst_mm"] <= 0.2


def test_what_cannot_be_right_is_said(folder, tmp_path, capsys):
    """On standard error, among the figures, and in the file."""
    loud, take = write_performance(tmp_path / "loud.npz", strength=3.0), tmp_path / "T.take.safetensors"
    given = ["fit", str(folder / "A.actor.safetensors"), str(loud), "--out", str(take), "--modes", "8"]
    assert main([*given, "--json"]) == 0
    said = capsys.readouterr()
    (note,) = json.loads(said.out)["notes"]
    assert note.startswith("weights go far beyond the shapes in ")
    assert said.err.endswith(f"note: {note}\n")
    assert main(given) == 0
    said = capsys.readouterr()
    assert note not in said.out  # once is enough
    assert note in said.err
    assert main(["info", str(take)]) == 0
    said = capsys.readouterr()
    assert f"\n  {note}\n" in said.out
    assert said.err == ""


def test_neural_fit(folder, tmp_path):
    """Stopped and resumed, it ends as if it had not been."""
    take, words = tmp_path / "T.take.safetensors", ("--solver", "neural", "--from-rest", "--seed", 2, "--modes", 8)
    given = (folder / "A.actor.safetensors", folder / "performance.npz", *words, "--iterations", 30, "--json")
    fitted = aim("fit", *given, "--out", take)
    assert fitted.returncode == 0, fitted.stderr
    figures = json.loads(fitted.stdout)
    assert (figures["frames"], figures["iterations"]) == (6, 30)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"T.{each}" for each in ("error.png", "sheet.png", "take.safetensors")
    }

    other, checkpoint = tmp_path / "U.take.safetensors", tmp_path / "U.take.safetensors.checkpoint"
    arguments: dict[str, Any] = dict(zip(("actor", "performance"), map(str, given[:2]), strict=True))
    arguments |= {"solver": "neural", "warm_start": False, "seed": 2, "modes": 8, "iterations": 30}
    reports = []

    def stop_early(line: dict) -> None:
        reports.append(line)
        if "remaining_s" in line:
            raise Cancelled

    checkpoint.mkdir()
    with pytest.raises(Cancelled):
        task_named("fit")({**arguments, "out": str(other)}, stop_early, checkpoint)
    assert 0 < reports[-1]["done"] <= 30
    task_named("fit")({**arguments, "out": str(other)}, lambda line: None, checkpoint)
    one, again = (load_take(path) for path in (take, other))
    assert np.allclose(one.coefficients, again.coefficients, atol=1e-4)  # another process may use other threads


def test_info(folder):
    run = aim("info", folder / "A.actor.safetensors", "--json")
    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout)
    assert figures["points"] == POINTS
    assert figures["expressions"] == list(NAMES[1:])
    shown = aim("info", folder / "A.actor.safetensors").stdout
    rows = [line.split("  ")[0] for line in shown.splitlines() if not line.startswith(" ")]
    assert rows == [name.replace("_", " ") for name in figures]
    assert "smile, frown, pout" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX")
def test_a_terminal_shows_a_bar(folder):
    shown = (folder / "terminal.txt").read_bytes().decode()
    assert re.search(r"Learning [a-z ]+: +\d+%", shown)
    assert shown.split("\r")[-1].strip() == ""


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], ["VERB"]),
        (["dance"], ["invalid choice: 'dance'"]),
        (["learn", "capture"], ["--out"]),
        (["learn", "capture", "--out", "a", "--iterations", "-5"], ["--iterations", "-5", "at least 1"]),
        (["learn", "capture", "--out", "a", "--device", "tpu"], ["--device", "tpu", "cuda"]),
        (["learn", "capture", "--out", "a", "--iter", "5"], ["--iter"]),
        (["learn", "capture", "--out", "A.safetensors"], ["A.safetensors", ".actor.safetensors"]),
        (["fit", "a", "b", "--out", "A.take.safetensors", "--from-rest"], ["no start from rest", "solver neural"]),
        (
            ["fit", "a", "b.npz", "--out", "A.take.safetensors", "--landmarks", "c"],
            ["landmarks given is for points of images or points", "b.npz"],
        ),
        (["evaluate", "a", "b", "--out", "b.npz", "--unit", "10"], ["b.npz is always in mm", ".pc2 or .mdd"]),
        (["bake", "a", "b", "--out", "b.npz", "--tolerance", "0"], ["0 mm", "more than 0"]),
        (["evaluate", "a", "b", "--out", "b.mdd", "--unit", "inf"], ["inf mm", "more than 0"]),
        (["learn", "capture", "--out", "A.actor.safetensors", "--seed", "-1"], ["--seed", "-1", "0 to 2^63"]),
        (["learn", "capture", "--out", "A." + "a" * 230 + ".actor.safetensors"], ["more than 200 bytes", "shorter"]),
        (["fit", "a", "b", "--out", "A.\0.take.safetensors"], ["zero byte"]),
    ],
)
def test_wrong_command(words, parts, tmp_path):
    words = [str(tmp_path / word) if word.startswith("A.") else word for word in words]
    line = refusal(*words)
    assert [part for part in parts if part not in line] == []


def test_bad_input_of_a_real_process(folder, tmp_path):
    run = aim("info", tmp_path / "nothing")
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1), run.stderr
    assert str(tmp_path / "nothing") in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_missing_files(folder, tmp_path):
    actor, take, nothing = folder / "A.actor.safetensors", tmp_path / "T.take.safetensors", tmp_path / "nothing"
    assert str(nothing) in refusal("learn", nothing, "--out", tmp_path / "A.actor.safetensors")
    assert str(nothing) in refusal("fit", actor, nothing, "--out", take)
    assert str(nothing) in refusal("fit", nothing, folder / "performance.npz", "--out", take)
    assert str(nothing) in refusal("info", nothing)
    assert list(tmp_path.iterdir()) == []


def test_damaged_actor(folder, tmp_path):
    damaged = tmp_path / "A.actor.safetensors"
    damaged.write_bytes((folder / "A.actor.safetensors").read_bytes()[:3000])
    assert str(damaged) in refusal("info", damaged)
    assert str(damaged) in refusal("fit", damaged, folder / "performance.npz", "--out", tmp_path / "T.take.safetensors")
    assert list(tmp_path.iterdir()) == [damaged]


def test_unknown_part_to_leave_out(folder, tmp_path):
    words = ("--out", tmp_path / "A.actor.safetensors", "--without", "anatomy,hair")
    assert "hair" in refusal("learn", folder / "capture.npz", *words)


def test_output_that_is_a_folder(folder, tmp_path):
    (tmp_path / "A.actor.safetensors").mkdir()
    assert "is a folder" in refusal("learn", folder / "capture.npz", "--out", tmp_path / "A.actor.safetensors")


def test_output_below_a_file(folder, tmp_path):
    (tmp_path / "file").touch()
    line = refusal("learn", folder / "capture.npz", "--out", tmp_path / "file" / "A.actor.safetensors")
    assert f"{tmp_path / 'file'} is a file; choose another folder" in line


def test_output_that_is_an_input(folder, monkeypatch):
    actor = folder / "A.actor.safetensors"
    whole = actor.read_bytes()
    monkeypatch.chdir(folder)  # another spelling is the same file
    line = refusal("transfer", actor, folder / "capture.npz", "--out", "A.actor.safetensors")
    assert "A.actor.safetensors is the source that is read; give it another name" in line
    assert actor.read_bytes() == whole


def test_a_neutral_with_a_vertex_that_is_nowhere(tmp_path):
    (tmp_path / "face.obj").write_text("v 0 0 0\nv 1 nan 0\nv 0 1 0\nf 1 2 3\n")
    for verb, out in (("landmarks", "L.json"), ("anatomy", "bones")):
        line = refusal(verb, tmp_path / "face.obj", "--out", tmp_path / out)
        assert "'face.obj' has 1 vertices with a coordinate that is not a number (the first is vertex 1)" in line
        assert not (tmp_path / out).exists()


# -- stopping and going on --------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a signal of POSIX")
def test_interrupted_learning_says_how_to_go_on_and_goes_on(folder, tmp_path):
    out = tmp_path / "A.actor.safetensors"
    checkpoint = tmp_path / "A.actor.safetensors.checkpoint"
    words = ["learn", str(folder / "capture.npz"), "--out", str(out), "--hidden", "16", "--iterations", "1000000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "aim_blender", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    progress = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    said, last_words = process.communicate(timeout=60)
    assert re.fullmatch(r"Learning the anatomy, \d+ of 1000000, error mm [\d.]+, .* left\n", progress)
    assert (process.returncode, said) == (130, "")
    assert last_words.startswith("python -m aim_blender: stopped; ")
    assert last_words.endswith(f"go on with: python -m aim_blender {shlex.join(words)} --resume\n")
    assert last_words.count("\n") == 1
    assert not out.exists()
    assert (checkpoint / "learning.safetensors").exists()

    assert "began with iterations 1000000, which now is 5;" in refusal(*words[:-1], 5, "--resume")
    with open(checkpoint / "learning.safetensors", "rb") as file:
        before = file.read()
    resumed = subprocess.Popen(
        [sys.executable, "-m", "aim_blender", *words, "--resume"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    first_line = resumed.stderr.readline()
    resumed.send_signal(signal.SIGTERM)
    resumed.communicate(timeout=60)
    steps = [int(re.search(r", (\d+) of", line)[1]) for line in (progress, first_line)]
    assert steps[1] > steps[0], (progress, first_line)
    assert (checkpoint / "learning.safetensors").read_bytes() != before


def test_a_command_that_resumes_may_be_the_first(folder, tmp_path):
    """A farm's task that is killed in its first seconds is tried again by the same command."""
    out = tmp_path / "A.actor.safetensors"
    said = aim(
        "learn", str(folder / "capture.npz"), "--out", str(out), "--hidden", "8", "--iterations", "3", "--resume"
    )
    assert said.returncode == 0, said.stderr
    assert f"there is nothing to resume in {out}.checkpoint; starting anew\n" in said.stderr
    assert out.exists()
    assert not Path(f"{out}.checkpoint").exists()


# -- without torch ----------------------------------------------------------------------------------------------------


def test_help_needs_no_package(tmp_path):
    venv.create(tmp_path / "environment", with_pip=False, symlinks=sys.platform != "win32")
    python = python_of(tmp_path / "environment")
    helped = aim("--help", python=python)
    assert helped.returncode == 0, helped.stderr
    for verb in ("learn", "fit", "bake", "evaluate", "info"):
        assert verb in helped.stdout
        assert aim(verb, "--help", python=python).returncode == 0
    lacking = aim("learn", tmp_path, "--out", tmp_path / "A.actor.safetensors", python=python)
    assert lacking.returncode == 1
    assert lacking.stderr.count("\n") == 1
    assert "install it or choose another interpreter" in lacking.stderr


# -- time left --------------------------------------------------------------------------------------------------------


def test_time_left_follows_the_recent_pace():
    remaining = RemainingTime()
    assert remaining.update(0, 0, 100) is None
    assert remaining.update(0.1, 1, 100) is None  # too early to say
    assert remaining.update(10, 10, 100) == pytest.approx(90)
    for second in range(11, 60):
        estimate = remaining.update(second, second - 0.5 * (second - 10), 100)  # half the pace from now on
    assert estimate == pytest.approx((100 - 34.5) / 0.5, rel=0.02)
    assert remaining.update(60, 100, 100) == 0
    assert remaining.update(61, 0, 50) is None  # another stretch of work


def test_durations_read_well():
    assert [duration(seconds) for seconds in (7.6, 65, 3600, 3725)] == ["8 s", "1 min 05 s", "1 h 00 min", "1 h 02 min"]
