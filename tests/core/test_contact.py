# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact of lips and lids: what touched on the source touches, nothing crosses, and the rest stays as it was."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import trimesh

from aim_blender.core.contact.contact import Contact, without_contact
from aim_blender.core.contact.gaps import closest_on_triangles
from aim_blender.core.contact.meeting import ALLOWED_MM, WEIGHT_MM, _gain, _weights
from aim_blender.core.fitting.fitting import fit_performance
from aim_blender.core.geometry.coarse_mesh import coarse_mesh
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import stabilized_frames
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.captures import Capture
from aim_blender.core.shared.captured.performances import Performance
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.fitting_settings import FittingSettings
from aim_blender.core.shared.settings.learning_settings import LearningSettings
from aim_blender.core.shared.settings.retarget_settings import RetargetSettings

CROSSING_MM, CLOSED_MM = 0.1, 0.5
BARELY = LearningSettings(iterations=2, hidden=8, depth=1, batch_points=64, device="cpu", threads=1)


@pytest.fixture(scope="module")
def contact(demo_learned: Actor) -> Contact:
    return Contact(demo_learned)


def coarser(capture: Capture, least: int) -> Capture:
    """The capture with at least so many vertices, each the mean of what lies around it along the surface."""
    triangles = capture.topology.triangles().astype(np.int64)
    region = coarse_mesh(capture.neutral.astype(np.float64), triangles, least).region
    corners = region[triangles]
    corners = corners[(np.diff(np.sort(corners, axis=1), axis=1) > 0).all(1)]
    used, corners = np.unique(corners, return_inverse=True)
    topology = Topology(corners.ravel().astype(np.int32), np.full(corners.size // 3, 3), len(used))
    vertices = np.stack([capture.vertices[:, region == each].mean(1) for each in used], axis=1)
    return Capture(capture.names, vertices, topology, {})


def needed(contact: Contact, frames: np.ndarray, performed: dict[str, np.ndarray], strength: float = 1.0) -> np.ndarray:
    """(f, B) amounts for whole frames (f, V, 3)."""
    return contact.amounts(frames[:, contact.rows], performed, strength)


def lip_gaps(contact: Contact, frames: np.ndarray) -> np.ndarray:
    """(f, C) of the lips in whole frames (f, V, 3)."""
    return contact.measured(frames[:, contact.rows])["lips"]


def lips_moved(contact: Contact, actor: Actor, millimetres: np.ndarray) -> np.ndarray:
    """(f, V, 3) the neutral with its lower lip moved up by mm (f,)."""
    lips = contact.slits[0]
    return actor.neutral + millimetres[:, None, None] * lips.lower.around[:, None] * lips.axes[1]


def shown(contact: Contact, actor: Actor, take: Take, frames: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """(f, V, 3) frames with what the modes of some amounts (f, B) add, as a take shows it."""
    count = len(frames)
    still = np.tile(np.eye(4), (count, 1, 1))
    plain = dataclasses.replace(
        take,
        coefficients=np.zeros((count, *take.coefficients.shape[1:]), np.float32),
        jaw=still,
        head=still,
        frames=np.arange(count, dtype=np.int32),
        error_mm=np.zeros((count, 2), np.float32),
    )
    return frames + stabilized_frames(actor, contact.added(plain, amounts), slice(None)) - actor.neutral


def test_slits_are_found_and_apart_in_the_neutral(contact: Contact):
    assert [each.name for each in contact.slits] == ["lips", "left lids", "right lids"]
    for slit, rest in zip(contact.slits, contact.rest, strict=True):
        assert np.isfinite(rest).all(), slit.name
        assert rest.min() > 0.0, slit.name
    assert contact.rest[0].max() < CLOSED_MM < contact.rest[1].min()  # closed lips, open eyes


def test_a_small_head_touches_as_a_large_one_does(contact: Contact, demo_learned: Actor):
    fields = ("bone", "thickness", "implicit_expressions", "neutral_residual", "expression_residual")
    smaller = {name: 0.5 * getattr(demo_learned, name) for name in fields}
    jaw = demo_learned.jaw.copy()
    jaw[:, :3, 3] *= 0.5
    small = Contact(dataclasses.replace(demo_learned, jaw=jaw, **smaller))
    for one, other, gaps, halves in zip(contact.slits, small.slits, contact.rest, small.rest, strict=True):
        assert other.unit == pytest.approx(0.5 * one.unit, rel=0.02)
        assert other.upper.points.tolist() == one.upper.points.tolist()
        np.testing.assert_allclose(halves, 0.5 * gaps, atol=0.01)


def test_a_mesh_whose_faces_look_inwards_touches_as_the_other_does(contact: Contact, demo_learned: Actor):
    corners = demo_learned.topology.triangles()[:, ::-1].ravel()
    inwards = Topology(corners, np.full(len(corners) // 3, 3), len(demo_learned.bone))
    found = Contact(dataclasses.replace(demo_learned, topology=inwards))
    np.testing.assert_allclose(found.rest[0], contact.rest[0], atol=0.05)
    assert min(each.min() for each in found.rest) > 0.0


def test_lips_and_lids_are_found_on_a_coarse_mesh(demo_capture: Capture):
    actor = learn_actor(coarser(demo_capture, 400), BARELY)
    assert len(actor.bone) < 1000
    found = Contact(actor)
    assert [each.name for each in found.slits] == ["lips", "left lids", "right lids"]
    for slit in found.slits:
        margins = [slit.neutral[side.margin] @ slit.axes[1] for side in (slit.upper, slit.lower)]
        assert margins[0].min() > margins[1].max()
    gaps = found.measured(actor.shapes()[:, found.rows])
    assert all(np.isfinite(each).all() for each in gaps.values())


def test_a_shape_that_hardly_moves_a_margin_does_not_move_it():
    mode, way = np.ones(5), np.array([0.0, 1.0, 0.0])
    fields = np.tile([[0.0, -7.0, -3.0], [0.0, 0.2, 0.0]], (5, 1, 1))  # a blink, and what a jaw does to a lid
    weights = _weights(mode, fields, way, WEIGHT_MM)
    weights /= _gain(mode, fields @ way, weights)
    assert -0.2 < weights[0] < -0.1
    assert abs(weights[1]) < 0.1


def test_what_is_not_found_is_said(contact: Contact, tiny: tuple[Actor, Performance]):
    assert contact.note("the actor") == []
    (note,) = Contact(tiny[0]).note("the target")
    assert note.startswith("contact leaves the lips and the left lids and the right lids of the target as they are")


def test_a_gap_grows_as_the_lip_goes_and_turns_with_the_head(contact: Contact, demo_learned: Actor):
    frames = lips_moved(contact, demo_learned, np.array([0.0, -0.4, -0.8]))
    gaps = lip_gaps(contact, frames)
    assert np.abs(np.diff(gaps[:, 3:-3].mean(1)) - 0.4).max() < 0.08
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    assert np.abs(lip_gaps(contact, frames @ turn.T + 40.0) - gaps).max() < 1e-3


def test_a_lid_before_the_other_touches_and_one_within_it_crosses(contact: Contact, demo_learned: Actor):
    lids = contact.slits[1]
    up, front = lids.axes[1:]
    around = lids.upper.around[:, None]
    closed = demo_learned.shapes()[1 + demo_learned.names.index("eyes_closed")]
    lower = closed - 1.0 * around * up
    frames = np.stack([lower + 3.0 * around * front, lower - 0.5 * around * front])
    gaps = contact.measured(frames[:, contact.rows])["left lids"][:, 2:-2]
    assert gaps[0].min() > 0.0
    assert gaps[1].max() < -CROSSING_MM


def test_crossing_lips_are_parted(contact: Contact, demo_learned: Actor, demo_take: Take):
    frames = lips_moved(contact, demo_learned, np.array([0.8, 1.5]))
    assert lip_gaps(contact, frames).min() < -1.0
    after = shown(contact, demo_learned, demo_take, frames, needed(contact, frames, {}))
    assert lip_gaps(contact, after).min() > -CROSSING_MM


def test_lips_that_cross_further_than_sides_may_be_moved_go_back_to_the_neutral(
    contact: Contact, demo_learned: Actor, demo_take: Take
):
    frames = lips_moved(contact, demo_learned, np.array([6.0]))
    assert lip_gaps(contact, frames).min() < -5.0
    amounts = needed(contact, frames, {})
    after = shown(contact, demo_learned, demo_take, frames, amounts)
    assert lip_gaps(contact, after).min() > -CROSSING_MM
    moved = frames[:, contact.rows] + contact.displacement(amounts)
    np.testing.assert_allclose(moved, after[:, contact.rows], atol=5e-3)


def test_lips_go_back_no_further_than_skin_bears_and_not_where_they_were_made_to_cross(
    contact: Contact, demo_learned: Actor, monkeypatch: pytest.MonkeyPatch
):
    frames = lips_moved(contact, demo_learned, np.array([6.0]))
    going_back = slice(len(contact.weights), None)
    as_performed = {"lips": np.minimum(lip_gaps(contact, frames), 0.0)}
    assert np.abs(needed(contact, frames, as_performed)[:, going_back]).max() > 0.1
    far = lips_moved(contact, demo_learned, np.array([20.0]))
    assert np.abs(needed(contact, far, {})[:, going_back]).max() == 0.0
    lips = contact._partings[0]
    shapes = demo_learned.shapes()[:, contact.rows]
    assert lips.as_made(lips.gaps.of(shapes).gap) == 0.0
    made_so = lips.gaps.of(np.concatenate([shapes, frames[:, contact.rows]])).gap
    monkeypatch.setattr(contact, "_crosses_as_made", [lips.as_made(made_so), 1.0, 1.0])
    assert np.abs(needed(contact, frames, as_performed)[:, going_back]).max() == 0.0


def test_lids_that_cross_deeply_are_first_parted_but_where_the_performance_crosses(contact: Contact):
    meeting = contact._meetings[1]
    gap = np.full((1, meeting.slit.columns), -2.2 * meeting.slit.unit)
    for seen, wanted in ((None, -ALLOWED_MM), (np.abs(gap), -ALLOWED_MM), (0.2 * gap, -2.2)):
        least = meeting._least(gap, np.zeros(gap.shape[1]), seen)
        np.testing.assert_allclose(least, wanted * meeting.slit.unit)


def test_lips_close_where_they_were_performed_closed(contact: Contact, demo_learned: Actor, demo_take: Take):
    frames = lips_moved(contact, demo_learned, np.array([-1.0, -3.0]))
    performed = {"lips": np.full((2, contact.slits[0].columns), 0.2)}
    after = shown(contact, demo_learned, demo_take, frames, needed(contact, frames, performed))
    gaps = lip_gaps(contact, after)
    assert lip_gaps(contact, frames).min() > CLOSED_MM
    assert gaps.max() < CLOSED_MM
    assert gaps.min() > -CROSSING_MM
    half = shown(contact, demo_learned, demo_take, frames, needed(contact, frames, performed, 0.5))
    assert np.abs((after + frames) / 2 - half).max() < 1e-4
    far = np.linalg.norm(after - frames, axis=-1).max(0) > 0
    assert far.mean() < 0.3  # the rest of the head stays


def test_open_frames_stay_as_they_are(contact: Contact, demo_learned: Actor, demo_take: Take):
    frames = demo_learned.shapes()[[0, 1 + demo_learned.names.index("jaw_open")]]
    performed = contact.measured(frames[:, contact.rows])
    amounts = needed(contact, frames, performed)
    assert np.abs(amounts).max() == 0.0
    assert contact.added(demo_take, amounts) is demo_take


def test_amounts_follow_the_frames_smoothly(contact: Contact, demo_learned: Actor):
    way = np.linspace(-1.5, 1.5, 61)
    frames = lips_moved(contact, demo_learned, way)
    lips = np.repeat(np.linspace(2.0, 0.0, 61)[:, None], contact.slits[0].columns, axis=1)
    amounts = needed(contact, frames, {"lips": lips})
    alone = needed(contact, frames[30:31], {"lips": lips[30:31]})
    assert np.abs(amounts[30] - alone[0]).max() < 1e-9  # a frame alone, as live
    assert np.abs(np.diff(amounts, axis=0)).max() < 0.6


def test_a_retarget_touches_and_does_not_cross(contact: Contact, demo_learned: Actor, demo_take: Take):
    plain = retarget_take(demo_take, demo_learned, demo_learned, RetargetSettings(contact=0.0))
    assert "contact_modes" not in plain.settings
    found = retarget_take(demo_take, demo_learned, demo_learned, RetargetSettings())
    stripped = without_contact(found)
    assert (stripped.modes == plain.modes).all()
    np.testing.assert_allclose(stripped.coefficients, plain.coefficients, atol=1e-3)  # threads add up differently
    performed = contact.measured(stabilized_frames(demo_learned, demo_take, slice(None), contact.rows))
    shown_gaps = contact.measured(stabilized_frames(demo_learned, found, slice(None), contact.rows))
    for name, was in performed.items():
        closed = was < CLOSED_MM
        assert (shown_gaps[name][closed] < CLOSED_MM).mean() > 0.95, name
        assert shown_gaps[name].min() > -CROSSING_MM, name


def test_the_closest_places_are_those_of_trimesh():
    rng = np.random.default_rng(5)
    triangles = rng.normal(size=(300, 4, 3, 3))
    triangles[:40, 1] = triangles[:40, 0]  # two of one place
    points = rng.normal(scale=2.0, size=(300, 3))
    shares, which = closest_on_triangles(points, triangles)
    assert shares.min() > -1e-9
    np.testing.assert_allclose(shares.sum(1), 1.0)
    found = np.einsum("nk,nkx->nx", shares, triangles[np.arange(300), which])
    plain = trimesh.triangles.closest_point(triangles.reshape(-1, 3, 3), np.repeat(points, 4, axis=0))
    apart = np.linalg.norm(plain.reshape(300, 4, 3) - points[:, None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(found - points, axis=1), apart.min(1), atol=1e-9)


def test_a_fit_touches_as_the_meshes_do_and_does_not_cross(contact: Contact, demo_learned: Actor):
    lips = np.array([0.9, 0.0, -2.0])
    vertices = lips_moved(contact, demo_learned, lips).astype(np.float32)
    performance = Performance(vertices, np.arange(3, dtype=np.int32), 24.0, demo_learned.topology, "lips")
    settings = FittingSettings(modes=20, outlier_mm=0.0, device="cpu")
    takes = [
        fit_performance(demo_learned, performance, dataclasses.replace(settings, contact=strength))
        for strength in (0.0, 1.0)
    ]
    plain, found = (stabilized_frames(demo_learned, take, slice(None)) for take in takes)
    performed = lip_gaps(contact, vertices.astype(np.float64))
    assert lip_gaps(contact, plain)[0].min() < -CROSSING_MM
    gaps = lip_gaps(contact, found)
    assert gaps.min() > -CROSSING_MM
    assert (gaps[performed < CLOSED_MM] < CLOSED_MM).all()
    assert np.abs(found[2] - plain[2]).max() < 0.05  # an open mouth stays
    assert (without_contact(takes[1]).coefficients == takes[0].coefficients).all()
    assert takes[1].figures["contact_moved_mm"] == pytest.approx(np.linalg.norm(found - plain, axis=-1).max(), abs=0.02)
    assert takes[1].figures["contact_frames"] == 1
