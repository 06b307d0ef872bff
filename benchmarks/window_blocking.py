# SPDX-License-Identifier: GPL-3.0-or-later
"""The longest time that Blender's window is held while the demo actor is learned and fitted, beside a window without.

python benchmarks/window_blocking.py --real-blender TOOL

TOOL opens Blender's window on a screen of its own and runs a script in it: see tests/window/launching.py. The zip is
built and installed, and the worker is this Python. Every call of the extension's timers and operators and every drawing
of its panels is clocked; `computed` is what Blender's main thread itself computed of it, which other programs on the
machine do not lengthen. `window` is how late the window took its next turn, with all that Blender does by itself, such
as drawing, which takes long where no graphics card does it; the first rows show how long without any job.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from common import ROOT, parser, print_table

sys.path.insert(0, str(ROOT / "tests" / "window"))

from launching import Window

SCRIPT = ROOT / "benchmarks" / "window_blocking_in_blender.py"
LONGEST_S = 580
ASKED_MS = 50


def main() -> None:
    arguments_parser = parser(__doc__.splitlines()[0])
    arguments_parser.add_argument("--real-blender", type=Path, required=True, help="opens a window for a script")
    arguments = arguments_parser.parse_args()
    subprocess.run([sys.executable, ROOT / "build.py"], check=True, stdout=sys.stderr)
    zip_file = max((ROOT / "dist").glob("aim_blender-*.zip"), key=lambda file: file.stat().st_mtime)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    with Window(arguments.real_blender.absolute(), SCRIPT, "blocking", LONGEST_S, zip_file=str(zip_file)) as window:
        found = window.wait()
    rows: list[list[object]] = []
    for phase, spent in found["spent"].items():
        for what, (milliseconds, computed) in spent.items():
            asked = "" if what == "window" else f"< {ASKED_MS}"
            rows.append([phase, what, round(milliseconds, 1), round(computed, 1), asked])
    size = f"{found['points']} points, {found['frames']} frames, {found['keys']} shape keys"
    print_table(
        f"What holds the window of Blender {found['blender']}: {size}; load before {load:.1f}",
        ["while", "longest", "ms", "computed ms", "asked ms"],
        rows,
    )


if __name__ == "__main__":
    main()
