# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures that numpy draws of meshes, and those that a worker puts beside a take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from aim_blender.core.pictures import curves, take_sheet
from aim_blender.core.shared.foundation.drawing import draw, filling, seen_from

TRIANGLE = np.array([[2.0, 2.0, 0.0], [12.0, 2.0, 0.0], [2.0, 12.0, 0.0]])


def test_a_triangle_covers_its_area_and_the_nearest_is_seen() -> None:
    picture = draw(TRIANGLE, np.array([[0, 1, 2]]), np.array([1.0, 0.0, 0.0]), 16, 16, finer=4)
    assert abs(picture[..., 3].sum() - 50.0) < 2.0
    assert picture[3, 3, 3] == 1.0
    assert picture[:2].sum() == picture[12:].sum() == 0.0  # below and above it
    nearer = TRIANGLE + np.array([0.0, 0.0, 1.0])
    for order in ([0, 1], [1, 0]):
        triangles = np.array([[0, 1, 2], [3, 4, 5]])[order]
        colours = np.repeat([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], 3, axis=0)
        both = draw(np.concatenate([TRIANGLE, nearer]), triangles, colours, 16, 16)
        assert both[3, 3, 0] == 0.0 < both[3, 3, 1]


def test_what_is_seen_from_behind_is_dark_and_holes_are_left_out() -> None:
    turned = np.array([[0, 2, 1]])
    lit = draw(TRIANGLE, np.array([[0, 1, 2]]), np.ones(3), 16, 16)[3, 3, 0]
    assert 0.0 < draw(TRIANGLE, turned, np.ones(3), 16, 16)[3, 3, 0] < lit
    missing = TRIANGLE.copy()
    missing[2] = np.nan
    assert draw(missing, turned, np.ones(3), 16, 16).sum() == 0.0


def test_neighbours_leave_no_gap_and_all_of_it_is_in_the_picture() -> None:
    across, up = np.meshgrid(np.linspace(-3, 5, 24), np.linspace(0, 8, 24))
    points = np.stack([across, up, np.zeros_like(up)], -1).reshape(-1, 3)
    index = np.arange(24 * 24).reshape(24, 24)
    a, b, c, d = (each.ravel() for each in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    offset, factor = filling(points, 61, 47)
    picture = draw((points + offset) * factor, triangles, np.ones(3), 61, 47)
    rows, columns = np.nonzero(picture[..., 3] > 0)
    assert (picture[rows.min() + 1 : rows.max(), columns.min() + 1 : columns.max(), 3] == 1.0).all()
    assert rows.max() - rows.min() >= 43
    assert abs((columns.min() + columns.max()) / 2 - 30) <= 1


def test_the_viewer_looks_at_the_face() -> None:
    """The character's left, +X where the face looks towards -Y, is on the picture's right."""
    found = seen_from(np.eye(3), np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0]))
    assert np.allclose(found, [[1, 0, 0], [0, 0, -1], [0, 1, 0]])


def test_the_jaw_path_starts_at_the_lower_teeth(demo: Any, demo_learned: Any, demo_take: Any, tmp_path: Path) -> None:
    up, forward = np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0])
    teeth = curves._lower_teeth(demo.neutral, demo.skin_weight, demo_learned.hinge, up, forward)
    teeth_height = demo.mandible_vertices[
        demo.mandible_vertices @ forward > (demo.mandible_vertices @ forward).max() - 8
    ]
    assert abs(teeth @ [1.0, 0.0, 0.0]) < 12.0
    assert np.linalg.norm(demo.mandible_vertices - teeth, axis=1).min() < 15.0
    assert (teeth_height @ up).min() < teeth @ up < (teeth_height @ up).max() + 15.0
    assert curves.save_jaw_path(demo_learned, demo_take, tmp_path / "jaw.png")
    assert (tmp_path / "jaw.png").read_bytes().startswith(b"\x89PNG")
    assert not curves.save_jaw_path(replace(demo_learned, hinge=None), demo_take, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_the_sheet_of_a_fit(demo_learned: Any, demo_take: Any, demo_frames: Any, tmp_path: Path) -> None:
    """One column a frame and three rows; the frame that is missing is not shown."""
    from matplotlib.image import imread

    worst = int(demo_take.error_mm[:, 1].argmax())
    assert worst in take_sheet._chosen(demo_take.error_mm[:, 1])
    gone = replace(demo_take, figures={"missing_frames": [int(demo_take.frames[worst])]})
    in_metres = replace(demo_frames, vertices=demo_frames.vertices / 1000.0)
    take_sheet.fit_sheet(demo_learned, gone, in_metres).save(tmp_path / "sheet.png")
    picture = imread(tmp_path / "sheet.png")[..., :3]
    wide, high = take_sheet.HEAD_PIXELS
    rows = picture[take_sheet.TOP_PIXELS : take_sheet.TOP_PIXELS + 3 * high, take_sheet.LEFT_PIXELS :]
    performed, fitted, error = (rows[k * high : (k + 1) * high, : take_sheet.FRAMES * wide] for k in range(3))
    assert np.abs(performed - fitted).mean() < 0.01 < np.abs(performed - error).mean()
    take_sheet.fit_sheet(demo_learned, demo_take, None).save(tmp_path / "alone.png")
    assert imread(tmp_path / "alone.png").shape[0] < picture.shape[0] / 2
    take_sheet.retarget_sheet(demo_learned, demo_take, demo_learned, demo_take).save(tmp_path / "retarget.png")
    assert imread(tmp_path / "retarget.png").shape[1] == picture.shape[1]
