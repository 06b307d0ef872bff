# SPDX-License-Identifier: GPL-3.0-or-later
"""Many shots, each for any number of actors: fit, retarget, bake and write, whatever of it is not done yet.

What is done is known by content. Beside a shot's files stands batch.json: for each step the digest of its settings and
of the contents of its inputs, and the digest of what it wrote. A step is skipped if both are still the same; an output
that is gone or was changed is made again, and so is what follows from it if it comes out differently. Every step that
is done adds a line to runs.jsonl. A shot is done by one process at a time; another one waits and then finds it done.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.shared.foundation.errors import UNREADABLE, Cancelled, InputError
from ...core.shared.foundation.whole_files import remove_parts
from ...core.shared.results.kept_files import kept_correspondence
from ...core.shared.settings.fitting_settings import POINT_SUFFIXES
from ..batch_columns import WITH_UNIT
from ..folders.folder import FolderBusy, JobFolder, write_atomically
from ..folders.sentences import sentence_for
from ..running.worker import plain
from ..tasks import TAKE_SUFFIX, Report, task_named
from .batch_table import Shot, Target, part_of, read_table

VERSION = 1
RECORD, RUNS, LOG = "batch.json", "runs.jsonl", "batch.log"
DONE, KEPT, FAILED = "done", "already done", "failed"
CHECKPOINT = "checkpoint"
RETARGETING_FILES = ("pairs", "regions", "correspondence")
WAIT_S = 0.5
BLOCK_BYTES = 1 << 20
LONGEST_HEADER = 100_000_000  # bytes: safetensors' own limit


@dataclass(frozen=True)
class Step:
    """One file of a shot: what task makes it, from what.

    key: its name in the shot's record. arguments: the task's, `out` included. inputs: which of them are files whose
    contents count; the other arguments count as they are. beside: files that the task finds or makes by itself, which
    count too where they are there.
    """

    key: str
    task: str
    arguments: dict[str, Any]
    inputs: tuple[str, ...]
    beside: tuple[str, ...] = ()

    @property
    def out(self) -> Path:
        return Path(self.arguments["out"])


def run_batch(table: Path, out: Path, part: str, scheduler: str, report: Report) -> dict[str, Any]:
    """Do what is left of the table's shots, or of part k/n of them, into the folder `out`.

    scheduler: the address of a Dask scheduler that spreads the shots over its workers; empty does them here. A shot
    that fails does not stop the others. Returns the figures: how many shots are done, were done already and failed, and
    `rows` with one object a shot. Raises InputError if the table cannot be understood, Cancelled.
    """
    shots = read_table(table)
    if part:
        shots = part_of(shots, part)
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    if scheduler:
        from .batch_dask import run_on_cluster

        rows = run_on_cluster(shots, out, scheduler, report)
    else:
        rows = [
            run_shot(shot, out, _within(report, number, len(shots), shot.name)) for number, shot in enumerate(shots)
        ]
    count = {state: sum(row["state"] == state for row in rows) for state in (DONE, KEPT, FAILED)}
    return {
        "out": str(out),
        "shots": len(rows),
        "done": count[DONE],
        "already_done": count[KEPT],
        "failed": count[FAILED],
        "left_to_blender": sum("blend" in shot.write for shot in shots),
        "seconds": round(time.monotonic() - started, 2),
        "rows": rows,
    }


def run_shot(shot: Shot, out: Path, report: Report) -> dict[str, Any]:
    """Do what is left of a shot.

    Returns its row: shot, targets, state, made and kept (numbers of steps), seconds, message, worst_mm, notes (the
    sentences of all its steps). Nothing that goes wrong in it is raised; what nobody foresaw has its traceback in the
    shot's batch.log. Raises Cancelled.
    """
    started, folder = time.monotonic(), out / shot.folder
    row: dict[str, Any] = {"shot": shot.name, "targets": len(shot.targets), "state": KEPT, "made": 0, "kept": 0}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder, report):
            remove_parts(folder)
            _check_inputs(shot)
            record, steps = Record(folder), steps_of(shot, folder)
            for number, step in enumerate(steps):
                reporting = _within(report, number, len(steps), "")
                if record.do(step, functools.partial(_perform, step, reporting, folder / CHECKPOINT / step.key)):
                    row["state"] = DONE
                    row["made"] += 1
                else:
                    row["kept"] += 1
            record.save()
            shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)
            worst = [f.get("worst_mm") for step in steps if step.task == "bake" and (f := record.figures(step))]
            row["worst_mm"] = max((value for value in worst if value is not None), default=None)
            row["notes"] = [f"{step.key}: {note}" for step in steps for note in record.figures(step).get("notes") or []]
        row["message"] = ""
    except Cancelled:
        raise
    except Exception as error:
        if not isinstance(error, (InputError, OSError)):
            with contextlib.suppress(OSError):
                (folder / LOG).write_text(traceback.format_exc(), encoding="utf-8")
        told = _told(shot, sentence_for(error, folder, folder / LOG))
        row |= {"state": FAILED, "worst_mm": None, "message": told, "notes": []}
    row["seconds"] = round(time.monotonic() - started, 2)
    return row


def steps_of(shot: Shot, folder: Path) -> list[Step]:
    """The steps of a shot in their order, each for one file in its folder. Those of .blend files are Blender's."""
    steps: list[Step] = []
    take = shot.take
    if shot.performance:
        take = str(folder / f"{shot.name}{TAKE_SUFFIX}")
        fit = {"actor": shot.actor, "performance": shot.performance, "out": take, **shot.fit}
        if not shot.performance.lower().endswith(POINT_SUFFIXES):  # which are fitted whole
            fit |= {name: shot.timing[name] for name in ("start", "end") if name in shot.timing}
        files = tuple(name for name in ("camera", "landmarks") if name in fit)
        steps.append(Step("fit", "fit", fit, ("actor", "performance", *files)))
    for target in shot.targets:
        steps += _steps_of_target(shot, target, take, folder)
    return steps


def bake_file(shot: Shot, target: Target, folder: Path) -> Path:
    """Where a target's bake lies."""
    return folder / f"{shot.name}.{target.name}.bake.npz"


def _steps_of_target(shot: Shot, target: Target, take: str, folder: Path) -> list[Step]:
    steps = []
    if target.actor != shot.actor:
        carried = str(folder / f"{shot.name}.{target.name}{TAKE_SUFFIX}")
        choices = dict(target.choices)
        if "head_motion" in choices:
            choices["head"] = choices.pop("head_motion")
        files = tuple(name for name in RETARGETING_FILES if isinstance(choices.get(name), str))
        retarget = {"take": take, "source": shot.actor, "target": target.actor, "out": carried, **choices}
        inputs = ("take", "source", "target", *files)
        beside = () if "correspondence" in choices else (str(_kept_correspondence(shot.actor, target.actor)),)
        steps.append(Step(f"retarget {target.name}", "retarget", retarget, inputs, beside))
        take = carried
    performed = {"actor": target.actor, "take": take, **shot.timing}
    if "bake" in shot.write or "blend" in shot.write:
        tolerance = {} if shot.tolerance_mm is None else {"tolerance_mm": shot.tolerance_mm}
        bake = {**performed, "out": str(bake_file(shot, target, folder)), **tolerance}
        steps.append(Step(f"bake {target.name}", "bake", bake, ("actor", "take")))
    for suffix in ("npz", "pc2", "mdd"):
        if suffix in shot.write:
            frames = {**performed, "out": str(folder / f"{shot.name}.{target.name}.{suffix}")}
            if suffix in WITH_UNIT and shot.millimetres_per_unit is not None:
                frames["millimetres_per_unit"] = shot.millimetres_per_unit
            steps.append(Step(f"{suffix} {target.name}", "evaluate", frames, ("actor", "take")))
    return steps


def _perform(step: Step, report: Report, checkpoint: Path) -> dict[str, Any]:
    """Do a step, from its checkpoint if one was left by a run that was stopped."""
    checkpoint.mkdir(parents=True, exist_ok=True)
    figures = task_named(step.task)(step.arguments, report, checkpoint)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return figures


def _kept_correspondence(source: str, target: str) -> Path:
    """Where `retarget` keeps the correspondence of two actors of different topologies.

    Raises InputError if the source is no actor file.
    """
    try:
        with open(source, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, LONGEST_HEADER)))
        topology = json.loads(header["__metadata__"]["aim"])["topology"]
    except FileNotFoundError:
        topology = "none"  # which is said where all files are looked for
    except UNREADABLE as error:
        raise InputError(f"{source} is not an actor file, or it is damaged") from error
    return kept_correspondence(Path(target), str(topology))


def _check_inputs(shot: Shot) -> None:
    """Raise InputError, naming the column, if a file that the row names is not there."""
    named = [("actor", shot.actor), ("performance", shot.performance), ("take", shot.take)]
    for target in shot.targets:
        named.append(("targets", target.actor))
        named += [(name, target.choices[name]) for name in RETARGETING_FILES if name in target.choices]
    named += [(name, shot.fit[name]) for name in ("camera", "landmarks") if name in shot.fit]
    for column, path in named:
        if isinstance(path, str) and path and not Path(path).exists():
            raise InputError(f"{shot.where}, column {column}: {path} does not exist")


def _told(shot: Shot, sentence: str) -> str:
    """The sentence with the row that it is about."""
    return sentence if sentence.startswith(shot.where) else f"{shot.where}: {sentence}"


def _within(report: Report, number: int, count: int, name: str) -> Report:
    """Reports of one of `count` pieces of work as reports of all of them, which only ever go on."""
    share = 0.0

    def shown(record: dict[str, Any]) -> None:
        nonlocal share
        if record.get("total"):
            share = max(share, min((record.get("done") or 0) / record["total"], 1.0))
        message = record.get("message", "")
        report({"message": f"{name}: {message}" if name else message, "done": number + share, "total": count})

    return shown


# -- what is done -----------------------------------------------------------------------------------------------------


class Record:
    """What a shot's folder holds that is done: batch.json and runs.jsonl. To be used by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / RECORD
        content: Any = None
        with contextlib.suppress(*UNREADABLE):
            content = json.loads(self._file.read_text(encoding="utf-8"))
        good = isinstance(content, dict) and content.get("version") == VERSION
        self._steps: dict[str, Any] = _objects(content, "steps") if good else {}
        self._seen: dict[str, Any] = _objects(content, "seen") if good else {}
        self._saved = json.dumps([self._steps, self._seen])

    def do(self, step: Step, perform: Callable[[], dict[str, Any]]) -> bool:
        """Perform a step, which returns its figures, unless it is done. Returns whether it had to be done."""
        digest = self.digest_of_step(step)
        if self.is_done(step, digest):
            return False
        started = time.monotonic()
        figures = plain(perform())
        self.note(step, digest, figures, time.monotonic() - started)
        return True

    def is_done(self, step: Step, digest: str) -> bool:
        """Whether the step was done with these inputs and settings, and what it wrote is still there as it was."""
        known = self._steps.get(step.key)
        if not isinstance(known, dict) or known.get("digest") != digest or known.get("out") != step.out.name:
            return False
        return step.out.is_file() and known.get("out_digest") == self.digest_of_path(step.out)

    def note(self, step: Step, digest: str, figures: dict[str, Any], seconds: float) -> None:
        """Remember that a step is done."""
        figures = {name: value for name, value in figures.items() if name != "out"}
        ran = {
            # Anew where the step itself made a file that counts.
            "digest": self.digest_of_step(step) if step.beside else digest,
            "out": step.out.name,
            "out_digest": self.digest_of_path(step.out),
            "seconds": round(seconds, 3),
            "host": platform.node(),
            "process": os.getpid(),
            "time": round(time.time(), 3),
        }
        self._steps[step.key] = {**ran, "figures": figures}
        self.save()
        with open(self.folder / RUNS, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step.key, **ran}) + "\n")

    def figures(self, step: Step) -> dict[str, Any]:
        """The figures of a step that is done."""
        return self._steps.get(step.key, {}).get("figures", {})

    def save(self) -> None:
        """Write batch.json if anything in it is new."""
        text = json.dumps([self._steps, self._seen])
        if text != self._saved:
            content = {"version": VERSION, "steps": self._steps, "seen": self._seen}
            write_atomically(self._file, json.dumps(content, indent=1) + "\n")
            self._saved = text

    def digest_of_step(self, step: Step) -> str:
        """Of the task, its settings, and the contents of its inputs; where files lie and what they are called is not in
        it, so that a project may be moved."""
        settings = {name: value for name, value in step.arguments.items() if name not in ("out", *step.inputs)}
        contents = {name: self.digest_of_path(Path(step.arguments[name])) for name in step.inputs}
        found = [self.digest_of_path(Path(path)) if Path(path).is_file() else None for path in step.beside]
        text = json.dumps([VERSION, step.task, settings, contents, found], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def digest_of_path(self, path: Path) -> str:
        """Of the contents of a file, or of all files of a folder. Read again only if the file system says that it may
        have changed: its size, times or place on the disk. Raises OSError."""
        signature = _signature(path)
        known = self._seen.get(str(path)) or _SEEN.get(str(path))
        if not (isinstance(known, list) and len(known) == 2 and known[0] == signature):
            known = [signature, _digest(path)]
        self._seen[str(path)] = _SEEN[str(path)] = known
        return known[1]


def _objects(content: dict[str, Any], name: str) -> dict[str, Any]:
    """What batch.json has of this name; nothing if it is no object."""
    found = content.get(name)
    return found if isinstance(found, dict) else {}


_SEEN: dict[str, list[Any]] = {}  # actors are inputs of many shots


@contextlib.contextmanager
def alone_in(folder: Path, report: Report) -> Iterator[None]:
    """Hold the folder; while another process holds it, wait."""
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(JobFolder(folder).locked(patience_s=0.0))
                break
            except FolderBusy:
                report({"message": f"Waiting for another process that is at work in {folder}"})
                time.sleep(WAIT_S)
        yield


def _files_of(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _signature(path: Path) -> str:
    """Changes whenever a file does, by all that the file system knows of it."""
    found = hashlib.sha256()
    for file in _files_of(path):
        about = file.stat()
        found.update(f"{file.name} {about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}\n".encode())
    return found.hexdigest()


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    for file in _files_of(path):
        if path.is_dir():
            found.update(f"{file.relative_to(path).as_posix()} {file.stat().st_size}\n".encode())
        with open(file, "rb") as content:
            while block := content.read(BLOCK_BYTES):
                found.update(block)
    return found.hexdigest()


# -- telling ----------------------------------------------------------------------------------------------------------


def summary(figures: dict[str, Any]) -> str:
    """The rows of a batch as a table, what is to be known of the results, and a line that sums them up."""
    columns = ("shot", "targets", "state", "made", "kept", "worst mm", "seconds", "message")
    cells = [columns]
    for row in figures["rows"]:
        worst = "" if row["worst_mm"] is None else f"{row['worst_mm']:.3f}"
        numbers = (str(row["targets"]), row["state"], str(row["made"]), str(row["kept"]))
        cells.append((row["shot"], *numbers, worst, f"{row['seconds']:.1f}", row["message"]))
    widths = [max(len(row[column]) for row in cells) for column in range(len(columns) - 1)]
    lines = ["  ".join([*map(str.ljust, row[:-1], widths), row[-1]]).rstrip() for row in cells]
    lines.append("")
    lines += [f"note: {row['shot']}, {note}" for row in figures["rows"] for note in row["notes"]]
    lines.append(
        f"{figures['shots']} shots in {figures['seconds']:.1f} s: {figures['done']} done, "
        f"{figures['already_done']} already done, {figures['failed']} failed"
    )
    if figures["left_to_blender"]:
        lines.append(
            f"scripts/batch_retarget.py, in Blender, writes the .blend files of {figures['left_to_blender']} shots"
        )
    return "\n".join(lines)
