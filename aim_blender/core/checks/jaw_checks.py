# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the jaw do what the face shows? Lips part by themselves too, but a chin that goes down with them is on a jaw.

Every check returns sentences; none where all is well, or where the mesh has no face, lips or chin to tell by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy.jaw import decompose_jaw
from ..model.actor import Actor
from ..model.evaluation import stabilized_frames
from ..shared.results.takes import Take
from .face_spots import FaceSpots

CHIN = ("pogonion", "menton")
PARTED_MM, DROPPED_MM = 8.0, 8.0  # of a typical adult, from where a mouth is open
FOLLOWED = 1.0 / 3.0  # of the opening that the chin shows: a jaw with less does not follow
# The skin of the chin slides over the bone: a jaw opens by 1 to 1.8 times what the way of the chin says.
OPENED_DEGREES, STAYED = 8.0, 0.25  # an open jaw moves its chin by more than this share of what it should
LEAST_CORRELATION = 0.5  # of the jaw with the chin it is 0.9 and more
LEAST_FRAMES, LEAST_SHARE = 5, 0.05  # that must be wrong
HINGE_MM, HINGE_DEGREES = 8.0, 10.0  # real ones lie within 2 mm and 2 degrees of the mirror plane
WIDE_DEGREES = 5.0  # from where two ranges of a jaw can be compared
CARRIED = 1.0 / 3.0, 2.0  # of the source's opening, each by its own widest


@dataclass(frozen=True)
class MouthMotion:
    """What mouth and jaw do in F frames or shapes: gap (F,) and drop (F,), in mm of a typical adult, how much further
    than at rest the lips are apart and the chin is down; opening (F,) degrees of the jaw; expected (F,) degrees by
    which a jaw must turn to take the chin so far down. gap is None where the lips are not found."""

    gap: np.ndarray | None
    drop: np.ndarray
    opening: np.ndarray
    expected: np.ndarray

    @property
    def left_shut(self) -> np.ndarray:
        """(F,) bool where lips part and the chin goes down, but the jaw does not open."""
        parted = self.drop > DROPPED_MM
        if self.gap is not None:
            parted &= self.gap > PARTED_MM
        return parted & (self.opening < FOLLOWED * self.expected)

    @property
    def left_behind(self) -> np.ndarray:
        """(F,) bool where the jaw opens, but chin and lips stay where they are."""
        opened = self.opening > OPENED_DEGREES
        if self.gap is not None:
            opened &= self.gap < PARTED_MM
        return opened & (self.expected < STAYED * self.opening)


def mouth_motion(actor: Actor, spots: FaceSpots | None, places: np.ndarray, jaw: np.ndarray) -> MouthMotion | None:
    """Of frames or shapes: places (F, K, 3) in mm of the vertices of mouth_vertices, and jaw (F, 4, 4); None where
    there is no chin to tell by. Without a hinge the jaw's opening is 0."""
    if spots is None or not any(name in spots.landmarks for name in CHIN):
        return None
    vertices = mouth_vertices(spots)
    moved = (places - actor.neutral[vertices]) @ spots.frame.up / spots.frame.scale  # (F, K)
    chins = [name for name in CHIN if name in spots.landmarks]
    drop = -moved[:, : len(chins)].max(1)
    gap = moved[:, len(chins)] - moved[:, len(chins) + 1] if len(vertices) > len(chins) else None
    if actor.hinge is None:
        return MouthMotion(gap, drop, np.zeros(len(drop)), np.full(len(drop), np.nan))
    lever = np.linalg.norm(actor.neutral[spots.landmarks[chins[-1]]] - actor.hinge.centre) / spots.frame.scale
    return MouthMotion(gap, drop, opening_degrees(actor, jaw), np.rad2deg(drop / max(lever, 1.0)))


def mouth_vertices(spots: FaceSpots) -> np.ndarray:
    """The vertices that mouth_motion looks at: the chin's, then upper and lower lip where they are found."""
    chin = [spots.landmarks[name] for name in CHIN if name in spots.landmarks]
    lips = [] if spots.upper_lip is None or spots.lower_lip is None else [spots.upper_lip, spots.lower_lip]
    return np.array([*chin, *lips], dtype=int)


def motion_of_take(actor: Actor, spots: FaceSpots | None, take: Take) -> MouthMotion | None:
    """What mouth and jaw do in all frames of a take."""
    if spots is None:
        return None
    places = stabilized_frames(actor, take, slice(None), mouth_vertices(spots))
    return mouth_motion(actor, spots, places, take.jaw)


def opening_degrees(actor: Actor, jaw: np.ndarray) -> np.ndarray:
    """(F,) by how many degrees jaws (F, 4, 4) are open."""
    assert actor.hinge is not None
    return np.rad2deg(decompose_jaw(jaw, actor.hinge)[:, :3] @ actor.hinge.axis)


def check_hinge(actor: Actor, spots: FaceSpots | None) -> list[str]:
    """Whether the hinge stands across the face's mirror plane."""
    if actor.hinge is None:
        return []
    origin, normal = actor.mirror
    aside = abs(float((actor.hinge.centre - origin) @ normal))
    turned = float(np.rad2deg(np.arccos(min(1.0, abs(float(actor.hinge.axis @ normal))))))
    size = 1.0 if spots is None else spots.frame.scale
    if aside <= HINGE_MM * size and turned <= HINGE_DEGREES:
        return []
    return [
        f"the jaw's hinge lies {aside:.0f} mm beside the face's middle and is turned by {turned:.0f} degrees against "
        "it, so the jaw cannot be trusted; check that the mandible is whole and stands in the face, or give the lower "
        "teeth as Jaw"
    ]


def check_shapes(actor: Actor, spots: FaceSpots | None) -> list[str]:
    """Whether the jaw opens in the shapes in which lips and chin say so."""
    if spots is None:
        return []
    motion = mouth_motion(actor, spots, actor.shapes()[1:, mouth_vertices(spots)], actor.jaw)
    if motion is None or motion.gap is None:
        return []
    size = spots.frame.scale
    if actor.hinge is None:
        opened = (motion.gap > PARTED_MM) & (motion.drop > DROPPED_MM)
        if not opened.any():
            return []
        widest = int(np.where(opened, motion.drop, -np.inf).argmax())
        return [
            f"in {actor.names[widest]!r} the chin goes down by {size * motion.drop[widest]:.0f} mm, but there are no "
            "bones, so no jaw opens and expressions alone open the mouth; fit bones and learn again if the jaw is to "
            "be carried to others"
        ]
    shut = np.flatnonzero(motion.left_shut)
    if len(shut) == 0:
        return []
    widest = int(shut[motion.drop[shut].argmax()])
    more = f" (and in {len(shut) - 1} more)" if len(shut) > 1 else ""
    return [
        f"in {actor.names[widest]!r}{more} the lips part by {size * motion.gap[widest]:.0f} mm and the chin goes down "
        f"by {size * motion.drop[widest]:.0f}, but the jaw opens by {_rounded(motion.opening[widest])} degrees; give "
        "the lower teeth as Jaw, or check the bones"
    ]


def check_frames(actor: Actor, take: Take, motion: MouthMotion | None) -> list[str]:
    """Whether the jaw of a take's frames follows lips and chin. A jaw that is at rest for want of bones was told when
    the actor was learned."""
    if motion is None or actor.hinge is None:
        return []
    least = max(LEAST_FRAMES, LEAST_SHARE * len(motion.drop))
    for wrong, told in (
        (motion.left_shut, "the chin goes down but the jaw stays shut"),
        (motion.left_behind, "the jaw opens but the chin stays where it is"),
    ):
        if wrong.sum() >= least:
            worst = int(np.where(wrong, np.abs(motion.expected - motion.opening), -np.inf).argmax())
            return [f"in {wrong.sum()} of {len(wrong)} frames {told} ({_frame(take, motion, worst)}); {_ADVICE}"]
    moves = max(float(np.ptp(motion.opening)) / OPENED_DEGREES, float(np.ptp(motion.drop)) / DROPPED_MM) > 1.0
    # A constant jaw correlates with nothing.
    jaw, chin = motion.opening - motion.opening.mean(), motion.drop - motion.drop.mean()
    correlation = float(jaw @ chin / max(np.linalg.norm(jaw) * np.linalg.norm(chin), 1e-9))
    if not moves or len(jaw) < 2 * LEAST_FRAMES or correlation >= LEAST_CORRELATION:
        return []
    worst = int(np.abs(motion.expected - motion.opening).argmax())
    return [f"the jaw does not follow the chin (r {correlation:.2f}; {_frame(take, motion, worst)}); {_ADVICE}"]


_ADVICE = "look at the frame, and correct the jaw's bones or what drives the mouth"


def _frame(take: Take, motion: MouthMotion, index: int) -> str:
    lips = "" if motion.gap is None else f"the lips are {motion.gap[index]:.0f} mm wider apart, "
    return (
        f"frame {take.frames[index]}: {lips}the chin is {motion.drop[index]:.0f} mm lower, the jaw opens by "
        f"{_rounded(motion.opening[index])} degrees"
    )


def check_carried_jaw(source: Actor, performed: Take, target: Actor, take: Take) -> list[str]:
    """Whether the target's jaw opens as wide as the performer's, each by its own widest shape."""
    if source.hinge is None or target.hinge is None:
        return []
    own = [float(opening_degrees(actor, actor.jaw).max(initial=0.0)) for actor in (source, target)]
    strength = float(take.settings.get("strength", 1.0)) * float(take.settings.get("jaw_strength", 1.0))
    opened, shown = opening_degrees(source, performed.jaw), opening_degrees(target, take.jaw)
    rest = take.settings.get("neutral_frame")
    if rest is not None:
        opened = opened - opened[performed.frames == rest].mean()
    wide = opened > max(WIDE_DEGREES, 0.3 * opened.max(initial=0.0))
    if min(own) < WIDE_DEGREES or strength == 0 or not wide.any():
        return []
    share = float(np.median(shown[wide] / own[1] / (opened[wide] / own[0]))) / strength
    if CARRIED[0] <= share <= CARRIED[1]:
        return []
    widest = int(np.where(wide, opened, -np.inf).argmax())
    return [
        f"the jaw opens by {_rounded(shown[widest])} degrees in frame {take.frames[widest]} where the source's opens "
        f"by {opened[widest]:.1f}, though its own shapes open it by {own[1]:.0f} (the source's by {own[0]:.0f}); check "
        "the pairs of shapes that open the mouth, or change the jaw strength"
    ]


def _rounded(degrees: float) -> str:
    return f"{round(float(degrees), 1) + 0.0:.1f}"  # adding 0 makes a zero of a rounded minus zero
