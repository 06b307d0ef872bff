# SPDX-License-Identifier: GPL-3.0-or-later
"""Doing one verb of the command line; Blender passes `blender --command aim VERB ...` on.

Figures go to standard output, everything else to standard error, notes on the result among it. Exit status: 0 done; 2
the input or the command cannot be used, with one line that says what is wrong and what would be right; 130 stopped by
Ctrl-C; 1 anything else, a batch of which a shot failed included.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ...core.shared.foundation.errors import UNREADABLE, Cancelled, InputError, reason
from ...core.shared.results.kept_files import ACTOR_SUFFIX
from ..batch.batch import summary
from ..folders.folder import STATUS_CANCELLED, STATUS_DONE, STATUS_ERROR, STATUS_INPUT, write_atomically
from ..folders.outputs import output_path
from ..folders.plain_values import plain
from ..folders.sentences import is_bad_input, is_disk_full, sentence_for
from ..live.live import run_live
from ..running.registry import task_named
from ..running.staying import run_jobs
from ..running.worker import run_job
from ..tasks.arguments import TAKE_SUFFIX
from .progress_display import progress_shown, table
from .verbs import build_parser

CHECKPOINT_SUFFIX = ".checkpoint"
ARGUMENTS_NOTE = "arguments.json"
GO_ON = ("fit", "retarget")  # verbs whose long work is kept, and goes on by the same command


def main(argv: Sequence[str], prog: str = "python -m aim_blender") -> int:
    """Do one verb and return the exit status; wrong arguments and --help raise SystemExit, as argparse does.

    prog: how the command was called.
    """
    arguments = vars(build_parser(prog).parse_args(argv))
    verb = arguments.pop("verb")
    if verb == "job" and arguments["stay"]:
        with _own_output() as answers:
            return run_jobs(arguments["folder"], arguments["trusted"], arguments["stay"], answers)
    if verb == "job":
        return run_job(arguments["folder"], arguments["end_with_parent"], arguments["trusted"])
    if verb == "live":
        with _quiet(), _own_output() as answers:
            return run_live(arguments, sys.stdin.buffer, answers)
    as_json, resume = arguments.pop("json"), arguments.pop("resume", False)
    given = {name: value for name, value in arguments.items() if value is not None}
    asked = verb == "learn" or given.get("solver") == "neural"  # goes on only if it is asked to
    checkpoint = Path(given["out"] + CHECKPOINT_SUFFIX) if asked or verb in GO_ON else None
    folder = Path(given["out"]).parent if "out" in given else Path.cwd()
    try:
        if checkpoint is not None and asked:
            # Before anything is written beside it.
            output_path(given["out"], ACTOR_SUFFIX if verb == "learn" else TAKE_SUFFIX)
            if resume and not _holds_checkpoint(checkpoint):
                # A farm retries a task by the same command, also one that was killed in its first seconds.
                print(f"{prog}: there is nothing to resume in {checkpoint}; starting anew", file=sys.stderr)
                resume = False
            _prepare_checkpoint(checkpoint, given, resume)
        with _quiet(), _interruptible() as stopped, progress_shown(stopped) as report:
            # Standard output belongs to the figures alone, whatever a library prints.
            with contextlib.redirect_stdout(sys.stderr):
                figures = plain(task_named(verb)(given, report, checkpoint))
    except (Cancelled, KeyboardInterrupt):
        print(f"{prog}: stopped{_how_to_resume(prog, argv, checkpoint, asked)}", file=sys.stderr)
        return STATUS_CANCELLED
    except Exception as error:
        if not isinstance(error, (InputError, OSError, ImportError, MemoryError)) and not is_disk_full(error):
            traceback.print_exc()
        print(f"{prog}: {sentence_for(error, folder)}", file=sys.stderr)
        _drop_empty_checkpoint(checkpoint)
        return STATUS_INPUT if is_bad_input(error) else STATUS_ERROR
    if checkpoint is not None:
        shutil.rmtree(checkpoint, ignore_errors=True)
    if verb == "batch":
        print(json.dumps(figures) if as_json else summary(figures))
        return STATUS_ERROR if figures["failed"] else STATUS_DONE
    notes = [] if verb == "info" else figures.get("notes") or []  # what `info` is asked for
    shown = {name: value for name, value in figures.items() if name != "notes"} if notes else figures
    print(json.dumps(figures) if as_json else table(shown), flush=True)
    for note in notes:
        print(f"{prog}: note: {note}", file=sys.stderr)
    return STATUS_DONE


def _prepare_checkpoint(folder: Path, arguments: dict[str, Any], resume: bool) -> None:
    """Keep the checkpoint to resume from, or clear it to start anew, and note which arguments it is for.

    Raises InputError if the work to resume began with other arguments.
    """
    note = folder / ARGUMENTS_NOTE
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_atomically(note, json.dumps(arguments))
        return
    try:
        begun: dict[str, Any] = dict(json.loads(note.read_text(encoding="utf-8")))
    except UNREADABLE as error:
        raise InputError(
            f"{note}, which says how the work began, cannot be read: {reason(error)}; leave out --resume to start anew"
        ) from error
    for name in sorted({*begun, *arguments}):
        before, now = begun.get(name, "left out"), arguments.get(name, "left out")
        if before != now:
            raise InputError(
                f"the work in {folder} began with {name} {before}, which now is {now}; "
                "resume with the same, or leave out --resume to start anew"
            )


def _holds_checkpoint(folder: Path) -> bool:
    return os.path.isdir(folder) and any(file.name != ARGUMENTS_NOTE for file in folder.iterdir())


def _drop_empty_checkpoint(folder: Path | None) -> None:
    if folder is not None and not _holds_checkpoint(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _how_to_resume(prog: str, argv: Sequence[str], checkpoint: Path | None, asked: bool) -> str:
    if checkpoint is None or not _holds_checkpoint(checkpoint):
        _drop_empty_checkpoint(checkpoint)
        return "; nothing was written"
    words = shlex.join([word for word in argv if word != "--resume"])
    return f"; the work so far is in {checkpoint}, go on with: {prog} {words}{' --resume' if asked else ''}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep libraries' warnings from hiding the one line that matters; `python -W` brings them back."""
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _own_output() -> Iterator[BinaryIO]:
    """Standard output as a stream for messages alone; whatever a library prints goes to standard error."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        try:
            yield answers
        finally:
            os.dup2(answers.fileno(), 1)


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C or SIGTERM lets the task save its checkpoint at its next report, the second ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked = threading.Event()

    def on_interrupt(*_: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {name: signal.signal(name, on_interrupt) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
