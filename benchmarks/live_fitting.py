# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows the scene in Blender: milliseconds from a change until the face it leads to is on the object that shows
it; of live fits, of previews of a retarget, and of corrections of a take's frame.

python benchmarks/live_fitting.py [--frames 40] [--only fit,preview,faces,correction]

Reading from Blender, the worker's part, both ways through the pipe and writing are in it; drawing is not. Needs no
data: it takes the demo actor. Runs in the worker's environment and starts Blender's, which build.py makes beside it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from common import ROOT, parser, print_table

PARTS = ("fit", "preview", "faces", "correction")


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--frames", type=int, default=40)
    found.add_argument("--only", default=",".join(PARTS), help="parts; faces are previews across topologies")
    arguments = found.parse_args()
    environment = f"blender-py{sys.version_info.major}.{sys.version_info.minor}"
    python = next((ROOT / ".env" / environment).glob("[bS]*/python*"))
    script = ROOT / "benchmarks" / "live_fitting_in_blender.py"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.json")
        subprocess.run(
            [str(python), str(script), str(out), str(arguments.frames), arguments.only],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        measured = json.loads(out.read_text())
    columns = ["what", "points", "ready after s", "median ms", "90 % ms", "worst ms", "worker's part ms"]
    columns += ["reading a frame ms", "mean off mm"]
    title = f"Live faces, demo actor, {arguments.frames} changes, Blender {measured['version']}"
    print_table(title, columns, measured["rows"])


if __name__ == "__main__":
    main()
