# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of a phone or a face tracker as JSON: an object a frame, or a table of weights with its names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..faces.arkit_names import shape_named
from .phone_rows import Rows, names_shapes, rows_of_columns

RATES = ("fps", "exportFps", "frameRate", "frame_rate", "rate")
LABELS, SCORES = ("categoryName", "category", "name", "displayName", "shape"), ("score", "value", "weight")


def rows_of_json(found: Any) -> Rows:
    """The rows of decoded JSON: [{name: weight, ...}, ...], the weights of a frame perhaps one level down, as an object
    or as [{"categoryName": ..., "score": ...}, ...]; or {"names": [...], "weights": [[...], ...], "fps": ...} with
    whatever keys. Raises ValueError."""
    rate = None
    if isinstance(found, Mapping):
        rate = next((float(found[name]) for name in RATES if isinstance(found.get(name), (int, float))), None)
        table = _table_of(found)
        if table is not None:
            rows = rows_of_columns(*table, range(1, len(table[1]) + 1))
            return replace(rows, times=replace(rows.times, fps=rate or rows.times.fps))
        lists = [each for each in found.values() if isinstance(each, list) and each and isinstance(each[0], Mapping)]
        if not lists:
            raise ValueError("it holds no list of frames with ARKit's names, such as jawOpen")
        found = max(lists, key=len)
    frames = [_flat(each) for each in found if isinstance(each, Mapping)]
    names = list(dict.fromkeys(name for frame in frames for name in frame))
    if not names_shapes(names):
        raise ValueError("its frames have none of ARKit's names, such as jawOpen")
    entries = [[frame.get(name) for name in names] for frame in frames]
    rows = rows_of_columns(names, entries, range(1, len(frames) + 1))
    return replace(rows, times=replace(rows.times, fps=rate or rows.times.fps))


def _table_of(found: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]] | None:
    """Names and rows of an object that holds both as lists, of the same width."""
    for names in found.values():
        if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
            continue
        if not names_shapes(names):
            continue
        for rows in found.values():
            if isinstance(rows, list) and rows and all(isinstance(r, list) and len(r) == len(names) for r in rows):
                return names, rows
    return None


def _flat(frame: Mapping[str, Any]) -> dict[str, Any]:
    """A frame's numbers and texts by name, its weights brought up from below."""
    flat: dict[str, Any] = {}
    for name, value in frame.items():
        if isinstance(value, Mapping):
            flat |= {key: each for key, each in value.items() if not isinstance(each, (list, Mapping))}
        elif isinstance(value, list):
            for each in value:
                label = next((each[k] for k in LABELS if k in each), None) if isinstance(each, Mapping) else None
                score = next((each[k] for k in SCORES if k in each), None) if isinstance(each, Mapping) else None
                if isinstance(label, str) and shape_named(label):
                    flat[label] = score
        else:
            flat[name] = value
    return flat
