# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters of which only the neutral is known: how far is what they are given from what they would really do, and do
lips and lids close as the source's do?

python benchmarks/neutral_alone.py [--pairs 3:11 11:3 118:3] [--meshes same subdivided decimated mask] [--per-shape]
                                   [--frames 3:11 11:3]

One row for each pair of actors, mesh of the target and method; across topologies with the correspondence that is found,
and the truth carried to the other mesh. shapes: mean error in mm over the source's shapes. lids, lips: how far
from closed, in mm, the middles of lids and lips are in shapes that close them on the source, and the truth's own; a
negative sign tells of lips that cross. The expressions of these faces are the same offsets on every identity, at
another strength for each, which no neutral tells: offsets copied as they are, are as near as one comes, and `each at
its true strength` is the error of those copies at the target's strengths. --frames: the pairs whose take is retargeted
too, with the jaw's slope against what the source's jaw performed, and against the target's true jaw, which differs in
strength.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np
from common import capture_of, learned, make, parser, print_table
from deformation_transfer import DeformationTransfer
from faces import FACES, ICT, actor_of
from remeshing import REMESHED, carried
from scipy import sparse
from scipy.spatial.transform import Rotation

from aim_blender.core.characters.transferring import transfer_actor
from aim_blender.core.correspondence.correspondence import Correspondence, make_correspondence
from aim_blender.core.files.files import load_correspondence, save_correspondence
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.foundation.normals import vertex_normals
from aim_blender.core.shared.foundation.topology import Topology

MODES = 120
CLOSING = 0.5  # of what it is at rest: from here on a gap counts as closed in a shape of the source
HERE = 0.4  # of a vertex of the other mesh that is one of the first: coarser ones may lack it
LIPS_MM = 0.5  # below this lips meet, at rest too


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--pairs", nargs="*", default=["3:11", "11:3", "118:3"])
    found.add_argument("--meshes", nargs="*", default=["same", *REMESHED, "mask"])
    found.add_argument("--frames", nargs="*", default=["3:11", "11:3"])
    found.add_argument("--per-shape", action="store_true")
    arguments = found.parse_args()
    rows, shapes, frames = [], [], []
    for pair in dict.fromkeys([*arguments.pairs, *arguments.frames]):
        one, other = map(int, pair.split(":"))
        for mesh in arguments.meshes:
            case = Case(arguments, one, other, mesh)
            if pair in arguments.pairs:
                for method, make_shapes in METHODS.items():
                    offsets = make_shapes(case)
                    rows.append([pair, mesh, method, *case.errors(offsets)])
                    print(rows[-1], file=sys.stderr)
                    shapes.append([pair, mesh, method, *case.per_shape(offsets)])
            if pair in arguments.frames:
                frames += case.retargeted()
                print(frames[-3:], file=sys.stderr)
    columns = ["actors", "mesh", "method", "shapes", "99 %", "lids", "lips"]
    print_table("Shapes of characters with a neutral alone, in mm", columns, rows)
    if arguments.per_shape:
        print_table("The same, shape by shape", ["actors", "mesh", "method", *case.source.names], shapes)
    if frames:
        columns = ["actors", "mesh", "method", "mean", "99 %", "jaw: of the performed", "of the truth"]
        print_table(f"Takes of 100 frames on characters with a neutral alone, {MODES} modes, in mm", columns, frames)


class Case:
    """A source, and a target with its truth on one mesh. carry: (W, V) what makes the target's mesh of the first."""

    def __init__(self, arguments: argparse.Namespace, one: int, other: int, mesh: str) -> None:
        self.arguments, self.one, self.other, self.mesh = arguments, one, other, mesh
        self.source = actor_of(arguments, FACES["ict_3"](arguments, f"ict_{one}"))
        capture = capture_of(arguments, other)[0]
        triangles = capture.topology.triangles()
        self.topology, self.carry = capture.topology, sparse.identity(len(capture.neutral), format="csr")
        if mesh != "same":
            triangles, self.carry = (REMESHED | {"mask": masked})[mesh](capture.neutral, triangles)
            self.topology = Topology(triangles.ravel(), np.full(len(triangles), 3), self.carry.shape[0])
        self.true = carried(self.carry, capture.vertices.astype(np.float64))
        self.neutral = self.true[0]
        self.places: Correspondence | None = None
        if mesh != "same":
            path = arguments.work / f"alone_{one}_{other}_{mesh}.correspondence.safetensors"
            if not path.exists():
                parts = self.source.neutral, self.source.topology, self.neutral, self.topology
                save_correspondence(make_correspondence(*parts), path)
            self.places = load_correspondence(path)
        shapes = self.source.shapes()
        self.there = shapes if self.places is None else np.stack([self.places.carry(each) for each in shapes])
        self.own = shapes

    def errors(self, offsets: np.ndarray) -> list[object]:
        """The row of offsets (N, W, 3): mean and 99 % error, and what lids and lips are off."""
        found = self.neutral + offsets
        away = np.linalg.norm(found - self.true[1:], axis=-1)
        return [float(away.mean()), float(np.quantile(away, 0.99)), *self._gaps(found)]

    def per_shape(self, offsets: np.ndarray) -> list[float]:
        """The mean error of each shape."""
        return list(map(float, np.linalg.norm(self.neutral + offsets - self.true[1:], axis=-1).mean(1)))

    def _gaps(self, found: np.ndarray) -> list[str]:
        """How wide lids and lips stand open in shapes that close the source's: ours / the source's."""
        cells = []
        kinds = (
            (tuple(zip(ICT.upper_lid, ICT.lower_lid, strict=True)), CLOSING),
            (((ICT.upper_lip, ICT.lower_lip),), None),
        )
        for pairs, closed in kinds:
            gaps: list[float] = []
            theirs: list[float] = []
            for above, below in pairs:
                rest = self.own[0, above, 1] - self.own[0, below, 1]
                gap = self.own[1:, above, 1] - self.own[1:, below, 1]
                rows = gap < (closed * rest if closed else min(LIPS_MM, rest - LIPS_MM))
                shares = [self.carry[:, [vertex]].toarray()[:, 0] for vertex in (above, below)]
                here = [int(share.argmax()) for share in shares]
                if min(share.max() for share in shares) > HERE and here[0] != here[1]:
                    gaps += list(found[rows][:, here[0], 1] - found[rows][:, here[1], 1])
                    theirs += list(gap[rows])
            cells.append(f"{np.mean(gaps):.2f} / {np.mean(theirs):.2f}" if gaps else "-")
        return cells

    def retargeted(self) -> list[list[object]]:
        """Rows of the source's take on the character that is made of the neutral, and of its offsets copied."""
        _, source = learned(self.arguments, self.one)
        paths = [
            make(self.arguments, "performance", f"performance_{seed}_plain", "--seed", str(seed))
            for seed in (self.one, self.other)
        ]
        performed = read_performance(paths[0])
        with np.load(paths[1]) as archive:
            truth, true_jaw = carried(self.carry, archive["vertices"].astype(np.float64)), angle_degrees(archive["jaw"])
        with np.load(paths[0]) as archive:
            performed_jaw = angle_degrees(archive["jaw"])
        moved = performed.vertices - source.neutral
        if self.places is not None:
            moved = np.stack([self.places.carry(each) for each in moved])
        take = fit_performance(source, performed, FittingSettings(modes=MODES))
        alone = transfer_actor(source, self.neutral, self.topology, self.places, "the source")
        result = retarget_take(take, source, alone, correspondence=self.places)
        jaw = angle_degrees(result.jaw)
        told = tuple(float(np.polyfit(other, jaw, 1)[0]) for other in (performed_jaw, true_jaw))
        rows = []
        for method, frames, slopes in (
            ("not moving", self.neutral + np.zeros_like(moved), ("", "")),
            ("offsets copied", self.neutral + moved, ("", "")),
            ("this method", evaluate_take(alone, result)["vertices"], told),
        ):
            away = np.linalg.norm(frames - truth, axis=-1)
            rows.append(
                [
                    f"{self.one}:{self.other}",
                    self.mesh,
                    method,
                    float(away.mean()),
                    float(np.quantile(away, 0.99)),
                    *slopes,
                ]
            )
        return rows


def masked(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, sparse.csr_matrix]:
    """What lies in front of the ears, without neck: triangles (T, 3) and carry (W, V)."""
    low, high = vertices.min(0), vertices.max(0)
    share = (vertices - low) / (high - low)
    front = (share[:, 2] > 0.55) & (share[:, 1] > 0.3)
    kept = triangles[front[triangles].all(1)]
    chosen, numbered = np.unique(kept, return_inverse=True)
    carry = sparse.identity(len(vertices), format="csr")[chosen]
    return numbered.reshape(-1, 3), carry


def still(case: Case) -> np.ndarray:
    return np.zeros_like(case.true[1:])


def copied(case: Case) -> np.ndarray:
    return case.there[1:] - case.there[0]


def copied_in_frames(case: Case) -> np.ndarray:
    """Turned as the surface's normal is, and as much larger as the surface is around."""
    triangles = case.topology.triangles()
    normals = [vertex_normals(points, triangles) for points in (case.there[0], case.neutral)]
    axis = np.cross(normals[0], normals[1])
    sine = np.linalg.norm(axis, axis=1, keepdims=True)
    angle = np.arctan2(sine, (normals[0] * normals[1]).sum(1, keepdims=True))
    turn = Rotation.from_rotvec(angle * axis / sine.clip(min=1e-12)).as_matrix()
    areas = []
    for points in (case.there[0], case.neutral):
        corners = points[triangles]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        areas.append(np.bincount(triangles.ravel(), np.repeat(area, 3), len(points)))
    size = np.sqrt(areas[1] / areas[0].clip(min=1e-6)).clip(0.2, 5.0)
    return size[:, None] * np.einsum("vxy,nvy->nvx", turn, copied(case))


def by_deformation_transfer(case: Case) -> np.ndarray:
    movement = np.linalg.norm(copied(case), axis=-1).max(0)
    sure = np.ones(len(case.neutral)) if case.places is None else case.places.confidence.astype(np.float64)
    transfer = DeformationTransfer(case.there[0], case.neutral, case.topology.triangles(), movement, sure)
    return transfer.transfer(case.there[1:]) - case.neutral


def ours(case: Case) -> np.ndarray:
    actor: Actor = transfer_actor(case.source, case.neutral, case.topology, case.places, "the source")
    return actor.shapes()[1:] - actor.neutral


def at_true_strengths(case: Case) -> np.ndarray:
    """Copies, each as strong as is nearest to the truth."""
    offsets, true = copied(case), case.true[1:] - case.neutral
    strength = (offsets * true).sum((1, 2)) / (offsets**2).sum((1, 2))
    return strength[:, None, None] * offsets


METHODS: dict[str, Callable[[Case], np.ndarray]] = {
    "not moving": still,
    "deformation transfer": by_deformation_transfer,
    "offsets copied": copied,
    "copied in frames of the surface": copied_in_frames,
    "this method": ours,
    "copied, each at its true strength": at_true_strengths,
}


if __name__ == "__main__":
    main()
