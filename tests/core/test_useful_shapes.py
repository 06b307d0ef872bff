# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that show no expression of their own are named and left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aim_blender.core.shared.captured.captures import read_capture
from aim_blender.core.shared.captured.useful_shapes import hiding_shapes, useful_shapes
from aim_blender.core.shared.demo.demo_actor import DemoActor
from aim_blender.core.shared.foundation.errors import InputError
from tests.core.bodies import with_body


def test_copies_halves_empties_and_hiding_keys_are_left_out(demo: DemoActor, tmp_path: Path) -> None:
    neutral, first, second = demo.shapes[:3]
    keys = {
        "neutral": neutral,
        "half": neutral + 0.5 * (first - neutral),
        "open": first,
        "again": first.copy(),
        "stretch": second,
        "nothing": neutral.copy(),
        "collapse": neutral * 0.0,
        "sink": neutral - [0, 0, 500],
        "flat": neutral * [1, 0, 1],
    }
    path = tmp_path / "capture.npz"
    vertices, faces = np.stack([*keys.values()]), demo.topology
    np.savez(path, vertices=vertices, names=np.array([*keys]), corners=faces.corners, sizes=faces.sizes)
    capture = read_capture(path)
    assert capture.names == ("neutral", "open", "stretch")
    assert np.abs(capture.vertices - demo.shapes[:3]).max() < 1e-9
    said = "; ".join(capture.notes)
    for phrase in ("collapse draws the head together", "sink moves the head away", "flat flattens the head"):
        assert phrase in said
    for phrase in ("again (of open)", "half (0.5 of open)", "nothing"):
        assert phrase in said


def test_what_would_be_left_out_is_kept_as_asked(demo: DemoActor, tmp_path: Path) -> None:
    neutral, first, second = demo.shapes[:3]
    again, half, sunk = first.copy(), neutral + 0.5 * (first - neutral), neutral - [0, 0, 500]
    shapes = np.stack([neutral, first, again, half, second, neutral, sunk])
    names = ["neutral", "open", "again", "half", "stretch", "nothing", "sink"]
    kept, notes = useful_shapes(names, shapes, ["half"])
    assert [names[index] for index in kept] == ["neutral", "open", "half", "stretch"]
    assert "1 shape is kept, as was asked" in notes[0]
    assert "again (of open)" in notes[2] and "nothing" in notes[3]
    path = tmp_path / "capture.npz"
    np.savez(path, vertices=shapes, names=names, corners=demo.topology.corners, sizes=demo.topology.sizes)
    capture = read_capture(path, keep_shapes=["all"])
    assert capture.names == tuple(names[:-1])
    assert "4 shapes" not in capture.notes[0] and "3 shapes are kept" in capture.notes[0]
    assert "sink moves the head away" in capture.notes[1]
    for name, said in (("sink", "'sink' cannot be kept as an expression: it moves"), ("smlie", "no shape 'smlie'")):
        with pytest.raises(InputError, match=said):
            read_capture(path, keep_shapes=[name])


def test_the_head_of_a_body_may_be_hidden(demo: DemoActor) -> None:
    shapes, _ = with_body(demo.shapes[:2], demo.topology)
    hidden = shapes[0].copy()
    hidden[: len(demo.neutral)] = hidden[: len(demo.neutral)].mean(0) - [0, 0, 900]
    assert list(hiding_shapes(["neutral", "open", "hide"], [*shapes, hidden])) == ["hide"]


def test_what_is_learned_is_kept(demo: DemoActor) -> None:
    """Of the demo's twenty shapes, mirrored pairs among them, none is left out."""
    assert useful_shapes(demo.names, demo.shapes) == (list(range(len(demo.names))), [])


def test_opposite_shapes_are_two(demo: DemoActor) -> None:
    there = demo.shapes[1] - demo.neutral
    shapes = np.stack([demo.neutral, demo.neutral + there, demo.neutral - there])
    assert useful_shapes(["neutral", "up", "down"], shapes)[0] == [0, 1, 2]
