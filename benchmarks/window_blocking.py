# SPDX-License-Identifier: GPL-3.0-or-later
"""The longest time that Blender's window is held while an artist goes through all of the work.

python benchmarks/window_blocking.py --real-blender TOOL [--faces demo,subdivided] [--all]

TOOL opens Blender's window on a screen of its own and runs a script in it: see tests/window/launching.py. The zip is
built and installed, and the worker is this Python. The face is the demo actor's, and the same with four times as many
points. Every call of the extension's timers, handlers and operators and all that it draws is clocked, and what Blender
does by itself when an operator has run, which is mostly to make its undo step, is taken off and shown apart. `computed`
is what Blender's main thread itself computed of it, which other programs on the machine do not lengthen; both are of
the call that computed longest. `waited` is of the call that took longest. `window` is how late the window took its next
turn, with all that Blender does by itself, such as evaluating and drawing, which takes long where no graphics card
does it; the rows without a job show how long that takes anyway.
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
FACES = ("demo", "subdivided")
WINDOW, UNDO = "window", "Blender's undo step"  # as window_clocks.py calls them


def main() -> None:
    arguments_parser = parser(__doc__.splitlines()[0])
    arguments_parser.add_argument("--real-blender", type=Path, required=True, help="opens a window for a script")
    arguments_parser.add_argument("--faces", default=",".join(FACES), help="which of " + ", ".join(FACES))
    arguments_parser.add_argument("--all", action="store_true", help="every kind of call, not only the longest")
    arguments = arguments_parser.parse_args()
    subprocess.run([sys.executable, ROOT / "build.py"], check=True, stdout=sys.stderr)
    zip_file = max((ROOT / "dist").glob("aim_blender-*.zip"), key=lambda file: file.stat().st_mtime)
    for face in arguments.faces.split(","):
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        given = {"zip_file": str(zip_file), "subdivided": face == "subdivided"}
        with Window(arguments.real_blender.absolute(), SCRIPT, "blocking", LONGEST_S, **given) as window:
            found = window.wait()
        size = f"{found['points']} points, {found['frames']} frames, {found['keys']} shape keys"
        print_table(
            f"What holds Blender {found['blender']}, asked < {ASKED_MS} ms: {size}; load before {load:.1f}",
            ["while", "longest", "ms", "computed ms", "waited ms", "undo step ms", "window ms", "window computed ms"],
            [row for phase, spent in found["spent"].items() for row in rows_of(phase, spent, arguments.all)],
        )


def rows_of(phase: str, spent: dict[str, list[list[float]]], every: bool) -> list[list[object]]:
    """The rows of a phase: the call of ours that computed longest, or all that were called.

    spent: by what was called, of the call that computed longest and of the one that took longest, the milliseconds and
    the computed ones.
    """
    blenders = [round(spent.get(WINDOW, [[0.0, 0.0]] * 2)[1][k]) for k in (0, 1)]
    undo = round(spent[UNDO][0][1]) if UNDO in spent else ""
    ours = sorted((name for name in spent if name not in (WINDOW, UNDO)), key=lambda name: -spent[name][0][1])
    shown = [
        [*(round(each) for each in spent[name][0]), round(spent[name][1][0])] for name in (ours if every else ours[:1])
    ]
    rows = [[phase, name, *numbers, "", "", ""] for name, numbers in zip(ours, shown, strict=False)]
    rows = rows or [[phase, "", "", "", "", "", "", ""]]
    rows[0][-3:] = [undo, *blenders]
    return rows


if __name__ == "__main__":
    main()
