# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracing constraints: in Blender's process, in the worker, and how far the two agree, on heads of growing size.

python benchmarks/tracing.py [--seed 3]

Runs in the worker's environment and starts Blender's, which build.py makes beside it.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from common import ROOT, capture_of, parser, print_table

from aim_blender.core.anatomy.anatomy import ray_caster
from aim_blender.core.shared.bones.constraints import trace


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seed", type=int, default=3)
    arguments = found.parse_args()
    capture, _ = capture_of(arguments, arguments.seed)
    neutral, triangles = capture.neutral, capture.topology.triangles()
    rows = []
    for _ in range(2):
        start = time.perf_counter()
        here, _ = trace(neutral, triangles, capture.bones, ray_caster)
        worker_s = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as folder:
            given, out = Path(folder, "given.npz"), Path(folder, "out.npz")
            arrays: dict[str, Any] = {f"{name}_vertices": bone.vertices for name, bone in capture.bones.items()}
            arrays |= {f"{name}_triangles": bone.triangles for name, bone in capture.bones.items()}
            np.savez(given, neutral=neutral, triangles=triangles, **arrays)
            in_blender(given, out)
            with np.load(out) as archive:
                there = {name: archive[name] for name in archive.files}
        _, mine, other = np.intersect1d(here.points, there["points"], return_indices=True)
        apart = np.linalg.norm(here.bone[mine] - there["bone"][other], axis=1)
        rows.append(
            [
                len(neutral),
                len(here),
                f"{len(here) / len(neutral):.1%}",
                int(here.on_mandible.sum()),
                worker_s,
                float(there["seconds"]),
                f"{len(mine) / max(len(here), len(there['points'])):.2%}",
                float(np.quantile(apart, 0.99)),
                str(there["version"]),
            ]
        )
        neutral, triangles = trimesh.remesh.subdivide(neutral, triangles)
    columns = ["skin points", "constraints", "share", "over the mandible", "worker s", "in Blender s", "points in both"]
    print_table(f"Tracing constraints, actor {arguments.seed}", [*columns, "bone apart mm (99 %)", "Blender"], rows)


def in_blender(given: Path, out: Path) -> None:
    """Trace in Blender's own process."""
    environment = f"blender-py{sys.version_info.major}.{sys.version_info.minor}"
    python = next((ROOT / ".env" / environment).glob("[bS]*/python*"))
    script = ROOT / "benchmarks" / "constraints_in_blender.py"
    subprocess.run([str(python), str(script), str(given), str(out)], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
