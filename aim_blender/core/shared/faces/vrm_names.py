# SPDX-License-Identifier: GPL-3.0-or-later
"""The expressions of VRM avatars, each a mixture of ARKit's 52 shapes. Needs the standard library only.

The mixtures are ours: VRM names expressions but does not say what a face does in them.
"""

from __future__ import annotations

from .arkit_names import SHAPES

# {name in VRM 1: {shape of ARKit, or motion of both sides: weight}}
EXPRESSIONS: dict[str, dict[str, float]] = {
    "aa": {"jawOpen": 0.6},
    "ih": {"jawOpen": 0.15, "mouthStretch": 0.5, "mouthLowerDown": 0.3, "mouthUpperUp": 0.2},
    "ou": {"jawOpen": 0.1, "mouthPucker": 0.8},
    "ee": {"jawOpen": 0.2, "mouthSmile": 0.3, "mouthStretch": 0.3, "mouthLowerDown": 0.2},
    "oh": {"jawOpen": 0.35, "mouthFunnel": 0.8},
    "happy": {"mouthSmile": 1.0, "cheekSquint": 0.6, "eyeSquint": 0.3},
    "angry": {"browDown": 1.0, "noseSneer": 0.5, "eyeSquint": 0.3, "mouthFrown": 0.3, "mouthPress": 0.3},
    "sad": {"browInnerUp": 1.0, "mouthFrown": 0.8, "mouthShrugLower": 0.4, "eyeLookDown": 0.2},
    "relaxed": {"mouthSmile": 0.4, "eyeBlink": 0.3},
    "surprised": {"browInnerUp": 0.8, "browOuterUp": 0.8, "eyeWide": 1.0, "jawOpen": 0.3},
    "blink": {"eyeBlink": 1.0},
    "blinkLeft": {"eyeBlinkLeft": 1.0},
    "blinkRight": {"eyeBlinkRight": 1.0},
    "lookUp": {"eyeLookUp": 1.0},
    "lookDown": {"eyeLookDown": 1.0},
    "lookLeft": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "lookRight": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
}
IN_VRM_0 = {
    "aa": "A", "ih": "I", "ou": "U", "ee": "E", "oh": "O", "happy": "Joy", "angry": "Angry", "sad": "Sorrow",
    "relaxed": "Fun", "surprised": "Surprised", "blink": "Blink", "blinkLeft": "Blink_L", "blinkRight": "Blink_R",
    "lookUp": "LookUp", "lookDown": "LookDown", "lookLeft": "LookLeft", "lookRight": "LookRight",
}  # fmt: skip
# Of which one at most is at work, as of ARKit's that undo each other.
OPPOSITES = (("lookUp", "lookDown"), ("lookLeft", "lookRight"))
# Which others show as well: a take leaves them at 0.
DOUBLED = ("blink",)


def mixtures(version: int) -> dict[str, dict[str, float]]:
    """{name in VRM 0 or 1: {shape of ARKit: weight}}; VRM 0 has no Surprised of its own, but programs add it so."""
    return {
        (IN_VRM_0[name] if version == 0 else name): {
            shape: weight
            for part, weight in parts.items()
            for shape in ((part,) if part in SHAPES else (part + "Left", part + "Right"))
        }
        for name, parts in EXPRESSIONS.items()
    }
