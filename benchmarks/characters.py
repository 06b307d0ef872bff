# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters made from a neutral alone, on meshes of many makes: do they move as the source does, and is one torn?

python benchmarks/characters.py [--source ict_118] [--targets makehuman arkit ...] [--places makehuman arkit ...]
                                [--pictures FOLDER]

The first table has a row for each target. motion: the largest motion of a vertex over the source's, size apart. beyond:
by how many mm a vertex goes beyond the largest motion of the source within 10 mm of its place, size apart. torn: the
most edges of a shape that are longer than twice their length at rest times the largest stretch of the source's edges
within 10 mm of their places, and by 1 mm, and longer too than twice the way between their places on the source. fit:
the mean error of a fit of its own shapes. retarget: the largest motion of the source's take of its own shapes on it,
over the source's. truth: the mean error over the motion, where the target's own shapes of these names are known.

The second table says how far places picked by hand are off on the source, in mm of a typical adult: target <- source.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import parser, print_table
from faces import FACES, Face, Landmarks, actor_of
from scipy.spatial import cKDTree

from aim_blender.core.baking.baking import bake_take
from aim_blender.core.characters.transferring import transfer_actor
from aim_blender.core.correspondence.correspondence import Correspondence, make_correspondence
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.geometry.surfaces import boundary_loops
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.pictures.take_sheet import retarget_sheet
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.captures import read_capture
from aim_blender.core.shared.captured.performances import Performance
from aim_blender.core.shared.faces.face_profile import find_head_frame
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology, same_surface
from aim_blender.core.shared.results.takes import Take

NEAR_MM = 10.0
MODES = 60
CASES = ("parts", "seams", "flat", "loose")  # of make_cases.py, beside those of faces.py
Mesh = tuple[np.ndarray, Topology]


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--source", default="ict_118", choices=FACES)
    made = ("sewn", "slivers")
    every = (*(name for name in FACES if not name.startswith("ict")), *CASES, *made)
    found.add_argument("--targets", nargs="*", default=every, choices=every)
    found.add_argument("--places", nargs="*", default=("makehuman", "arkit", "demo"), choices=FACES)
    found.add_argument("--pictures", type=Path, help="a folder for a sheet of each character")
    arguments = found.parse_args()
    face = FACES[arguments.source](arguments, arguments.source)
    source = actor_of(arguments, face)
    take = fit_performance(source, own_shapes(source), FittingSettings(modes=MODES))
    rows = []
    for name in arguments.targets:
        shapes, names, topology = target_of(arguments, name, face)
        rows.append([name, len(shapes[0]), *row_of(arguments, name, source, take, shapes, names, topology)])
    columns = [
        "target",
        "vertices",
        "motion",
        "beyond mm",
        "torn",
        "truth",
        "fit mm",
        "retarget",
        "bake mm",
        "s",
        "said",
    ]
    print_table(f"Characters with the expressions of {arguments.source}", columns, rows)
    rows = []
    for name in arguments.places:
        other = FACES[name](arguments, name)
        rows += [places_row(face, other), places_row(other, face)]
    print_table("Places picked by hand, mm off", ["target <- source", *PICKED, "doubtful %", "s"], rows)


def row_of(
    arguments: argparse.Namespace,
    name: str,
    source: Actor,
    take: Take,
    shapes: np.ndarray,
    names: list[str],
    topology: Topology,
) -> list[object]:
    """What is measured of one target with shapes (K, W, 3), of which the first is its neutral."""
    start = time.perf_counter()
    places: Correspondence | None = None
    if not same_surface(source.topology, topology):
        places = make_correspondence(source.neutral, source.topology, shapes[0], topology)
    character = transfer_actor(source, shapes[0], topology, places, arguments.source)
    seconds = time.perf_counter() - start
    said = [*(places.notes() if places else []), *character.settings["notes"]]
    motion, beyond, torn = stretched(source, character, places)
    known = [(i + 1, names.index(each)) for i, each in enumerate(character.names) if each in names]
    truth: object = "-"
    if known:
        one, other = (list(each) for each in zip(*known, strict=True))
        off = np.linalg.norm(character.shapes()[one] - shapes[other], axis=-1).mean()
        truth = float(off / np.linalg.norm(shapes[other] - shapes[0], axis=-1).mean())
    fitted = fit_performance(character, own_shapes(character), FittingSettings(modes=MODES)).figures["mean_mm"]
    carried = retarget_take(take, source, character, correspondence=places)
    frames = evaluate_take(character, carried)["vertices"]
    size = character.figures["size"] * np.linalg.norm(source.shapes() - source.neutral, axis=-1).max()
    largest = float(np.linalg.norm(frames - character.neutral, axis=-1).max() / size)
    baked = bake_take(character, carried, 0.5).figures["worst_mm"]
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
        retarget_sheet(source, take, character, carried).save(arguments.pictures / f"{name}.png")
    return [motion, beyond, torn, truth, fitted, largest, baked, seconds, "; ".join(said) or "-"]


def own_shapes(actor: Actor) -> Performance:
    """The actor's own shapes as a performance, each half and whole."""
    offsets = actor.shapes()[1:] - actor.neutral
    frames = np.concatenate([actor.neutral + share * offsets for share in (0.5, 1.0)]).astype(np.float32)
    return Performance(frames, np.arange(len(frames), dtype=np.int32), 24.0, actor.topology, "own shapes")


def stretched(source: Actor, character: Actor, places: Correspondence | None) -> tuple[float, float, int]:
    """motion, beyond and torn of the table."""
    own, shapes, size = source.shapes(), character.shapes(), character.figures["size"]
    there = own if places is None else np.stack([places.carry(shape) for shape in own])
    moved = np.linalg.norm(own[1:] - own[0], axis=-1)  # (N, V)
    ours = np.linalg.norm(shapes[1:] - shapes[0], axis=-1) / size  # (N, W)
    rest, lengths = (edge_lengths(each, source.topology.edges()) for each in (own[:1], own[1:]))
    stretch = np.ones_like(moved)
    for ends in source.topology.edges().T:
        for shape, grown in zip(stretch, lengths / rest.clip(min=0.05), strict=True):
            np.maximum.at(shape, ends, grown)
    edges = character.topology.edges()
    near = cKDTree(own[0]).query_ball_point(there[0], NEAR_MM)
    most, allowed = (
        np.stack([values[:, each].max(1) if each else values[:, 0] * 0 + 1.0 for each in near], axis=1)
        for values in (moved, stretch)
    )
    allowed = np.maximum(allowed[:, edges[:, 0]], allowed[:, edges[:, 1]])  # (N, E)
    length, ways = edge_lengths(shapes, edges), size * edge_lengths(there[1:], edges)
    torn = (length[1:] > 2 * length[0] * allowed + size) & (length[1:] > 2 * ways + size)
    return float(ours.max() / moved.max()), float((ours - most).max()), int(torn.sum(1).max())


def edge_lengths(points: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(F, E) of edges (E, 2) in frames (F, V, 3)."""
    return np.linalg.norm(points[:, edges[:, 0]] - points[:, edges[:, 1]], axis=-1)


# -- targets ----------------------------------------------------------------------------------------------------------


def target_of(arguments: argparse.Namespace, name: str, face: Face) -> tuple[np.ndarray, list[str], Topology]:
    """Shapes (K, W, 3) mm, the neutral first, their names, and the mesh."""
    if name in FACES:
        capture = FACES[name](arguments, name).capture
    elif name in CASES:
        capture = read_capture(case_of(arguments, name))
    else:
        other = "ict_11" if face.name != "ict_11" else "ict_3"
        capture = FACES[other](arguments, other).capture
        points, topology = MADE[name](capture.neutral, capture.topology)
        return points[None], ["neutral"], topology
    return capture.vertices.astype(np.float64), list(capture.names), capture.topology


def case_of(arguments: argparse.Namespace, name: str) -> Path:
    """A kind of make_cases.py, made once."""
    folder: Path = arguments.work / "cases" / name
    if not folder.exists():
        folder.mkdir(parents=True)
        tool = arguments.shared / "tools" / "make_cases.py"
        subprocess.run([sys.executable, str(tool), name, "--out", str(folder)], check=True, stdout=sys.stderr)
    return folder / "capture"


def sewn(points: np.ndarray, topology: Topology) -> Mesh:
    """A face whose lips are joined along their rims."""
    loop = boundary_loops(topology.triangles())[0]  # of the mouth: the longest of these faces
    loop = np.roll(loop, -int(points[loop, 0].argmin()))
    end = int(points[loop, 0].argmax())
    one, other = loop[1:end], loop[end + 1 :]
    partner = one[np.abs(points[other][:, None, 0] - points[one][:, 0]).argmin(1)]
    goes, points = np.arange(len(points)), points.copy()
    points[partner] = (points[partner] + points[other]) / 2
    goes[other] = partner
    return points, Topology(goes[topology.corners], topology.sizes, len(points))


def slivers(points: np.ndarray, topology: Topology) -> Mesh:
    """A face with copies of vertices, faces without size and needles all over it."""
    triangles = topology.triangles()[::7]
    count = len(points)
    needles = np.stack([triangles[:, 0], triangles[:, 1], count + np.arange(len(triangles))], 1)
    tips = points[triangles[:, 0]] + 0.501 * (points[triangles[:, 1]] - points[triangles[:, 0]])
    flat = triangles[:, [0, 1, 1]]
    copied = count + len(tips) + np.arange(len(triangles))
    copies = np.stack([triangles[:, 0], copied, triangles[:, 2]], 1)
    more = np.concatenate([needles, flat, copies])
    corners = np.concatenate([topology.corners, more.ravel()])
    sizes = np.concatenate([topology.sizes, np.full(len(more), 3)])
    points = np.concatenate([points, tips, points[triangles[:, 1]]])
    return points, Topology(corners, sizes, len(points))


MADE: dict[str, Callable[[np.ndarray, Topology], Mesh]] = {"sewn": sewn, "slivers": slivers}


# -- places -----------------------------------------------------------------------------------------------------------

PICKED: dict[str, Callable[[Landmarks], tuple[int, ...]]] = {
    "mouth corners": lambda each: each.mouth_corner,
    "lips": lambda each: (each.upper_lip, each.lower_lip),
    "upper lids": lambda each: each.upper_lid,
    "lower lids": lambda each: each.lower_lid,
    "brows": lambda each: (*each.inner_brow, *each.outer_brow),
}


def places_row(source: Face, target: Face) -> list[object]:
    """How far the target's picked places are from the source's, of which the farthest of each kind counts."""
    start = time.perf_counter()
    one, other = source.capture, target.capture
    found = make_correspondence(one.neutral, one.topology, other.neutral, other.topology)
    seconds = time.perf_counter() - start
    places = found.carry(one.neutral.astype(np.float64))
    try:
        scale = find_head_frame(one.neutral, one.topology.triangles()).scale
    except InputError:
        scale = 1.0
    off = [
        float(
            np.linalg.norm(places[list(of(target.landmarks))] - one.neutral[list(of(source.landmarks))], axis=1).max()
        )
        / scale
        for of in PICKED.values()
    ]
    return [f"{target.name} <- {source.name}", *off, 100 * found.figures["doubtful_share"], seconds]


if __name__ == "__main__":
    main()
