# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait for a fit. First the whole of it: the command in a process of its own, and the job given to a worker that
stayed. Then where the time of a process goes: without a kept set-up and with one, and for an actor without bones, whose
file keeps its mirror plane or not.

python benchmarks/fit_job.py [--seed 3] [--frames 1000] [--runs 3] [--against OTHER_CHECKOUT]

--against runs the command of another checkout in turn, and tells the ratio of its time to this one's. Processor seconds
are those of both cores together; they say more than seconds where other work goes on.
"""

import argparse
import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from common import ROOT, learned, make, parser, print_table

from aim_blender.core.model.actor import Actor
from aim_blender.jobs.supervision.workers import Workers

PARTS = {
    "save_take": "take",
    "save_error_curve": "error.png",
    "save_jaw_path": "jaw.png",
    "_save": "sheet.png",
}


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seed", type=int, default=3)
    found.add_argument("--frames", type=int, default=1000, help="of the whole wait")
    found.add_argument("--runs", type=int, default=3, help="of the whole wait, of which the median counts")
    found.add_argument("--against", type=Path, help="another checkout, whose command is run in turn")
    found.add_argument("--only", choices=("wait", "parts"), help="one of the two tables")
    found.add_argument("--within", nargs=3, help="actor, performance and take: do it here, and say what took how long")
    arguments = found.parse_args()
    if arguments.within:
        print(json.dumps(within_one_process(*arguments.within)))
        return
    _, actor = learned(arguments, arguments.seed)
    if arguments.only != "parts":
        print_wait(arguments, actor)
    if arguments.only != "wait":
        print_parts(arguments, actor)


def print_wait(arguments: argparse.Namespace, actor: Actor) -> None:
    """The whole wait for a fit whose set-up is kept, from the call to the take and its pictures."""
    from aim_blender.core.checks.face_spots import keep_spots
    from aim_blender.core.files.files import save_actor

    keep_spots(actor)  # as `learn` does
    seed, frames = arguments.seed, arguments.frames
    name, options = f"performance_{seed}_{frames}", ("--seed", str(seed), "--frames", str(frames))
    performance = make(arguments, "performance", name, *options)
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "A.actor.safetensors"
        save_actor(actor, path)
        given = {"actor": str(path), "performance": str(performance), "out": f"{folder}/X.take.safetensors"}
        by_command(ROOT, given)  # makes the set-up
        workers = Workers(lambda: 600.0)
        by_worker(workers, Path(folder), given)
        for _ in range(arguments.runs):
            if arguments.against:
                found.setdefault("command of the other checkout", []).append(by_command(arguments.against, given))
            found.setdefault("command", []).append(by_command(ROOT, given))
            found.setdefault("job of a worker that stayed", []).append(by_worker(workers, Path(folder), given))
        workers.close()
    medians = {name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in found.items()}
    first = next(iter(medians.values()))
    rows = [
        [name, *(round(value, 2) for value in values), *(round(a / b, 2) for a, b in zip(first, values, strict=True))]
        for name, values in medians.items()
    ]
    columns = ["", "seconds", "processor seconds", "first row's / its seconds", "first row's / its processor seconds"]
    print_table(f"Wait for a fit of {frames} frames, actor {seed}, set-up kept", columns, rows)


def by_command(checkout: Path, given: dict[str, str]) -> tuple[float, float]:
    """Seconds and processor seconds of `fit` in a process of its own."""
    words = ["fit", given["actor"], given["performance"], "--out", given["out"]]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "aim_blender", *words], check=True, capture_output=True, cwd=checkout)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def by_worker(workers: Workers, folder: Path, given: dict[str, str]) -> tuple[float, float]:
    """As by_command, of the same fit as a job, by the worker that stayed if there is one."""
    from aim_blender.jobs.folders.folder import JobFolder
    from aim_blender.jobs.supervision.supervisor import Supervisor

    job = JobFolder.create(folder / "job", "fit", [{"task": "fit", "arguments": given}])
    supervisor = Supervisor(job, sys.executable, workers=workers)
    before = 0.0 if workers.kept is None else processor_seconds(workers.kept.process_id)
    start = time.perf_counter()
    supervisor.start()
    supervisor.wait()
    seconds = time.perf_counter() - start
    assert workers.kept is not None
    return seconds, processor_seconds(workers.kept.process_id) - before


def processor_seconds(process: int) -> float:
    """What a process has taken of the processor so far; not a number where the system does not tell."""
    about = Path(f"/proc/{process}/stat")
    if not about.exists():
        return float("nan")
    words = about.read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def print_parts(arguments: argparse.Namespace, actor: Actor) -> None:
    """Where the time of a process goes."""
    performance = make(arguments, "performance", f"performance_{arguments.seed}_plain", "--seed", str(arguments.seed))
    from aim_blender.core.files.files import save_actor

    boneless = dataclasses.replace(actor, hinge=None)
    kinds = {
        "first fit": (actor, False),
        "second fit": (actor, True),
        "no bones": (boneless, True),
        "no bones, mirror plane kept": (dataclasses.replace(boneless, kept_mirror=actor.mirror), True),
    }
    columns: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path, take = Path(folder) / "A.actor.safetensors", Path(folder) / "X.take.safetensors"
        for kind, (one, kept) in kinds.items():
            save_actor(one, path)
            if not kept:
                path.with_name("A.fitting.safetensors").unlink(missing_ok=True)
            command = [sys.executable, __file__, "--within", str(path), str(performance), str(take)]
            start = time.perf_counter()
            answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
            seconds = json.loads(answer.splitlines()[-1])
            whole = time.perf_counter() - start
            columns[kind] = {"Python and SciPy": whole - sum(seconds.values()), **seconds, "whole": whole}
    rows: list[list[object]] = [
        [part, *(round(column.get(part, 0.0), 3) for column in columns.values())] for part in columns["first fit"]
    ]
    print_table(f"Fit of 100 frames in a process of its own, actor {arguments.seed}, seconds", ["", *columns], rows)


def within_one_process(actor: str, performance: str, out: str) -> dict[str, float]:
    """The task `fit`, and how long its parts took: those it reports, and of writing each file."""
    start = time.perf_counter()
    from aim_blender.core.files import files
    from aim_blender.core.pictures import curves, take_sheet
    from aim_blender.jobs.tasks.fitting import fit

    __import__("torch")
    reported: list[tuple[str, float]] = [("PyTorch and core", start)]
    files_written: dict[str, float] = {}

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            start = time.perf_counter()
            found = function(*given)
            files_written[f"Writing {name}"] = time.perf_counter() - start
            return found

        return run

    for module in (files, curves, take_sheet):
        for name, label in PARTS.items():
            if hasattr(module, name):
                setattr(module, name, timed(label, getattr(module, name)))

    def report(progress: dict[str, Any]) -> None:
        if progress["message"] != reported[-1][0]:
            reported.append((progress["message"], time.perf_counter()))

    fit({"actor": actor, "performance": performance, "out": out}, report, None)
    reported.append(("", time.perf_counter()))
    found = {name: after - before for (name, before), (_, after) in pairwise(reported) if name != "Writing the take"}
    return found | files_written


if __name__ == "__main__":
    main()
