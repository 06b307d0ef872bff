# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be right in what a step has made, as sentences: a figure, where it is, and what to do about it.

    check_learned       after an actor was learned
    check_transferred   after an actor was made from a neutral alone
    check_fitted        after a performance was fitted
    check_retargeted    after a take was moved to another actor

They look at every frame and cost a fraction of the step. The thresholds are far from what good results of faces of
many makes show (benchmarks/self_checks.py prints both).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..geometry.skinning import linear_blend_skinning
from ..geometry.surfaces import neighbour_average
from ..model.actor import Actor
from ..model.evaluation import CHUNK_FRAMES, stabilized_frames
from ..shared.faces.expression_names import JOINED
from ..shared.results.takes import Take, index_of
from .face_spots import FaceSpots, spots_of
from .jaw_checks import check_carried_jaw, check_frames, check_hinge, check_shapes, motion_of_take
from .tearing import TearSearch

Report = Callable[[dict], None]

LARGEST_WEIGHT = 2.0  # of a fit of a good performance it is 1.7
# Two shapes that nearly undo each other go a little further now and then, and nobody sees it.
FAR_BEYOND, FRAMES_BEYOND = 1.5, 0.05  # times that in any frame, or any more than that in this share of all
CONTACT_TIMES = 2.0  # as much contact may weigh shapes: along a margin they undo each other, and its mm are bounded
MOVES_MM, MOVES_SHARE = 0.5, 0.25  # a shape moves where it moves by this much, and by this share of its most
FURTHER, FURTHER_MM = 1.3, 2.0  # a result moves further than what its source and its own shapes account for
SAMPLED_POINTS = 2000  # of a source, those that move most among them
MISSED_MM, MISSED_TIMES = 1.5, 8.0  # what the networks may miss around a point, and by the median of the face
HARDLY_LEARNED_MM = 1.0  # networks that miss this on the mean have not learned the rest either
PATCH_ROUNDS = 4  # how many neighbours wide a part is
OWN_JAW = 0.5, 2.0  # the jaw strength of a jaw that is to do what the face does
TRANSFERRED, TRANSFERRED_MM = 1.5, 5.0  # how much further a transferred shape may move than the source's, by their size


def check_learned(actor: Actor) -> list[str]:
    """What cannot be right in an actor that was learned."""
    spots = spots_of(actor)
    return [*check_hinge(actor, spots), *check_shapes(actor, spots), *_check_residual(actor, spots)]


def check_transferred(source: Actor, actor: Actor) -> list[str]:
    """What cannot be right in an actor that does what the source does."""
    spots = spots_of(actor)
    told = [*check_hinge(actor, spots), *check_shapes(actor, spots)]
    size = _size(spots_of(source), spots)
    moved = np.linalg.norm(actor.shapes()[1:] - actor.neutral, axis=-1)  # (N, V)
    there = np.linalg.norm(source.shapes()[1:] - source.neutral, axis=-1).max(1)  # (N,)
    excess = moved.max(1) - TRANSFERRED * size * there - TRANSFERRED_MM * size
    if excess.max() > 0:
        worst = int(excess.argmax())
        vertex = moved[worst].argmax()
        more = f" (and {(excess > 0).sum() - 1} more shapes go too far)" if (excess > 0).sum() > 1 else ""
        told.append(
            f"{actor.names[worst]!r} moves the {_place(actor, spots, np.array([vertex]))} by "
            f"{moved[worst, vertex]:.0f} mm where the source moves by {there[worst]:.0f}{more}; look at the "
            "correspondence there, and pick landmarks by hand"
        )
    return told


def check_fitted(actor: Actor, take: Take, sparse_points: bool, report: Report = lambda _: None) -> list[str]:
    """What cannot be right in a fit. sparse_points: it is of points or images, which leave most of the face open.

    report is called with {"message", "done", "total"}.
    """
    spots = spots_of(actor)
    advice = "give more or better points there, or raise the smoothness"
    if not sparse_points:
        advice = "look at the performance there, or bound it with a largest weight, such as 1.5"
    told = []
    if sparse_points:
        search = TearSearch(actor)
        for frames in _walk(actor, take, report):
            search.look(frames)
        told += _told_of_tears(actor, take, search, spots, of_fit=True)
    told += check_frames(actor, take, motion_of_take(actor, spots, take))
    return told + _check_weights(actor, take, spots, advice)


def check_retargeted(
    source: Actor, performed: Take, target: Actor, take: Take, report: Report = lambda _: None
) -> list[str]:
    """What cannot be right in a take of the target that was made of the source's. report is called with {"message",
    "done", "total"}."""
    spots = spots_of(target)
    search, moved, places = TearSearch(target), [], []
    for frames in _walk(target, take, report):
        search.look(frames)
        distance = np.linalg.norm(frames - target.neutral, axis=-1)  # (f, V)
        moved.append(distance.max(1))
        places.append(distance.argmax(1))
    told = _told_of_tears(target, take, search, spots, of_fit=False)
    told += _check_motion(source, performed, target, take, np.concatenate(moved), np.concatenate(places))
    told += check_carried_jaw(source, performed, target, take)
    if OWN_JAW[0] < take.settings.get("jaw_strength", 1.0) < OWN_JAW[1]:  # else it is meant to leave the face
        told += check_frames(target, take, motion_of_take(target, spots, take))
    return told + _check_weights(target, take, spots, "lower the strength, or leave out the pair that asks for it")


# -- frames -----------------------------------------------------------------------------------------------------------


def _walk(actor: Actor, take: Take, report: Report) -> Iterator[np.ndarray]:
    """All frames (f, V, 3) of a take without its head, a part at a time."""
    for part in _parts(take):
        yield stabilized_frames(actor, take, part)
        report({"message": "Checking the take", "done": part.stop, "total": len(take.frames)})


def _parts(take: Take) -> Iterator[slice]:
    total = len(take.frames)
    return (slice(first, min(first + CHUNK_FRAMES, total)) for first in range(0, total, CHUNK_FRAMES))


def _told_of_tears(actor: Actor, take: Take, search: TearSearch, spots: FaceSpots | None, of_fit: bool) -> list[str]:
    tears = search.found()
    if len(tears.frames) == 0:
        return []
    weights = take.modes[tears.ends] @ take.coefficients[tears.worst]  # (K, 2, N) at both ends of the torn edges
    offsets = weights[..., None] * actor.expressions[tears.ends]  # (K, 2, N, 3)
    most = actor.names[int(np.linalg.norm(offsets[:, 0] - offsets[:, 1], axis=-1).sum(0).argmax())]
    pair = next((f"{one} -> {other}" for one, other in _pairs(take) if most in other.split(JOINED)), None)
    shown = f"the pair {pair}" if pair else f"{most!r}"
    to_do = "give more or better points there" if of_fit else "lower the strength"
    if pair and take.settings.get("strength", 1.0) <= 1.0:
        to_do = f"leave that pair out or {to_do}"
    return [
        f"the {'fit' if of_fit else 'retargeted face'} is torn in {len(tears.frames)} of {len(take.frames)} frames: "
        f"at the {_place(actor, spots, np.unique(tears.ends))} edges are {tears.factor:.1f} times as long as in any of "
        f"its own shapes, mostly by {shown}; look at frame {take.frames[tears.worst]}, and {to_do}"
    ]


def _pairs(take: Take) -> list[tuple[str, str]]:
    pairs = take.settings.get("pairs")
    return [(str(one), str(other)) for one, other in pairs.items() if other] if isinstance(pairs, dict) else []


def _check_weights(actor: Actor, take: Take, spots: FaceSpots | None, advice: str) -> list[str]:
    """Weights beyond LARGEST_WEIGHT, at the points where their shape moves: elsewhere a weight means nothing. Those
    that contact adds in modes of its own are told apart."""
    kept = take.settings.get("contact_modes")  # they come after those of the frames
    limit = LARGEST_WEIGHT * max(1.0, float(take.settings.get("strength", 1.0)))
    own = _beyond(actor, take, limit, slice(None) if kept is None else slice(kept["first"]))
    told = []
    if own is not None:
        told.append(f"weights go far beyond the shapes in {own.told(actor, take, spots)}; {advice}")
    if kept is not None:
        modes = slice(kept["first"], kept["first"] + kept["count"])
        more = _beyond(actor, take, CONTACT_TIMES * limit, modes)
        if more is not None:
            told.append(
                f"contact weighs shapes far beyond what they are in {more.told(actor, take, spots)}; lower Contact, or "
                "add a shape in which these lips or lids close"
            )
    return told


@dataclass(frozen=True)
class _Beyond:
    """How many frames have weights beyond a limit, and the largest weight: of which shape, point and frame."""

    frames: int
    weight: float
    shape: int
    point: int
    frame: int

    def told(self, actor: Actor, take: Take, spots: FaceSpots | None) -> str:
        return (
            f"{self.frames} of {len(take.frames)} frames: {actor.names[self.shape]!r} reaches {self.weight:.1f} at the "
            f"{_place(actor, spots, np.array([self.point]))} in frame {take.frames[self.frame]}"
        )


def _beyond(actor: Actor, take: Take, limit: float, chosen: slice) -> _Beyond | None:
    """The weights of chosen modes that are beyond a limit; None where they are not by far, and not often."""
    length = np.linalg.norm(actor.expressions, axis=-1)  # (V, N)
    beyond = np.zeros(len(take.frames), dtype=bool)
    worst: tuple[float, int, int, int] | None = None  # weight, shape, point, frame
    for i in range(len(actor.names)):
        points = np.flatnonzero(length[:, i] > max(MOVES_MM, MOVES_SHARE * length[:, i].max(initial=0.0)))
        if len(points) == 0:
            continue
        modes = take.modes[points, chosen]
        for part in _parts(take):
            weights = modes @ take.coefficients[part, chosen, i].T  # (K, f)
            far = np.abs(weights)
            beyond[part] |= (far > limit).any(0)
            at = np.unravel_index(far.argmax(), weights.shape)
            if worst is None or far[at] > abs(worst[0]):
                worst = float(weights[at]), i, int(points[at[0]]), part.start + int(at[1])
    if worst is None or not beyond.any():
        return None
    if abs(worst[0]) < FAR_BEYOND * limit and beyond.mean() < FRAMES_BEYOND:
        return None
    return _Beyond(int(beyond.sum()), *worst)


def _check_motion(
    source: Actor, performed: Take, target: Actor, take: Take, moved: np.ndarray, vertices: np.ndarray
) -> list[str]:
    """Whether the target moves, in any frame, further than the source's motion and the two faces' own shapes account
    for. moved: (F,) mm how far its furthest vertex (F,) is from the neutral."""
    own = [np.linalg.norm(actor.shapes()[1:] - actor.neutral, axis=-1) for actor in (source, target)]  # (N, V) each
    spots = spots_of(target)
    size = _size(spots_of(source), spots)
    there = _distance_moved(source, performed, own[0], take.settings.get("neutral_frame"))
    ranges = [float(each.max(initial=0.0)) for each in own]
    # As far as the source moves; or, if that is further, its share of what the target can do, but no more than what the
    # shapes that are performed do on the target.
    shared = ranges[1] * np.maximum(1.0, there / max(ranges[0], 1e-9))
    shown = _shown_at_most(source, performed, target, take, [each.max(1) for each in own], size)
    strength = max(1.0, float(take.settings.get("strength", 1.0)))
    strength *= max(1.0, float(take.settings.get("jaw_strength", 1.0)))
    meant = strength * np.maximum(size * there, np.minimum(shared, shown))
    excess = moved - FURTHER * meant - FURTHER_MM * size
    if not (excess > 0).any():
        return []
    worst = int(excess.argmax())
    return [
        f"in {(excess > 0).sum()} of {len(excess)} frames the face moves further than was performed: by "
        f"{moved[worst]:.0f} mm at the {_place(target, spots, vertices[worst : worst + 1])} in frame "
        f"{take.frames[worst]}, where the source moves by {there[worst]:.0f} and the target's own shapes by "
        f"{ranges[1]:.0f} at most; lower the strength, or change the pairs"
    ]


def _distance_moved(actor: Actor, take: Take, own: np.ndarray, rest_frame: int | None) -> np.ndarray:
    """(F,) mm how far the furthest of some vertices is from rest in the frames of a take. own: (N, V) mm how far the
    actor's shapes move them. rest_frame: a frame in which the face rests; None is the neutral."""
    order = np.argsort(-own.max(0), kind="stable")
    # The points that move most in its shapes, and of the others some.
    points = np.concatenate([order[: SAMPLED_POINTS // 2], order[SAMPLED_POINTS // 2 :: 10][: SAMPLED_POINTS // 2]])
    rest = actor.neutral[points]
    if rest_frame is not None:
        index = index_of(take, rest_frame)
        rest = stabilized_frames(actor, take, slice(index, index + 1), points)[0]
    found = np.empty(len(take.frames))
    for first in range(0, len(found), CHUNK_FRAMES):
        part = slice(first, first + CHUNK_FRAMES)
        found[part] = np.linalg.norm(stabilized_frames(actor, take, part, points) - rest, axis=-1).max(1)
    return found


def _shown_at_most(
    source: Actor, performed: Take, target: Actor, take: Take, ranges: list[np.ndarray], size: float
) -> np.ndarray:
    """(F,) mm: what all shapes and the jaw that are performed would move on the target if they moved one place.

    ranges: (N,) and (K,) mm by which the shapes of source and target move.
    """
    pairs = dict(_pairs(take))
    partners = [
        [target.names.index(each) for each in pairs.get(name, "").split(JOINED) if each in target.names]
        for name in source.names
    ]
    reach = np.array([max(size * own, ranges[1][some].sum()) for own, some in zip(ranges[0], partners, strict=True)])
    strongest = np.linalg.norm(source.expressions, axis=-1).argmax(0)  # (N,) where each shape moves most
    weights = np.einsum("nm,fmn->fn", performed.modes[strongest], performed.coefficients)
    jaws = [_jaw_moves(source, performed.jaw), _jaw_moves(source, source.jaw), _jaw_moves(target, target.jaw)]
    widest = [float(each.max(initial=0.0)) for each in jaws[1:]]
    carried = max(size, widest[1] / widest[0]) if widest[0] > MOVES_MM else size
    return np.abs(weights) @ reach + carried * jaws[0]


def _jaw_moves(actor: Actor, jaw: np.ndarray) -> np.ndarray:
    """(F,) mm by which jaws (F, 4, 4) move the skin that follows them most."""
    chin = np.array([actor.skin_weight[:, 0].argmax()])
    moved = linear_blend_skinning(actor.neutral[chin], jaw, actor.skin_weight[chin]) - actor.neutral[chin]
    return np.linalg.norm(moved[:, 0], axis=-1)


# -- actors -----------------------------------------------------------------------------------------------------------


def _check_residual(actor: Actor, spots: FaceSpots | None) -> list[str]:
    """Whether the networks miss a part of the face by far more than the rest of it."""
    missed = np.concatenate([actor.neutral_residual[:, None], actor.expression_residual], axis=1)  # (V, N+1, 3)
    distance = np.linalg.norm(missed, axis=-1).astype(np.float64)
    mean, usual = float(distance.mean()), float(np.median(distance))
    around = neighbour_average(actor.topology.edges(), len(distance))
    patches = distance
    for _ in range(PATCH_ROUNDS):
        patches = around @ patches
    vertex, shape = (int(each) for each in np.unravel_index(patches.argmax(), patches.shape))
    name = ("neutral", *actor.names)[shape]
    worst, place = float(patches[vertex, shape]), _place(actor, spots, np.array([vertex]))
    if mean > HARDLY_LEARNED_MM:
        mean = actor.figures.get("implicit_mean_mm", mean)  # which is what is shown beside
        return [
            f"little was learned: the networks miss the shapes by {mean:.1f} mm on the mean, and by {worst:.1f} at the "
            f"{place} in {name!r}; learn with more iterations"
        ]
    if worst <= MISSED_MM or worst <= MISSED_TIMES * usual:
        return []
    return [
        f"the {place} is learned badly: the networks miss it by {worst:.1f} mm in {name!r}, elsewhere by {usual:.2f}; "
        "the shape is kept exactly beside them, but look whether that mesh is registered there as the others are, or "
        "learn with more iterations"
    ]


def _size(source: FaceSpots | None, target: FaceSpots | None) -> float:
    """The target's size, measured by the source; 1 where one of them shows no face."""
    return 1.0 if source is None or target is None else target.frame.scale / source.frame.scale


def _place(actor: Actor, spots: FaceSpots | None, vertices: np.ndarray) -> str:
    """Where vertices (K,) lie, in words that follow `the`."""
    if spots is None:
        return f"part around vertex {vertices[len(vertices) // 2]}"
    return spots.region(actor.neutral, vertices)
