# SPDX-License-Identifier: GPL-3.0-or-later
"""A long shot from a point cache, fitted, retargeted and baked by the command line: time, memory, and what is left to
do after a fit was killed. Its frames lie between those of a recorded take, there and back.

python benchmarks/long_shots.py [--seed 3] [--other 11] [--frames 36000] [--only fit,retarget,bake] [--kill-after 0.4]

Memory is what processes hold themselves; the pages of files that they read, which the system takes back when others
need room, are told beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import ROOT, learned, make, parser, print_table

from aim_blender.core.shared.captured.performances import read_performance

BETWEEN = 4  # frames from one of the take's to the next
STEPS = ("fit", "retarget", "bake")
LOOKING_S = 0.1


@dataclass
class Run:
    """What a command took: seconds, of processor, GiB of its own and with files' pages, and its figures."""

    seconds: float
    processor: float
    own: float
    mapped: float
    figures: dict[str, object]


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seed", type=int, default=3)
    found.add_argument("--other", type=int, default=11)
    found.add_argument("--frames", type=int, default=36000)
    found.add_argument("--only", default=",".join(STEPS))
    found.add_argument("--kill-after", type=float, default=0.0, help="share of a fit's time, after which it is killed")
    arguments = found.parse_args()
    path, actor = learned(arguments, arguments.seed)
    target = learned(arguments, arguments.other)[0]
    name = f"performance_{arguments.seed}_plain_frames_400_step_9"
    options = ("--seed", str(arguments.seed), "--frames", "400", "--step", "9")
    some = read_performance(make(arguments, "performance", name, *options)).vertices
    count = arguments.frames
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        shot = Path(folder) / "shot.pc2"
        write_between(shot, some, count)
        take, other = Path(folder) / "T.take.safetensors", Path(folder) / "U.take.safetensors"
        commands = {
            "fit": ["fit", path, shot, "--out", take],
            "retarget": ["retarget", take, "--source", path, "--target", target, "--out", other],
            "bake": ["bake", target, other, "--out", Path(folder) / "bake.npz"],
        }
        for step in [each for each in STEPS if each in arguments.only.split(",")]:
            run = watched(commands[step])
            rows.append(row(step, run, count))
            print(rows[-1], run.figures.get("notes"), file=sys.stderr, flush=True)
            if step == "fit" and arguments.kill_after:
                again = [*commands[step][:-1], Path(folder) / "V.take.safetensors"]
                first = watched(again, arguments.kill_after * run.seconds)
                rows.append(row(f"a fit, killed after {first.seconds:.0f} s", first, count))
                rows.append(row("the same once more", watched(again), count))
    print_table(
        f"{count:,} frames of {len(actor.neutral):,} points, actor {arguments.seed} to {arguments.other}",
        ["", "seconds", "frames/s", "ms of processor a frame", "GiB", "GiB with files' pages", "mean mm"],
        rows,
    )


def row(label: str, run: Run, frames: int) -> list[object]:
    """A line of the table."""
    mean = run.figures.get("mean_mm", "")
    return [label, run.seconds, frames / run.seconds, 1000 * run.processor / frames, run.own, run.mapped, mean]


def write_between(path: Path, some: np.ndarray, count: int) -> None:
    """A .pc2 of count frames between the frames some (F, V, 3), there and back."""
    with open(path, "wb") as file:
        file.write(b"POINTCACHE2\0" + struct.pack("<iiffi", 1, some.shape[1], 1.0, 1.0, count))
        last = len(some) - 1
        for number in range(count):
            at = abs((number / BETWEEN + last) % (2 * last) - last)
            below = min(int(at), last - 1)
            share = np.float32(at - below)
            file.write(np.ascontiguousarray((1 - share) * some[below] + share * some[below + 1], "<f4").data)


def watched(command: list[object], kill_after: float = 0.0) -> Run:
    """Run a command of the worker's, and look how it does; kill it after so many seconds, 0 never."""
    start, own, mapped = time.perf_counter(), 0, 0
    call = [sys.executable, "-m", "aim_blender", *map(str, command), "--json"]
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(call, cwd=ROOT, stdout=out, stderr=subprocess.DEVNULL)
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            with contextlib.suppress(OSError, ValueError, KeyError):
                told = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
                own = max(own, int(told["RssAnon"].split()[0]))
                mapped = max(mapped, int(told["VmHWM"].split()[0]))
            if kill_after and time.perf_counter() - start > kill_after:
                os.kill(process.pid, signal.SIGKILL)
            time.sleep(LOOKING_S)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        figures = json.loads(out.read()) if process.returncode == 0 else {}
    if process.returncode and not kill_after:
        raise SystemExit(f"{' '.join(call)} ended with {process.returncode}")
    seconds = time.perf_counter() - start
    return Run(seconds, usage.ru_utime + usage.ru_stime, own / 2**20, mapped / 2**20, figures)


if __name__ == "__main__":
    main()
