# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing weights of ARKit's shapes as Live Link Face does: a CSV with timecode, 52 weights, head and eyes. Needs numpy
only; phone_tables reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..faces.arkit_names import SHAPES, UNSIDED
from ..foundation.errors import InputError
from ..foundation.whole_files import written_whole
from .phone_times import NOMINAL

_EYE = ("eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide")
_ORDER = (
    "jawForward", "jawRight", "jawLeft", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRight",
    "mouthLeft", "mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthPress", "mouthLowerDown", "mouthUpperUp", "browDown", "browInnerUp",
    "browOuterUp", "cheekPuff", "cheekSquint", "noseSneer", "tongueOut",
)  # fmt: skip
COLUMNS = (
    *(motion + side for side in ("Left", "Right") for motion in _EYE),
    *(each for motion in _ORDER for each in ((motion,) if motion in UNSIDED else (motion + "Left", motion + "Right"))),
)  # (52,) in the order of its files
TURNS = (
    "HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch",
    "RightEyeRoll",
)  # fmt: skip
DIGITS = 6


def timecode_rate(fps: float) -> int:
    """The frames that a second of timecode counts at a rate. Raises InputError if no timecode counts so."""
    nominal = round(fps + 0.25)
    if nominal not in NOMINAL or abs(nominal - fps) > 0.1:
        raise InputError(
            f"no timecode counts {fps:g} frames a second; write the CSV at 59.94, or at one of "
            f"{', '.join(map(str, NOMINAL))}"
        )
    return nominal


def write_live_link_face(
    path: Path,
    weights: np.ndarray,
    frames: np.ndarray,
    fps: float,
    head: np.ndarray | None = None,
    eyes: np.ndarray | None = None,
) -> list[str]:
    """Write weights (F, 52) of frames (F,), and return what a reader has to know.

    head: (F, 3) radians and eyes (F, 4) degrees, as phone_rows has them. The timecode is the frame's number. Raises
    InputError if no timecode has the rate or a number, OSError.
    """
    nominal = timecode_rate(fps)
    notes = []
    numbers = np.asarray(frames, dtype=np.int64)
    if numbers[0] < 0:
        notes.append(f"a timecode begins at 0: frame {numbers[0]} is written as frame 0")
        numbers = numbers - numbers[0]
    if numbers[-1] >= 24 * 3600 * nominal:
        raise InputError(
            f"a timecode ends after a day, before frame {numbers[-1]}; let the bake begin at another frame"
        )
    if abs(NOMINAL[nominal] - fps) > 1e-3:
        notes.append(
            f"a reader takes its timecode for {NOMINAL[nominal]:g} frames a second; tell it that it is {fps:g}"
        )
    elif int((numbers % nominal).max()) < max((each for each in NOMINAL if each < nominal), default=0):
        notes.append(f"it is so short that its timecode does not tell its rate; tell a reader that it is {fps:g}")
    turns = np.zeros((len(numbers), len(TURNS)))
    if head is not None:
        turns[:, :3] = -head[:, [1, 0, 2]]
    if eyes is not None:
        turns[:, [3, 4, 6, 7]] = np.deg2rad(eyes)
    values = np.concatenate([weights[:, [SHAPES.index(shape) for shape in COLUMNS]], turns], axis=1)
    names = [*(shape[0].upper() + shape[1:] for shape in COLUMNS), *TURNS]
    lines = [",".join(["Timecode", "BlendShapeCount", *names])]
    for number, row in zip(numbers.tolist(), values, strict=True):
        seconds, frame = divmod(number, nominal)
        code = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frame:02d}.000"
        cells = ",".join(f"{value + 0.0:.{DIGITS}f}" for value in row.tolist())
        lines.append(f"{code},{len(names)},{cells}")
    with written_whole(path) as file:
        file.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return notes
