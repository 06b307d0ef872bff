# SPDX-License-Identifier: GPL-3.0-or-later
"""Constraints, hinge and symmetry plane: right where the truth is known, and moving with the head."""

import numpy as np
import pytest
import trimesh

from aim_blender.core.anatomy.anatomy import (
    Hinge,
    find_hinge,
    mirror_partners,
    mirror_plane,
    symmetry_plane,
    trace_constraints,
)
from aim_blender.core.shared.bones.constraints import LARGEST_THICKNESS, Constraints
from aim_blender.core.shared.captured.captures import Bone
from aim_blender.core.shared.foundation.errors import InputError
from tests.core.geometry import moved, rigid

AWAY = rigid((25.0, -40.0, 70.0), (120.0, -300.0, 45.0))


def ball(radius: float) -> trimesh.Trimesh:
    return trimesh.creation.icosphere(4, radius)


@pytest.fixture(scope="module")
def balls() -> tuple[trimesh.Trimesh, dict[str, Bone]]:
    """A ball of skin, 60 mm; its bones are half balls, the skull 9 mm and the mandible 14 mm under it."""
    skull, mandible = ball(51), ball(46)
    upper, lower = skull.triangles_center[:, 2] > 4, mandible.triangles_center[:, 2] < -4
    return ball(60), {
        "skull": Bone(np.array(skull.vertices), skull.faces[upper]),
        "mandible": Bone(np.array(mandible.vertices), mandible.faces[lower]),
    }


@pytest.fixture(scope="module")
def traced(demo, demo_capture) -> Constraints:
    return trace_constraints(demo.neutral, demo.topology.triangles(), demo_capture.bones)


@pytest.fixture(scope="module")
def hinge(demo, demo_capture) -> Hinge:
    return find_hinge(demo_capture.bones)


# -- constraints ------------------------------------------------------------------------------------------------------


def test_constraints_of_balls_are_their_radii(balls):
    skin, bones = balls
    found = trace_constraints(np.array(skin.vertices), np.array(skin.faces), bones)
    point = skin.vertices[found.points]
    outwards = point / np.linalg.norm(point, axis=1, keepdims=True)
    middle = np.abs(point[:, 2]) > 15  # away from the cut
    assert middle.sum() > 0.7 * len(skin.vertices)
    assert np.array_equal(found.on_mandible[middle], point[middle, 2] < 0)
    assert np.abs(found.thickness[middle] - np.where(found.on_mandible, 14, 9)[middle]).max() < 0.2
    assert np.einsum("cx,cx->c", found.normal, outwards)[middle].min() > np.cos(np.radians(2.0))
    assert np.abs(found.bone - point + found.thickness[:, None] * found.normal).max() < 1e-9


def test_constraints_meet_the_skin_exactly(demo, traced):
    """s0 = b + d n, with a normal of length 1 and a thickness that soft tissue can have."""
    assert 0.05 < len(traced) / len(demo.neutral) < 0.8
    assert len(np.unique(traced.points)) == len(traced)
    assert np.allclose(np.linalg.norm(traced.normal, axis=1), 1.0)
    assert traced.thickness.min() >= 0
    assert traced.thickness.max() < LARGEST_THICKNESS + 3  # and half an edge
    skin = traced.bone + traced.thickness[:, None] * traced.normal
    assert np.abs(skin - demo.neutral[traced.points]).max() < 1e-6


def test_constraints_lie_on_the_bone_they_name(demo_capture, traced):
    for name, chosen in (("mandible", traced.on_mandible), ("skull", ~traced.on_mandible)):
        assert chosen.sum() > 100
        surface = trimesh.Trimesh(demo_capture.bones[name].vertices, demo_capture.bones[name].triangles, process=False)
        distance = trimesh.proximity.closest_point(surface, traced.bone[chosen])[1]
        # The second ray meets the skin near the point, not on it, by up to half an edge.
        assert np.median(distance) < 0.5
        assert distance.max() < 5.0


def test_chin_follows_the_mandible_and_forehead_the_skull(demo, traced):
    on_mandible = dict(zip(traced.points.tolist(), traced.on_mandible.tolist(), strict=True))
    chin = np.flatnonzero((np.abs(demo.neutral[:, 0]) < 10) & (np.abs(demo.neutral[:, 2] + 90) < 5))
    chin = chin[demo.neutral[chin, 1] < -80]
    forehead = np.flatnonzero((np.abs(demo.neutral[:, 0]) < 20) & (np.abs(demo.neutral[:, 2] - 60) < 10))
    assert {on_mandible[point] for point in chin.tolist() if point in on_mandible} == {True}
    assert {on_mandible[point] for point in forehead.tolist() if point in on_mandible} == {False}


def test_constraints_move_with_the_head(demo, demo_capture, traced):
    bones = {name: Bone(moved(AWAY, part.vertices), part.triangles) for name, part in demo_capture.bones.items()}
    again = trace_constraints(moved(AWAY, demo.neutral), demo.topology.triangles(), bones)
    _, here, there = np.intersect1d(traced.points, again.points, return_indices=True)
    assert len(here) > 0.98 * max(len(traced), len(again))
    off = np.linalg.norm(moved(AWAY, traced.bone[here]) - again.bone[there], axis=1)
    assert np.quantile(off, 0.98) < 0.01  # a ray along an edge may meet the face on its other side
    assert (traced.on_mandible[here] == again.on_mandible[there]).mean() > 0.999


def test_rays_start_where_trusted(balls):
    skin, bones = balls
    trusted = skin.vertices[:, 2] > 30
    found = trace_constraints(np.array(skin.vertices), np.array(skin.faces), bones, trusted)
    assert 0 < len(found) <= trusted.sum()
    assert skin.vertices[found.points, 2].min() > 25
    assert not found.on_mandible.any()


def refused(skin: trimesh.Trimesh, bones: dict[str, Bone], **choices) -> str:
    with pytest.raises(InputError) as caught:
        trace_constraints(np.array(skin.vertices), np.array(skin.faces), bones, **choices)
    return str(caught.value)


@pytest.mark.parametrize("fault", ["elsewhere", "metres", "inside out", "too deep", "nowhere trusted"])
def test_bones_that_are_not_under_the_skin_are_refused(balls, fault):
    skin, bones = balls
    choices = {"trusted": np.zeros(len(skin.vertices), dtype=bool)} if fault == "nowhere trusted" else {}
    change = {
        "elsewhere": lambda part: Bone(part.vertices + np.array([0, 500, 0]), part.triangles),
        "metres": lambda part: Bone(part.vertices / 1000, part.triangles),
        "inside out": lambda part: Bone(part.vertices, part.triangles[:, ::-1]),
        "too deep": lambda part: Bone(part.vertices * 0.5, part.triangles),
        "nowhere trusted": lambda part: part,
    }[fault]
    sentence = refused(skin, {name: change(part) for name, part in bones.items()}, **choices)
    assert sentence.startswith("no bone lies under the skin")
    assert "\n" not in sentence


def test_no_constraints():
    assert len(Constraints.none()) == 0


# -- hinge ------------------------------------------------------------------------------------------------------------


def test_hinge_is_at_the_condyles(demo, hinge):
    assert np.linalg.norm(hinge.centre - demo.hinge_centre) < 5.0
    assert abs(hinge.centre[0]) < 0.1
    assert hinge.axis @ demo.hinge_axis == pytest.approx(1.0, abs=1e-4)


def test_hinge_has_a_right_handed_frame(hinge):
    frame = np.stack([hinge.axis, hinge.up, hinge.forward])
    assert np.allclose(frame @ frame.T, np.eye(3), atol=1e-9)
    assert hinge.up[2] > 0.8
    assert hinge.forward[1] < -0.8  # the face looks towards -Y


def test_turning_about_the_hinge_opens_the_jaw(demo_capture, hinge):
    chin = demo_capture.bones["mandible"].vertices[np.argmin(demo_capture.bones["mandible"].vertices[:, 1])]
    assert np.cross(hinge.axis, chin - hinge.centre)[2] < 0


def test_hinge_moves_with_the_head(demo, demo_capture, hinge):
    bones = {name: Bone(moved(AWAY, part.vertices), part.triangles) for name, part in demo_capture.bones.items()}
    again = find_hinge(bones)
    assert np.abs(again.centre - moved(AWAY, hinge.centre)).max() < 0.01
    for name in ("axis", "up", "forward"):
        assert np.abs(getattr(again, name) - AWAY[:3, :3] @ getattr(hinge, name)).max() < 1e-3


# -- symmetry ---------------------------------------------------------------------------------------------------------


def mirrored_cloud(seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """A lopsided cloud with its mirror image, the plane's normal, and its offset."""
    random = np.random.default_rng(seed)
    normal = random.normal(size=3)
    normal /= np.linalg.norm(normal)
    offset = float(random.normal() * 50)
    half = random.normal(size=(400, 3)) * [70, 40, 100] + random.normal(size=3) * 20
    side = half @ normal - offset
    half = half[side > 0]
    return np.concatenate([half, half - 2 * (half @ normal - offset)[:, None] * normal]), normal, offset


@pytest.mark.parametrize("seed", range(4))
def test_symmetry_plane_of_a_mirrored_cloud(seed):
    points, normal, offset = mirrored_cloud(seed)
    origin, found = symmetry_plane(points)
    assert abs(found @ normal) == pytest.approx(1.0, abs=1e-6)
    assert origin @ normal == pytest.approx(offset, abs=0.05)


def test_symmetry_plane_of_the_head_moves_with_it(demo):
    for motion in (np.eye(4), AWAY):
        origin, normal = symmetry_plane(moved(motion, demo.neutral))
        assert np.degrees(np.arccos(min(1.0, abs(normal @ motion[:3, 0])))) < 0.1
        assert abs((np.linalg.inv(motion) @ [*origin, 1.0])[0]) < 0.1


def test_mirror_partners_are_the_true_ones(demo):
    partner = mirror_partners(demo.neutral, mirror_plane(demo.neutral, demo.topology.triangles()))
    right = partner == demo.head.layout.mirror
    assert right.mean() > 0.99
    off = demo.neutral[partner] * [-1, 1, 1] - demo.neutral
    assert np.linalg.norm(off, axis=1).max() < 0.2
