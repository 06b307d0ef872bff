# SPDX-License-Identifier: GPL-3.0-or-later
"""Correspondences where eyes and mouth are open rims in one mesh and bags in the other: how far places are off.

python benchmarks/openings.py [--source 3] [--target 11]

The bags are the face model's own sockets, which captures leave out. Every vertex of the skin is the same in all four
meshes, so that its true place is known; close to an opening is within 8 mm of its rim.
"""

import time

import numpy as np
from common import learned, parser, print_table

from aim_blender.core.correspondence.correspondence import make_correspondence
from aim_blender.core.geometry.surfaces import boundary_loops
from aim_blender.core.shared.foundation.topology import Topology

SKIN, SKIN_AND_SOCKETS = 11248, 14062  # the first vertices of the face model
CLOSE_MM = 8.0
OPENINGS = ("mouth", "left eye", "right eye")  # after the rims' lengths, and left before right


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--source", type=int, default=3)
    found.add_argument("--target", type=int, default=11)
    arguments = found.parse_args()
    with np.load(arguments.shared / "data" / "ict_facekit.npz") as data:
        mean = 10 * data["neutral_cm"][:SKIN_AND_SOCKETS].astype(float)
        identities = 10 * data["identity_deltas_cm"][:, :SKIN_AND_SOCKETS].astype(float)
        faces = data["faces"]
    faces = faces[(faces < SKIN_AND_SOCKETS).all(1)]
    sizes = (faces >= 0).sum(1)
    bagged = Topology(faces[faces >= 0], sizes, SKIN_AND_SOCKETS)

    def with_bags(neutral: np.ndarray) -> np.ndarray:
        """The whole head of a skin (SKIN, 3)."""
        basis = identities[:, :SKIN].reshape(len(identities), -1)
        chosen = np.linalg.lstsq(basis.T, (neutral - mean[:SKIN]).ravel(), rcond=None)[0]
        return mean + np.tensordot(chosen, identities, 1)

    actors = [learned(arguments, seed)[1] for seed in (arguments.source, arguments.target)]
    rims = sorted(
        boundary_loops(actors[0].topology.triangles())[:1] + boundary_loops(actors[0].topology.triangles())[2:],
        key=lambda loop: (-len(loop), -actors[0].neutral[loop, 0].mean()),
    )
    meshes = [{"rims": (actor.neutral, actor.topology), "bags": (with_bags(actor.neutral), bagged)} for actor in actors]
    rows = []
    for one in meshes[0]:
        for other in meshes[1]:
            start = time.perf_counter()
            correspondence = make_correspondence(*meshes[0][one], *meshes[1][other])
            seconds = time.perf_counter() - start
            points = meshes[0][one][0]
            off = np.linalg.norm(correspondence.carry(points)[:SKIN] - points[:SKIN], axis=1)
            row: list[object] = [f"{one} to {other}", float(off.mean())]
            for rim in rims:
                close = np.linalg.norm(points[:SKIN, None] - points[rim], axis=2).min(1) < CLOSE_MM
                row.append(f"{off[close].mean():.2f} / {np.quantile(off[close], 0.95):.2f}")
            rows.append([*row, correspondence.figures["slits"], seconds])
    print_table(
        f"Correspondence of actor {arguments.source} to {arguments.target} (mean / 95 % in mm close to the openings)",
        ["meshes", "all skin", *OPENINGS, "slits", "s"],
        rows,
    )


if __name__ == "__main__":
    main()
