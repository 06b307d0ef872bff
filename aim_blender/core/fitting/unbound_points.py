# SPDX-License-Identifier: GPL-3.0-or-later
"""Where points that name no vertex sit: nobody's face is quite at rest in the frame in which they were bound.

First what the face shows in its calmest frames is taken off, as far as each shape does more there than where it rests;
what is left lies on the neutral's skin. Then the points slide along it to where all frames agree with them: a point of
the upper lip that was bound to the lower one leaves it once the mouth opens. The frames are explained by few weights,
which cannot bend to a point that was bound to another place.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor
from ..model.closed_form import prior_of_modes
from ..points.points import Binding, PointPerformance, SkinAtRest, skin_at_rest
from ..shared.foundation.robust_weights import cauchy
from ..shared.settings.point_settings import PointFittingSettings
from .jaw_of_frame import RIDGE_MM as JAW_RIDGE_MM
from .placed_points import PlacedPoints
from .rest_offset import LOWEST, distance_of, weights_of_frames

FRAMES = 60  # at most, of those that show most points
MOSTLY_SEEN = 0.7  # of the points of the fullest frame
CALM_FRAMES = 15
ROUNDS = 4  # of sliding
STEP_MM = 1.0  # at most, in a round
FURTHEST_MM = 6.0  # from where a point was bound at first
EXACT_MM = 0.03  # from the neutral's skin in some frame, on the median: that is the neutral itself
DEAR, LESS = 0.3, 0.8  # a point that costs as much looks for a place nearby that costs so much less
NEARBY_MM, MOST_NEAR = 5.0, 300
STIFF_MODES = 2  # one weight a shape, and that it may be stronger on one side
ROBUST_MM = 1.0
ROBUST_ROUNDS = 3
DAMPING = 1.0  # of a step, beside what F frames tell of it, about F


def settled(
    actor: Actor,
    points: PointPerformance,
    binding: Binding,
    modes: tuple[np.ndarray, np.ndarray],
    settings: PointFittingSettings,
) -> Binding:
    """The binding of points in mm, with those that name no vertex put to where all frames agree with them; as it was
    if none is free, if they are of another face, whose skin is elsewhere, or if nothing is won.

    modes: (V, M) of the mesh and their eigenvalues (M,).
    """
    free = points.vertices < 0
    if not free.any():
        return binding
    some = _richest(points)
    first, skin = binding.of(actor.neutral), skin_at_rest(actor)
    found, costs, rested = binding, [], isinstance(settings.rest_frame, int)  # somebody says where the face rests
    for round_ in range(ROUNDS + 2):
        placed = PlacedPoints(actor, found, some, *_given(some), settings)
        if placed.rest is not None:
            return binding
        stabilized = placed.stabilized(placed.head)
        fit = StiffFit(actor, found, modes, stabilized, placed, settings)
        costs.append(fit.costs)
        if round_ == ROUNDS + 1:
            break
        places = found.of(actor.neutral)
        if round_ > 0:
            places = _jumped(fit, skin, places + _shortened(fit.steps(), STEP_MM))
        elif not rested:
            off = np.where(placed.trust > 0, np.linalg.norm(stabilized - places, axis=2), np.nan)
            rested = bool(np.nanmedian(off, axis=1).min() < EXACT_MM)
            places = places if rested else _at_rest(actor, found, stabilized, placed.trust)
        found = _exchanged(found, skin.nearest(first + _shortened(places - first, FURTHEST_MM)), free)
    if costs[-1].mean() >= costs[0].mean():
        return binding
    # On a face at rest a point lies where it belongs, unless the others say very clearly that it does not.
    return _exchanged(binding, found, free & (costs[-1] < LESS * costs[0])) if rested else found


def _exchanged(binding: Binding, other: Binding, some: np.ndarray) -> Binding:
    """A binding with some (P,) of its points as another has them."""
    corners = np.where(some[:, None], other.corners, binding.corners)
    return Binding(corners, np.where(some[:, None], other.shares, binding.shares))


def _at_rest(actor: Actor, binding: Binding, stabilized: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """(P, 3) mm where the points would be if every shape were where it rests: where its weight, one for the whole face,
    is in the lowest tenth of the frames."""
    moved = binding.of_fields((actor.shapes()[1:] - actor.neutral).transpose(1, 0, 2))
    weights = weights_of_frames(stabilized, trust, moved)
    weights = weights - np.quantile(weights, LOWEST, axis=0)
    apart = distance_of(weights, moved)
    faces = stabilized - np.einsum("pnx,fn->fpx", moved, weights, optimize=True)
    known = np.where((trust > 0)[..., None], faces, np.nan)
    calm = known[np.argsort(apart, kind="stable")[:CALM_FRAMES]]
    places = binding.of(actor.neutral)
    for candidates in (known, calm):
        seen = np.isfinite(candidates[..., 0]).any(0)
        places[seen] = np.nanmedian(candidates[:, seen], axis=0)
    return places


def _jumped(fit: StiffFit, skin: SkinAtRest, places: np.ndarray) -> np.ndarray:
    """Places (P, 3), but for points that cost much less somewhere else nearby: on the other lip."""
    tree, sampled = skin.tree, skin.sampled
    own, places = fit.costs, places.copy()
    for point in np.flatnonzero(own > DEAR):
        near = np.array(tree.query_ball_point(places[point], NEARBY_MM), dtype=int)
        near = near[:: max(1, len(near) // MOST_NEAR)]
        if len(near) == 0:
            continue
        there = Binding(sampled.corners[near], sampled.shares[near])
        costs = fit.costs_at(int(point), there)
        if costs.min() < LESS * own[point]:
            places[point] = tree.data[near[costs.argmin()]]
    return places


def _richest(points: PointPerformance) -> PointPerformance:
    """Some frames that show most of the points."""
    count = ((points.confidence > 0) & np.isfinite(points.positions).all(-1)).sum(1)
    rich = np.flatnonzero(count >= MOSTLY_SEEN * count.max())
    rich = rich[np.linspace(0, len(rich) - 1, min(len(rich), FRAMES)).astype(int)]
    return replace(
        points, positions=points.positions[rich], confidence=points.confidence[rich], frames=points.frames[rich]
    )


def _given(points: PointPerformance) -> tuple[np.ndarray, np.ndarray]:
    """How much each point counts (F, P), and that no frame (F,) is missing."""
    given = np.where(np.isfinite(points.positions).all(-1), points.confidence, 0.0)
    return given, np.zeros(len(given), dtype=bool)


def _shortened(steps: np.ndarray, most: float) -> np.ndarray:
    """Steps (P, 3), none longer than most."""
    length = np.linalg.norm(steps, axis=1, keepdims=True)
    return steps * np.minimum(1.0, most / length.clip(1e-9))


class StiffFit:
    """What P points of F frames are off by once the face was fitted to them, and how they would have to slide.

    binding: of triangles. off: (F, P, 3) mm, 0 where there is no point. robust_weight: (F, P).
    """

    def __init__(
        self,
        actor: Actor,
        binding: Binding,
        modes: tuple[np.ndarray, np.ndarray],
        stabilized: np.ndarray,
        placed: PlacedPoints,
        settings: PointFittingSettings,
    ) -> None:
        """modes: (V, M) and their eigenvalues (M,). stabilized: (F, P, 3) mm where the actor has the points placed."""
        trust = placed.trust
        self.actor, self.modes, self.binding = actor, modes[0][:, :STIFF_MODES], binding
        self.columns = np.einsum("pc,pckx->pxk", binding.shares, self._fields(binding.corners))  # (P, 3, K)
        prior = np.repeat(prior_of_modes(modes[1][:STIFF_MODES], settings), len(actor.names))
        known = np.where((trust > 0)[..., None], stabilized, np.nan)
        self.jaw = placed.jaw_of_points.predict(known)
        skinned = linear_blend_skinning(binding.of(actor.neutral), self.jaw, binding.of(actor.skin_weight))
        left = np.where(np.isfinite(known), known - skinned, 0.0)
        self.robust_weight = trust.astype(np.float64)
        for _ in range(ROBUST_ROUNDS):
            normal, right = _normal_equations(self.columns, left, self.robust_weight)
            self.weights = np.linalg.solve(normal + np.diag(prior), right[..., None])[..., 0]  # (F, K)
            self.off = left - np.einsum("pxk,fk->fpx", self.columns, self.weights)
            self.off[trust <= 0] = 0.0
            self.robust_weight = trust * cauchy((self.off**2).sum(-1) / ROBUST_MM**2)
        self.prior, self.known = prior, known
        by_jaw = binding.of_fields((actor.shapes()[1:] - actor.neutral).transpose(1, 0, 2) - actor.expressions)
        self.by_jaw = by_jaw.transpose(0, 2, 1)  # (P, 3, N)

    @property
    def costs(self) -> np.ndarray:
        """(P,) how far points are off over the frames, where one far off counts as little more than at ROBUST_MM."""
        return _robust(self.off).sum(0) / (self.robust_weight > 0).sum(0).clip(min=1)

    def costs_at(self, point: int, places: Binding) -> np.ndarray:
        """(Q,) what a point would cost at other places."""
        seen = np.isfinite(self.known[:, point, 0])
        return _robust(self.known[seen, point, None] - self._posed(places)[seen]).mean(0)

    def steps(self) -> np.ndarray:
        """d (P, 3) mm of docs/model.md (23b): how far each point would have to slide on the neutral's skin, so that all
        frames are explained best. Gauss-Newton for the places; the frames' weights and jaws are solved along."""
        across, tangents = self._tangents()  # (P, 3, 2), (F, P, 3, 2)
        count = len(across)
        columns = np.concatenate([self.columns, self.by_jaw], axis=2)
        ridge = np.concatenate([self.prior, np.full(self.by_jaw.shape[2], JAW_RIDGE_MM**2 * count)])
        weight = self.robust_weight
        normal, right = _normal_equations(columns, self.off, weight)
        coupled = np.einsum("fp,fpxt,pxk->fptk", weight, tangents, columns, optimize=True)  # (F, P, 2, K')
        coupled = coupled.reshape(len(weight), 2 * count, -1)
        both = np.concatenate([coupled, right[:, None]], axis=1)
        inside = np.linalg.solve(normal + np.diag(ridge), both.transpose(0, 2, 1))
        both = np.einsum("fak,fkb->ab", coupled, inside, optimize=True)  # (2P, 2P + 1)
        hessian, gradient = -both[:, :-1], -both[:, -1]
        own = np.einsum("fp,fpxt,fpxu->ptu", weight, tangents, tangents, optimize=True)
        for point in range(count):
            hessian[2 * point : 2 * point + 2, 2 * point : 2 * point + 2] += own[point]
        gradient += np.einsum("fp,fpxt,fpx->pt", weight, tangents, self.off, optimize=True).reshape(-1)
        step = np.linalg.solve(hessian + DAMPING * np.eye(2 * count), gradient).reshape(count, 2)
        return np.einsum("pxt,pt->px", across, step)

    def _tangents(self) -> tuple[np.ndarray, np.ndarray]:
        """Two directions (P, 3, 2) along the neutral's skin, and what they become in the frames (F, P, 3, 2)."""
        corners = self.binding.corners
        rest, each = self.actor.neutral[corners], Binding.at(corners.reshape(-1))
        edges = (rest[:, 1:] - rest[:, :1]).transpose(0, 2, 1)  # (P, 3, 2)
        first = edges[..., 0] / np.linalg.norm(edges[..., 0], axis=1, keepdims=True).clip(1e-9)
        normal = np.cross(edges[..., 0], edges[..., 1])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-9)
        across = np.stack([first, np.cross(normal, first)], axis=-1)
        of_edges = np.linalg.pinv(edges) @ across  # (P, 2, 2)
        posed = self._posed(each).reshape(len(self.jaw), *rest.shape)
        return across, (posed[:, :, 1:] - posed[:, :, :1]).transpose(0, 1, 3, 2) @ of_edges

    def _posed(self, places: Binding) -> np.ndarray:
        """(F, Q, 3) mm where other places are in the frames."""
        columns = np.einsum("qc,qckx->qxk", places.shares, self._fields(places.corners))
        skinned = linear_blend_skinning(places.of(self.actor.neutral), self.jaw, places.of(self.actor.skin_weight))
        return skinned + np.einsum("qxk,fk->fqx", columns, self.weights, optimize=True)

    def _fields(self, corners: np.ndarray) -> np.ndarray:
        """(Q, C, K, 3) what weights do to vertices (Q, C)."""
        fields = self.modes[corners][..., None, None] * self.actor.expressions[corners][:, :, None]
        return fields.reshape(*corners.shape, -1, 3)


def _robust(off: np.ndarray) -> np.ndarray:
    """log(1 + u) of distances (..., 3), for which cauchy stands."""
    return np.log1p((off**2).sum(-1) / ROBUST_MM**2)


def _normal_equations(columns: np.ndarray, wanted: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F, K, K) and (F, K) of columns (P, 3, K), for wanted (F, P, 3) with weight (F, P)."""
    squares = np.einsum("pxi,pxj->pij", columns, columns)
    return np.tensordot(weight, squares, (1, 0)), np.einsum("fp,pxi,fpx->fi", weight, columns, wanted, optimize=True)
