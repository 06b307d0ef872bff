# SPDX-License-Identifier: GPL-3.0-or-later
"""The jaw of shapes and frames: poses and motions, and how near the estimate comes to the demo actor's truth."""

from dataclasses import replace

import numpy as np
import pytest

from aim_blender.core.anatomy.anatomy import Hinge
from aim_blender.core.anatomy.jaw import compose_jaw, decompose_jaw, rest_jaw
from aim_blender.core.anatomy.jaw_estimate import estimate_jaw, measured_jaw
from aim_blender.core.anatomy.jaw_witnesses import hinge_of_motion, jaw_of_points
from aim_blender.core.fitting.jaw_of_frame import JawOfFrame, JawOfPoints, PlausibleJaw
from aim_blender.core.geometry.rigid import motion_columns
from aim_blender.core.learning.preparation import prepare
from aim_blender.core.points.points import Binding
from aim_blender.core.shared.bones.constraints import Constraints
from aim_blender.core.shared.demo.demo_actor import jaw_motion
from aim_blender.core.shared.foundation.errors import InputError
from tests.core.geometry import degrees_between, moved, random_motions, rigid

AWAY = rigid((25.0, -40.0, 70.0), (120.0, -300.0, 45.0))
HINGE = Hinge(np.array([3.0, -2.0, 7.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.6, 0.8]))


def opening(pose: np.ndarray, hinge: Hinge) -> np.ndarray:
    """Degrees about the hinge's axis of poses (..., 6)."""
    return np.degrees(pose[..., :3] @ hinge.axis)


def yaw(pose: np.ndarray, hinge: Hinge) -> np.ndarray:
    return np.degrees(pose[..., :3] @ hinge.up)


# -- poses and motions ------------------------------------------------------------------------------------------------


def test_compose_and_decompose_are_inverse_of_each_other():
    random = np.random.default_rng(0)
    pose = np.concatenate([random.normal(size=(2, 5, 3)) * 0.8, random.normal(size=(2, 5, 3)) * 20], axis=-1)
    motion = compose_jaw(pose, HINGE)
    assert motion.shape == (2, 5, 4, 4)
    assert np.allclose(decompose_jaw(motion, HINGE), pose, atol=1e-9)
    others = random_motions(7, random)
    assert np.allclose(compose_jaw(decompose_jaw(others, HINGE), HINGE), others, atol=1e-9)


def test_poses_turn_about_the_hinge_and_then_slide():
    slide = np.array([1.0, -2.0, 3.0])
    motion = compose_jaw(np.array([0.3, 0.1, -0.2, *slide]), HINGE)
    assert np.allclose(moved(motion, HINGE.centre), HINGE.centre + slide)
    assert np.allclose(motion[:3, :3] @ motion[:3, :3].T, np.eye(3))
    opened = compose_jaw(np.concatenate([np.radians(20) * HINGE.axis, np.zeros(3)]), HINGE)
    on_axis = HINGE.centre + 40 * HINGE.axis
    assert np.allclose(moved(opened, on_axis), on_axis)


def test_rest_is_the_pose_of_zeros():
    assert np.allclose(compose_jaw(np.zeros((3, 6)), HINGE), np.tile(np.eye(4), (3, 1, 1)))
    rest = rest_jaw(3, 10)
    assert np.array_equal(rest.jaw, np.tile(np.eye(4), (3, 1, 1)))
    assert not rest.skin_weight.any()
    assert not rest.trust.any()


# -- the estimate, on the demo actor's shapes -------------------------------------------------------------------------


def test_an_opened_jaw_is_recovered(demo, demo_preparation):
    found = demo_preparation.jaw.jaw[demo.names.index("jaw_open") - 1]
    assert degrees_between(found, np.eye(4)) == pytest.approx(20.0, rel=0.15)
    chin = demo.mandible_vertices[np.argmin(demo.mandible_vertices[:, 1])]
    true = moved(demo.jaw[demo.names.index("jaw_open")], chin)
    assert np.linalg.norm(moved(found, chin) - true) < 0.15 * np.linalg.norm(true - chin)


def test_a_jaw_that_goes_aside_is_recovered(demo, demo_preparation):
    hinge = demo_preparation.hinge
    true, found = (decompose_jaw(jaw, hinge) for jaw in (demo.jaw[1:], demo_preparation.jaw.jaw))
    for name in ("jaw_left", "jaw_right"):
        index = demo.names.index(name) - 1
        assert abs(yaw(found[index], hinge) - yaw(true[index], hinge)) < 1.0
    left, right = (found[demo.names.index(name) - 1] for name in ("jaw_left", "jaw_right"))
    assert yaw(left, hinge) == pytest.approx(-yaw(right, hinge), abs=0.1)


def test_a_jaw_at_rest_stays_at_rest(demo, demo_preparation):
    turned = degrees_between(demo_preparation.jaw.jaw, np.eye(4))
    at_rest = degrees_between(demo.jaw[1:], np.eye(4)) < 0.01
    assert at_rest.sum() >= 8
    assert turned[at_rest].max() < 1.5


def test_a_jaw_that_moves_forward_is_recovered(demo, demo_preparation):
    pose = decompose_jaw(demo_preparation.jaw.jaw[demo.names.index("jaw_forward") - 1], demo_preparation.hinge)
    assert 3.0 < pose[3:] @ demo_preparation.hinge.forward < 9.0


def test_skin_weight_is_near_the_truth(demo, demo_preparation):
    found = demo_preparation.jaw
    assert found.skin_weight.min() >= 0
    assert found.skin_weight.max() <= 1
    assert found.trust.min() >= 0
    assert found.trust.max() <= 1
    assert np.abs(found.skin_weight - demo.skin_weight).mean() < 0.08
    chin = (np.abs(demo.neutral[:, 0]) < 10) & (demo.neutral[:, 1] < -80) & (np.abs(demo.neutral[:, 2] + 85) < 8)
    assert found.skin_weight[chin].min() > 0.8
    assert found.skin_weight[demo.neutral[:, 2] > 20].max() < 0.05


def estimated(demo, preparation, shapes, motion=None):
    constraints, hinge, neutral = preparation.constraints, preparation.hinge, demo.neutral
    if motion is not None:
        neutral, shapes = moved(motion, neutral), moved(motion, shapes)
        turn = motion[:3, :3]
        hinge = Hinge(moved(motion, hinge.centre), turn @ hinge.axis, turn @ hinge.up)
        constraints = Constraints(
            constraints.points,
            moved(motion, constraints.bone),
            constraints.normal @ turn.T,
            constraints.thickness,
            constraints.on_mandible,
        )
    return estimate_jaw(neutral, shapes, demo.topology.edges(), constraints, hinge)


def test_purely_opened_jaws_are_recovered(demo, demo_preparation):
    degrees = np.array([6.0, 12.0, 18.0, 25.0])
    truth = jaw_motion(degrees, np.zeros(4), np.zeros(4))
    found = estimated(demo, demo_preparation, demo.skin(truth, np.zeros((4, demo.performance(1).activations.shape[1]))))
    assert degrees_between(found.jaw, np.eye(4)) == pytest.approx(degrees, rel=0.15)
    assert np.abs(found.skin_weight - demo.skin_weight).mean() < 0.08


def test_estimate_moves_with_the_head(demo, demo_preparation):
    shapes = demo.shapes[[1, 3, 12, 14]]
    here = estimated(demo, demo_preparation, shapes)
    there = estimated(demo, demo_preparation, shapes, AWAY)
    carried = AWAY @ here.jaw @ np.linalg.inv(AWAY)
    assert degrees_between(carried, there.jaw).max() < 0.01
    centre = moved(AWAY, demo_preparation.hinge.centre)
    assert np.abs(carried @ [*centre, 1] - there.jaw @ [*centre, 1]).max() < 0.01
    assert np.abs(here.skin_weight - there.skin_weight).max() < 1e-4


def test_shapes_that_never_open_leave_the_jaw_at_rest(demo, demo_preparation):
    names = ("surprise", "eyes_closed", "anger")
    found = estimated(demo, demo_preparation, demo.shapes[[demo.names.index(name) for name in names]])
    assert degrees_between(found.jaw, np.eye(4)).max() < 0.1
    assert not found.skin_weight.any()
    assert not found.trust.any()


# -- a jaw that was captured, such as lower teeth ---------------------------------------------------------------------


def teeth(demo) -> np.ndarray:
    """(N+1, J, 3) points of the mandible in every shape."""
    return np.stack([moved(jaw, demo.mandible_vertices[::7]) for jaw in demo.jaw])


def test_jaw_of_teeth_is_exact(demo):
    found = jaw_of_points(teeth(demo))
    assert np.allclose(found, demo.jaw[1:], atol=1e-9)
    noisy = teeth(demo) + np.random.default_rng(0).normal(size=teeth(demo).shape) * 0.1
    assert degrees_between(jaw_of_points(noisy), demo.jaw[1:]).max() < 0.1


def test_jaw_that_bends_is_refused(demo):
    points = teeth(demo)
    points[3] = points[3] * [1.2, 1.0, 1.0]
    with pytest.raises(InputError, match=r"change their form by .* mm from shape to shape; they must be rigid"):
        jaw_of_points(points)


def test_hinge_of_motion_is_where_the_jaw_turns(demo):
    hinge = hinge_of_motion(demo.jaw[1:], teeth(demo)[0], demo.neutral)
    assert hinge.axis @ demo.hinge_axis == pytest.approx(1.0, abs=1e-6)
    off = hinge.centre - demo.hinge_centre
    assert np.linalg.norm(off - (off @ hinge.axis) * hinge.axis) < 0.01
    assert abs(hinge.centre[0]) < 1.0
    frame = np.stack([hinge.axis, hinge.up, hinge.forward])
    assert np.allclose(frame @ frame.T, np.eye(3), atol=1e-9)
    assert hinge.up[2] > 0.5
    assert hinge.forward[1] < -0.5


def test_hinge_of_a_jaw_that_never_opens_is_refused(demo):
    resting = np.tile(np.eye(4), (3, 1, 1))
    with pytest.raises(InputError, match="one shape must have the mouth wide open"):
        hinge_of_motion(resting, teeth(demo)[0], demo.neutral)


def test_skin_weight_of_a_measured_jaw_is_near_the_truth(demo):
    found = measured_jaw(demo.neutral, demo.shapes[1:], demo.topology.edges(), demo.jaw[1:])
    assert np.array_equal(found.jaw, demo.jaw[1:])
    assert np.abs(found.skin_weight - demo.skin_weight).mean() < 0.03
    assert found.skin_weight.min() >= 0
    assert found.skin_weight.max() <= 1


def test_preparation_takes_the_jaw_of_teeth(demo, demo_capture):
    prepared = prepare(replace(demo_capture, bones={}, jaw_points=teeth(demo)), space="mean")
    assert np.allclose(prepared.jaw.jaw, demo.jaw[1:], atol=1e-9)
    assert abs(prepared.hinge.axis[0]) == pytest.approx(1.0, abs=1e-6)


# -- the jaw of a frame -----------------------------------------------------------------------------------------------


def test_frames_at_the_neutral_have_the_jaw_at_rest(demo, demo_learned):
    found = JawOfFrame(demo_learned).predict(demo.neutral[None])
    assert degrees_between(found, np.eye(4)).max() < 1e-3


def test_frames_that_are_shapes_have_the_jaw_of_the_shapes(demo, demo_learned):
    found = JawOfFrame(demo_learned).predict(demo.shapes[1:])
    off = degrees_between(found, demo_learned.jaw)
    assert off.mean() < 1.0
    assert off.max() < 4.0


def test_jaw_of_frames_follows_the_truth(demo_learned, demo_shot):
    still = np.einsum("fyx,fvy->fvx", demo_shot.head[:, :3, :3], demo_shot.vertices - demo_shot.head[:, None, :3, 3])
    hinge, jaw = demo_learned.hinge, JawOfFrame(demo_learned)
    thrown, lost = still.copy(), still.copy()
    thrown[:, jaw.points[::10]] += 30.0
    lost[:, jaw.points[::3]] = np.nan
    true = opening(decompose_jaw(demo_shot.jaw, hinge), hinge)
    assert np.ptp(true) > 6
    for frames in (still, thrown, lost):
        found = opening(decompose_jaw(jaw.predict(frames), hinge), hinge)
        assert np.corrcoef(found, true)[0, 1] > 0.99
        assert np.abs(found - true).mean() < 1.0


def test_the_jaw_stays_in_a_plausible_range(demo_learned):
    """Whatever the points do: far off, none, or a chin drawn where no jaw goes."""
    hinge, plausible = demo_learned.hinge, PlausibleJaw(demo_learned)
    own = decompose_jaw(demo_learned.jaw, hinge)
    np.testing.assert_allclose(plausible.within(own), own, atol=1e-12)
    chin = np.argsort(-demo_learned.skin_weight[:, 0])[:20]
    drawn = np.tile(demo_learned.neutral[chin], (5, 1, 1))
    for frame, by in enumerate([(0, 0, -400.0), (0, 0, 400.0), (300.0, 0, 0), (0, -500.0, 0)], 1):
        drawn[frame] += by
    jaw = JawOfPoints(demo_learned, Binding.at(chin))
    poses = decompose_jaw(jaw.predict(drawn), hinge)
    np.testing.assert_allclose(plausible.within(poses), poses, atol=1e-9)
    widest = opening(own, hinge).max()
    assert opening(poses, hinge).max() < 1.25 * widest + 1.1
    assert opening(poses, hinge).min() > min(opening(own, hinge).min(), 0.0) - 1e-6  # the teeth are in the way
    assert degrees_between(jaw.predict(np.full_like(drawn[:1], np.nan)), np.eye(4)).max() < 1e-9


def test_columns_of_a_motion_are_its_derivative():
    arm, step = np.array([[30.0, -20.0, 50.0]]), 1e-6
    for axis, column in enumerate(motion_columns(arm)[0].T):
        pose = np.zeros(6)
        pose[axis] = step
        motion = compose_jaw(pose, Hinge(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0])))
        moved = motion[:3, :3] @ arm[0] + motion[:3, 3]
        np.testing.assert_allclose((moved - arm[0]) / step, column, atol=1e-3)
