# SPDX-License-Identifier: GPL-3.0-or-later
"""The jaw that is estimated before anything learns, against the truth, over many identities of make_capture.py.

python benchmarks/jaw.py [--seeds 200] [--first 0] [--step 1] [--jobs 2] [--others] [--learned 3 11] [--muscles 4 13]

Each identity is prepared only, as learning prepares it, and the jaw that an actor has after learning is the one that is
found here; --learned checks this of some, learned briefly. What is found is kept in the work folder for the code that
found it, so that a run that was broken off goes on where it was. Ratios are found over true: the angle of jaw_open,
that of jaw_left and jaw_right, and how far aside the lower incisors go in these two. The true jaw turns its own teeth,
which the skin does not show: how far depends on their size (correlation -0.98 over 200 identities; with it known 1 % of
the angle is left open, with the skin alone 4 %). So a few of 200 come out more than 10 % off; given lower teeth are
exact. --others adds the faces of other makes, which have no truth: what the jaw does in each of their
shapes. --muscles: identities whose capture has, beside all shapes, lips and cheeks at work over an open jaw.
"""

import argparse
import functools
import hashlib
import importlib.util
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
from common import ROOT, parser, print_table

from aim_blender.core.anatomy.anatomy_request import AnatomyRequest, fit_anatomy
from aim_blender.core.anatomy.incisors import lower_incisors
from aim_blender.core.anatomy.jaw import decompose_jaw
from aim_blender.core.anatomy.mandible_frame import find_mandible_frame
from aim_blender.core.geometry.rigid import angle_degrees, apply_motion
from aim_blender.core.learning.preparation import Preparation, prepare
from aim_blender.core.shared.captured.captures import Bone, Capture
from aim_blender.core.shared.foundation.topology import Topology

MOVES = ("jaw_open", "jaw_open_stretch", "jaw_left", "jaw_right", "jaw_forward")
ASIDE = ("jaw_left", "jaw_right")
# Over an open jaw, and without one. A mouth that closes and a lip that goes down are seen nowhere above the mouth.
MUSCLES = (
    ("smile over it", {"jawOpen": 0.5, "mouthSmile": 1.0}),
    ("wide smile over little", {"jawOpen": 0.25, "mouthSmile": 0.8, "cheekSquint": 1.0}),
    ("mouth aside over it", {"jawOpen": 0.5, "mouthLeft": 1.0}),
    ("puffed over it", {"jawOpen": 0.4, "cheekPuff": 1.0}),
    ("lips in over it", {"jawOpen": 0.4, "mouthRollLower": 1.0, "mouthRollUpper": 1.0}),
    ("pucker over it", {"jawOpen": 0.3, "mouthPucker": 1.0}),
    ("mouth closed over it", {"jawOpen": 0.5, "mouthClose": 0.5}),
    ("lower lip down", {"mouthLowerDown": 1.0}),
    ("mouth closed", {"mouthClose": 1.0}),
)
ASKED = {"jaw_open": 0.1, "jaw_open_stretch": 0.1, "jaw_left": 0.15, "jaw_right": 0.15}  # of ratios, about 1


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seeds", type=int, default=200, help="how many identities")
    found.add_argument("--first", type=int, default=0)
    found.add_argument("--step", type=int, default=1, help="2 takes every second identity")
    found.add_argument("--jobs", type=int, default=os.cpu_count(), help="identities at a time")
    found.add_argument("--others", action="store_true")
    found.add_argument("--muscles", type=int, nargs="*", default=[], help="identities whose muscles hide the jaw")
    found.add_argument("--learned", type=int, nargs="*", default=[], help="identities to learn, to compare their jaw")
    arguments = found.parse_args()
    if arguments.others:
        others(arguments)
    if arguments.muscles:
        under_muscles(arguments)
    for seed in arguments.learned:
        compare_with_learned(arguments, seed)
    wanted = range(arguments.first, arguments.first + arguments.step * arguments.seeds, arguments.step)
    rows = [row for row in measured(arguments, wanted) if row["seed"] in wanted]
    if rows:
        summary(rows)


def measured(arguments: argparse.Namespace, seeds: range) -> list[dict]:
    """A row of figures for each seed, those of earlier runs first."""
    arguments.work.mkdir(parents=True, exist_ok=True)
    path = arguments.work / f"jaws_{digest_of_code()}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    there = {row["seed"] for row in rows}
    missing = [seed for seed in seeds if seed not in there]
    with ProcessPoolExecutor(max(1, arguments.jobs)) as pool, path.open("a") as kept:
        for row in pool.map(functools.partial(figures, arguments.shared), missing):
            rows.append(row)
            kept.write(json.dumps(row) + "\n")
            kept.flush()
            print(row["seed"], row["degrees"], file=sys.stderr)
    return rows


def digest_of_code() -> str:
    """Of what a row of figures depends on: rows of other code are another's."""
    files = sorted((ROOT / "aim_blender" / "core").rglob("*.py"))
    return hashlib.sha256(b"".join(each.read_bytes() for each in [*files, Path(__file__)])).hexdigest()[:12]


@functools.cache
def make_capture(shared: Path) -> ModuleType:
    """make_capture.py as a module, which reads its data once for all actors."""
    spec = importlib.util.spec_from_file_location("make_capture", shared / "tools" / "make_capture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_capture"] = module
    spec.loader.exec_module(module)
    return module


def capture_of_seed(shared: Path, seed: int, more: tuple = ()) -> tuple[Capture, np.ndarray, ModuleType]:
    """An identity's capture with more shapes, its true jaw (N, 4, 4), and the actor of make_capture.py."""
    maker = make_capture(shared)
    actor = maker.Actor(seed)
    session = [*maker.CAPTURE_SESSION, *more]
    weights = np.stack([actor.weights(spec) for _, spec in session])
    vertices = np.concatenate([actor.neutral[None], actor.pose(weights)])
    names = ("neutral", *(name for name, _ in session))
    topology = Topology.from_padded(actor.faces, len(actor.neutral))
    bones = {
        "skull": Bone(actor.skull, actor.skull_faces),
        "mandible": Bone(actor.mandible, actor.mandible_faces),
    }
    return Capture(names, vertices, topology, bones), actor.jaw(weights), actor


def compare_with_learned(arguments: argparse.Namespace, seed: int) -> None:
    """Print by how many degrees the jaw of an actor that was learned differs from what is found before."""
    from aim_blender.core.learning.learning import LearningSettings, learn_actor

    capture = capture_of_seed(arguments.shared, seed)[0]
    before = angle_degrees(prepare(capture).jaw.jaw)
    after = angle_degrees(learn_actor(capture, LearningSettings(iterations=60, hidden=32)).jaw)
    print(f"seed {seed}: the learned jaw is off what was found before by {np.abs(after - before).max():.3f}°")


def figures(shared: Path, seed: int) -> dict:
    """What is found of one identity's jaw, beside the truth."""
    capture, true, actor = capture_of_seed(shared, seed)
    names, bones = capture.names, capture.bones
    prepared = prepare(capture, space="neutral")
    hinge, mandible = prepared.hinge, bones["mandible"].vertices
    assert hinge is not None
    incisors = lower_incisors(mandible, hinge)
    found_degrees, true_degrees = angle_degrees(prepared.jaw.jaw), angle_degrees(true)
    found_mm, true_mm = (apply_motion(incisors[None], motion)[:, 0] - incisors for motion in (prepared.jaw.jaw, true))
    at = {name: names.index(name) - 1 for name in MOVES}
    rests = np.array([name not in MOVES for name in names[1:]])
    return {
        "seed": seed,
        "degrees": {name: [float(found_degrees[i]), float(true_degrees[i])] for name, i in at.items()},
        "aside_mm": {name: [float(each[at[name]] @ hinge.axis) for each in (found_mm, true_mm)] for name in ASIDE},
        "incisors_off_mm": {name: float(np.linalg.norm(found_mm[i] - true_mm[i])) for name, i in at.items()},
        "rest_degrees": float(found_degrees[rests].max()),
        "rest_mm": float(np.linalg.norm(found_mm[rests], axis=1).max()),
        "skin_weight": float(np.abs(prepared.jaw.skin_weight - actor.skin_weight).mean()),
        "hinge_mm": float(np.linalg.norm(np.cross(actor.hinge - hinge.centre, hinge.axis))),
        "notes": list(prepared.notes),
    }


def summary(rows: list[dict]) -> None:
    def pairs(group: str, names: tuple[str, ...]) -> np.ndarray:
        return np.array([row[group][name] for row in rows for name in names])  # (n, 2) found, true

    table: list[list[object]] = []
    for what, group, names in (
        ("jaw_open °", "degrees", ("jaw_open",)),
        ("jaw_open_stretch °", "degrees", ("jaw_open_stretch",)),
        ("jaw_left, jaw_right °", "degrees", ASIDE),
        ("the same, incisors aside mm", "aside_mm", ASIDE),
    ):
        found, true = pairs(group, names).T
        ratio = found / true
        spread = *np.quantile(ratio, [0.025, 0.5, 0.975]).tolist(), float(ratio.min()), float(ratio.max())
        within = int((np.abs(ratio - 1.0) <= ASKED[names[0]]).sum())
        slope = float((found * true).sum() / (true * true).sum())
        table.append([what, slope, float(ratio.std()), *spread, f"{within} of {len(ratio)}"])
    columns = ["found over true", "slope", "deviation", "2.5 %", "median", "97.5 %", "least", "most", "within"]
    print_table(f"The estimated jaw of {len(rows)} identities", columns, table)
    off: list[list[object]] = []
    for what, values in (
        *((f"incisors off in {name} mm", [row["incisors_off_mm"][name] for row in rows]) for name in MOVES),
        ("turn in jaw_forward °", [row["degrees"]["jaw_forward"][0] for row in rows]),
        ("false jaw at rest °", [row["rest_degrees"] for row in rows]),
        ("false jaw at rest, incisors mm", [row["rest_mm"] for row in rows]),
        ("k mean error", [row["skin_weight"] for row in rows]),
        ("true hinge from the axis mm", [row["hinge_mm"] for row in rows]),
    ):
        off.append([what, float(np.mean(values)), float(np.quantile(values, 0.975)), float(np.max(values))])
    print_table("What it is off by", ["", "mean", "97.5 %", "worst"], off)
    for row in rows:
        for note in row["notes"]:
            print(f"seed {row['seed']}: {note}")


def under_muscles(arguments: argparse.Namespace) -> None:
    """What is found of the jaw where lips and cheeks move the same skin, beside the truth."""
    found, true, off = [], [], []
    for seed in arguments.muscles:
        capture, motion, _ = capture_of_seed(arguments.shared, seed, MUSCLES)
        prepared = prepare(capture, space="neutral")
        assert prepared.incisors is not None
        mine, wanted = (each[-len(MUSCLES) :] for each in (prepared.jaw.jaw, motion))
        places = [apply_motion(prepared.incisors[None], each)[:, 0] for each in (mine, wanted)]
        found.append(angle_degrees(mine))
        true.append(angle_degrees(wanted))
        off.append(np.linalg.norm(places[0] - places[1], axis=1))
    rows: list[list[object]] = [
        [name, *(float(values[i]) for values in (np.mean(true, 0), np.mean(found, 0), np.mean(off, 0), np.max(off, 0)))]
        for i, (name, _) in enumerate(MUSCLES)
    ]
    columns = ["shape", "true °", "found °", "incisors off mm", "worst mm"]
    print_table(f"The jaw under muscles, mean of {len(arguments.muscles)} identities", columns, rows)


def others(arguments: argparse.Namespace) -> None:
    """What the jaw does in the shapes of faces of other makes, with the template's bones."""
    data = arguments.shared / "data"
    with np.load(data / "makehuman_head.npz") as head, np.load(data / "arkit_mask.npz") as mask:
        faces = {
            "MakeHuman head": (head["names"], head["vertices_dm"] * 100.0, head["faces"]),
            "ARKit mask": (mask["names"], mask["vertices_cm"] * 10.0, mask["faces"]),
        }
    rows: list[list[object]] = []
    for face, (names, vertices, padded) in faces.items():
        vertices = vertices.astype(np.float64)
        topology = Topology.from_padded(padded, vertices.shape[1])
        bones = fit_anatomy(AnatomyRequest(vertices[0], topology)).bones
        prepared = prepare(Capture(tuple(map(str, names)), vertices, topology, bones), space="neutral")
        rows += [[face, *row] for row in movements(tuple(map(str, names[1:])), prepared, bones["mandible"].vertices)]
    columns = ["face", "shape", "opens °", "turns °", "incisors aside mm", "up mm", "forward mm"]
    print_table("The jaw of faces without a truth, in the shapes that move it", columns, rows)


def movements(names: tuple[str, ...], prepared: Preparation, mandible: np.ndarray) -> list[list[object]]:
    hinge, jaw = prepared.hinge, prepared.jaw.jaw
    assert hinge is not None
    incisors = lower_incisors(mandible, hinge)
    travel = apply_motion(incisors[None], jaw)[:, 0] - incisors
    opened = np.rad2deg(decompose_jaw(jaw, hinge)[:, :3] @ hinge.axis)
    axes = find_mandible_frame(hinge, mandible).axes
    return [
        [name, float(opened[i]), float(angle_degrees(jaw)[i]), *(float(travel[i] @ axis) for axis in axes)]
        for i, name in enumerate(names)
        if np.linalg.norm(travel[i]) > 0.1
    ]


if __name__ == "__main__":
    main()
