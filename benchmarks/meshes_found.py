# SPDX-License-Identifier: GPL-3.0-or-later
"""The face found on meshes of many makes, turned anyhow: by the shape alone, and where a face detector is asked first.

python benchmarks/meshes_found.py [--identities 10] [--only demo identities]

Truth are vertices picked by hand, and those that make_capture.py's faces have at 68 landmarks, on all their identities
and on distortions of them: eyes twice as large, a long chin, a wide head, and all three. Errors are in mm of the head.
A face is found where its front and up are within 15 degrees, and its nasion within 15 mm.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import parser, print_table
from faces import ARKIT, DEMO, FACES, ICT, MAKEHUMAN, Landmarks
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from aim_blender.core.checks.face_measures import find_places
from aim_blender.core.correspondence.correspondence import make_correspondence
from aim_blender.core.seeing.mesh_asking import MeshFaces
from aim_blender.core.shared.faces.face_landmarks import SIDES, landmarks_in_frame
from aim_blender.core.shared.faces.face_profile import HeadFrame, asked_first, find_head_frame
from aim_blender.core.shared.faces.head_region import moving_vertices
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.core.video.face_detector import installed_model

SKIN = 11_248  # vertices of make_capture.py's face model before this are the skin
FOUND_DEGREES, FOUND_MM = 15.0, 15.0
PROFILE = ("nasion", "nose_tip", "subnasale", "stomion", "menton")
# Beside those of faces.py: vertices on the profile, and the corners of the eyes, left and right of the character.
OTHERS = {
    "ict": ((978, 4841, 1147, 5519, 965), (3721, 1507), (3742, 1528)),
    "demo": ((5512, 4264, 3432, 8504, 832), (5741, None), (5728, None)),
    "makehuman": ((134, 297, 343, 523, 1764), (2284, None), (2364, None)),
    "arkit": ((15, 7, 4, 25, 1049), (1069, 1101), (1081, 1089)),
}
# How a head may stand: Y up as it is made, Z up, upside down, on its side, lying with its face down, and askew.
TURNS = {
    "Y up": (0, 0, 0),
    "Z up": (90, 0, 0),
    "upside down": (0, 0, 180),
    "on a side": (0, 0, 90),
    "face down": (90, 180, 0),
    "askew": (35, -50, 110),
}


@dataclass(frozen=True)
class Head:
    """A mesh in mm, its faces, the truth: places (3,) by name, and what shapes move of it (V,), if they are known."""

    name: str
    vertices: np.ndarray
    topology: Topology
    truth: dict[str, np.ndarray]
    moving: np.ndarray | None = None

    def turned(self, degrees: tuple[float, ...], unit: float) -> Head:
        """Turned by Euler angles, and in another unit."""
        turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix().T * unit
        truth = {name: place @ turn for name, place in self.truth.items()}
        return replace(self, vertices=self.vertices @ turn, truth=truth)


def truth_of(vertices: np.ndarray, make: str, landmarks: Landmarks) -> dict[str, np.ndarray]:
    """The places (3,) by name on a mesh (V, 3) of a make."""
    profile, outer, inner = OTHERS[make]
    found = dict(zip(PROFILE, vertices[list(profile)], strict=True))
    pairs: dict[str, Any] = {"outer_eye": outer, "inner_eye": inner}
    pairs |= {name: getattr(landmarks, name) for name in ("mouth_corner", "upper_lid", "lower_lid")}
    for name, pair in pairs.items():
        found |= {name + side: vertices[vertex] for side, vertex in zip(SIDES, pair, strict=True) if vertex is not None}
        if pair[1] is None:  # of a face that is its own mirror image
            found[f"{name}.R"] = found[f"{name}.L"] * [-1.0, 1.0, 1.0]
    if make == "ict":  # of the 68, two are on each lid; its middle is between them
        for name, both in {
            "upper_lid": ((3751, 3756), (1537, 1542)),
            "lower_lid": ((3725, 3732), (1518, 1511)),
        }.items():
            for side, pair in zip(SIDES, both, strict=True):
                found[name + side] = vertices[list(pair)].mean(0)
    return found


def identity(arguments: argparse.Namespace, seed: int | None) -> tuple[np.ndarray, Topology]:
    """The skin (V, 3) in mm of a face of make_capture.py's model, the mean one without a seed."""
    with np.load(arguments.shared / "data" / "ict_facekit.npz") as data:
        deltas, faces = data["identity_deltas_cm"][:, :SKIN], data["faces"]
        weights = np.zeros(len(deltas)) if seed is None else np.random.default_rng(seed).normal(size=len(deltas))
        vertices = 10 * (data["neutral_cm"][:SKIN] + np.tensordot(weights, deltas, 1)).astype(np.float64)
    return vertices, Topology.from_padded(faces[(faces < SKIN).all(1)], SKIN)


def distorted(vertices: np.ndarray, truth: dict[str, np.ndarray], how: str) -> np.ndarray:
    """A cartoon of an adult's face (V, 3), Y up."""
    found = vertices.copy()
    if how in ("big eyes", "cartoon"):
        for side in SIDES:
            middle = (truth[f"outer_eye{side}"] + truth[f"inner_eye{side}"]) / 2
            off = found - middle
            near = np.exp(-((np.linalg.norm(off[:, :2], axis=1) / 28.0) ** 4)) * (off[:, 2] > -45.0)
            found[:, :2] += (0.6 if how == "cartoon" else 1.0) * near[:, None] * off[:, :2]
    if how in ("long chin", "cartoon"):
        below = (truth["stomion"][1] - found[:, 1]).clip(0.0, 60.0)
        found[:, 1] -= 0.5 * below
    if how in ("wide head", "cartoon"):
        found[:, 0] *= 1.35
    return found


def heads(arguments: argparse.Namespace) -> Iterator[tuple[str, Head, tuple[str, ...]]]:
    """The rows' titles, the heads, and how each is turned."""
    every = tuple(TURNS)
    for name, make, landmarks in (
        ("demo", "demo", DEMO),
        ("makehuman", "makehuman", MAKEHUMAN),
        ("arkit", "arkit", ARKIT),
    ):
        if wanted(arguments, name):
            face = FACES[name](arguments, name).capture
            upright = (
                face.neutral
                if name == "makehuman"
                else face.neutral @ Rotation.from_euler("x", 90, degrees=True).as_matrix()
            )
            yield name, Head(name, upright, face.topology, truth_of(upright, make, landmarks)), every
    for how in ("big eyes", "long chin", "wide head", "cartoon"):
        if wanted(arguments, how):
            plain, topology = identity(arguments, 11)
            vertices = distorted(plain, truth_of(plain, "ict", ICT), how)
            yield how, Head(how, vertices, topology, truth_of(vertices, "ict", ICT)), ("Y up", "Z up", "askew")
    for kind in ("mask", "thick_mask", "body", "body at rest", "parts", "loose", "seams", "flat"):
        if wanted(arguments, kind):
            yield kind, of_case(arguments, kind), ("Y up", "Z up", "askew")
    if wanted(arguments, "identities"):
        for seed in range(100, 100 + arguments.identities):
            vertices, topology = identity(arguments, seed)
            turn = every[seed % len(every)]
            yield "identities", Head(f"ict {seed}", vertices, topology, truth_of(vertices, "ict", ICT)), (turn,)


def of_case(arguments: argparse.Namespace, kind: str) -> Head:
    """A kind of make_cases.py. Its truth are the places of the whole head that it was made of."""
    case = kind.split()[0]
    capture = FACES["mask"](arguments, case).capture
    whole, _ = identity(arguments, None if case == "parts" else 3)
    if case == "body":
        whole = capture.neutral[: len(whole)]
    moving = moving_vertices(capture.vertices, capture.topology.in_faces()) if kind != "body at rest" else None
    return Head(kind, capture.neutral, capture.topology, truth_of(whole, "ict", ICT), moving)


def wanted(arguments: argparse.Namespace, title: str) -> bool:
    """Whether a row was asked for."""
    return not arguments.only or title in arguments.only


def measured(head: Head, unit: float, asked: Any) -> dict[str, Any]:
    """Errors in mm by name of what is found on a head; empty places where nothing is. asked: the context to look in."""
    triangles = head.topology.triangles()
    started = time.perf_counter()
    with asked:
        try:
            frame = find_head_frame(head.vertices, triangles, head.moving)
        except InputError:
            return {"found": False, "seconds": time.perf_counter() - started}
        seconds = time.perf_counter() - started
        near = frame.around(head.vertices)[triangles].all(1)
        found = landmarks_in_frame(head.vertices, triangles[near], frame)
        try:
            places = find_places(head.vertices, head.topology)
        except InputError:
            places = None
    at = {name: head.vertices[vertex] for name, vertex in found.items()}
    lids = {} if places is None else lids_of(places, head.vertices)
    truth = head.truth
    off = {
        name: float(np.linalg.norm(place - truth[name]) / unit)
        for name, place in {**at, **lids}.items()
        if name in truth
    }
    seen = {
        name: float(
            np.linalg.norm(
                frame.nasion + frame.scale * place @ np.stack([frame.left, frame.up, frame.front]) - truth[name]
            )
            / unit
        )
        for name, place in frame.seen.items()
        if name in truth
    }
    return {"found": is_right(frame, truth, unit), "seconds": seconds, "off": off, "seen": seen}


def lids_of(places: Any, vertices: np.ndarray) -> dict[str, np.ndarray]:
    """Where find_places finds the lids."""
    return {
        name + side: vertices[vertex]
        for name in ("upper_lid", "lower_lid")
        for side, vertex in zip(SIDES, getattr(places, name), strict=True)
        if vertex is not None
    }


def is_right(frame: HeadFrame, truth: dict[str, np.ndarray], unit: float) -> bool:
    """Whether a frame is that of the face."""
    left = truth["mouth_corner.L"] - truth["mouth_corner.R"]
    up = truth["nasion"] - truth["menton"]
    left, up = left / np.linalg.norm(left), up / np.linalg.norm(up)
    front = np.cross(left, up)
    turned = min(frame.left @ left, frame.up @ np.cross(front, left)) > np.cos(np.deg2rad(FOUND_DEGREES))
    return bool(turned and np.linalg.norm(frame.nasion - truth["nasion"]) / unit < FOUND_MM)


def carried(arguments: argparse.Namespace, model: Path) -> list[list[object]]:
    """Rows of how far, in mm of the source, correspondences put the target's places from the source's."""
    made: dict[str, Head] = {}
    for title, head, _ in heads(arguments):
        made.setdefault(title, head)
    rows: list[list[object]] = []
    for one, other in PAIRS:
        if one not in made or other not in made:
            continue
        source, target = made[one], made[other]
        for way in ("shape", "asked"):
            faces = MeshFaces(model)
            with asked_first(faces.head_frame) if way == "asked" else nullcontext():
                found = make_correspondence(source.vertices, source.topology, target.vertices, target.topology)
            placed = found.carry(source.vertices)
            nearest = {name: cKDTree(target.vertices).query(place)[1] for name, place in target.truth.items()}
            off = {
                name: float(np.linalg.norm(placed[vertex] - source.truth[name]))
                for name, vertex in nearest.items()
                if name in source.truth
            }
            row: list[object] = [f"{one} to {other}", way]
            for of_group in GROUPS.values():
                some = [value for name, value in off.items() if of_group(name)]
                row.append(f"{np.mean(some):.1f}, {np.max(some):.1f}" if some else "")
            rows.append([*row, float(found.figures["doubtful_share"])])
            print(row, file=sys.stderr, flush=True)
    return rows


PAIRS = (
    ("demo", "makehuman"),
    ("makehuman", "arkit"),
    ("arkit", "demo"),
    ("demo", "cartoon"),
    ("makehuman", "big eyes"),
)
GROUPS: dict[str, Callable[[str], bool]] = {
    "profile": lambda name: name in PROFILE,
    "mouth corners": lambda name: name.startswith("mouth_corner"),
    "lids": lambda name: "_lid" in name,
    "eye corners": lambda name: "_eye" in name,
}


def main() -> None:
    given = parser(__doc__)
    given.add_argument("--identities", type=int, default=10, help="how many of make_capture.py's identities")
    given.add_argument("--only", nargs="*", help="these rows alone")
    given.add_argument("--model", type=Path, default=installed_model(), help="the face detector's model")
    given.add_argument("--pairs", action="store_true", help="only the correspondences between them")
    arguments = given.parse_args()
    if not arguments.pairs:
        print_found(arguments)
    columns = ["from, to", "by", *GROUPS, "doubtful share"]
    print_table("Correspondences between them (mm: mean, worst)", columns, carried(arguments, arguments.model))


def print_found(arguments: argparse.Namespace) -> None:
    """The table of what is found on each mesh."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for title, head, turns in heads(arguments):
        for number, turn in enumerate(turns):
            unit = (1.0, 0.001, 0.1)[number % 3]
            turned = head.turned(TURNS[turn], unit)
            of_row = found.setdefault(title, {"shape": [], "asked": []})
            faces = MeshFaces(arguments.model)
            ways = {"shape": nullcontext(), "asked": asked_first(faces.head_frame)}
            for way, context in ways.items():
                one = measured(turned, unit, context)
                of_row[way].append(one)
                told = f"{head.name}, {turn}: {way} found {one['found']} {faces.ways} {faces.notes}"
                print(told, file=sys.stderr, flush=True)
    rows = []
    for title, of_row in found.items():
        for way, tries in of_row.items():
            row: list[object] = [title, way, f"{sum(each['found'] for each in tries)} of {len(tries)}"]
            for which, groups in (("off", tuple(GROUPS)[:3]), ("seen", tuple(GROUPS)[1:])):
                for group in groups:
                    off = [v for each in tries for name, v in each.get(which, {}).items() if GROUPS[group](name)]
                    row += [f"{np.mean(off):.1f}, {np.max(off):.1f}" if off else ""]
            rows.append([*row, round(float(np.mean([each["seconds"] for each in tries])), 1)])
    columns = [
        "head",
        "by",
        "found",
        "profile",
        "mouth corners",
        "lids",
        "mouth corners seen",
        "lids seen",
        "eye corners seen",
        "seconds",
    ]
    print_table("Faces found on meshes (mm: mean, worst)", columns, rows)


if __name__ == "__main__":
    main()
