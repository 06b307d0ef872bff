# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces of many makes for benchmarks: their captures, actors that are hardly learned but exact on their meshes,
performances of theirs, and landmarks picked by hand."""

from __future__ import annotations

import argparse
import dataclasses
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from common import capture_of, make

from aim_blender.core.anatomy.anatomy_request import AnatomyRequest, fit_anatomy
from aim_blender.core.files.files import load_actor, load_take, save_actor, save_take
from aim_blender.core.fitting.fitting import fit_performance
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.model.actor import Actor
from aim_blender.core.shared.captured.captures import Bone, Capture, read_capture
from aim_blender.core.shared.captured.performances import Performance, read_performance
from aim_blender.core.shared.demo.demo_actor import make_demo_actor
from aim_blender.core.shared.faces.mirror_planes import nearest
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.learning_settings import LearningSettings

FRAMES = 100
AT_A_TIME = 3  # shapes of a mixture that move at once, at most
TOGETHER = {"mouthClose": "jawOpen"}  # shapes that mean something only over others
LITTLE = LearningSettings(iterations=60, hidden=16, depth=2, batch_points=512, device="cpu", threads=1)


@dataclass(frozen=True)
class Landmarks:
    """Vertices picked by hand, independent of those that the product finds: of pairs left, right of the character."""

    upper_lip: int
    lower_lip: int
    mouth_corner: tuple[int, int]
    upper_lid: tuple[int, int]
    lower_lid: tuple[int, int]
    inner_brow: tuple[int, int]
    outer_brow: tuple[int, int]

    def on(self, vertices: np.ndarray) -> Landmarks:
        """The same on a mesh whose vertices are these vertices (V,) of the first."""

        def other(value: int | tuple[int, int]) -> Any:
            return (
                int(vertices[value]) if isinstance(value, int) else (int(vertices[value[0]]), int(vertices[value[1]]))
            )

        return Landmarks(**{each.name: other(getattr(self, each.name)) for each in dataclasses.fields(self)})


# ict_facekit.npz, from its landmark_68_vertex; the others were picked on pictures of their meshes.
ICT = Landmarks(5533, 5517, (6213, 5708), (3751, 1537), (3732, 1518), (3615, 1401), (2734, 493))
DEMO = Landmarks(2704, 2496, (2611, 2693), (5735, 5809), (8450, 8465), (6767, 6857), (6779, 6845))
MAKEHUMAN = Landmarks(468, 493, (2645, 402), (3637, 1465), (3651, 1479), (2466, 208), (2464, 206))
ARKIT = Landmarks(22, 26, (826, 396), (1075, 1095), (1063, 1107), (782, 349), (767, 334))


@dataclass(frozen=True)
class Face:
    """A capture in mm, frames (F, V, 3) in mm that it performs, and its landmarks."""

    name: str
    capture: Capture
    frames: np.ndarray
    landmarks: Landmarks


def _ict(arguments: argparse.Namespace, name: str) -> Face:
    seed = int(name.removeprefix("ict_"))
    path = make(arguments, "performance", f"performance_{seed}_plain", "--seed", str(seed))
    return Face(name, capture_of(arguments, seed)[0], read_performance(path).vertices, ICT)


def _case(arguments: argparse.Namespace, name: str) -> Face:
    """A kind of make_cases.py: parts of actor 3's mesh, or that with more around it."""
    folder = arguments.work / "cases" / name
    if not folder.exists():
        folder.mkdir(parents=True)
        tool = arguments.shared / "tools" / "make_cases.py"
        subprocess.run([sys.executable, str(tool), name, "--out", str(folder)], check=True, stdout=sys.stderr)
    capture = read_capture(folder / "capture")
    whole = capture_of(arguments, 3)[0].neutral
    # A body stands on its feet and has the head's vertices first; a mask has some of them where they were.
    same = np.arange(len(whole)) if len(capture.neutral) > 1.3 * len(whole) else nearest(whole, capture.neutral)[1]
    if name == "body":
        same = np.arange(len(whole))
    path = folder / "performance.npz"
    frames = read_performance(path).vertices if path.exists() else mixtures(capture)
    return Face(name, capture, frames, ICT.on(same))


def _demo(_: argparse.Namespace, name: str) -> Face:
    demo = make_demo_actor()
    bones = {
        "skull": Bone(demo.skull_vertices, demo.skull_triangles),
        "mandible": Bone(demo.mandible_vertices, demo.mandible_triangles),
    }
    capture = Capture(tuple(demo.names), demo.shapes, demo.topology, bones)
    return Face(name, capture, mixtures(capture), DEMO)


def _stranger(arguments: argparse.Namespace, name: str) -> Face:
    """A face of another make, which comes in its own unit."""
    file, unit, factor, landmarks = {
        "makehuman": ("makehuman_head.npz", "vertices_dm", 100.0, MAKEHUMAN),
        "arkit": ("arkit_mask.npz", "vertices_cm", 10.0, ARKIT),
    }[name]
    with np.load(arguments.shared / "data" / file) as archive:
        vertices, names = archive[unit].astype(np.float64) * factor, tuple(map(str, archive["names"]))
        topology = Topology.from_padded(archive["faces"], vertices.shape[1])
    capture = Capture(("neutral", *names[1:]), vertices, topology, {})
    return Face(name, capture, mixtures(capture), landmarks)


FACES: dict[str, Callable[[argparse.Namespace, str], Face]] = {
    "ict_3": _ict,
    "ict_11": _ict,
    "ict_118": _ict,
    "demo": _demo,
    "makehuman": _stranger,
    "arkit": _stranger,
    "mask": _case,
    "thick_mask": _case,
    "body": _case,
}


def _altered(arguments: argparse.Namespace, name: str) -> Face:
    """A stranger as no one has drawn it: other proportions, strengths, fewer shapes, a finer mesh, names that say
    nothing."""
    kind, base = name.split("_")
    face = FACES[base](arguments, base)
    vertices, topology = face.capture.vertices.copy(), face.capture.topology
    names, landmarks = face.capture.names[1:], face.landmarks
    eyes, mouth = (vertices[0, np.ravel(each)].mean(0) for each in (landmarks.upper_lid, landmarks.mouth_corner))
    up = (eyes - mouth) / np.linalg.norm(eyes - mouth)
    across = vertices[0, landmarks.mouth_corner[0]] - vertices[0, landmarks.mouth_corner[1]]
    across /= np.linalg.norm(across)
    down = ((eyes - vertices) @ up / np.linalg.norm(eyes - mouth)).clip(min=0.0)[..., None]
    if kind == "long":  # wide, with a long jaw, shapes half as strong again
        vertices = vertices + 0.15 * ((vertices - eyes) @ across)[..., None] * across - 12.0 * down**2 * up
        vertices = vertices[0] + 1.5 * (vertices - vertices[0])
    elif kind == "few":  # eight shapes, half as strong, on a finer mesh
        moved = np.linalg.norm(vertices[1:] - vertices[0], axis=-1)
        kept = np.sort(np.argsort(-np.square(moved).sum(1))[::2][:8])
        vertices, names = vertices[0] + 0.5 * (vertices[[0, *(kept + 1)]] - vertices[0]), tuple(names[i] for i in kept)
        shapes = [trimesh.remesh.subdivide(each, topology.triangles()) for each in vertices]
        topology = Topology.from_padded(shapes[0][1], len(shapes[0][0]))
        vertices = np.stack([each[0] for each in shapes])
    else:  # crooked: one side higher and fuller
        side = (vertices[0] - eyes) @ across / 60.0
        vertices = vertices + (3.0 * np.tanh(side)[:, None] * up + 0.06 * side.clip(min=0.0)[:, None] * 60.0 * across)
    capture = Capture(("neutral", *(f"forma_{i}" for i in range(len(names)))), vertices, topology, {})
    return Face(name, capture, mixtures(dataclasses.replace(capture, names=("neutral", *names))), landmarks)


ALTERED = {f"{kind}_{base}": _altered for kind in ("long", "few", "crooked") for base in ("makehuman", "arkit")}


def mixtures(capture: Capture) -> np.ndarray:
    """(F, V, 3) float32 a performance of a capture's own shapes: each swells and fades once, a few at a time."""
    offsets = capture.vertices[1:] - capture.neutral
    names = list(capture.names[1:])
    stems: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        stems.setdefault(
            re.sub(r"(_L|_R|Left|Right)$", "", name) if not name.startswith(("jaw", "mouthL", "mouthR")) else name, []
        ).append(index)
    random = np.random.default_rng(1)
    order = random.permutation(len(stems))
    weights = np.zeros((FRAMES, len(names)))
    time = np.arange(FRAMES) / (FRAMES - 1) * (len(stems) + 1)  # in shapes
    for place, key in zip(order, stems, strict=True):
        away = np.abs(time - place - 1) / (AT_A_TIME / 2)
        swell = np.where(away < 1, (1 + np.cos(np.pi * away.clip(max=1))) / 2, 0.0)
        for index in stems[key]:
            weights[:, index] += swell * random.uniform(0.6, 1.0)
        if key in TOGETHER and TOGETHER[key] in names:
            weights[:, names.index(TOGETHER[key])] += weights[:, names.index(key)]
    return (capture.neutral + np.einsum("fi,ivc->fvc", weights, offsets)).astype(np.float32)


def actor_of(arguments: argparse.Namespace, face: Face) -> Actor:
    """The face's actor, exact on its meshes but hardly learned; with the template's bones, if they fit and it has none
    of its own. Kept."""
    path = arguments.work / f"little_{face.name}.actor.safetensors"
    if not path.exists():
        capture = face.capture
        if not capture.bones:
            try:
                fitted = fit_anatomy(AnatomyRequest(capture.neutral, capture.topology))
                capture = dataclasses.replace(capture, bones=fitted.bones)
            except InputError as error:
                print(f"{face.name} is learned without bones: {error}", file=sys.stderr)
        print(f"learning {face.name}", file=sys.stderr)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_actor(learn_actor(capture, LITTLE), path)
    return load_actor(path)


def take_of(arguments: argparse.Namespace, face: Face, actor: Actor) -> Take:
    """The face's performance, fitted. Kept."""
    path: Path = arguments.work / f"little_{face.name}.{len(face.frames)}.take.safetensors"
    if not path.exists():
        print(f"fitting {face.name}", file=sys.stderr)
        numbers = np.arange(1, len(face.frames) + 1, dtype=np.int32)
        performance = Performance(face.frames, numbers, 24.0, face.capture.topology, face.name)
        save_take(fit_performance(actor, performance), path)
    return load_take(path)
