# SPDX-License-Identifier: GPL-3.0-or-later
"""What the extension costs Blender: to enable it, to draw its panel, and to switch it off and on 100 times.

python benchmarks/panel.py [--real-blender TOOL]

TOOL opens Blender's window on a screen of its own and runs a script in it: `TOOL ui SCRIPT.py OUT.png SECONDS`; without
it the panel is not drawn. dist/ must hold the zip.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from common import ROOT, parser, print_table

REPEATS = 5
SCRIPT = ROOT / "benchmarks" / "panel_in_blender.py"
WAITING_S = 90


def main() -> None:
    arguments_parser = parser(__doc__.splitlines()[0])
    arguments_parser.add_argument("--real-blender", type=Path, help="opens a window and runs a script in it")
    arguments = arguments_parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    python = next((ROOT / ".env" / f"blender-py{version}").glob("[bS]*/python*"))
    # Blender keeps compiled files, so the first time is not counted.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found = []
    for _ in range(REPEATS + 1):
        out = arguments.work / "panel.json"
        subprocess.run([python, SCRIPT, out, "enable"], env=variables, check=True, stdout=subprocess.DEVNULL)
        found.append(json.loads(out.read_text()))
    enabled = found[1:]
    rows: list[list[object]] = [
        ["enable, ms (median of 5)", statistics.median(each["enable_ms"] for each in enabled), "< 100"],
        ["switch off and on, ms (median of 100)", statistics.median(each["again_ms"] for each in enabled), ""],
        ["memory grown over the last 80 of 100 times, KiB", max(each["grown_kib"] for each in enabled), "0"],
        ["torch, scipy, trimesh, roma, safetensors imported", ", ".join(enabled[0]["foreign"]) or "none", "none"],
    ]
    if arguments.real_blender is not None:
        out = ROOT / ".env" / "benchmarks" / "redraw.json"  # inside the checkout, which the tool shows to Blender
        out.unlink(missing_ok=True)
        tool = [arguments.real_blender, "ui", SCRIPT, out.with_suffix(".png"), str(WAITING_S)]
        subprocess.run(tool, env={**variables, "PANEL_BENCHMARK": f"{out}|redraw"}, check=True, stdout=sys.stderr)
        drawn = json.loads(out.read_text())
        panels = drawn["panels_ms"]
        slowest = max(panels, key=lambda name: panels[name])
        rows += [
            [f"draw all panels, 50 shapes, 10 takes, ms (Blender {drawn['blender']})", sum(panels.values()), "< 2"],
            [f"of that {slowest}, ms", panels[slowest], ""],
        ]
    for file in sorted((ROOT / "dist").glob("aim_blender-*.zip")):
        rows.append([f"{file.name}, MB", file.stat().st_size / 1e6, "< 5"])
    print_table("What the extension costs Blender", ["what", "measured", "asked"], rows)


if __name__ == "__main__":
    main()
