# SPDX-License-Identifier: GPL-3.0-or-later
"""Places of lips, lids and brows on the demo head, beside vertices known from how it was made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aim_blender.core.checks.face_measures import FacePlaces, find_places, measure
from aim_blender.core.geometry.surfaces import boundary_loops
from aim_blender.core.shared.demo.demo_actor import DemoActor
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology

# Of the demo head, in mm: what its mesh has there, picked on a picture of it. Of pairs the left one.
KNOWN = {
    "upper_lip": 2600,
    "lower_lip": 8434,
    "mouth_corner": 2611,
    "upper_lid": 5735,
    "lower_lid": 8450,
    "inner_brow": 6767,
    "outer_brow": 6779,
}
NEAR_MM = {"inner_brow": 6.0, "outer_brow": 8.0}  # a brow is a ridge, not a point
OTHERS_NEAR_MM = 3.5


@dataclass(frozen=True)
class Given:
    """Shapes (N+1, V, 3), the neutral first, and their faces."""

    shapes: np.ndarray
    topology: Topology

    def places(self) -> FacePlaces:
        return find_places(self.shapes[0], self.topology, self.shapes[1:])


@pytest.fixture(scope="module")
def head(demo: DemoActor) -> Given:
    return Given(demo.shapes, demo.topology)


@pytest.fixture(scope="module")
def places(head: Given) -> FacePlaces:
    return head.places()


def part(given: Given, keep: np.ndarray) -> tuple[Given, np.ndarray]:
    """The faces whose vertices are kept (V,) bool, and which vertices (W,) they have of the first."""
    triangles = given.topology.triangles()
    triangles = triangles[keep[triangles].all(1)]
    used, corners = np.unique(triangles, return_inverse=True)
    topology = Topology.from_padded(corners.reshape(-1, 3), len(used))
    return Given(given.shapes[:, used], topology), used


def check(found: FacePlaces, neutral: np.ndarray, known: dict[str, np.ndarray]) -> None:
    """Fail unless the left places lie near known ones (3,) on a neutral (V, 3), and the right ones opposite."""
    for name, place in known.items():
        value = getattr(found, name)
        left = value[0] if isinstance(value, tuple) else value
        near = NEAR_MM.get(name, OTHERS_NEAR_MM)
        assert left is not None, name
        assert np.linalg.norm(neutral[left] - place) < near, name
        if isinstance(value, tuple):
            assert value[1] is not None, name
            one, other = found.frame.local(neutral[list(value)])
            assert np.linalg.norm(one - other * [-1, 1, 1]) < near, name


def test_places_lie_where_the_head_was_made_to_have_them(head: Given, places: FacePlaces) -> None:
    neutral = head.shapes[0]
    check(places, neutral, {name: neutral[vertex] for name, vertex in KNOWN.items()})


def test_shapes_are_told_by_their_measures(demo: DemoActor, head: Given, places: FacePlaces) -> None:
    shown = measure(places, head.shapes).named()
    change = {name: dict(zip(demo.names, values - values[0], strict=True)) for name, values in shown.items()}
    assert change["lip_gap"]["jaw_open"] > 20
    assert change["lip_gap"]["smile"] == pytest.approx(0, abs=2)
    assert change["mouth_width"]["smile"] > 5
    assert change["mouth_width"]["pucker"] < -5
    assert change["corner_height"]["smile"] > 3
    assert change["corner_height"]["jaw_open"] < -5
    for side in ("left", "right"):
        assert shown[f"lid_gap_{side}"][0] > 7
        assert shown[f"lid_gap_{side}"][demo.names.index("eyes_closed")] == pytest.approx(0, abs=1)
        assert change[f"brow_height_{side}"]["surprise"] > 5
        assert change[f"brow_height_{side}"]["anger"] < -1
        assert change[f"brow_height_{side}"]["jaw_open"] == pytest.approx(0, abs=0.1)


def test_the_head_of_a_body_that_stands_anyhow(head: Given) -> None:
    count = head.shapes.shape[1]
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([180 * np.cos(angle), 120 * np.sin(angle), np.zeros(24)], 1)
    body = np.concatenate([ring + np.array([0, 0, height]) for height in np.linspace(-170, -1600, 40)])
    start, side = (each.ravel() for each in np.meshgrid(24 * np.arange(39), np.arange(24), indexing="ij"))
    beside = (side + 1) % 24
    quads = np.stack([start + side, start + beside, start + 24 + beside, start + 24 + side], 1)
    corners = np.concatenate([head.topology.corners, quads.ravel() + count])
    sizes = np.concatenate([head.topology.sizes, np.full(len(quads), 4)])
    shapes = np.concatenate([head.shapes, np.repeat(body[None], len(head.shapes), 0)], axis=1)
    turn = Rotation.from_rotvec([0.9, -1.3, 0.4]).as_matrix()
    whole = Given(shapes @ turn.T + [300.0, -1500.0, 40.0], Topology(corners, sizes, count + len(body)))
    neutral = whole.shapes[0]
    check(whole.places(), neutral, {name: neutral[vertex] for name, vertex in KNOWN.items()})


def test_the_motion_of_the_head_is_taken_out(head: Given, places: FacePlaces) -> None:
    moving = head.shapes @ Rotation.from_rotvec([0.2, 0.1, -0.3]).as_matrix().T + [5.0, 60.0, -20.0]
    still = measure(places, head.shapes).named()
    for name, values in measure(places, moving).named().items():
        np.testing.assert_allclose(values, still[name], atol=1e-6, err_msg=name)


def test_open_rims_of_a_mask_do_without_shapes(head: Given, places: FacePlaces) -> None:
    neutral = head.shapes[0]
    front, used = part(head, (neutral[:, 1] < -35) & (np.abs(neutral[:, 0]) < 58) & (neutral[:, 2] > -125))
    assert len(used) < 0.7 * len(neutral)
    one = measure(find_places(front.shapes[0], front.topology), front.shapes).named()
    other = measure(places, head.shapes).named()
    for name in ("lip_gap", "mouth_width", "lid_gap_left", "brow_height_right"):
        assert np.corrcoef(one[name], other[name])[0, 1] > 0.9, name


def test_what_is_not_found_is_no_number(head: Given) -> None:
    topology = head.topology
    loops = boundary_loops(topology.triangles())
    corners = np.concatenate([topology.corners, *(loop[::-1] for loop in loops)])
    closed = Topology(corners, np.concatenate([topology.sizes, [len(loop) for loop in loops]]), topology.vertex_count)
    found = find_places(head.shapes[0], closed)
    assert found.upper_lip is None
    assert found.upper_lid == (None, None)
    shown = measure(found, head.shapes).named()
    assert all(np.isnan(values).all() and len(values) == len(head.shapes) for values in shown.values())


def test_a_mesh_without_a_face_is_refused() -> None:
    grid = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0), [0.0]), -1).reshape(-1, 3) * 20
    first = np.add.outer(np.arange(11) * 12, np.arange(11)).ravel()
    topology = Topology.from_padded(np.stack([first, first + 1, first + 13, first + 12], 1), len(grid))
    with pytest.raises(InputError, match="no face is found"):
        find_places(grid, topology)
