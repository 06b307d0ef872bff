# SPDX-License-Identifier: GPL-3.0-or-later
"""From a fresh Blender window to the demo's animated result: the clicks and keys it takes, and the seconds.

python benchmarks/first_result.py --real-blender TOOL

TOOL opens Blender's window on a screen of its own and runs a script in it: see tests/window/launching.py. The zip is
built and installed, and the worker is this Python; then the clock starts. The mouse searches for every button from the
top of the side bar on, as somebody would who sees it for the first time; that counts. All settings are the defaults.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from common import ROOT, parser, print_table

sys.path.insert(0, str(ROOT / "tests" / "window"))

from launching import Window

SCRIPT = ROOT / "benchmarks" / "first_result_in_blender.py"
LONGEST_S = 590


def main() -> None:
    arguments_parser = parser(__doc__.splitlines()[0])
    arguments_parser.add_argument(
        "--real-blender", type=Path, required=True, help="opens a window, runs a script in it"
    )
    arguments_parser.add_argument("--picture", type=Path, help="a picture of the window at the end")
    arguments = arguments_parser.parse_args()
    subprocess.run([sys.executable, ROOT / "build.py"], check=True, stdout=sys.stderr)
    zip_file = max((ROOT / "dist").glob("aim_blender-*.zip"), key=lambda file: file.stat().st_mtime)
    tool = arguments.real_blender.absolute()
    with Window(tool, SCRIPT, "look_for_tab", LONGEST_S, zip_file=str(zip_file)) as window:
        tab = window.wait()
    with Window(tool, SCRIPT, "first_result", LONGEST_S, zip_file=str(zip_file), tab=tab["tab"]) as window:
        found = window.wait()
        if arguments.picture is not None:
            shutil.copyfile(window.picture, arguments.picture)
    clicks = sum(press.startswith("click") for _, press in found["presses"])
    rows = [[f"{press} (from {seconds:.1f} s on)", "", ""] for seconds, press in found["presses"]]
    rows += [
        ["clicks", clicks, "<= 6"],
        ["keys", len(rows) - clicks, ""],
        ["seconds until the result is there", found["result_s"], "< 180"],
        ["of that learning", found["learning_s"], ""],
        ["of that fitting", found["fitting_s"], ""],
        ["of that searching for buttons", found["searching_s"], ""],
        ["frames of the result that were played", found["frames_played"], "> 1"],
        ["largest motion of the result meanwhile, mm", found["moved_mm"], "> 1"],
    ]
    print_table(f"First result, in Blender {found['blender']}'s window", ["what", "measured", "asked"], rows)


if __name__ == "__main__":
    main()
