# SPDX-License-Identifier: GPL-3.0-or-later
"""An actor made by code, to try everything with: a head, its bones, 20 shapes and a performance with known truth.

Skin, muscles and bones are made in demo_head, demo_muscles and demo_bones. Millimetres, Z up, the face towards -Y, X to
the character's left. Needs numpy only; Blender's process imports it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .demo_bones import HINGE_AXIS, HINGE_CENTRE, make_eyes, make_mandible, make_skull
from .demo_curves import bell, rotation, smooth_step
from .demo_head import DemoHead, make_head
from .demo_muscles import MUSCLES, Muscles, activation_vector, lip_share, make_muscles, spread
from ..foundation.topology import Topology

FRAMES_PER_SECOND = 24.0
# What the actor is asked to do in the capture session: (name, jaw, {muscle: activation}). The jaw is (degrees of
# opening, degrees to the left, mm forward).
SESSION: tuple[tuple[str, tuple[float, float, float], dict[str, float]], ...] = (
    ("jaw_open", (20.0, 0.0, 0.0), {}),
    ("jaw_open_stretch", (12.0, 0.0, 0.0), {"risorius": 1.0, "depressor_labii": 0.7, "levator_labii": 0.3}),
    ("smile", (0.0, 0.0, 0.0), {"zygomatic_major": 0.85, "risorius": 0.3, "cheek_raiser": 0.35, "lid_lower": 0.15}),
    ("big_smile", (1.5, 0.0, 0.0), {
        "zygomatic_major": 0.9, "risorius": 0.3, "levator_labii": 0.55, "cheek_raiser": 1.0, "lid_lower": 0.5,
        "lid_upper": 0.12,
    }),
    ("frown", (0.0, 0.0, 0.0), {"depressor_anguli": 1.0, "mentalis": 0.8, "corrugator": 0.3}),
    ("pucker", (0.0, 0.0, 0.0), {"pucker": 1.0}),
    ("funnel", (2.0, 0.0, 0.0), {"funnel": 1.0, "pucker": 0.15}),
    ("surprise", (0.0, 0.0, 0.0), {"frontalis_inner": 1.0, "frontalis_outer": 1.0, "lid_upper": -0.35}),
    ("anger", (0.0, 0.0, 0.0), {
        "corrugator": 1.0, "depressor_brow": 1.0, "levator_nasi": 0.5, "lid_upper": -0.1, "lid_lower": 0.35,
        "lips_press": 0.5,
    }),
    ("disgust", (0.0, 0.0, 0.0), {
        "levator_nasi": 1.0, "levator_labii": 0.8, "depressor_brow": 0.5, "cheek_raiser": 0.5, "lid_lower": 0.35,
    }),
    ("eyes_closed", (0.0, 0.0, 0.0), {"lid_upper": 1.0, "lid_lower": 1.0}),
    ("jaw_left", (1.0, 6.0, 0.0), {}),
    ("jaw_right", (1.0, -6.0, 0.0), {}),
    ("jaw_forward", (1.0, 0.0, 5.0), {"depressor_labii": 0.7}),
    ("mouth_left", (0.0, 0.0, 0.0), {"mouth_shift": 1.0}),
    ("mouth_right", (0.0, 0.0, 0.0), {"mouth_shift": -1.0}),
    ("cheek_puff", (0.0, 0.0, 0.0), {"cheek_puff": 1.0, "pucker": 0.15}),
    ("lips_in", (0.5, 0.0, 0.0), {"lips_in": 1.0}),
    ("dimple_press", (0.0, 0.0, 0.0), {"buccinator": 1.0, "lips_press": 1.0}),
)  # fmt: skip


@dataclass(frozen=True)
class DemoPerformance:
    """A performance of the demo actor with its truth.

    vertices (F, V, 3) mm; jaw (F, 4, 4) rigid motion of the mandible in the head's frame; head (F, 4, 4) rigid motion
    of the head; activations (F, M) in the order of demo_muscles.MUSCLES; fps frames a second.
    A frame is head * ((1 - k) neutral + k jaw * neutral + muscles' offsets).
    """

    vertices: np.ndarray
    jaw: np.ndarray
    head: np.ndarray
    activations: np.ndarray
    fps: float = FRAMES_PER_SECOND


@dataclass(frozen=True)
class DemoActor:
    """The demo actor: 20 shapes (20, V, 3) mm, shape 0 the neutral, with bones and truth.

    jaw (20, 4, 4) is the mandible's rigid motion in each shape, skin_weight (V,) how much of it each point takes part
    in, hinge_centre (3,) and hinge_axis (3,) where the condyles turn. Eyes and colours (linear, 0 to 1) are for show.
    """

    topology: Topology
    neutral: np.ndarray
    names: list[str]
    shapes: np.ndarray
    skull_vertices: np.ndarray
    skull_triangles: np.ndarray
    mandible_vertices: np.ndarray
    mandible_triangles: np.ndarray
    jaw: np.ndarray
    skin_weight: np.ndarray
    hinge_centre: np.ndarray
    hinge_axis: np.ndarray
    eyes_vertices: np.ndarray
    eyes_triangles: np.ndarray
    eyes_colours: np.ndarray
    skin_colours: np.ndarray
    head: DemoHead
    muscles: Muscles

    def skin(self, jaw: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """(F, V, 3) mm in the head's frame: linear blend skinning by jaws (F, 4, 4), then muscles (F, M)."""
        followed = self.neutral @ jaw[:, :3, :3].transpose(0, 2, 1) + jaw[:, None, :3, 3]
        k = self.skin_weight[:, None]
        return (1 - k) * self.neutral + k * followed + self.muscles.offsets(activations)

    def performance(self, frames: int = 144) -> DemoPerformance:
        """A few seconds of acting, `frames` long at 24 a second, which the 20 shapes do not contain."""
        time = np.arange(frames) / FRAMES_PER_SECOND
        activations = _acting(time)
        opening, aside, forward = _speaking(time)
        jaw = jaw_motion(opening, aside, forward)
        head = _nodding(time)
        skin = self.skin(jaw, activations)
        return DemoPerformance(skin @ head[:, :3, :3].transpose(0, 2, 1) + head[:, None, :3, 3], jaw, head, activations)


def jaw_motion(opening: np.ndarray, aside: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """(F, 4, 4) rigid motions of the mandible: degrees of opening, degrees to the left, mm forward, (F,) each."""
    opening, aside, forward = (np.asarray(value, float) for value in (opening, aside, forward))
    matrices = np.tile(np.eye(4), (len(opening), 1, 1))
    zero = np.zeros_like(opening)
    turn = rotation(np.radians(np.stack([zero, zero, aside], 1))) @ rotation(np.radians(opening)[:, None] * HINGE_AXIS)
    matrices[:, :3, :3] = turn
    slide = np.stack([0.5 * aside, -forward, -0.15 * np.abs(forward)], 1)
    matrices[:, :3, 3] = HINGE_CENTRE - turn @ HINGE_CENTRE + slide
    return matrices


def make_demo_actor() -> DemoActor:
    """The demo actor; the same to the last bit whenever it is made."""
    head = make_head()
    muscles = make_muscles(head)
    weight = jaw_share(head)
    skull, mandible, eyes = make_skull(), make_mandible(), make_eyes()
    jaw = jaw_motion(*np.array([(0.0, 0.0, 0.0), *(jaw for _, jaw, _ in SESSION)]).T)
    activations = np.stack([activation_vector({}), *(activation_vector(amounts) for _, _, amounts in SESSION)])
    actor = DemoActor(
        head.layout.topology, head.neutral, ["neutral", *(name for name, _, _ in SESSION)],
        np.empty((len(SESSION) + 1, *head.neutral.shape)), *skull, *mandible, jaw, weight, HINGE_CENTRE.copy(),
        HINGE_AXIS.copy(), *eyes, skin_colours(head), head, muscles,
    )  # fmt: skip
    actor.shapes[:] = actor.skin(jaw, activations)
    actor.shapes[0] = actor.neutral
    return actor


def jaw_share(head: DemoHead) -> np.ndarray:
    """(V,) how much of the jaw's motion each skin point takes part in: 1 on chin and lower lip, 0 on the upper head."""
    skin, lip = head.neutral, lip_share(head)
    x, y, z = np.abs(skin[:, 0]), skin[:, 1], skin[:, 2]
    # The border between what follows and what stays runs from the mouth's corners to the ear lobes.
    border = -58 + 30 * smooth_step(y, -80, 0)
    follows = smooth_step(z, border + 22, border - 20)
    near_mouth = smooth_step(x, 30, 20) * smooth_step(y, -65, -75)
    follows = follows * (1 - near_mouth) + near_mouth * np.where(z > -72, 1 - lip, 1.0)
    follows = np.where(near_mouth > 0, np.where(z > -34, 0, follows), follows)
    # the neck stays, and so does everything behind the jaw
    follows = follows * smooth_step(y, 18, -34) * smooth_step(z, -140, -109 - 0.1 * (y + 80))
    lips = (x < 21) & (np.abs(z - head.mouth_line) < 12) & (y < -60) | (head.layout.slit == 1)
    chin = (x < 18) & (y < -76) & (z < -66)
    follows = np.where(chin, 1.0, np.where(z > 0, 0.0, follows))
    known = lips | chin | (z < -140) | (z > 0)
    return np.clip(spread(follows, known, head.edges, 40), 0, 1)[head.layout.rim]


def skin_colours(head: DemoHead) -> np.ndarray:
    """(V, 3) linear colours for display: skin, redder lips, cheeks and nose, brows."""
    skin = head.neutral
    x, y, z = np.abs(skin[:, 0]), skin[:, 1], skin[:, 2]
    colour = np.tile([0.62, 0.36, 0.26], (len(skin), 1))
    front = smooth_step(y, -30, -60)

    def blend(share: np.ndarray, target: tuple) -> None:
        colour[:] = colour + (front * share)[:, None] * (np.array(target) - colour)

    blend(0.25 * bell((x - 38) / 16, (z + 22) / 14) + 0.3 * bell(x / 14, (z + 28) / 9), (0.62, 0.24, 0.18))
    nostrils = bell((x - 6.4) / 3.0, (y + 101.5) / 5.0, (z + 35) / 3.4)
    blend(np.minimum(1.4 * nostrils, 0.95), (0.09, 0.035, 0.03))
    over = z - head.mouth_line
    taper = np.sqrt(np.clip(1 - (x / 26) ** 2, 0, 1))
    upper, lower = 7.4 * taper, 9.0 * taper
    lips = np.where(over > 0, smooth_step(over, upper + 0.8, upper - 0.8), smooth_step(-over, lower + 1, lower - 1))
    blend(np.where(head.layout.slit == 1, 1.0, lips * (x < 26)) * 0.8, (0.40, 0.12, 0.10))
    arch = 27.0 + 5.0 * smooth_step(x, 12, 38) - 5.0 * smooth_step(x, 38, 54)
    brow = bell((z - arch) / (3.4 - 1.6 * smooth_step(x, 26, 52))) * smooth_step(x, 11, 15) * smooth_step(x, 53, 46)
    blend(0.85 * brow, (0.05, 0.028, 0.018))
    lashes = (head.layout.slit > 1) & (head.layout.roll < 2)
    blend(np.where(lashes, np.where(head.layout.side > 0, 0.9, 0.45), 0.0), (0.10, 0.04, 0.03))
    return colour


def _pulses(time: np.ndarray, *pulses: tuple[float, float, float]) -> np.ndarray:
    """(F,) a sum of bumps, each (second of its top, seconds of its rise, height)."""
    return np.sum([height * bell((time - at) / width) for at, width, height in pulses], axis=0)


def _blinks(time: np.ndarray, late: float) -> np.ndarray:
    """(F,) up to 1: lids that shut within three frames and open a little more slowly."""
    shut = np.full_like(time, -1.0)
    for at in (0.62, 2.35, 2.75, 4.7):
        shut = np.maximum(shut, np.minimum((time - at - late) / 0.10, (at + late + 0.27 - time) / 0.15))
    # Below zero where there is no blink: a lid that is raised then is not held back.
    return np.where(shut > 0, smooth_step(shut, 0, 1), -1.0)


def _speaking(time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Degrees of opening and to the left, and mm forward (F,) of a speaking jaw."""
    talking = smooth_step(time, 0.7, 1.1) * smooth_step(time, 3.5, 3.1)
    syllables = 4.2 * np.sin(2 * np.pi * 2.3 * time) + 2.6 * np.sin(2 * np.pi * 3.7 * time + 1.0) + 4.6
    opening = talking * np.clip(syllables, 0.0, None) + _pulses(time, (4.4, 0.32, 12.0), (5.4, 0.25, 5.0))
    aside = talking * 1.1 * np.sin(2 * np.pi * 0.9 * time) + _pulses(time, (5.1, 0.25, 3.0))
    forward = _pulses(time, (1.9, 0.2, 1.5), (5.6, 0.3, 2.5))
    return opening, aside, forward


def _acting(time: np.ndarray) -> np.ndarray:
    """(F, M) activations: speech, a lopsided smile, blinks, brows; every muscle and side on a clock of its own."""
    talking = smooth_step(time, 0.7, 1.1) * smooth_step(time, 3.5, 3.1)
    curves = {
        "zygomatic_major_left": _pulses(time, (0.2, 0.5, 0.35), (3.2, 0.55, 0.9), (4.4, 0.5, 0.5)),
        "zygomatic_major_right": _pulses(time, (0.2, 0.5, 0.2), (3.45, 0.45, 0.5), (4.4, 0.45, 0.75)),
        "risorius_left": talking * 0.3 * (1 + np.sin(2 * np.pi * 1.1 * time)),
        "risorius_right": talking * 0.3 * (1 + np.sin(2 * np.pi * 1.1 * time + 0.7)) + _pulses(time, (4.6, 0.3, 0.5)),
        "buccinator_left": _pulses(time, (5.6, 0.25, 0.9)),
        "levator_labii_left": talking * 0.25 * (1 + np.sin(2 * np.pi * 1.7 * time)) + _pulses(time, (3.3, 0.4, 0.4)),
        "levator_labii_right": talking * 0.2 * (1 + np.sin(2 * np.pi * 1.7 * time + 0.5)),
        "levator_nasi_left": _pulses(time, (5.0, 0.3, 0.8)),
        "levator_nasi_right": _pulses(time, (5.0, 0.25, 0.35)),
        "depressor_anguli_left": _pulses(time, (5.2, 0.3, 0.5)),
        "depressor_anguli_right": _pulses(time, (5.3, 0.3, 0.8)),
        "depressor_labii_left": talking * 0.35 * (1 + np.sin(2 * np.pi * 2.3 * time + 0.4)),
        "depressor_labii_right": talking * 0.3 * (1 + np.sin(2 * np.pi * 2.3 * time + 0.9)),
        "frontalis_inner_left": _pulses(time, (1.5, 0.3, 0.7), (4.4, 0.4, 0.9)),
        "frontalis_inner_right": _pulses(time, (1.55, 0.3, 0.6), (4.4, 0.4, 0.8)),
        "frontalis_outer_left": _pulses(time, (1.5, 0.25, 0.3), (2.5, 0.35, 1.0), (4.4, 0.4, 0.7)),
        "frontalis_outer_right": _pulses(time, (1.5, 0.25, 0.4), (4.45, 0.4, 0.8)),
        "corrugator_left": _pulses(time, (0.95, 0.3, 0.4), (5.2, 0.35, 0.8)),
        "corrugator_right": _pulses(time, (1.0, 0.3, 0.6), (2.5, 0.3, 0.5), (5.2, 0.35, 0.9)),
        "depressor_brow_left": _pulses(time, (5.2, 0.35, 0.6)),
        "depressor_brow_right": _pulses(time, (2.5, 0.3, 0.6), (5.25, 0.3, 0.7)),
        "cheek_raiser_left": _pulses(time, (3.2, 0.5, 0.8)),
        "cheek_raiser_right": _pulses(time, (3.4, 0.4, 0.4), (5.0, 0.3, 0.4)),
        "lid_upper_left": np.maximum(_blinks(time, 0.0), _pulses(time, (3.2, 0.5, 0.2), (4.3, 0.2, -0.3))),
        "lid_upper_right": np.maximum(_blinks(time, 0.02), _pulses(time, (3.2, 0.5, 0.1), (4.3, 0.2, -0.25))),
        "lid_lower_left": np.maximum(_blinks(time, 0.0), _pulses(time, (3.2, 0.45, 0.5))),
        "lid_lower_right": np.maximum(_blinks(time, 0.02), _pulses(time, (3.3, 0.45, 0.3))),
        "pucker_left": talking * 0.3 * (1 + np.sin(2 * np.pi * 0.8 * time + 2.2)) + _pulses(time, (5.65, 0.2, 0.3)),
        "pucker_right": talking * 0.3 * (1 + np.sin(2 * np.pi * 0.8 * time + 2.0)) + _pulses(time, (5.6, 0.25, 0.5)),
        "funnel": talking * 0.3 * np.clip(np.sin(2 * np.pi * 1.3 * time + 0.6), 0, None) ** 2,
        "lips_press": _pulses(time, (0.75, 0.12, 0.6), (3.9, 0.12, 0.5)),
        "lips_in": _pulses(time, (3.85, 0.15, 0.5)),
        "mentalis": _pulses(time, (0.8, 0.15, 0.3), (5.3, 0.3, 0.6)),
        "cheek_puff_right": _pulses(time, (5.75, 0.15, 0.5)),
        "mouth_shift": talking * 0.12 * np.sin(2 * np.pi * 0.7 * time) + _pulses(time, (5.65, 0.25, -0.5)),
    }
    return np.stack([curves.get(name, np.zeros_like(time)) for name in MUSCLES], axis=1)


def _nodding(time: np.ndarray) -> np.ndarray:
    """(F, 4, 4) small rigid motion of the head about the neck, starting from rest."""
    begin = smooth_step(time, 0.0, 0.8)
    turns = np.stack(
        [
            0.055 * np.sin(2 * np.pi * 0.45 * time) + 0.03 * np.sin(2 * np.pi * 1.1 * time + 1.0),
            0.04 * np.sin(2 * np.pi * 0.3 * time + 0.5),
            0.11 * np.sin(2 * np.pi * 0.23 * time),
        ], 1,
    ) * begin[:, None]  # fmt: skip
    pivot = np.array([0.0, 15.0, -110.0])
    matrices = np.tile(np.eye(4), (len(time), 1, 1))
    matrices[:, :3, :3] = rotation(turns)
    sway = np.stack([2.0 * np.sin(2 * np.pi * 0.21 * time), 1.5 * np.sin(2 * np.pi * 0.33 * time), 0 * time], 1)
    matrices[:, :3, 3] = pivot - matrices[:, :3, :3] @ pivot + begin[:, None] * sway
    return matrices
