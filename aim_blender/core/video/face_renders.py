# SPDX-License-Identifier: GPL-3.0-or-later
"""Random renders of an actor, and what the face detector answers to each: what answers.py learns from.

Expressions within their bounds, more or less one-sided, jaws, heads, cameras, skins and lights vary, so that what is
learned of renders holds for videos. Holes of the mesh about the eyes are filled with eyeballs, others with the dark.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from ..anatomy.jaw import compose_jaw, decompose_jaw
from ..fitting.driving.side_by_side import side_by_side
from ..geometry.skinning import linear_blend_skinning
from ..geometry.surfaces import boundary_loops
from ..model.actor import Actor
from ..shared.demo.demo_curves import smooth_step
from ..shared.foundation.drawing import fill_clear
from ..shared.foundation.errors import InputError
from ..shared.foundation.normals import vertex_normals
from .face_detector import (
    BROWS,
    IRISES,
    LANDMARK_SIZE,
    LEFT_EYE,
    LIPS,
    PRESENT_SCORE,
    RIGHT_EYE,
    Crop,
    FaceDetector,
    FoundFace,
)
from .face_frame import FaceFrame, sides_of
from .impressions import impression_of, placed_in

MOST_SHAPES = 5  # that act at once
ONE_SIDED, CALM = 0.25, 0.5  # how often a shape acts on one side otherwise, and how often all act little
FREE_JAW, JAW_BEYOND = 0.4, 1.1  # how often the jaw does not go with the shapes; how far it may, of the furthest
TURNS_DEGREES, LARGEST_TURNS = (13.0, 8.0, 6.0), (40.0, 22.0, 18.0)  # of the head: yaw, pitch, roll
DISTANCES = (2.2, 7.0)  # of the camera, in sizes of the face
TONES = np.array([[0.92, 0.78, 0.70], [0.87, 0.68, 0.58], [0.70, 0.50, 0.40], [0.48, 0.33, 0.25]])
IRIS_COLOURS = np.array([[0.30, 0.22, 0.16], [0.20, 0.35, 0.50], [0.15, 0.10, 0.08]])
GAZE = 0.25  # radians, to each side on the mean
CROPS, SHIFTS = 2, 16  # crops whose answers' mean is taken, and within how many pixels
CROP_SHIFTS = np.stack(np.meshgrid([-8, -3, 3, 8], [-8, -3, 3, 8]), axis=-1).reshape(-1, 2)
TOGETHER, LOOKS_SEED = 8, 5  # renders of one look, and the seed of all looks
FLESH = np.array([0.30, 0.10, 0.08])
FILLED, WITH_TEETH = 0.95, 0.8  # how often holes are filled, and show teeth
TEETH = np.array([0.88, 0.85, 0.78])
MOUTH_CORNERS, SEAM = (78, 308), (13, 14)  # landmarks of the lips' inner rim
EYE_CORNERS = ((RIGHT_EYE, 133), (LEFT_EYE, 362))
BEHIND = 0.45  # of the face's height behind its middle: what is further is not drawn
FIRST_SIDES = (1.8, 2.6, 1.3)  # of the face's height: crops in which it is looked for first
FIRST_VIEWS = ((0, 0), (0, 12), (0, -12), (20, 0), (-20, 0))  # degrees of yaw and pitch


@dataclass(frozen=True)
class Renders:
    """R renders. left, right: (R, N) weights of the two sides. jaw: (R, 6) poses, 0 without a hinge. turn: (R, 3, 3)
    of the face's axes, in the camera's. distance: (R,) mm of the face's middle from the camera. landmarks: (R, 478, 3)
    right, down and away, in mm of a plane through the face's middle. weights: (R, 52). impressions: (R, 2048). look:
    (R,) those of one number look alike. The first RESTING are at rest and seen from the front."""

    left: np.ndarray
    right: np.ndarray
    jaw: np.ndarray
    turn: np.ndarray
    distance: np.ndarray
    landmarks: np.ndarray
    weights: np.ndarray
    impressions: np.ndarray
    look: np.ndarray

    @staticmethod
    def of(rows: list[tuple[np.ndarray, ...]]) -> Renders:
        """What each render has, by row."""
        return Renders(*(np.array(column) for column in zip(*rows, strict=True)))

    def rows(self) -> list[tuple[np.ndarray, ...]]:
        """What `of` takes."""
        return list(zip(*(getattr(self, each.name) for each in fields(self)), strict=True))


RESTING = 8
PAINTED, PAINTED_WITHIN = 0.7, 0.03  # how often, and of the face's height, how far from the landmarks


def make_renders(
    actor: Actor,
    detector: FaceDetector,
    count: int,
    tell: Callable[[int, int], None] | None = None,
    begun: Renders | None = None,
    keep: Callable[[Renders], None] | None = None,
) -> Renders:
    """So many renders and their answers; the same for the same actor. tell is called with how many are made, and of
    how many, and may raise to end it; keep then gets those of whole looks, which are not made again if they are begun.
    Raises InputError where the detector sees no face in the actor."""
    stage = Stage(actor, detector)
    rows = [] if begun is None else begun.rows()
    first = 0 if begun is None else int(begun.look.max()) + 1

    def made(look: int) -> list[tuple[np.ndarray, ...]]:
        one = stage.in_look(look)
        known = range(TOGETHER * look, min(TOGETHER * (look + 1), count))
        found = (one.one(at_rest=index < RESTING) for index in known)
        return [(*row, np.array(look)) for row in found if row is not None]

    try:
        for look, found in side_by_side(made, range(first, -(-count // TOGETHER)), torch.get_num_threads()):
            rows += found
            if tell is not None:
                tell(min(TOGETHER * (look + 1), count), count)
    except BaseException:
        if keep is not None and rows:
            keep(Renders.of(rows))
        raise
    if len(rows) < count / 2:
        raise InputError(
            f"the face detector sees a face in {len(rows)} of {count} pictures of the actor only; a video can be "
            "fitted to a human face only"
        )
    return Renders.of(rows)


@dataclass(frozen=True)
class Look:
    """How pictures look that belong together, as those of a video do. distance: mm of the camera. light: (3,) unit.
    albedo: (v, 3). filled: whether holes are. background, dark, iris, white: colours. teeth: how bright, 0 without.
    blur: pixels."""

    distance: float
    light: np.ndarray
    ambient: float
    albedo: np.ndarray
    filled: bool
    background: np.ndarray
    dark: np.ndarray
    iris: np.ndarray
    white: float
    teeth: float
    blur: float
    gamma: float
    noise: float


class Stage:
    """An actor before a camera. Raises InputError where the detector sees no face in its neutral."""

    def __init__(self, actor: Actor, detector: FaceDetector) -> None:
        self.detector, self.rng = detector, np.random.default_rng((LOOKS_SEED, 0))
        frame = FaceFrame.of(actor)
        self.axes, self.middle, self.size = frame.axes, frame.middle, frame.size
        self.hinge, self.names = actor.hinge, len(actor.names)
        triangles = actor.topology.triangles()
        placed = frame.placed(actor.neutral)
        triangles = triangles[(placed[:, 2] > -BEHIND * self.size)[triangles].all(1)]
        self.chosen, flat = np.unique(triangles, return_inverse=True)
        self.triangles = flat.reshape(-1, 3)
        self.neutral, self.expressions = actor.neutral[self.chosen], actor.expressions[self.chosen]
        self.skin_weight = actor.skin_weight[self.chosen]
        self.sides = sides_of(actor)[self.chosen]  # (v, 2)
        self.jaws = np.zeros((self.names, 6)) if actor.hinge is None else decompose_jaw(actor.jaw, actor.hinge)
        self.painted = np.zeros((len(self.neutral), 2))
        self.look = self._look()
        self.anchors = self._anchors()
        away, nearest = cKDTree(self.neutral[self.anchors]).query(self.neutral)
        soft = 1.0 - smooth_step(away, 0.5 * PAINTED_WITHIN * self.size, PAINTED_WITHIN * self.size)
        self.painted = np.stack([soft * np.isin(nearest, part) for part in (LIPS, BROWS)], axis=1)
        self.holes = self._holes()
        self.teeth = self._teeth()

    def _anchors(self) -> np.ndarray:
        """(468,) the vertices at which the detector sees its landmarks on the neutral."""
        for (yaw, pitch), side in ((view, side) for side in FIRST_SIDES for view in FIRST_VIEWS):
            turn = Rotation.from_euler("YX", [yaw, pitch], degrees=True).as_matrix()
            places, flat = self._seen(self.neutral, turn)
            crop = Crop(np.zeros(2), side * self.size, 0.0)
            for _ in range(3):
                face = self.detector.landmarks_in(
                    self._picture(places, flat, crop, [])[SHIFTS // 2 : -SHIFTS // 2, SHIFTS // 2 : -SHIFTS // 2], crop
                )
                crop = face.next_crop()
            if face.presence >= PRESENT_SCORE:
                front = np.flatnonzero(vertex_normals(places * [1, -1, -1], self.triangles)[:, 2] > 0)
                return front[cKDTree(flat[front]).query(face.landmarks[: IRISES[0][0], :2])[1]]
        raise InputError(
            "the face detector sees no face in the actor's neutral; a video can be fitted to a human face only"
        )

    def _holes(self) -> list[tuple[np.ndarray, float]]:
        """Loops of vertices about holes in the face, and how wide the eye is that lies there, or 0."""
        eyes = [self.neutral[self.anchors[list(pair)]] for pair in EYE_CORNERS]
        found = []
        for loop in boundary_loops(self.triangles):
            around = self.neutral[loop]
            if len(loop) < 3 or np.ptp(around, axis=0).max() > 0.5 * self.size:
                continue
            width = 0.0
            for corners in eyes:
                wide = float(np.linalg.norm(corners[1] - corners[0]))
                if np.linalg.norm(around.mean(0) - corners.mean(0)) < 0.4 * wide:
                    width = wide
            found.append((loop, width))
        return found

    def _teeth(self) -> list[np.ndarray]:
        """(n, 3) points of the upper and of the lower teeth: bands along an arc behind the lips, the lower below it."""
        right, left, above, below = self.neutral[self.anchors[[*MOUTH_CORNERS, *SEAM]]]
        wide, along = float(np.linalg.norm(left - right)), np.linspace(-1, 1, ARC)
        middle, bands = (above + below) / 2, []
        for low, high, behind in ((-0.08, 0.25, 0.12), (-0.28, -0.04, 0.16)):
            band = [np.column_stack([0.4 * along, np.full(ARC, y), -behind - 0.25 * along**2]) for y in (low, high)]
            bands.append(middle + wide * np.concatenate(band) @ self.axes)
        return bands

    def in_look(self, index: int) -> Stage:
        """The same, whose pictures are those of the look of a number."""
        found = copy.copy(self)
        found.rng = np.random.default_rng((LOOKS_SEED, index))  # its own: a look is the same whatever was made before
        found.look = found._look()
        return found

    def _look(self) -> Look:
        rng = self.rng
        light = rng.normal(size=3) * [0.9, 0.6, 0.0] + [0.0, 0.3, 1.0]
        tone = TONES[rng.integers(len(TONES))] * rng.uniform(0.8, 1.1)
        return Look(
            distance=rng.uniform(*DISTANCES) * self.size,
            light=light / np.linalg.norm(light),
            ambient=rng.uniform(0.2, 0.6),
            albedo=tone * (1 + 0.04 * rng.normal(size=(len(self.neutral), 1))) * self._paint(),
            filled=rng.random() < FILLED,
            background=rng.uniform(size=3),
            dark=FLESH * rng.uniform(0.2, 1.5),
            iris=IRIS_COLOURS[rng.integers(len(IRIS_COLOURS))],
            white=rng.uniform(0.5, 0.95),
            teeth=rng.uniform(0.5, 1.0) * (rng.random() < WITH_TEETH),
            blur=rng.uniform(0.5, 1.0),
            gamma=rng.uniform(0.9, 1.5),
            noise=rng.uniform(0.0, 0.02),
        )

    def _paint(self) -> np.ndarray:
        """(v, 3) what is left of the skin's colour on lips and brows."""
        rng = self.rng
        lips = np.array([rng.uniform(0.8, 1.0), *np.full(2, rng.uniform(0.5, 0.95))])
        darker = np.stack([lips, np.full(3, rng.uniform(0.3, 0.9))]) - 1.0
        return 1.0 + self.painted @ (darker * (rng.random((2, 1)) < PAINTED))

    def one(self, at_rest: bool = False) -> tuple[np.ndarray, ...] | None:
        """The next render, as the rows of Renders; None where no face is seen in it."""
        left, right, jaw = np.zeros(self.names), np.zeros(self.names), np.zeros(6)
        turn = np.eye(3)
        if not at_rest:
            left, right, jaw = self._performed()
            angles = self.rng.normal(size=3) * TURNS_DEGREES
            angles = angles.clip(-np.array(LARGEST_TURNS), LARGEST_TURNS)
            turn = Rotation.from_euler("YXZ", angles, degrees=True).as_matrix()
        motion = np.eye(4) if self.hinge is None else compose_jaw(jaw, self.hinge)
        skin = self._posed(left, right, motion)
        places, flat = self._seen(skin, turn)
        crop = self._crop(flat[self.anchors])
        inside = self._inside(skin, motion, turn) if self.look.filled else []
        picture = self._picture(places, flat, crop, inside)
        shifts = self.rng.permutation(CROP_SHIFTS)[:CROPS]
        faces = [self._answer(picture, crop, shift, index % 2 == 1) for index, shift in enumerate(shifts)]
        face = FoundFace(np.mean([each.landmarks for each in faces], axis=0), min(each.presence for each in faces))
        if face.presence < PRESENT_SCORE:
            return None
        turn, distance = np.diag([1.0, -1.0, -1.0]) @ turn, np.array(self.look.distance)
        shown = impression_of(self.detector, picture, placed_in(face, crop, len(picture)))
        return left, right, jaw, turn, distance, face.landmarks, self.detector.weights(face), shown

    def _answer(self, picture: np.ndarray, crop: Crop, shift: np.ndarray, mirrored: bool) -> FoundFace:
        """What the detector says to a part of a picture (272, 272, 3), shifted by pixels (2,) from the crop."""
        right, down = shift + SHIFTS // 2
        part = picture[down : down + LANDMARK_SIZE, right : right + LANDMARK_SIZE]
        centre = crop.centre + shift * crop.side / LANDMARK_SIZE @ crop.axes
        return self.detector.landmarks_in(part, Crop(centre, crop.side, crop.angle), mirrored)

    def _posed(self, left: np.ndarray, right: np.ndarray, motion: np.ndarray) -> np.ndarray:
        """(v, 3) the skin with weights (N,) on its two sides, and a jaw's motion (4, 4)."""
        skin = linear_blend_skinning(self.neutral, motion[None], self.skin_weight)[0]
        return skin + np.einsum("vn,vnx->vx", self.sides @ np.stack([left, right]), self.expressions)

    def _performed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights (N,) of the left and the right side, and a jaw's pose (6,)."""
        rng, names = self.rng, self.names
        left, right = np.zeros(names), np.zeros(names)
        act = rng.permutation(names)[: rng.integers(1, 1 + min(MOST_SHAPES, names))]
        left[act] = right[act] = rng.uniform(size=len(act))
        aside = act[rng.random(len(act)) < ONE_SIDED]
        right[aside] = rng.uniform(size=len(aside)) * (rng.random(len(aside)) < 0.6)
        jaw = (left + right) / 2 @ self.jaws
        if rng.random() < FREE_JAW:
            jaw = jaw * rng.uniform(0.3, 1.3)
        if rng.random() < FREE_JAW:
            jaw = jaw + rng.uniform() * self.jaws[rng.integers(names)]
        turned, most = np.linalg.norm(jaw[:3]), JAW_BEYOND * np.linalg.norm(self.jaws[:, :3], axis=1).max()
        if turned > most:
            jaw = jaw * most / turned
        less = rng.uniform(0.15, 1.0) if rng.random() < CALM else 1.0
        return less * left, less * right, less * jaw

    def _seen(self, points: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (v, 3) in the camera's axes, and (v, 2) on a plane through the face's middle."""
        places = (points - self.middle) @ self.axes.T @ turn.T * [1.0, -1.0, -1.0]
        places[:, 2] += self.look.distance
        return places, places[:, :2] / places[:, 2:].clip(1e-3) * self.look.distance

    def _crop(self, anchors: np.ndarray) -> Crop:
        """About as the frame before would have it."""
        rough = FoundFace(np.column_stack([anchors, np.zeros(len(anchors))]), 1.0).next_crop()
        shift = self.rng.normal(size=2) * 0.02 * rough.side
        side = rough.side * np.exp(0.04 * self.rng.normal())
        return Crop(rough.centre + shift, side, rough.angle + 0.03 * self.rng.normal())

    def _inside(self, skin: np.ndarray, motion: np.ndarray, turn: np.ndarray) -> list[tuple[np.ndarray, ...]]:
        """What is seen through holes: places, as _seen has them, triangles, and colours."""
        look = self.look
        found: list[tuple[np.ndarray, ...]] = []
        if look.teeth:
            upper, lower = self.teeth
            for points in (upper, lower @ motion[:3, :3].T + motion[:3, 3]):
                found.append((*self._seen(points, turn), BAND_TRIANGLES, np.tile(look.teeth * TEETH, (2 * ARC, 1))))
        gaze = Rotation.from_rotvec([*(GAZE * self.rng.normal(size=2)), 0.0]).as_matrix()
        for loop, eye in self.holes:
            if eye:
                radius = 0.42 * eye
                middle = self.neutral[loop].mean(0) - 0.95 * radius * self.axes[2]
                points = middle + radius * (BALL @ gaze.T) @ self.axes
                angle = np.arccos(BALL[:, 2])[:, None]
                colours = np.where(angle < 0.22, 0.05, np.where(angle < 0.5, look.iris, look.white))
                triangles = BALL_TRIANGLES
            else:
                deep = skin[loop].mean(0) - 0.13 * self.size * self.axes[2]
                points = np.vstack([skin[loop], deep])
                each = np.arange(len(loop))
                triangles = np.stack([each, np.roll(each, -1), np.full(len(loop), len(loop))], axis=1)
                colours = np.tile(look.dark, (len(points), 1))
            found.append((*self._seen(points, turn), triangles, colours))
        return found

    def _picture(
        self, places: np.ndarray, flat: np.ndarray, crop: Crop, inside: list[tuple[np.ndarray, ...]]
    ) -> np.ndarray:
        """What a crop shows of a face, (272, 272, 3) up to 255, with room to shift it."""
        look, pixels = self.look, LANDMARK_SIZE + SHIFTS
        normals = vertex_normals(places * [1.0, -1.0, -1.0], self.triangles)
        shade = look.ambient + (1 - look.ambient) * (normals @ look.light).clip(0)
        colours = (look.albedo * shade[:, None]).clip(0, 1)
        drawn, size = np.zeros((pixels * pixels, 4), dtype=np.float32), (pixels, pixels)
        corners = _in_crop(places, flat, crop)[self.triangles]
        one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        front = one[:, 0] * other[:, 1] > one[:, 1] * other[:, 0]
        fill_clear(drawn, corners[front], colours[self.triangles[front]], size)
        for its_places, its_flat, triangles, its_colours in inside:
            fill_clear(drawn, _in_crop(its_places, its_flat, crop)[triangles], its_colours[triangles], size)
        fill_clear(drawn, corners[~front], np.broadcast_to(look.dark, corners[~front].shape), size)
        drawn = drawn.reshape(pixels, pixels, 4)[::-1]
        picture = drawn[..., :3] + look.background.astype(np.float32) * (1 - drawn[..., 3:])
        picture = gaussian_filter(picture, (look.blur, look.blur, 0)) ** (1 / look.gamma)
        picture += look.noise * self.rng.standard_normal(picture.shape, dtype=np.float32)
        return (255 * picture).clip(0, 255)


def _in_crop(places: np.ndarray, flat: np.ndarray, crop: Crop) -> np.ndarray:
    """Points (v, 3) right, up and towards the viewer, in pixels of a crop with room about it."""
    scale, pixels = LANDMARK_SIZE / crop.side, LANDMARK_SIZE + SHIFTS
    across = (flat - crop.centre) @ crop.axes.T * scale + pixels / 2
    return np.column_stack([across[:, 0], pixels - across[:, 1], -places[:, 2] * scale])


def _ball(steps: int = 14) -> tuple[np.ndarray, np.ndarray]:
    """The front of a unit sphere about z: points (n, 3) and triangles (T, 3)."""
    down, around = np.meshgrid(np.linspace(0, 0.6 * np.pi, steps), np.linspace(0, 2 * np.pi, 2 * steps), indexing="ij")
    points = np.stack([np.sin(down) * np.cos(around), np.sin(down) * np.sin(around), np.cos(down)], axis=-1)
    grid = np.arange(down.size).reshape(down.shape)
    one, two, three, four = grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]
    fans = [np.stack(each, axis=-1).reshape(-1, 3) for each in ((one, two, three), (one, three, four))]
    return points.reshape(-1, 3), np.concatenate(fans)


BALL, BALL_TRIANGLES = _ball()
ARC = 9  # points along a band of teeth
BAND_TRIANGLES = np.concatenate([[[i, i + 1, ARC + i], [i + 1, ARC + i + 1, ARC + i]] for i in range(ARC - 1)])
