# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch of many shots for two actors: the time of the first run, and of a second one that finds all of it done.

python benchmarks/batch.py [--shots 100] [--frames 8] [--modes 20]

The shots are parts of the 400-frame performance of actor 3, written as .npz files of their own. A first run that is
stopped goes on when this is started again.
"""

import json
import shutil
import subprocess
import sys
import time

import numpy as np
from common import ROOT, learned, make, parser, print_table


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--shots", type=int, default=100)
    found.add_argument("--frames", type=int, default=8)
    found.add_argument("--modes", type=int, default=20)
    arguments = found.parse_args()
    source, target = (learned(arguments, seed)[0] for seed in (3, 11))
    name = "performance_3_shot_frames_400_step_1"
    whole = make(arguments, "performance", name, "--seed", "3", "--frames", "400", "--step", "1")
    folder = arguments.work / "batch"
    first_run = "rest of a first run that was stopped" if folder.exists() else "first run"
    folder.mkdir(parents=True, exist_ok=True)
    with np.load(whole) as archive:
        vertices = archive["vertices"]
    for number in range(arguments.shots):
        first = number * 3 % (len(vertices) - arguments.frames)
        if not (folder / f"sh{number:03d}.npz").exists():
            np.savez(folder / f"sh{number:03d}.npz", vertices=vertices[first : first + arguments.frames])
    shots = [{"performance": f"sh{number:03d}.npz"} for number in range(arguments.shots)]
    defaults = {"actor": str(source), "targets": [str(target)], "modes": arguments.modes, "write": ["bake", "pc2"]}
    (folder / "shots.json").write_text(json.dumps({"defaults": defaults, "shots": shots}))
    rows = []
    for case in (first_run, "all done already", "one take deleted"):
        if case == "one take deleted":
            next((folder / "out").glob("sh000/*.take.safetensors")).unlink()
        start = time.perf_counter()
        words = ["batch", str(folder / "shots.json"), "--out", str(folder / "out"), "--json"]
        command = [sys.executable, "-m", "aim_blender", *words]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
        seconds = time.perf_counter() - start
        figures = json.loads(done.stdout)
        rows.append([case, figures["done"], figures["already_done"], seconds, 1000 * seconds / figures["shots"]])
    shutil.rmtree(folder)
    print_table(
        f"A batch of {arguments.shots} shots of {arguments.frames} frames, actor 3 to 11, process start included",
        ["case", "shots done", "already done", "seconds", "ms a shot"],
        rows,
    )


if __name__ == "__main__":
    main()
