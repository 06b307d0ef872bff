# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin's own colours, followed through a video: a point of the face has the same colour in all frames,
docs/model.md (41). Landmarks tell little of cheeks and lids; what the colours say is weighed against them by how sure
they are.

Colours are those of a band: without what is large, which light and shade are, and without what is as small as noise is.
What all frames lack alike no colour tells, and is left as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates, uniform_filter
from scipy.optimize import lsq_linear
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from ..anatomy.jaw import compose_jaw
from ..fitting.driving.side_by_side import side_by_side
from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor
from ..shared.captured.cameras import Camera
from ..shared.foundation.normals import vertex_normals
from .answers import JAW_SCALE, Answers
from .face_detector import Crop, FoundFace, cut
from .face_frame import FaceFrame, sides_of
from .movies import Movie
from .seen_faces import SeenFaces

POINTS = 1200
PIXELS = 256  # of a crop: somewhat more than a millimetre each
FINE, WIDE = 1.6, 21  # pixels: the spread of what is as small as noise, and across a square of what is large
COLOUR_SPREAD = 8.0  # of a point's colour, of 255; points about it err alike, so that it stands for less than one
STEPS, DAMPED = 2, 2.0  # of Gauss and Newton; what is so many medians off is believed a quarter
TURN, SLIDE = 0.01, 1.0  # radians, mm: of the pose's parameters
POSE_SPREAD = np.array([3.0, 3.0, 3.0, 8.0, 8.0, 25.0])  # of a head that landmarks tell, in these
MOST_SHOWN = 100  # frames that the colours are learned from
FEWEST = 12  # frames, of which a mean is sharper than each
LONGEST = 1.5  # frames, that two may be apart for what lies between them to be told by both
FACING, GRAZING = 0.1, 1e-3  # cosines to the viewer
REACH, HIDDEN = 0.55, 0.05  # of the face's height: where points are taken, and behind others that are not seen
JAW_SPREAD = 0.02  # of a jaw's turns, in 0.1 radians: skin that slides over the chin tells them worse
OF_LIDS, GAP_SPREAD = 0.15, 0.1  # of what lids move by most: what moves more is of them; mm that gaps may change by
STEP = 1e-3  # of a jaw's parameter, by which it is differentiated


@dataclass
class Followed:
    """What is known of F frames. targets: (F, T) as Answers.targets. head: (F, 4, 4) before the camera."""

    targets: np.ndarray
    head: np.ndarray

    def between(self, before: int, after: int, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Targets (T,) and head (4, 4) of what lies between two frames."""
        targets, head = ((1 - share) * each[before] + share * each[after] for each in (self.targets, self.head))
        u, _, vt = np.linalg.svd(head[:3, :3])
        head[:3, :3] = u @ vt
        return targets, head


@dataclass(frozen=True)
class Filmed:
    """A movie, and the time in seconds of each of its pictures, as the frames that are fitted count it."""

    movie: Movie
    times: np.ndarray

    def pictures(self, seen: SeenFaces) -> Iterator[_Picture]:
        """Those that `seen` tells of, or between two such frames: those of a take are seldom the movie's own."""
        for (_, picture), time in zip(self.movie.frames(), self.times, strict=False):
            after = int(np.searchsorted(seen.times, time).clip(1, max(len(seen.times) - 1, 1)))
            before = after - 1
            after = min(after, len(seen.times) - 1)
            span = seen.times[after] - seen.times[before]
            share = float(np.clip((time - seen.times[before]) / span, 0.0, 1.0)) if span > 0 else 0.0
            if span > LONGEST / seen.fps or seen.cuts[after]:
                share = round(share)
            nearest = after if share > 0.5 else before
            if abs(seen.times[nearest] - time) <= LONGEST / 2 / seen.fps:
                yield _Picture(picture, time, FoundFace(seen.landmarks[nearest], 1.0).next_crop(), before, after, share)


@dataclass(frozen=True)
class _Picture:
    """A picture (height, width, 3), its time, where the face is, and between which frames it lies."""

    picture: np.ndarray
    time: float
    crop: Crop
    before: int
    after: int
    share: float


def follow_skin(
    actor: Actor,
    filmed: Filmed,
    seen: SeenFaces,
    camera: Camera,
    told: Followed,
    answers: Answers,
    tell: Callable[[int, int], None],
) -> Followed | None:
    """What landmarks told of the frames of `seen`, by the colours of the skin nearer to what is there.

    Each of them shows a face. answers: what told them. The lids' gaps and the jaw's turns stay as they were told: lids
    fold, and what they uncover is no skin. tell is called with how many pictures are done, and of how many. None where
    there are too few.
    """
    skin = _Skin(actor, camera, answers)
    total = 2 * len(filmed.times)
    apart = max(1, len(filmed.times) // MOST_SHOWN)

    def shown(done: int, every: int) -> Iterator[_Picture]:
        for index, each in enumerate(filmed.pictures(seen)):
            tell(done + index + 1, total)
            if index % every == 0:
                yield each

    def coloured(each: _Picture) -> tuple[np.ndarray, np.ndarray]:
        return skin.seen(_Band.of(each), *told.between(each.before, each.after, each.share))

    def fitted(each: _Picture) -> np.ndarray:
        return skin.fitted(_Band.of(each), usual, *told.between(each.before, each.after, each.share))

    threads = torch.get_num_threads()
    known = [found for _, found in side_by_side(coloured, shown(0, apart), threads)]
    if len(known) < FEWEST:
        return None
    colours, weights = (np.array(part) for part in zip(*known, strict=True))
    usual = _usual(colours, weights)
    times, moves = [], []
    for each, found in side_by_side(fitted, shown(total // 2, 1), threads):
        moves.append(found)
        times.append(each.time)
    # A change of all frames changes no colour.
    moved = np.array(moves) - np.mean(moves, axis=0)
    moved = np.stack([np.interp(seen.times, times, column) for column in moved.T], axis=1)
    targets = told.targets + moved[:, : skin.targets]
    targets[:, : skin.sides] = targets[:, : skin.sides].clip(0.0, 1.0)
    pairs = zip(told.head, moved[:, skin.targets :], strict=True)
    return Followed(targets, np.array([skin.moved_head(head, pose) for head, pose in pairs]))


def _usual(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(P, 3) the colours of points over frames (F, P, 3), of weights (F, P), robustly."""
    trust = weights
    for _ in range(3):
        mean = np.einsum("fp,fpc->pc", trust, colours) / trust.sum(0)[:, None]
        off = np.linalg.norm(colours - mean, axis=2)
        trust = weights * _robust(off)
    return mean


def _robust(off: np.ndarray) -> np.ndarray:
    return (1 + (off / (DAMPED * np.median(off).clip(1e-6))) ** 2) ** -2


@dataclass(frozen=True)
class _Band:
    """A crop's colours without what is large or small, (PIXELS, PIXELS, 3), and what they change by, right and down."""

    crop: Crop
    colours: np.ndarray
    across: np.ndarray
    down: np.ndarray

    @staticmethod
    def of(each: _Picture) -> _Band:
        """About the face in a picture."""
        part = cut(each.picture, each.crop, PIXELS)
        large = uniform_filter(uniform_filter(part, (WIDE, WIDE, 1)), (WIDE, WIDE, 1))
        colours = gaussian_filter(part, (FINE, FINE, 0), truncate=3.0) - large
        down, across = np.gradient(colours, axis=(0, 1))
        return _Band(each.crop, colours, across, down)

    def at(self, pixels: np.ndarray, whole: bool) -> tuple[np.ndarray, np.ndarray]:
        """The colours (P, 3) at pixels (P, 2) of the picture; and, if asked to, what they change by (P, 3, 2) there."""
        axes = self.crop.axes * PIXELS / self.crop.side
        places = (pixels - self.crop.centre) @ axes.T + PIXELS / 2 - 0.5

        def sampled(values: np.ndarray) -> np.ndarray:
            given = [map_coordinates(values[..., c], places.T[::-1], order=1, mode="nearest") for c in range(3)]
            return np.stack(given, axis=1)

        if not whole:
            return sampled(self.colours), np.zeros((len(pixels), 3, 2))
        return sampled(self.colours), np.stack([sampled(self.across), sampled(self.down)], axis=2) @ axes


class _Skin:
    """Points of an actor's face before a camera. answers: as in follow_skin."""

    def __init__(self, actor: Actor, camera: Camera, answers: Answers) -> None:
        self.camera, self.hinge = camera, actor.hinge
        chosen, self.normals = _chosen(actor, answers.of_lids())
        self.neutral, self.skin_weight = actor.neutral[chosen], actor.skin_weight[chosen]
        sides = sides_of(actor)[chosen]
        self.sides, self.targets = 2 * len(actor.names), len(answers.spread)
        # (P, 3, 2 N) what weights of the left and the right move
        self.expressions = np.einsum("ps,pnx->pxsn", sides, actor.expressions[chosen]).reshape(len(chosen), 3, -1)
        self.middle = self.neutral.mean(0)
        size = self.targets + 6
        self.known = np.zeros((size, size))
        floor = 1e-5 * np.eye(self.targets)
        self.known[: self.targets, : self.targets] = np.linalg.inv(answers.spread + floor)
        gaps = answers.lid_gaps() / GAP_SPREAD
        self.known[: self.targets, : self.targets] += gaps.T @ gaps
        turns = np.arange(self.sides, self.sides + 3)
        self.known[turns, turns] += JAW_SPREAD**-2
        self.known[self.targets :, self.targets :] = np.diag(POSE_SPREAD**-2)
        self.least, self.most = np.full(size, -8.0), np.full(size, 8.0)

    def seen(self, band: _Band, targets: np.ndarray, head: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The colours (P, 3) of the points with targets (T,) and a head (4, 4), and how far each faces the viewer,
        squared."""
        places = self._posed(targets) @ head[:3, :3].T + head[:3, 3]
        return band.at(self._flat(places), whole=False)[0], self._facing(places, head) ** 2

    def fitted(self, band: _Band, usual: np.ndarray, told: np.ndarray, told_head: np.ndarray) -> np.ndarray:
        """(T + 6,) by what targets (T,) and the pose of a head (4, 4) are to be moved for the points to have their
        usual colours (P, 3): x of docs/model.md (41)."""
        moved = np.zeros(len(self.least))
        for _ in range(STEPS):
            targets = told + moved[: self.targets]
            head = self.moved_head(told_head, moved[self.targets :])
            places, slopes = self._differentiated(targets, head)
            colours, change = band.at(self._flat(places), whole=True)
            missing = colours - usual
            trust = self._facing(places, head) * _robust(np.linalg.norm(missing, axis=1)) / COLOUR_SPREAD**2
            rows = np.einsum("pcx,pxk->pck", change, self._flattened(places, slopes))
            weighed = (rows * trust[:, None, None]).reshape(-1, rows.shape[2])
            normal = rows.reshape(-1, rows.shape[2]).T @ weighed + self.known
            slope = weighed.T @ missing.ravel() + self.known @ moved
            moved = moved + self._bounded(normal, slope, targets)
        return moved

    def _bounded(self, normal: np.ndarray, slope: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The step to the least of a quadratic with weights within 0 and 1."""
        least, most = self.least.copy(), self.most.copy()
        weights = targets[: self.sides]
        least[: self.sides], most[: self.sides] = np.minimum(-weights, -1e-9), np.maximum(1.0 - weights, 1e-9)
        factor = np.linalg.cholesky(normal)
        return np.asarray(lsq_linear(factor.T, -np.linalg.solve(factor, slope), (least, most), method="bvls").x)

    def moved_head(self, head: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """A head (4, 4) turned about the face's middle and slid by a pose (6,)."""
        found = head.copy()
        middle = head[:3, :3] @ self.middle + head[:3, 3]
        found[:3, :3] = Rotation.from_rotvec(TURN * pose[:3]).as_matrix() @ head[:3, :3]
        found[:3, 3] = middle + SLIDE * pose[3:] - found[:3, :3] @ self.middle
        return found

    def _posed(self, targets: np.ndarray) -> np.ndarray:
        """(P, 3) the points with these targets, in the head."""
        return self._jawed(targets[self.sides :]) + self.expressions @ targets[: self.sides]

    def _jawed(self, jaw: np.ndarray) -> np.ndarray:
        motion = np.eye(4)[None] if self.hinge is None else compose_jaw((jaw / JAW_SCALE)[None], self.hinge)
        return linear_blend_skinning(self.neutral, motion, self.skin_weight)[0]

    def _differentiated(self, targets: np.ndarray, head: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The points before the camera (P, 3), and what targets and pose move them by (P, 3, T + 6)."""
        jaw, turn = targets[self.sides :], head[:3, :3]
        jawed = self._jawed(jaw)
        of_jaw = [(self._jawed(jaw + STEP * way) - jawed) / STEP for way in np.eye(6)]
        slopes = np.concatenate([self.expressions, np.stack(of_jaw, axis=2)], axis=2)
        places = (jawed + self.expressions @ targets[: self.sides]) @ turn.T + head[:3, 3]
        arms = places - (turn @ self.middle + head[:3, 3])
        turned = TURN * np.stack([np.cross(axis, arms) for axis in np.eye(3)], axis=2)
        slid = np.broadcast_to(SLIDE * np.eye(3), turned.shape)
        return places, np.concatenate([np.einsum("xy,pyk->pxk", turn, slopes), turned, slid], axis=2)

    def _flat(self, places: np.ndarray) -> np.ndarray:
        """(P, 2) pixels of places (P, 3) before the camera."""
        return places[:, :2] / places[:, 2:] * self.camera.focal + self.camera.centre

    def _flattened(self, places: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """(P, 2, K) pixels, of what moves places (P, 3) by (P, 3, K) mm."""
        scale = self.camera.focal / places[:, 2:]  # (P, 2)
        along = places[:, :2] / places[:, 2:]
        return scale[:, :, None] * (slopes[:, :2] - along[:, :, None] * slopes[:, 2:])

    def _facing(self, places: np.ndarray, head: np.ndarray) -> np.ndarray:
        """(P,) cosines to the viewer of the neutral's normals."""
        normals = self.normals @ head[:3, :3].T
        return np.asarray(-(normals * places).sum(1) / np.linalg.norm(places, axis=1)).clip(GRAZING)


def _chosen(actor: Actor, lids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """POINTS vertices of the face's front that are seen from there, and their normals; not those of lids."""
    frame = FaceFrame.of(actor)
    placed, normals = frame.placed(actor.neutral), vertex_normals(actor.neutral, actor.topology.triangles())
    there = (normals @ frame.axes[2] > FACING) & (np.abs(placed[:, 1]) < REACH * frame.size)
    there &= placed[:, 2] > placed[:, 2].max() - REACH * frame.size
    closing = np.linalg.norm(actor.expressions, axis=2) @ lids[: len(actor.names)]  # (V,)
    there &= closing <= OF_LIDS * closing.max()
    front = np.flatnonzero(there)
    about = cKDTree(placed[front, :2]).query(placed[front, :2], k=min(8, len(front)))[1].reshape(len(front), -1)
    front = front[placed[front, 2] > placed[front, 2][about].max(1) - HIDDEN * frame.size]
    chosen = front[np.linspace(0, len(front) - 1, min(POINTS, len(front))).astype(int)]
    return chosen, normals[chosen]
