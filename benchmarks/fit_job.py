# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the time of `python -m aim_blender fit` goes: a process of its own each time, without a kept set-up and with
one, and for an actor without bones, whose file keeps its mirror plane or not.

python benchmarks/fit_job.py [--seed 3]
"""

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from common import ROOT, learned, make, parser, print_table

PARTS = {
    "save_take": "take",
    "save_error_curve": "error.png",
    "save_jaw_path": "jaw.png",
    "save_fit_sheet": "sheet.png",
}


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seed", type=int, default=3)
    found.add_argument("--within", nargs=3, help="actor, performance and take: do it here, and say what took how long")
    arguments = found.parse_args()
    if arguments.within:
        print(json.dumps(within_one_process(*arguments.within)))
        return
    _, actor = learned(arguments, arguments.seed)
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
