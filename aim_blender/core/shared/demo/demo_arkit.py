# SPDX-License-Identifier: GPL-3.0-or-later
"""What ARKit's shapes do to the demo actor's skin, by its muscles: where another actor was not captured in a shape,
these tell what it means. Needs numpy only."""

from __future__ import annotations

import numpy as np

from ..faces.arkit_names import MOTIONS
from .demo_actor import DemoActor, jaw_motion
from .demo_curves import bell, smooth_step
from .demo_muscles import activation_vector, lip_share

# {motion: {muscle: activation}}, both sides. The jaw's own motions are in JAW_POSES; eyes that look aside, and the
# tongue, do next to nothing to the skin.
MUSCLES_OF: dict[str, dict[str, float]] = {
    "eyeBlink": {"lid_upper": 1.0, "lid_lower": 1.0},
    "eyeLookDown": {"lid_upper": 0.45, "lid_lower": -0.1},
    "eyeLookUp": {"lid_upper": -0.2},
    "eyeSquint": {"lid_lower": 0.6, "cheek_raiser": 0.2},
    "eyeWide": {"lid_upper": -0.35},
    "mouthSmile": {"zygomatic_major": 0.85, "risorius": 0.3},
    "mouthFrown": {"depressor_anguli": 1.0},
    "mouthDimple": {"buccinator": 1.0},
    "mouthStretch": {"risorius": 1.0},
    "mouthPress": {"lips_press": 1.0},
    "mouthLowerDown": {"depressor_labii": 1.0},
    "mouthUpperUp": {"levator_labii": 1.0},
    "browDown": {"corrugator": 0.9, "depressor_brow": 0.9},
    "browOuterUp": {"frontalis_outer": 1.0},
    "browInnerUp": {"frontalis_inner": 1.0},
    "cheekSquint": {"cheek_raiser": 1.0},
    "cheekPuff": {"cheek_puff": 1.0, "pucker": 0.15},
    "noseSneer": {"levator_nasi": 1.0, "levator_labii": 0.25},
    "mouthFunnel": {"funnel": 1.0, "pucker": 0.15},
    "mouthPucker": {"pucker": 1.0},
    "mouthLeft": {"mouth_shift": 1.0},
    "mouthRight": {"mouth_shift": -1.0},
    "mouthRollLower": {"lips_in": 1.0},
    "mouthRollUpper": {"lips_in": 1.0},
    "mouthShrugLower": {"mentalis": 0.8},
}
# Degrees of opening, degrees to the left, mm forward.
JAW_POSES = {
    "jawOpen": (20.0, 0.0, 0.0),
    "jawLeft": (0.0, 6.0, 0.0),
    "jawRight": (0.0, -6.0, 0.0),
    "jawForward": (0.0, 0.0, 5.0),
}


def arkit_motions(demo: DemoActor) -> dict[str, np.ndarray]:
    """{motion: (V, 3) mm} what each does to the skin beyond the jaw, of both sides; zero for the jaw's own."""
    head, skin = demo.head, demo.neutral
    x, y, z = skin.T
    upper = lip_share(head)[head.layout.rim]
    over, front = z - head.mouth_line[head.layout.rim], smooth_step(y, -20, -45)
    moves = {motion: np.zeros_like(skin) for motion in MOTIONS}
    for motion, muscles in MUSCLES_OF.items():
        moves[motion] = demo.muscles.offsets(activation_vector(muscles)[None])[0]
    moves["mouthRollUpper"] *= upper[:, None]
    moves["mouthRollLower"] *= 1.0 - upper[:, None]
    pushed = front * upper * bell(x / 20, (over - 3) / 9)
    moves["mouthShrugUpper"] = np.stack([0 * x, -1.5 * pushed, 3.0 * pushed], axis=1)
    # Lips that stay together while the jaw is open: what the jaw takes down is lifted again.
    unmoved = np.zeros(len(MUSCLE_REST))
    opened = demo.skin(jaw_motion(*np.array([JAW_POSES["jawOpen"]]).T), unmoved[None])[0] - skin
    near = front * smooth_step(np.hypot(x / 34, over / 22), 1.0, 0.25)
    moves["mouthClose"] = -near[:, None] * opened
    return moves


def closing_share(demo: DemoActor) -> np.ndarray:
    """(V,) in [0, 1] how much a point goes with lips that close over an open jaw: all of the lips, to their corners."""
    head, (x, y, z) = demo.head, demo.neutral.T
    over = z - head.mouth_line[head.layout.rim]
    return smooth_step(y, -20, -45) * smooth_step(np.hypot(x / 56, over / 34), 1.0, 0.45)


MUSCLE_REST = activation_vector({})
