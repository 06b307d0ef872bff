# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of a table of shots, and what each may hold; batch_table.py says what they mean."""

from __future__ import annotations

from ..core.shared.faces.units import MILLIMETRES_PER
from ..core.shared.settings.fitting_settings import POINT_CHOICES, REST_CHOICES
from .tasks import FITTING_CHOICES, PERFORMANCE_UNIT, RETARGETING_CHOICES

WRITE = ("bake", "pc2", "mdd", "npz", "blend")
WITH_UNIT = {"pc2", "mdd"}  # of these, what is in a unit of one's choice

FIT = (*FITTING_CHOICES, *POINT_CHOICES, "camera", "landmarks", "performance_fps", PERFORMANCE_UNIT)
RETARGET = tuple("head_motion" if name == "head" else name for name in RETARGETING_CHOICES)

TEXT, PATH, LIST, WHOLE, COUNT, NUMBER = "a text", "a path", "a list", "a whole number", "a count", "a number"
FLAG = "true or false"
UNIT = f"a unit ({', '.join(MILLIMETRES_PER)} or a number of mm)"
REST = f"a frame, or {' or '.join(REST_CHOICES)}"
CHOICES: dict[str, tuple[str, ...]] = {
    "solver": ("closed-form", "neural"),
    "head": ("auto", "free", "still"),
    "device": ("auto", "cpu", "cuda"),
    "head_motion": ("on", "off"),
}
COLUMNS = {
    "shot": TEXT,
    "actor": PATH,
    "performance": PATH,
    "take": PATH,
    "targets": LIST,
    "folder": TEXT,
    "write": LIST,
    "start": WHOLE,
    "end": WHOLE,
    "step": COUNT,
    "first": WHOLE,
    "fps": NUMBER,
    "performance_fps": NUMBER,
    PERFORMANCE_UNIT: UNIT,
    "millimetres_per_unit": UNIT,
    "modes": COUNT,
    "ridge": NUMBER,
    "smoothness": NUMBER,
    "largest_weight": NUMBER,
    "outlier_mm": NUMBER,
    "temporal": NUMBER,
    "iterations": COUNT,
    "warm_start": FLAG,
    "seed": WHOLE,
    "rest_frame": REST,
    "camera": PATH,
    "landmarks": PATH,
    "correspondence": PATH,
    "strength": NUMBER,
    "jaw_strength": NUMBER,
    "neutral_frame": WHOLE,
    "pairs": PATH,
    "regions": PATH,
    "tolerance_mm": NUMBER,
    "reduce_keys_mm": NUMBER,
    **dict.fromkeys(CHOICES, TEXT),
}
LARGEST_NUMBER = 2.0**63
ABOVE_ZERO = ("fps", "performance_fps", "tolerance_mm", PERFORMANCE_UNIT, "millimetres_per_unit")
