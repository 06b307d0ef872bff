# SPDX-License-Identifier: GPL-3.0-or-later
"""How a take is to be turned into shape keys, bones and their keyframes."""

from __future__ import annotations

from dataclasses import dataclass

from ..foundation.errors import InputError
from .option import check_options, choice, number


@dataclass(frozen=True)
class BakingSettings:
    """How to bake. What each setting does stands with it; which frames are baked says Timing."""

    tolerance_mm: float = number(
        0.1,
        "Tolerance",
        "The largest error of any point in any frame that the result may have against the take. A smaller one needs "
        "more corrective shape keys",
        unit="mm",
        least=0,
        above=True,
        remark=", for example 0.1",
        subject="the tolerance",
        soft=2,
        flags=("--tolerance", "--tolerance-mm"),
    )
    reduce_keys_mm: float = number(
        0.0,
        "Reduce Keys",
        "Leave out keyframes as long as no point of any frame moves by more than this; 0 keeps one at every frame",
        unit="mm",
        least=0,
        zero="to keep a key at every frame",
        soft=1,
    )
    keys: str = choice(
        "own",
        "Keys",
        "Which shape keys a take is baked to. Those of engines have weights from 0 to 1 and no correctives",
        (
            "own",
            "Actor's Own",
            "The expressions that were captured, and correctives that bring them within the tolerance",
        ),
        ("arkit", "ARKit", "The 52 shapes of ARKit; what was never captured is the demo head's, and said"),
        ("vrm0", "VRM 0", "The expressions of VRM 0: A, I, U, E, O, Blink_L, Joy and so on"),
        ("vrm1", "VRM 1", "The expressions of VRM 1: aa, ih, ou, ee, oh, blinkLeft, happy and so on"),
    )
    jaw_as: str = choice(
        "bone",
        "Jaw",
        "With the keys of engines: what opens the mouth, never both",
        ("bone", "Bone", "A jaw bone; the jaw's keys hold only what it leaves of them"),
        ("keys", "Keys", "The keys of the jaw, such as jawOpen; the jaw bone stays at rest"),
    )

    def __post_init__(self) -> None:
        check_options(self)

    def require_keys_for_jaw(self) -> None:
        """Raise InputError where the jaw is to be in the keys, and these are the actor's own."""
        if self.jaw_as == "keys" and self.keys == "own":
            raise InputError(
                "the actor's own keys have a jaw bone; bake to the keys of arkit, vrm0 or vrm1 to have the jaw in them"
            )
