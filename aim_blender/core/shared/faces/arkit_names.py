# SPDX-License-Identifier: GPL-3.0-or-later
"""The 52 face shapes of ARKit: their names in any spelling, and which of them the name of a captured expression means.
Needs the standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ..foundation.errors import InputError
from ..foundation.wording import without_brackets

# Motions that ARKit has for each side; their shapes are called ...Left and ...Right.
SIDED = (
    "eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide", "mouthSmile",
    "mouthFrown", "mouthDimple", "mouthStretch", "mouthPress", "mouthLowerDown", "mouthUpperUp", "browDown",
    "browOuterUp", "cheekSquint", "noseSneer",
)  # fmt: skip
UNSIDED = (
    "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "browInnerUp", "cheekPuff",
    "tongueOut",
)  # fmt: skip
MOTIONS = (*SIDED, *UNSIDED)
JAW = ("jawOpen", "jawLeft", "jawRight", "jawForward")
SHAPES = (*(motion + side for motion in SIDED for side in ("Left", "Right")), *UNSIDED)  # (52,)
ANGLES = ("headPitch", "headYaw", "headRoll")
CHANGING = {"x", "y", "z", "half", "corrective", "fix", "inverse", "minus", "not", "and", "combo"}  # beside a name

# What the words of a captured expression's name mean; the first that fits takes its words away.
WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"nose (compress|wide|flare)|nostrils?( \w+)?", ()),
    (r"jaw open(ed)?|open jaw|mouth open|open mouth|jaw drop", ("jawOpen",)),
    (r"jaw (left|l)", ("jawLeft",)),
    (r"jaw (right|r)", ("jawRight",)),
    (r"jaw (forward|fwd|thrust|out)", ("jawForward",)),
    (r"mouth (left|l)", ("mouthLeft",)),
    (r"mouth (right|r)", ("mouthRight",)),
    (r"mouth close|lips together", ("mouthClose",)),
    (r"big smile|smile big|wide smile|grin|laugh|happy|joy|happiness", ("mouthSmile", "cheekSquint", "eyeSquint")),
    (r"(mouth )?(lip corner pull(er)?|smile)", ("mouthSmile",)),
    (r"sad(ness)?", ("mouthFrown", "browInnerUp")),
    (r"(mouth )?(lip corner depress(or)?|frown)", ("mouthFrown",)),
    (r"(mouth |lip )?(pucker(er)?|kiss)", ("mouthPucker",)),
    (r"(mouth |lip )?funnel(er)?", ("mouthFunnel",)),
    (r"surprised?|astonished", ("browInnerUp", "browOuterUp", "eyeWide")),
    (r"anger|angry", ("browDown", "noseSneer")),
    (r"disgust(ed)?", ("noseSneer", "mouthUpperUp")),
    (r"eyes? (closed?|shut|closure)|close eyes|(eye )?blink", ("eyeBlink",)),
    (r"eyes? look (down|d)", ("eyeLookDown",)),
    (r"eyes? look (up|u)", ("eyeLookUp",)),
    (r"eyes? look in", ("eyeLookIn",)),
    (r"eyes? look out", ("eyeLookOut",)),
    (r"cheeks? squint|cheeks? raise[r]?", ("cheekSquint",)),
    (r"(eyes? )?squint|lid tighten(er)?", ("eyeSquint",)),
    (r"eyes? wide|wide eyes|upper lid raise[r]?", ("eyeWide",)),
    (r"cheeks? (puff|blow)|puff( cheeks?)?|blow", ("cheekPuff",)),
    (r"(mouth |lips? )?roll lower", ("mouthRollLower",)),
    (r"(mouth |lips? )?roll upper", ("mouthRollUpper",)),
    (r"lips? (in|rolls?|rolled in|suck)|mouth roll", ("mouthRollLower", "mouthRollUpper")),
    (r"(mouth )?shrug lower|chin raise[r]?", ("mouthShrugLower",)),
    (r"(mouth )?shrug upper", ("mouthShrugUpper",)),
    (r"(mouth )?upper up|upper lip raise[r]?", ("mouthUpperUp",)),
    (r"(mouth )?lower down|lower lip (down|depress(or)?)", ("mouthLowerDown",)),
    (r"part(ed)? lips|lips? part(ed)?|show teeth", ("mouthLowerDown", "mouthUpperUp")),
    (r"(mouth )?dimple[r]?", ("mouthDimple",)),
    (r"(mouth |lips? )?(press(or)?|compress)", ("mouthPress",)),
    (r"(mouth |lips? )?(stretch(er)?|retract)", ("mouthStretch",)),
    (r"(nose )?sneer|nose wrinkle[r]?", ("noseSneer",)),
    (r"brows? inner up|inner brows? (up|raise[r]?)", ("browInnerUp",)),
    (r"brows? outer up|outer brows? (up|raise[r]?)", ("browOuterUp",)),
    (r"brows? (up|raise[rd]?)|raise brows?", ("browInnerUp", "browOuterUp")),
    (r"brows? (down|lower(er|ed)?|furrow(ed)?)|furrow", ("browDown",)),
    (r"tongue( out)?", ("tongueOut",)),
)  # fmt: skip
MOST_WORDS = 5  # of a shape's name, as in mouth_upper_up_left


def shape_named(text: str) -> str:
    """The ARKit shape that a word names, in whatever spelling: jawOpen, JawOpen, jaw_open, eyeBlink_L, EyeBlinkLeft,
    blendShape1.eyeBlink_L; "" if it names none."""
    whole = _plain(text)
    if whole in _SPELLED:
        return _SPELLED[whole]
    words = [word for word in re.split(r"[\W\d_]+", text.strip()) if word]
    for length in range(
        min(len(words) - 1, MOST_WORDS), 0, -1
    ):  # without what stands before and after it, as a mesh's name
        parts = [(words[at : at + length], words[:at] + words[at + length :]) for at in range(len(words) - length + 1)]
        found = {_SPELLED[each]: rest for some, rest in parts if (each := "".join(some).lower()) in _SPELLED}
        if found:
            shape, rest = next(iter(found.items()))
            return shape if len(found) == 1 and not CHANGING.intersection(word.lower() for word in rest) else ""
    return ""


def motions_of(name: str) -> dict[str, tuple[str, ...]]:
    """Which motions the name of an expression means, and of which sides: {motion: ("Left", "Right")}, {motion: ("",)}
    for one that has no sides; empty where its words say nothing."""
    words = " ".join(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))
    found: dict[str, tuple[str, ...]] = {}
    for pattern, motions in WORDS:
        left = re.sub(rf"\b(?:{pattern})\b", " ", words)
        if left != words:
            words = " ".join(left.split())
            found |= {motion: ("Left", "Right") if motion in SIDED else ("",) for motion in motions}
    sides = {side for word, side in _SIDE_WORDS.items() if word in words.split()}
    if len(sides) == 1:
        found = {motion: tuple(sides) if motion in SIDED else each for motion, each in found.items()}
    shape = shape_named(name)
    motion = motion_of(shape)
    # Other words beside ARKit's name may say more: jaw_open_stretch.
    return {motion: (shape.removeprefix(motion),)} if shape and not set(found) - {motion} else found


def motion_of(shape: str) -> str:
    """A shape's name without its side."""
    return shape if shape in UNSIDED else shape.removesuffix("Left").removesuffix("Right")


_SIDE_WORDS = {"left": "Left", "l": "Left", "right": "Right", "r": "Right"}


def read_gains(chosen: Mapping[str, Any] | str) -> dict[str, float]:
    """{shape or head angle: gain} of {name: gain}, or of a text such as "jawOpen=1.2, mouthSmile=0.9"; a motion's name
    without a side means both. Raises InputError for a name that is none, or a gain that is no number."""
    if isinstance(chosen, str):
        parts = [each.partition("=") for each in re.split(r"[,;\n]+", chosen) if each.strip()]
        chosen = {name.strip(): value.strip() for name, _, value in parts}
    gains: dict[str, float] = {}
    for name, value in chosen.items():
        shape, plain = shape_named(name), _plain(name)
        meant = [shape] if shape else [each for each in (*SHAPES, *ANGLES) if _without_side(each) == plain]
        if not meant:
            raise InputError(
                f"the gain of {name[:40]!r} is of no ARKit shape; write a name such as jawOpen or mouthSmile"
            )
        try:
            gain = float(value)
        except (TypeError, ValueError):
            gain = float("nan")
        if not abs(gain) <= LARGEST_GAIN:
            raise InputError(
                f"the gain of {name!r} is {str(value)[:40]!r}; write numbers up to {LARGEST_GAIN:g}, such as "
                "jawOpen=1.2"
            )
        gains |= dict.fromkeys(meant, gain)
    return gains


LARGEST_GAIN = 10.0


def _without_side(shape: str) -> str:
    plain = shape if shape in UNSIDED or shape in ANGLES else re.sub("(Left|Right)$", "", shape)
    return plain.lower()


@cache
def _plain(text: str) -> str:
    return re.sub(r"[^a-z]", "", without_brackets(text).lower())


def _spellings() -> dict[str, str]:
    found = {}
    for shape in SHAPES:
        found[shape.lower()] = shape
        for side in ("Left", "Right"):
            if shape.endswith(side) and shape not in UNSIDED:
                motion = shape.removesuffix(side).lower()
                for spelled in (motion + side[0].lower(), side.lower() + motion):
                    found[spelled] = shape
    return found


_SPELLED = _spellings()
