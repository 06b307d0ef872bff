# SPDX-License-Identifier: GPL-3.0-or-later
"""Videos of faces whose truth is known, for video.py: make_capture.py's actors with eyeballs, mouth and teeth, painted
lips and brows, lit and filmed otherwise than the renders that an actor is prepared with, and compressed."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from aim_blender.core.model.actor import Actor
from aim_blender.core.shared.foundation.drawing import DARKEST, LIGHT, draw
from aim_blender.core.shared.foundation.normals import vertex_normals

SIZE, FPS = 480, 30
LIVELY, QUIET = (800, 90, 30), (200, 60, 1)  # of the recorded take: the first frame, how many, and the step
SKIN_END, LOWER_TEETH = 11248, slice(19247, 21451)
DEEP_MM = 95.0  # behind the foremost point the front ends
TONES = ((0.87, 0.68, 0.58), (0.70, 0.50, 0.40), (0.48, 0.33, 0.25))


@dataclass(frozen=True)
class Performed:
    """A video. path: the movie. stabilized: (F, V, 3) mm. jaw, head: (F, 4, 4), head to the camera."""

    path: Path
    stabilized: np.ndarray
    jaw: np.ndarray
    head: np.ndarray


def maker(shared: Path) -> Any:
    """The module make_capture."""
    sys.path.insert(0, str(shared / "tools"))
    return importlib.import_module("make_capture")


def perform(shared: Path, seed: int, what: tuple[int, int, int], path: Path) -> Performed:
    """Film frames of the recorded take on the actor of a seed."""
    made = maker(shared)
    actor = made.Actor(seed)
    start, count, step = what
    weights = made.take_weights(actor, shared / "data" / "livelink_rom.npz", start, count, step)
    rng = np.random.default_rng(1000 + seed)
    head = _heads(actor.neutral, count, step, rng)
    inside = _Inside(shared, seed, actor)
    stabilized, jaw = actor.pose(weights), actor.jaw(weights)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        look = _Look(shared, actor, inside, rng)
        frames = (look.frame(stabilized[i], jaw[i], head[i]) for i in range(count))
        _write(path, frames)
    return Performed(path, stabilized, jaw, head)


def front_of(actor: Actor) -> np.ndarray:
    """The vertices of the face's front: what an expression moves by more than 0.5 mm, and a camera before it sees."""
    moved = np.linalg.norm(actor.offsets(), axis=2).max(1) > 0.5
    facing = vertex_normals(actor.neutral, actor.topology.triangles())[:, 2] > 0.1
    return np.flatnonzero(moved & facing & (actor.neutral[:, 2] > actor.neutral[:, 2].max() - DEEP_MM))


def _heads(neutral: np.ndarray, count: int, step: int, rng: np.random.Generator) -> np.ndarray:
    """(F, 4, 4) the head before a camera at the origin that looks along z, y down."""
    seconds = np.arange(count) / FPS * min(step, 8)
    speed, phase = rng.uniform(0.3, 0.9, 6), rng.uniform(0, 6, 6)
    wave = np.sin(seconds[:, None] * speed + phase)
    turn = Rotation.from_euler("YXZ", wave[:, :3] * [16.0, 8.0, 6.0] + [0, rng.uniform(-4, 6), 0], degrees=True)
    camera = np.diag([1.0, -1.0, -1.0])
    middle = np.array([0.0, np.median(neutral[:, 1]), 0.0])
    head = np.tile(np.eye(4), (count, 1, 1))
    head[:, :3, :3] = camera @ turn.as_matrix()
    place = wave[:, 3:] * [25.0, 15.0, 20.0] + [0.0, 0.0, rng.uniform(600, 800)]
    head[:, :3, 3] = place - np.einsum("fij,j->fi", head[:, :3, :3], middle)
    return head


class _Inside:
    """Eyeballs, sockets, teeth: points that are seen through the openings of the skin."""

    def __init__(self, shared: Path, seed: int, actor: Any) -> None:
        data = np.load(shared / "data" / "ict_facekit.npz")
        identity = np.random.default_rng(seed).normal(size=len(data["identity_deltas_cm"]))
        full = 10 * (data["neutral_cm"] + np.tensordot(identity, data["identity_deltas_cm"], 1))
        names, ends = [str(name) for name in data["part_names"]], data["part_vertex_end"].tolist()
        self.rest = full[SKIN_END : ends[-1]].astype(np.float64)
        share = np.zeros(ends[-1])
        share[LOWER_TEETH] = 1.0
        gums = slice(ends[names.index("eye_socket_right")], ends[names.index("gums_and_tongue")])
        mouth = slice(SKIN_END, ends[names.index("mouth_socket")])
        deltas = np.linalg.norm(data["expression_deltas_cm"][actor.index["jawOpen"]], axis=1)
        for part in (gums, mouth):
            share[part] = deltas[part] / deltas[LOWER_TEETH].mean()
        self.share = share[SKIN_END:, None].clip(0, 1)
        colours = np.tile([0.35, 0.12, 0.10], (ends[-1], 1))
        for eye in ("eyeball_left", "eyeball_right"):
            index = names.index(eye)
            eyeball = np.arange(ends[index - 1], ends[index])
            eyeball = eyeball[eyeball < ends[-1]]
            places = full[eyeball]
            off = np.linalg.norm((places - places.mean(0))[:, :2], axis=1)
            front = places[:, 2] > places[:, 2].mean()
            colours[eyeball] = 0.9
            colours[eyeball[front & (off < 6.0)]] = (0.30, 0.22, 0.16)
            colours[eyeball[front & (off < 2.5)]] = 0.05
        colours[ends[names.index("gums_and_tongue")] : ends[names.index("teeth")]] = (0.88, 0.85, 0.78)
        self.colours = colours[SKIN_END:]
        faces = data["faces"]
        faces = faces[((faces >= SKIN_END) | (faces < 0)).all(1) & (faces.max(1) < ends[-1])] - SKIN_END
        self.triangles = _triangles(np.where(faces < 0, -1, faces))

    def at(self, jaw: np.ndarray) -> np.ndarray:
        return self.rest + self.share * (self.rest @ jaw[:3, :3].T + jaw[:3, 3] - self.rest)


class _Look:
    """How a face is coloured and lit, and by what camera it is filmed."""

    def __init__(self, shared: Path, actor: Any, inside: _Inside, rng: np.random.Generator) -> None:
        self.inside, self.rng = inside, rng
        self.triangles = np.concatenate([_triangles(actor.faces), inside.triangles + SKIN_END])
        skin = np.tile(TONES[rng.integers(len(TONES))], (SKIN_END, 1)) * rng.uniform(0.9, 1.1)
        marks = np.load(shared / "data" / "ict_facekit.npz")["landmark_68_vertex"]
        places = actor.neutral
        lips = np.linalg.norm(places[:, None] - places[None, marks[48:68]], axis=2).min(1) < 4.5
        brows = np.linalg.norm(places[:, None] - places[None, marks[17:27]], axis=2).min(1) < 6.0
        skin[lips] = skin[lips] * [0.95, 0.62, 0.62]
        skin[brows] *= rng.uniform(0.3, 0.6)
        skin *= 1 + 0.05 * rng.normal(size=(SKIN_END, 1))
        self.colours = np.concatenate([skin, inside.colours]).clip(0, 1)
        self.light = rng.normal(size=3) * [0.8, 0.5, 0.0] + [0.0, 0.4, 1.0]
        self.light /= np.linalg.norm(self.light)
        self.ambient = rng.uniform(0.25, 0.5)
        self.focal = SIZE * rng.uniform(1.5, 1.9)
        noise = gaussian_filter(rng.normal(size=(SIZE, SIZE, 3)), (25, 25, 0))
        self.behind = (0.4 + 0.15 * noise / noise.std()).clip(0, 1)

    def frame(self, skin: np.ndarray, jaw: np.ndarray, head: np.ndarray) -> np.ndarray:
        places = np.concatenate([skin, self.inside.at(jaw)]) @ head[:3, :3].T + head[:3, 3]
        flat = places[:, :2] / places[:, 2:] * self.focal + SIZE / 2
        points = np.column_stack([flat[:, 0], SIZE - flat[:, 1], 1000 - places[:, 2]])
        colours = self.colours * self._shade(points * [1, 1, self.focal / 700.0])[:, None]
        drawn = draw(points, self.triangles, colours, SIZE, SIZE, 1)[::-1]
        picture = drawn[..., :3] * drawn[..., 3:] + self.behind * (1 - drawn[..., 3:])
        picture = gaussian_filter(picture, (0.7, 0.7, 0)) ** (1 / 1.3)
        return (255 * (picture + 0.012 * self.rng.normal(size=picture.shape))).clip(0, 255).astype(np.uint8)

    def _shade(self, points: np.ndarray) -> np.ndarray:
        """(V,) what makes the light that draw adds this one's."""
        normals = vertex_normals(points, self.triangles)
        own = DARKEST + (1 - DARKEST) * (normals @ (LIGHT / np.linalg.norm(LIGHT))).clip(0)
        return (self.ambient + (1 - self.ambient) * (normals @ self.light).clip(0)) / own


def _triangles(faces: np.ndarray) -> np.ndarray:
    fans = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
    return fans[(fans >= 0).all(1)]


def _write(path: Path, frames: Any) -> None:
    with av.open(str(path), "w") as movie:
        stream: Any = movie.add_stream("libx264", rate=Fraction(FPS))
        stream.width = stream.height = SIZE
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "23"}
        for picture in frames:
            movie.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        movie.mux(stream.encode())
