# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting to points seen in images (docs/model.md section 3): Gauss-Newton with the perspective projection.

Two stages for every frame. First the head and one weight per shape, g_i, for the whole face: few unknowns, which even a
single camera determines. The jaw is the same mixture of the actor's own jaws. Then the head once more, with
weights w_i(c) = g_i + sum_m Φ_m(c) a_mi. Both are robust: a point far from where it should be seen counts less.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..anatomy.jaw import compose_jaw, decompose_jaw
from ..geometry.rigid import motion_columns
from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor, jaw_figures
from ..model.closed_form import prior_of_modes
from ..model.working_actor import modes_of
from ..points.image_points import ImagePoints, LandmarkMap, bind_landmarks
from ..points.points import Binding
from ..shared.captured.cameras import Camera
from ..shared.captured.image_views import View
from ..shared.foundation.errors import InputError
from ..shared.results.takes import Take
from ..shared.settings.fitting_settings import check_choices, check_rest_frame
from ..timing.timeline import Timeline
from .bounded_weights import BoundedWeights, within_box
from .error_figures import FitErrors
from .jaw_of_frame import PlausibleJaw
from .rest_in_images import rest_in_images

Report = Callable[[dict], None]

LEAST_POINTS = 6  # seen in a frame; with fewer it is missing
FACE_ROUNDS, DETAIL_ROUNDS = 20, 3
DAMPING = 1e-3  # of the normal matrix, in the first stage
HEAD_TURN, HEAD_SLIDE = 0.05, 20.0  # radians, mm: how far the second stage may find the head from where the first did
INLIER_SHARE = 0.25  # of its trust: a point that keeps less is an outlier, and left out
NO_FIT_MM = 8.0  # where half of the points are further off, the fit tells nothing


@dataclass(frozen=True)
class ImageFittingSettings:
    """How to fit to points in images.

    modes: number M of smooth functions. face_ridge: what a weight of 1 of a whole shape costs, in mm at every point.
    ridge, smoothness: what a weight of 1 costs that departs from it, everywhere and where it changes across the face,
    in mm: higher than for points in space, because along the view nothing is seen. outlier_mm: a point that is seen
    further from where it should be than this, at its distance, and much further than the frame's others, is left out as
    an outlier; 0 keeps every point. largest_weight, rest_frame: as for points in space. temporal: as for whole meshes.
    head: still takes it as not moving; otherwise it is solved in every frame.
    """

    modes: int = 30
    face_ridge: float = 0.05
    ridge: float = 5.0
    smoothness: float = 100.0
    outlier_mm: float = 0.5
    largest_weight: float = 1.5
    temporal: float = 0.0
    head: str = "auto"
    rest_frame: int | str = "auto"

    def __post_init__(self) -> None:
        check_choices(self)
        check_rest_frame(self.rest_frame)


@dataclass(frozen=True)
class Solved:
    """What is found of one frame: head H (4, 4), jaw T (4, 4), weights g (N,) and a (M, N) that depart from them.

    off: (C, P, 2) mm that are missing to where the points are seen. scale: (C,) pixels a mm. robust_weight: (C, P)
    what is left of the trust in the points.
    """

    head: np.ndarray
    jaw: np.ndarray
    face: np.ndarray
    detail: np.ndarray
    off: np.ndarray
    scale: np.ndarray
    robust_weight: np.ndarray


class ImageSolver:
    """Head, jaw and weights of a frame, from what cameras see of P points of the mesh."""

    def __init__(self, actor: Actor, binding: Binding, settings: ImageFittingSettings) -> None:
        self.modes, eigenvalues = modes_of(actor, settings.modes)
        names = len(actor.names)
        moved = (actor.shapes()[1:] - actor.neutral).transpose(1, 0, 2)  # (V, N, 3)
        self.hinge = actor.hinge
        if self.hinge is not None:
            self.jaw_poses = decompose_jaw(actor.jaw, self.hinge)  # (N, 6)
            self.plausible_jaw = PlausibleJaw(actor)
        self.neutral = binding.of(actor.neutral)  # (P, 3)
        self.moved = binding.of_fields(moved)  # (P, N, 3) jaw included
        self.expressions = binding.of_fields(actor.expressions)
        self.skin_weight = binding.of(actor.skin_weight)
        self.point_modes = binding.of(self.modes).astype(np.float32)  # (P, M)
        self.face_cost = settings.face_ridge**2
        self.detail_cost = np.repeat(prior_of_modes(eigenvalues, settings), names)  # (M N,)
        self.head_is_held = settings.head == "still"
        self.largest_weight = settings.largest_weight
        self.bounds = BoundedWeights(self.modes, settings.largest_weight) if settings.largest_weight else None

    def solve(self, view: View) -> Solved:
        """What one frame shows."""
        head, face = self.face(view)
        jaw = np.eye(4)
        if self.hinge is not None:
            jaw = compose_jaw(self.plausible_jaw.within(face @ self.jaw_poses), self.hinge)
        return self._detail(view, head, jaw, face)

    def face(self, view: View, held: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Head (4, 4) and one weight per shape g (N,) for the whole face, docs/model.md (25). held: (N,) weights that
        are known."""
        head = np.eye(4) if self.head_is_held else self.first_head(view)
        face = np.zeros(self.moved.shape[1]) if held is None else held
        if held is not None and self.head_is_held:
            return head, face
        first = 6 if self.head_is_held else 0
        for _ in range(FACE_ROUNDS):
            world = (self.neutral + _mix(self.moved, face)) @ head[:3, :3].T + head[:3, 3]
            pivot = world.mean(0)
            off, change, scale = view.equations(world)
            robust = view.robust_weight(off, scale)
            turned = self.moved @ head[:3, :3].T  # (P, N, 3)
            columns = np.concatenate([motion_columns(world - pivot), turned.transpose(0, 2, 1)], axis=2)  # (P, 3, 6+N)
            rows = (change @ columns)[..., first:]  # (C, P, 2, U)
            weighted = rows * robust[..., None, None]
            cost = np.concatenate([np.zeros(6 - first), np.full(len(face), self.face_cost * robust.sum())])
            flat = rows.reshape(-1, len(cost))
            normal = weighted.reshape(flat.shape).T @ flat + np.diag(cost)
            normal += DAMPING * np.diag(np.diag(normal)) + 1e-9 * np.eye(len(cost))
            right = weighted.reshape(flat.shape).T @ off.reshape(-1)
            right[6 - first :] -= cost[6 - first :] * face
            if held is not None:  # the head alone
                normal, right = normal[:6, :6], right[:6]
            found = np.linalg.solve(normal, right)
            if held is None and self.largest_weight:
                found = within_box(normal, right, found, 1.0 - self.largest_weight - face, self.largest_weight - face)
            step = np.zeros(6 + len(face))
            step[first : first + len(found)] = found
            head = _moved_head(head, step[:6], pivot)
            face = face + step[6:]
            if np.abs(step[3:6]).max() < 1e-3 and np.abs(step[6:]).max() < 1e-4 and np.abs(step[:3]).max() < 1e-5:
                break
        return head, face

    def _detail(self, view: View, head: np.ndarray, jaw: np.ndarray, face: np.ndarray) -> Solved:
        names = self.expressions.shape[1]
        count = self.point_modes.shape[1]
        base = linear_blend_skinning(self.neutral, jaw[None], self.skin_weight)[0] + _mix(self.expressions, face)
        detail = np.zeros((count, names))
        found_head = np.zeros(0 if self.head_is_held else 6)
        head_cost = np.repeat([1.0 / HEAD_TURN**2, 1.0 / HEAD_SLIDE**2], 3)[: len(found_head)]
        cost = np.concatenate([head_cost, self.detail_cost])
        for round_ in range(DETAIL_ROUNDS + 1):
            local = base + np.einsum("pm,mn,pnx->px", self.point_modes, detail, self.expressions, optimize=True)
            world = local @ head[:3, :3].T + head[:3, 3]
            off, change, scale = view.equations(world)
            robust = view.robust_weight(off, scale)
            if round_ == DETAIL_ROUNDS:
                return Solved(head, jaw, face, detail, off, scale, robust)
            seen = (change @ head[:3, :3]) @ self.expressions.transpose(0, 2, 1)  # (C, P, 2, N)
            rows = self.point_modes[:, None, :, None] * seen[..., None, :].astype(np.float32)  # (C, P, 2, M, N)
            rows = rows.reshape(*seen.shape[:3], -1)
            pivot = world.mean(0)
            if not self.head_is_held:
                rows = np.concatenate([(change @ motion_columns(world - pivot)).astype(np.float32), rows], axis=-1)
            known = np.concatenate([found_head, detail.reshape(-1)])
            system = rows.reshape(-1, len(cost)), np.repeat(robust.reshape(-1), 2), off.reshape(-1), cost, known
            step = self._bounded(system, _least_squares(*system), face)
            if not self.head_is_held:
                head = _moved_head(head, step[:6], pivot)
                found_head = found_head + step[:6]
            detail = detail + step[len(found_head) :].reshape(count, names)
        raise AssertionError

    def _bounded(self, system: tuple[np.ndarray, ...], step: np.ndarray, face: np.ndarray) -> np.ndarray:
        """The step (U,) of _least_squares that keeps weights within the bounds on top of those (N,) of the face."""
        rows, weight, missing, cost, known = system
        free = (known + step)[:, None]
        if self.bounds is None or not self.bounds.beyond(free, len(face), face).any():
            return step
        weighted = rows * weight[:, None].astype(rows.dtype)
        normal = (weighted.T @ rows).astype(np.float64)
        normal[np.diag_indices_from(normal)] += cost
        right = weighted.T @ (missing + rows @ known)
        kept = self.bounds.kept(free, normal, right[:, None].astype(np.float64), weight.sum() / 2, len(face), face)
        return kept[:, 0] - known

    def off(self, view: View, head: np.ndarray, jaw: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(C, P, 2) mm and (C,) pixels a mm, as Solved has them, with a head (4, 4), a jaw (4, 4) and weights (M, N)
        given."""
        local = linear_blend_skinning(self.neutral, jaw[None], self.skin_weight)[0]
        local = local + np.einsum("pm,mn,pnx->px", self.point_modes, weights, self.expressions, optimize=True)
        off, _, scale = view.equations(local @ head[:3, :3].T + head[:3, 3])
        return off, scale

    def first_head(self, view: View) -> np.ndarray:
        """H (4, 4) of the neutral as the camera that sees most of it would have it with parallel rays."""
        most = int((view.trust > 0).sum(1).argmax())
        camera, seen = view.cameras[most], view.trust[most] > 0
        model = self.neutral[seen]
        image = camera.undistorted(view.pixels[most, seen])
        middle = model.mean(0)
        rows = np.concatenate([model - middle, np.ones((len(model), 1))], axis=1)
        weight = trust = view.trust[most, seen]
        for _ in range(5):
            root = np.sqrt(weight)[:, None]
            affine = np.linalg.lstsq(rows * root, image * root, rcond=None)[0]  # (4, 2)
            squared = ((image - rows @ affine) ** 2).sum(1)
            weight = trust / (1.0 + squared / (9.0 * np.median(squared) + 1e-12)) ** 2
        u, scales, vt = np.linalg.svd(affine[:3].T, full_matrices=False)
        across = u @ vt  # (2, 3) the nearest orthonormal rows
        rotation = np.vstack([across, np.cross(across[0], across[1])])
        depth = 1.0 / scales.mean()
        pose = np.eye(4)
        pose[:3, :3] = rotation
        pose[:3, 3] = depth * np.append(affine[3], 1.0) - rotation @ middle
        return np.linalg.inv(camera.world_to_camera) @ pose


def fit_image_points(
    actor: Actor,
    points: ImagePoints,
    cameras: list[Camera],
    landmarks: LandmarkMap,
    settings: ImageFittingSettings | None = None,
    report: Report | None = None,
) -> Take:
    """Fit what cameras see of points on the face: a take of the whole face, its head where the cameras stand.

    The take's error_mm is how far the points are seen from where they should be, in mm at their distance; frames with
    fewer than LEAST_POINTS are filled in. report is called with {"message", "done", "total", "error_mm"}. Raises
    InputError if a camera is not known, or no landmark or too few points are.
    """
    settings = settings or ImageFittingSettings()
    report = report or (lambda _: None)
    total = len(points.frames)
    report({"message": "Preparing the fit", "done": 0, "total": total})
    start = time.perf_counter()
    known, binding = bind_landmarks(actor, points.names, landmarks)
    used = _cameras_of(points, cameras)
    pixels = points.positions[:, known]  # (I, Q, 2)
    trust = np.where(np.isfinite(pixels).all(-1), points.confidence[:, known], 0.0)  # (I, Q)
    shows = np.flatnonzero((trust > 0).any(1))
    shows = shows[np.argsort(points.frame_of[shows], kind="stable")]
    by_frame = np.split(shows, np.searchsorted(points.frame_of[shows], np.arange(1, total)))  # F times images
    missing = np.array([(trust[images] > 0).any(0).sum() < LEAST_POINTS for images in by_frame])
    if missing.all():
        raise InputError(
            f"{points.source} shows fewer than {LEAST_POINTS} known landmarks in every frame; more must be seen at once"
        )
    solver = ImageSolver(actor, binding, settings)
    setup_seconds = time.perf_counter() - start

    start = time.perf_counter()
    head, jaw = np.tile(np.eye(4), (2, total, 1, 1))
    coefficients = np.zeros((total, solver.modes.shape[1], len(actor.names)), dtype=np.float32)
    # A weight that is the same everywhere, as coefficients of the modes.
    everywhere = np.linalg.lstsq(solver.modes, np.ones(len(solver.modes)), rcond=None)[0]  # (M,)
    error_mm, pixel_error = np.zeros((total, 2), dtype=np.float32), np.zeros(total)
    errors, there = FitErrors(len(known)), np.flatnonzero(~missing).tolist()
    views = {
        frame: View([used[camera] for camera in points.camera_of[images]], pixels[images], trust[images], outlier_mm)
        for outlier_mm in [settings.outlier_mm]
        for frame in there
        for images in [by_frame[frame]]
    }
    rest = rest_in_images(solver, views, points.frames, settings.rest_frame, points.source)
    inliers: dict[int, np.ndarray] = {}  # (C, P) bool by frame

    def compare(frame: int, off: np.ndarray, scale: np.ndarray, errors: FitErrors) -> None:
        distance = np.where(trust[by_frame[frame]] > 0, np.linalg.norm(off, axis=-1), np.nan)  # (C, P)
        errors.add(by_frame[frame], distance, ~inliers[frame])
        error_mm[frame] = np.nanmean(distance), np.nanmax(distance)
        pixel_error[frame] = np.nanmean(distance * scale[:, None])

    for done, (frame, view) in enumerate(views.items(), 1):
        found = solver.solve(view)
        head[frame], jaw[frame] = found.head, found.jaw
        coefficients[frame] = found.detail + np.outer(everywhere, found.face)
        inliers[frame] = found.robust_weight > INLIER_SHARE * view.trust
        compare(frame, found.off, found.scale, errors)
        report({"message": "Fitting", "done": done, "total": len(there), "error_mm": errors.all.mean})
    timeline = Timeline(actor, points.frames, missing, settings.temporal)
    head, jaw = timeline.settled_motions(head, jaw)
    coefficients = timeline.settled_weights(coefficients)
    if settings.temporal > 0:
        errors = FitErrors(len(known))
        for frame, view in views.items():
            compare(frame, *solver.off(view, head[frame], jaw[frame], coefficients[frame]), errors)
    seconds = time.perf_counter() - start
    unplaced = [name for name in points.names if name not in landmarks.places]
    notes = list(points.notes)
    if unplaced:
        notes.append(f"{len(unplaced)} points have no place on the mesh and were left out, such as {unplaced[0]!r}")
    names = tuple(points.names[point] for point in known)
    notes += rest.notes(names) if rest is not None else []
    notes += timeline.notes("show too few points")
    notes += errors.notes(names.__getitem__, "points")
    if (half := errors.all.quantile(0.5)) > NO_FIT_MM:
        notes.append(
            f"half of the points are seen more than {half:.0f} mm from where the face has them: see where the "
            "landmarks belong, and the camera"
        )
    return Take(
        names=actor.names,
        topology_digest=actor.topology.digest,
        modes=solver.modes.astype(np.float32),
        coefficients=coefficients,
        jaw=jaw,
        head=head,
        frames=points.frames,
        fps=points.fps,
        error_mm=error_mm,
        settings=dataclasses.asdict(settings),
        figures={
            **timeline.figures(error_mm),
            **errors.figures(),
            **(rest.figures() if rest is not None else {}),
            **jaw_figures(actor, jaw),
            "points": len(known),
            "cameras": len(used),
            "mean_px": float(pixel_error[~missing].mean()),
            "notes": notes,
            "setup_s": setup_seconds,
            "frames_per_second": total / seconds,
        },
    )


def _cameras_of(points: ImagePoints, cameras: list[Camera]) -> list[Camera]:
    """The cameras that the points name, in their order."""
    by_name = {camera.name: camera for camera in cameras}
    found = []
    for name in points.cameras:
        if name is None and len(cameras) == 1:
            found.append(cameras[0])
        elif name in by_name:
            found.append(by_name[name])
        else:
            what = "does not say which camera sees its points" if name is None else f"names the camera {name!r}"
            raise InputError(f"{points.source} {what}; the cameras given are {', '.join(by_name)}")
    return found


def _mix(shapes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """sum_i g_i x_i (P, 3) of x (P, N, 3) and g (N,)."""
    return np.einsum("pnx,n->px", shapes, weights)


def _moved_head(head: np.ndarray, step: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """The head (4, 4) after a turn about pivot (3,) and a slide: step (6,) in radians and mm."""
    turn = Rotation.from_rotvec(step[:3]).as_matrix()
    moved = np.eye(4)
    moved[:3, :3] = turn @ head[:3, :3]
    moved[:3, 3] = turn @ (head[:3, 3] - pivot) + pivot + step[3:]
    return moved


def _least_squares(
    rows: np.ndarray, weight: np.ndarray, missing: np.ndarray, cost: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """The step x (U,) that minimises weight |missing - rows x|² + cost |known + x|².

    rows: (R, U). weight, missing: (R,). cost, known: (U,).
    """
    used = weight > 1e-6
    rows, weight, missing = rows[used], weight[used], missing[used] + rows[used] @ known
    if len(rows) < len(cost):  # as many equations as there are rows
        spread = rows / cost
        answer = np.linalg.solve(spread @ rows.T + np.diag(1.0 / weight), missing)
        return spread.T @ answer - known
    weighted = rows * weight[:, None].astype(rows.dtype)
    normal = (weighted.T @ rows).astype(np.float64)
    normal[np.diag_indices_from(normal)] += cost
    return np.linalg.solve(normal, weighted.T @ missing) - known
