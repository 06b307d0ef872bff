# SPDX-License-Identifier: GPL-3.0-or-later
"""Do a table of shots for any number of actors, without a window, and write a .blend per shot and target.

    blender --background --python scripts/batch_retarget.py -- shots.csv --out OUT [--part 2/8] [--scheduler ADDRESS]
    python scripts/batch_retarget.py shots.csv --out OUT                    under a Python with the bpy wheel

The table is described in docs/batch.md; rows whose column `write` names blend get a .blend. What is done is skipped.
With --blend, targets that are actors of that file bring their UVs, materials and bones along.
Ends with an exit status other than 0 and one line if a shot failed or the table cannot be understood.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import bpy

sys.path.append(str(Path(__file__).resolve().parent))
import headless


def main(arguments: list[str]) -> None:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="batch_retarget.py", description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help=".csv, .json or .toml")
    parser.add_argument("--out", type=Path, required=True, help="each shot's files go to a folder in it")
    parser.add_argument("--part", default="", help="only part k of n, as 2/8")
    parser.add_argument("--scheduler", default="", help="spread the shots over this Dask cluster")
    headless.add_common_arguments(parser)
    chosen = parser.parse_args(arguments)

    headless.begin(chosen)
    table, out = str(chosen.table.resolve()), str(chosen.out.resolve())
    bpy.ops.aim.batch_retarget(table=table, folder=out, part=chosen.part, scheduler=chosen.scheduler)


if __name__ == "__main__":
    headless.run(main)
