# SPDX-License-Identifier: GPL-3.0-or-later
"""What ARKit's 52 shapes are on an actor: weights per point of the actor's own expressions, and motions of its jaw.

An actor is captured in other expressions than ARKit's: a smile of both sides, a surprise that is three of them. Which
takes part in which is told by names first, and by what the demo head's muscles do where names say nothing. With A (K,
J) how much of each of J shapes is in each of K expressions, and g_j(c) how much shape j moves point c, the shapes that
play back every expression with its own part A are, per point,

    s_j(c) = sum_k p_jk(c) e_k(c),   p(c) = G A^T (A G A^T + noise)^-1,   G = diag(g_j(c)^2)

the mean of what is likely (example-based facial rigging, Li, Weise & Pauly 2010, with the example's own expressions
in place of its prior's offsets). A one-sided shape has g_j = 0 on the other side, and passes over the mirror plane. All
this is after skinning: what the jaw does is apart from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import nnls

from ..model.actor import Actor
from ..model.working_actor import modes_of
from ..retargeting.imitation import imitate_motions
from ..shared.faces.arkit_names import JAW, MOTIONS, SHAPES, SIDED, UNSIDED, motion_of, motions_of
from .phone_guide import Guide
from .phone_jaw import JawShapes

FITTED_POINTS = 3000  # by which it is told what is in an expression
MOVES_MM = 0.05  # a motion that moves no point further is none
EXTRA = 0.1  # of an expression's motion, that something its name does not say must account for
EXTRA_RANGE = (0.25, 5.0)  # of the demo head's motion, scaled to the face: how much of it may be in an expression
MOST_EXTRA = 4
OVERLAP = 0.3  # cosine of the energies of two motions, above which they move the same points
OTHERWISE = -0.3  # agreement with what an expression's name means below which it does something else
ONE_SIDED = 5.0  # by how much more one side moves, of an expression whose name says nothing
LEAST_PART = 0.1  # of the largest: an expression with less of a shape says nothing of it
NOT_FOUND = ("mouthClose", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "tongueOut", *JAW)  # by motion
REACHES = (6.0, 14.0, 30.0)  # mm over which a shape's motion spreads to say whose a point is
LEAST_MM = 0.02  # that every shape moves every point by, for the purpose
# Of its own motion: how sure it is that an expression is its parts and nothing else, where it is one alone, and where
# it is several.
NOISE = 1e-5, 1e-2
POINTS_AT_ONCE = 4096
IMITATING_MODES = 40
SHOWN_WEIGHT = 0.01  # of a weight; less of an expression is none
EXACT = 2e-3  # of a weight: what the modes of a take may leave of it
MOST_MODES = 120
IMITATED, CAPTURED, BONE, NOTHING = "imitated", "captured", "jaw", "nothing"


@dataclass(frozen=True)
class PhoneShapes:
    """modes: (V, M) float32. coefficients: (52, M, K) of a full weight of each of ARKit's shapes. jaw: what it does to
    the jaw. rows: for each shape its name, by what it is shown (captured, imitated, jaw or nothing), the share of it
    that is, and the actor's expressions that are `parts` of it. notes: what to say whatever is performed."""

    modes: np.ndarray
    coefficients: np.ndarray
    jaw: JawShapes
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)


def phone_shapes(actor: Actor, guide: Guide) -> PhoneShapes:
    """ARKit's shapes on an actor of its working mesh."""
    session = Session(actor, guide)
    fields = _fields(session)  # {(shape, expression): (V,) weights}
    rows = {shape: {"name": shape, "by": CAPTURED, "share": 1.0} for shape, _ in fields}
    missing = [motion for motion in MOTIONS if not any(shape in rows for shape in shapes_of(motion))]
    moving = [m for m in missing if m not in JAW and np.linalg.norm(guide.motions[m], axis=1).max() > MOVES_MM]
    wanted = np.array([guide.motions[m] * (session.jaw.opening if m == "mouthClose" else 1.0) for m in moving])
    own = session.own
    if moving and len(own):
        for motion, mixture in zip(
            moving, imitate_motions(wanted, own, guide.trust, modes_of(actor, IMITATING_MODES)), strict=True
        ):
            for shape in shapes_of(motion):
                side = guide.side(shape.removeprefix(motion))
                for column, k in enumerate(mixture.shapes.tolist()):
                    fields[shape, k] = side * np.broadcast_to(mixture.weights[:, column], side.shape)
                if len(mixture.shapes):
                    rows[shape] = {"name": shape, "by": IMITATED, "share": round(mixture.done, 2)}
    for shape in JAW:
        if shape not in rows and session.jaw.moves(shape):
            rows[shape] = {"name": shape, "by": BONE, "share": 1.0}
    energy = np.square(own).sum((1, 2))
    for shape, row in rows.items():
        parts = {k: np.square(f[:, None] * own[k]).sum() for (of, k), f in fields.items() if of == shape and energy[k]}
        row["parts"] = [actor.names[k] for k in sorted(parts, key=parts.__getitem__, reverse=True) if parts[k] > 0]
    nothing = [{"name": shape, "by": NOTHING, "share": 0.0, "parts": []} for shape in SHAPES if shape not in rows]
    modes, coefficients = _in_modes(fields, len(guide.left), len(actor.names))
    return PhoneShapes(modes, coefficients, session.jaw, [*rows.values(), *nothing], session.notes)


def shapes_of(motion: str) -> tuple[str, ...]:
    """ARKit's shapes of a motion: one, or one for each side."""
    return (motion,) if motion in UNSIDED else (motion + "Left", motion + "Right")


class Session:
    """What is in an actor's expressions. own: e (K, V, 3) mm, what each adds after skinning. parts: A (K, 52). alone:
    {shape: the expression that is this shape and nothing else}."""

    def __init__(self, actor: Actor, guide: Guide) -> None:
        self.actor, self.guide = actor, guide
        self.own = actor.expressions.transpose(1, 0, 2)
        self.notes: list[str] = []
        self.named = [motions_of(name) for name in actor.names]
        count = len(guide.left)
        self.points = np.linspace(0, count - 1, min(count, FITTED_POINTS)).astype(int)
        self.root = np.sqrt(np.repeat(guide.trust[self.points] + 0.02, 3))
        self._doubt_names()
        self.jaw = JawShapes(actor, guide, self.named)
        self.parts = np.zeros((len(actor.names), len(SHAPES)))
        self.alone: dict[str, int] = {}
        for k, named in enumerate(self.named):
            if len(named) == 1:
                motion, sides = next(iter(named.items()))
                for side in sides:
                    self.alone.setdefault(motion + side, k)
        self.mentioned = {motion for named in self.named for motion in named}
        for k in range(len(actor.names)):
            self._split(k)
        self._normalise()

    def _doubt_names(self) -> None:
        """Forget what the name of an expression means that does the opposite."""
        for k, named in enumerate(self.named):
            if len(named) != 1 or not self.guide.known:
                continue
            motion, sides = next(iter(named.items()))
            agreement = _cosine(self._seen(self.own[k]), self._both(motion, sides))
            if agreement < OTHERWISE:
                self.named[k] = {}
                self.notes.append(
                    f"the expression {self.actor.names[k]!r} does the opposite of what its name says; it was taken by "
                    "what it does"
                )

    def _seen(self, offsets: np.ndarray) -> np.ndarray:
        return offsets[self.points].ravel() * self.root

    def _both(self, motion: str, sides: tuple[str, ...]) -> np.ndarray:
        """What the demo head's motion of these sides does to the points that are looked at."""
        share = np.sum([self.guide.side(side) for side in sides], axis=0)
        return self._seen(self.guide.motions[motion] * share[:, None])

    def _basis(self, motion: str, sides: tuple[str, ...], k: int) -> np.ndarray:
        """What a motion does to the points that are looked at: by the expression that is it alone, or as on the demo
        head."""
        alone = {self.alone.get(motion + side, k) for side in sides}
        other = next(iter(alone))
        if len(alone) == 1 and other != k and len(self.named[other][motion]) == len(sides):
            return self._seen(self.own[other])
        return self._both(motion, sides)

    def _split(self, k: int) -> None:
        """Write how much of each shape is in an expression."""
        named, left = self.named[k], self._seen(self.own[k])
        total = float(left @ left)
        for motion in JAW:
            share = self.jaw.share(k, motion)
            if not share:
                continue
            self.parts[k, SHAPES.index(motion)] = share
            alone = self.alone.get(motion, k)
            if alone != k:
                left = left - share * self._seen(self.own[alone])
        if named and set(named) <= {"jawOpen"}:
            return
        chosen = {motion: sides for motion, sides in named.items() if motion not in JAW}
        weights, rest = self._weighed(chosen, left, k)
        for _ in range(MOST_EXTRA):
            best: tuple[float, str, np.ndarray] | None = None
            for motion in self._candidates(chosen, named):
                tried, off = self._weighed(chosen | {motion: self._sides(motion, k)}, left, k)
                if EXTRA_RANGE[0] < tried[-1] < EXTRA_RANGE[1] and (best is None or off < best[0]):
                    best = off, motion, tried
            if best is None or rest - best[0] < EXTRA * total:
                break
            rest, weights = best[0], best[2]
            chosen[best[1]] = self._sides(best[1], k)
        for weight, (motion, sides) in zip(weights, chosen.items(), strict=True):
            for side in sides:
                # A name that says one thing says it whole.
                whole = len(named) == 1 and motion in named
                self.parts[k, SHAPES.index(motion + side)] = 1.0 if whole else weight

    def _candidates(self, chosen: dict[str, tuple[str, ...]], named: dict[str, tuple[str, ...]]) -> list[str]:
        """Motions that may be in an expression though its name does not say so: where it says something, only what no
        other name says either."""
        if not self.guide.known:
            return []
        free = [motion for motion in MOTIONS if motion not in NOT_FOUND and motion not in chosen]
        if not named:
            return free
        return [m for m in free if m not in self.mentioned and not any(self._overlap(m, each) for each in named)]

    def _overlap(self, one: str, other: str) -> bool:
        """Whether two motions move the same points."""
        energies = [np.square(self.guide.motions[motion][self.points]).sum(1) for motion in (one, other)]
        return _cosine(*energies) > OVERLAP

    def _sides(self, motion: str, k: int) -> tuple[str, ...]:
        if motion not in SIDED:
            return ("",)
        energy = np.square(self.own[k]).sum(1)
        left, right = energy @ self.guide.left, energy @ (1.0 - self.guide.left)
        if left > ONE_SIDED * right:
            return ("Left",)
        return ("Right",) if right > ONE_SIDED * left else ("Left", "Right")

    def _weighed(self, chosen: dict[str, tuple[str, ...]], left: np.ndarray, k: int) -> tuple[np.ndarray, float]:
        """How much of each of the chosen motions is in what is left of an expression, and what they leave."""
        if not chosen:
            return np.zeros(0), float(left @ left)
        if not self.guide.known:
            return np.ones(len(chosen)), 0.0
        matrix = np.stack([self._basis(motion, sides, k) for motion, sides in chosen.items()], axis=1)
        weights, off = nnls(matrix, left)
        return weights, off**2

    def _normalise(self) -> None:
        """Of each shape the actor did as much as ever is asked in the expression with most of it."""
        for j, shape in enumerate(SHAPES):
            column = self.parts[:, j]
            if shape in JAW or not column.any():
                continue
            if shape in self.alone:
                column[self.alone[shape]] = 1.0
            else:
                column /= column.max()
            column[column < LEAST_PART] = 0.0

    def reach(self, shape: str) -> np.ndarray:
        """(V,) mm how far a shape moves each point."""
        k = self.alone.get(shape)
        motion = motion_of(shape)
        if k is not None and (self.parts[k] > 0).sum() == len(self.named[k][motion]):
            return np.linalg.norm(self.own[k], axis=1)
        return np.linalg.norm(self.guide.motions[motion], axis=1)


def _fields(session: Session) -> dict[tuple[str, int], np.ndarray]:
    """{(shape, expression): (V,)} p_jk(c) of shapes that were captured."""
    guide, parts = session.guide, session.parts
    used = np.flatnonzero(parts.any(0))
    rows = np.flatnonzero(parts[:, used].any(1))
    if len(used) == 0:
        return {}
    spread = _Spreading(session.actor, guide.size)
    reach: dict[str, np.ndarray] = {}
    energies = []
    for j in used:
        shape = SHAPES[j]
        motion = motion_of(shape)
        key = f"{motion} {session.alone.get(shape)}"
        if key not in reach:
            reach[key] = (spread(session.reach(shape)) + LEAST_MM) ** 2
        energies.append(reach[key] * guide.side(shape.removeprefix(motion)))
    energy = np.stack(energies, axis=1)  # (V, J) g_j(c)^2
    part = parts[np.ix_(rows, used)]  # (K, J)
    weights = np.empty((len(energy), len(used), len(rows)), dtype=np.float32)
    diagonal = np.arange(len(rows))
    whole = set(session.alone.values())
    noise = np.array([NOISE[0] if k in whole else NOISE[1] for k in rows])
    for first in range(0, len(energy), POINTS_AT_ONCE):
        some = energy[first : first + POINTS_AT_ONCE]
        likely = some[:, :, None] * part.T  # (v, J, K) G A^T
        system = part @ likely  # (v, K, K)
        # Of a shape of the other side there is nothing here.
        system[:, diagonal, diagonal] += noise * (system[:, diagonal, diagonal] + LEAST_MM**2)
        weights[first : first + POINTS_AT_ONCE] = np.linalg.solve(system, likely.transpose(0, 2, 1)).transpose(0, 2, 1)
    return {
        (SHAPES[j], int(k)): weights[:, column, row]
        for column, j in enumerate(used)
        for row, k in enumerate(rows)
        if np.abs(weights[:, column, row]).max() > SHOWN_WEIGHT
    }


class _Spreading:
    """Spreads values of points (V,) to their surroundings: strongly to near ones, and a little far."""

    def __init__(self, actor: Actor, size: float) -> None:
        edges, count = actor.topology.edges(), len(actor.neutral)
        length = float(np.median(np.linalg.norm(actor.neutral[edges[:, 0]] - actor.neutral[edges[:, 1]], axis=1)))
        both = np.concatenate([edges, edges[:, ::-1]])
        around = sparse.csr_matrix((np.ones(len(both)), both.T), shape=(count, count)) + sparse.identity(count)
        self.mean = sparse.diags(1.0 / np.asarray(around.sum(1)).ravel()) @ around
        # What spreads by an edge a round spreads by the root of the rounds.
        rounds = [int(np.clip((reach * size / max(length, 1e-9)) ** 2, 1, 400)) for reach in REACHES]
        self.rounds = sorted({max(1, each) for each in rounds})

    def __call__(self, values: np.ndarray) -> np.ndarray:
        total = np.zeros_like(values)
        for number in range(1, self.rounds[-1] + 1):
            values = self.mean @ values
            if number in self.rounds:
                total = total + values
        return total


def _in_modes(fields: dict[tuple[str, int], np.ndarray], points: int, names: int) -> tuple[np.ndarray, np.ndarray]:
    """Modes (V, M) float32, of which the first is 1 everywhere, and the fields' coefficients (52, M, K) in them."""
    keys = list(fields)
    values = np.stack([fields[key] for key in keys], axis=1).astype(np.float64) if keys else np.zeros((points, 0))
    means = values.mean(0)
    values = values - means
    sizes, vectors = np.linalg.eigh(values.T @ values / points)
    order = np.argsort(-sizes)[: MOST_MODES - 1]
    order = order[sizes[order] > (0.2 * EXACT) ** 2]
    roots = np.sqrt(sizes[order])
    modes = np.concatenate([np.ones((points, 1)), values @ vectors[:, order] / roots], axis=1)
    coefficients = np.zeros((len(SHAPES), modes.shape[1], names), dtype=np.float32)
    for at, (shape, k) in enumerate(keys):
        coefficients[SHAPES.index(shape), :, k] = np.concatenate([[means[at]], vectors[at, order] * roots])
    return modes.astype(np.float32), coefficients


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size > 0 else 0.0
