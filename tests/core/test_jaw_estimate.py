# SPDX-License-Identifier: GPL-3.0-or-later
"""The jaw is told from what lips and chin do, its hinge by several witnesses; teeth in the mesh tell it exactly."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from aim_blender.core.anatomy import jaw_estimate
from aim_blender.core.anatomy.anatomy import Hinge, symmetry_plane, trace_constraints
from aim_blender.core.anatomy.hinge_witnesses import settle_hinge
from aim_blender.core.anatomy.incisors import lower_incisors
from aim_blender.core.anatomy.jaw import decompose_jaw
from aim_blender.core.anatomy.jaw_estimate import estimate_jaw
from aim_blender.core.anatomy.jaw_pivot import FURTHEST_MM, likely_pivot
from aim_blender.core.anatomy.jaw_witnesses import lower_teeth
from aim_blender.core.anatomy.mandible_frame import INCISORS_ASIDE_MM, INCISORS_TRAVEL_MM, find_mandible_frame
from aim_blender.core.anatomy.muscles_seen import without_muscles
from aim_blender.core.geometry.rigid import apply_motion
from aim_blender.core.learning.preparation import prepare
from aim_blender.core.model.actor import jaw_movements
from aim_blender.core.shared.bones.constraints import Constraints
from aim_blender.core.shared.captured.captures import Bone, Capture
from aim_blender.core.shared.foundation.topology import Topology
from tests.core.geometry import degrees_between, moved, rigid

FORWARD = np.array([0.0, -1.0, 0.0])  # the demo head looks along -Y
FACE = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])  # the demo head's mirror plane
PUFF_MM = 9.0


def shape(demo, name: str) -> np.ndarray:
    return demo.shapes[demo.names.index(name)]


def offset(demo, name: str) -> np.ndarray:
    return shape(demo, name) - demo.neutral


def test_the_skins_share_is_exact_however_it_is_solved(demo, demo_preparation, monkeypatch):
    jaw = demo_preparation.jaw.jaw
    use = np.ones(len(jaw))
    found = jaw_estimate.skin_share(demo.neutral, demo.shapes, jaw, demo.topology.edges(), use, None)
    monkeypatch.setattr(jaw_estimate, "MOST_STEPS", 1)  # conjugate gradients give up, and a factor is there
    exact = jaw_estimate.skin_share(demo.neutral, demo.shapes, jaw, demo.topology.edges(), use, None)
    assert exact[0].max() > 0.3
    assert np.abs(found[0] - exact[0]).max() < 1e-6


def estimate(demo, preparation, shapes: np.ndarray):
    return estimate_jaw(demo.neutral, shapes, demo.topology.edges(), preparation.constraints, preparation.hinge)


def travel(jaw: np.ndarray, place: np.ndarray) -> np.ndarray:
    return np.linalg.norm(apply_motion(place[None], jaw)[:, 0] - place, axis=1)


# -- what is the jaw's, and what is not --------------------------------------------------------------------------------


def test_what_lips_and_chin_do_alone_is_not_the_jaws(demo, demo_preparation):
    names = ("mouth_left", "mouth_right", "frown", "dimple_press", "smile", "pucker", "cheek_puff")
    strengths = (1.0, 2.5)
    muscles = [demo.neutral + strength * offset(demo, name) for name in names for strength in strengths]
    found = estimate(demo, demo_preparation, np.stack([shape(demo, "jaw_open"), *muscles]))
    assert travel(found.jaw, demo_preparation.incisors)[1:].max() < 0.3
    assert degrees_between(found.jaw[0], np.eye(4)) > 18


def test_an_open_jaw_is_seen_under_what_the_lips_do(demo, demo_preparation):
    opened = shape(demo, "jaw_open")
    both = [opened + offset(demo, name) for name in ("smile", "dimple_press", "lips_in", "frown")]
    alone, *under = degrees_between(estimate(demo, demo_preparation, np.stack([opened, *both])).jaw, np.eye(4))
    assert under == pytest.approx([alone] * 4, rel=0.12)


def test_a_smile_that_is_seen_above_the_mouth_hides_no_open_jaw(demo, demo_preparation):
    opened, smile = 0.3 * offset(demo, "jaw_open"), offset(demo, "big_smile")
    little = demo.neutral + np.stack([opened, opened + smile, opened + 0.6 * smile + offset(demo, "surprise")])
    others = np.stack([shape(demo, "jaw_open"), shape(demo, "big_smile")])
    alone, *under, wide, smiles = degrees_between(
        estimate(demo, demo_preparation, np.concatenate([little, others])).jaw, np.eye(4)
    )
    assert under == pytest.approx([alone] * 2, rel=0.05)
    assert (wide > 18, smiles) == (True, 0.0)
    # Where no other shape shows the smile, it cannot be told apart.
    hidden = degrees_between(estimate(demo, demo_preparation, np.stack([little[1], others[0]])).jaw, np.eye(4))[0]
    assert hidden > 1.15 * alone


def test_muscles_that_tell_little_beside_the_opening_take_nothing_from_a_shape(demo, demo_preparation):
    frame = find_mandible_frame(demo_preparation.hinge, demo.mandible_vertices)
    skin_weight = demo_preparation.jaw.skin_weight
    opened, smile, odd = np.random.default_rng(4).normal(size=(3, *demo.neutral.shape))
    for share, taken in ((0.2, 0.0), (1.0, 1.0)):  # of a smile, beside what no other shape shows
        both = 0.6 * opened + share * (smile + 0.7 * (share < 1.0) * odd)
        shapes = demo.neutral + np.stack([opened, smile, both])
        opening, muscles = np.array([0.4, 0.0, 0.2]), np.array([False, True, False])
        seen = without_muscles(demo.neutral, shapes, skin_weight, opening, muscles, frame)
        off = ((shapes - seen)[2] * smile).sum() / (smile**2).sum()
        assert off == pytest.approx(taken, abs=0.05)


def test_a_chin_that_goes_aside_with_the_whole_mouth_is_not_the_jaws(demo, demo_preparation):
    lip = demo_preparation.incisors + 10.0 * FORWARD + [0.0, 0.0, 17.0]
    near = np.exp(-((np.linalg.norm(demo.neutral - lip, axis=1) / 40.0) ** 2))
    along = np.outer(near * (demo_preparation.jaw.skin_weight < 0.05), [6.0, 0.0, 0.0])  # the upper lip goes, too
    left = shape(demo, "jaw_left")
    jaw = estimate(demo, demo_preparation, np.stack([shape(demo, "jaw_open"), left, left + along])).jaw
    gone = np.abs((apply_motion(demo_preparation.incisors[None], jaw)[:, 0] - demo_preparation.incisors)[:, 0])
    assert gone[1] > 8.0
    assert gone[2] < 0.2


def test_a_lower_lip_that_is_drawn_down_opens_no_jaw(demo, demo_preparation):
    lip = demo_preparation.incisors + 10.0 * FORWARD - [0.0, 0.0, 25.0]
    near = np.exp(-((np.linalg.norm(demo.neutral - lip, axis=1) / 40.0) ** 2))
    drawn = demo.neutral - np.outer(near * demo_preparation.jaw.skin_weight, [0.0, 0.0, 6.0])
    little = demo.neutral + 0.05 * offset(demo, "jaw_open")
    jaw = estimate(demo, demo_preparation, np.stack([shape(demo, "jaw_open"), drawn, little])).jaw
    assert degrees_between(jaw, np.eye(4))[1:] == pytest.approx([0.0, 1.0], abs=0.1)


def test_cheeks_that_puff_hide_no_open_jaw(demo, demo_preparation):
    aside = np.sign(demo.neutral[:, :1]) * [1.0, 0.0, 0.0] * demo.skin_weight[:, None]
    opened = demo.neutral + 0.4 * offset(demo, "jaw_open")
    shapes = np.stack([shape(demo, "jaw_open"), opened, opened + PUFF_MM * aside, demo.neutral + PUFF_MM * aside])
    _, alone, under, puffed = degrees_between(estimate(demo, demo_preparation, shapes).jaw, np.eye(4))
    assert under > 0.6 * alone
    assert puffed < 0.1


def test_a_shape_that_hides_the_head_changes_nothing_for_the_others(demo, demo_preparation):
    own = demo.shapes[1:]
    wild = np.stack([0.0 * demo.neutral, demo.neutral - [0, 0, 500.0], demo.neutral * [1, 1, -4.0]])
    here = estimate(demo, demo_preparation, own)
    there = estimate(demo, demo_preparation, np.concatenate([wild, own]))
    assert np.abs(there.jaw[3:] - here.jaw).max() < 1e-9
    assert np.abs(there.skin_weight - here.skin_weight).max() < 1e-9
    assert travel(there.jaw[:3], demo_preparation.incisors).max() < 1e-9


def test_a_jaw_goes_no_further_than_a_jaw_can(demo, demo_preparation):
    names = ("jaw_open", "jaw_left", "jaw_right", "jaw_forward")
    shapes = np.stack([shape(demo, "jaw_open"), *(demo.neutral + 3.0 * offset(demo, name) for name in names)])
    frame = find_mandible_frame(demo_preparation.hinge, demo.mandible_vertices)
    jaw = estimate(demo, demo_preparation, shapes).jaw
    place = demo_preparation.incisors
    gone = (apply_motion(place[None], jaw)[:, 0] - place) @ frame.axes.T / frame.unit
    assert np.abs(gone[:, 0]).max() < INCISORS_ASIDE_MM * 1.1
    assert np.linalg.norm(gone, axis=1).max() < INCISORS_TRAVEL_MM * 1.1
    assert degrees_between(jaw, np.eye(4)).max() < 36.0
    opening = decompose_jaw(jaw, demo_preparation.hinge)[:, :3] @ demo_preparation.hinge.axis
    assert opening.min() > -1e-9


def test_the_order_of_shapes_does_not_matter(demo, demo_preparation):
    order = np.random.default_rng(3).permutation(len(demo.shapes) - 1)
    here = estimate(demo, demo_preparation, demo.shapes[1:])
    there = estimate(demo, demo_preparation, demo.shapes[1:][order])
    assert np.abs(here.jaw[order] - there.jaw).max() < 1e-9
    assert np.abs(here.skin_weight - there.skin_weight).max() < 1e-9


def test_the_size_of_the_head_does_not_matter(demo, demo_preparation):
    size = 0.6
    hinge, known = demo_preparation.hinge, demo_preparation.constraints
    larger = Constraints(known.points, known.bone * size, known.normal, known.thickness * size, known.on_mandible)
    here = estimate(demo, demo_preparation, demo.shapes[1:])
    edges = demo.topology.edges()
    aside = Hinge(hinge.centre * size, hinge.axis, hinge.up)
    there = estimate_jaw(demo.neutral * size, demo.shapes[1:] * size, edges, larger, aside)
    assert degrees_between(here.jaw, there.jaw).max() < 1e-6
    assert np.abs(here.jaw[:, :3, 3] * size - there.jaw[:, :3, 3]).max() < 1e-6
    assert np.abs(here.skin_weight - there.skin_weight).max() < 1e-9


def test_a_capture_without_a_jaw_shape_says_so(demo, demo_capture):
    keep = [demo.names.index(name) for name in ("neutral", "surprise", "eyes_closed", "smile")]
    names = tuple(demo.names[index] for index in keep)
    prepared = prepare(replace(demo_capture, names=names, vertices=demo.shapes[keep]), space="mean")
    assert np.array_equal(prepared.jaw.jaw, np.tile(np.eye(4), (3, 1, 1)))
    assert any(note.startswith("the jaw opens in no shape") for note in prepared.notes)


def test_the_demo_capture_needs_no_word(demo_preparation):
    assert demo_preparation.notes == ()


# -- what the jaw turns about ------------------------------------------------------------------------------------------


def test_teeth_out_of_their_place_behind_the_lip_move_the_hinge(demo, demo_preparation):
    hinge, known = demo_preparation.hinge, demo_preparation.constraints
    bone = known.bone[known.on_mandible]
    frame = find_mandible_frame(hinge, bone)

    def moved_by(skin: np.ndarray) -> np.ndarray:
        return likely_pivot(hinge, demo.mandible_vertices, bone, skin).centre - hinge.centre

    here = moved_by(demo.neutral)
    assert np.linalg.norm(here) < 3.0 * frame.unit  # a mandible in its place
    for way in (4.0, -5.0):
        assert moved_by(demo.neutral + way * frame.axes[2]) - here == pytest.approx(way * frame.axes[2], abs=1e-6)
    furthest = np.linalg.norm(moved_by(demo.neutral + 12.0 * frame.unit * frame.axes[2]))
    assert furthest == pytest.approx(FURTHEST_MM * frame.unit)
    assert np.array_equal(moved_by(demo.neutral + 500.0), np.zeros(3))  # no skin in front of the teeth


@pytest.mark.parametrize("way", [-6.0, 6.0])
def test_a_mandible_set_too_far_back_or_forward_is_seen_by_its_teeth(demo, demo_capture, way):
    away = Bone(demo.mandible_vertices - way * FORWARD, demo.mandible_triangles)
    bones = {**demo_capture.bones, "mandible": away}
    triangles, opened = demo.topology.triangles(), shape(demo, "jaw_open")[None]
    constraints = trace_constraints(demo.neutral, triangles, bones)
    hinge = settle_hinge(bones, demo.neutral, opened, constraints, FACE)[0]
    pivot = likely_pivot(hinge, away.vertices, constraints.bone[constraints.on_mandible], demo.neutral)
    true = demo.hinge_centre @ FORWARD
    assert abs(pivot.centre @ FORWARD - true) < 3.0 < abs(hinge.centre @ FORWARD - true)
    angles = [
        degrees_between(estimate_jaw(demo.neutral, opened, demo.topology.edges(), constraints, each).jaw[0], np.eye(4))
        for each in (hinge, pivot)
    ]
    assert np.sign(angles[1] - angles[0]) == np.sign(way)  # a shorter lever turns further


# -- the hinge's witnesses ---------------------------------------------------------------------------------------------


def settled(demo, bones: dict[str, Bone], plane: np.ndarray, shapes: np.ndarray | None = None):
    constraints = trace_constraints(demo.neutral, demo.topology.triangles(), bones)
    return settle_hinge(bones, demo.neutral, demo.shapes[1:] if shapes is None else shapes, constraints, plane)


def off_axis(demo, hinge: Hinge) -> float:
    return float(np.linalg.norm(np.cross(demo.hinge_centre - hinge.centre, hinge.axis)))


def lopsided(demo_capture) -> dict[str, Bone]:
    """The demo's bones, of whose mandible a scan has left little but the condyle on one side."""
    mandible = demo_capture.bones["mandible"]
    aside, up = mandible.vertices[:, 0], mandible.vertices[:, 2]
    keep = (aside < 12) | (up > np.quantile(up, 0.9))
    new = np.cumsum(keep) - 1
    triangles = mandible.triangles[keep[mandible.triangles].all(1)]
    return demo_capture.bones | {"mandible": Bone(mandible.vertices[keep], new[triangles])}


def test_a_mandible_without_symmetry_has_its_hinge_by_the_face(demo, demo_capture):
    bones = lopsided(demo_capture)
    assert abs(symmetry_plane(bones["mandible"].vertices)[1][0]) < 0.9  # its own symmetry is taken wrong
    hinge, notes = settled(demo, bones, FACE)
    assert abs(hinge.axis @ demo.hinge_axis) > np.cos(np.radians(10.0))
    assert off_axis(demo, hinge) < 8.0
    assert any("the mandible's own symmetry puts the jaw's hinge" in note for note in notes)


def test_a_wrong_face_plane_does_not_move_the_hinge(demo, demo_capture):
    askew = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    hinge, notes = settled(demo, demo_capture.bones, askew)
    assert hinge.axis @ demo.hinge_axis == pytest.approx(1.0, abs=1e-3)
    assert off_axis(demo, hinge) < 5.0
    assert any("90° askew" in note and "look whether the mandible is in its place" in note for note in notes)


def test_agreeing_witnesses_say_nothing(demo, demo_capture):
    hinge, notes = settled(demo, demo_capture.bones, FACE)
    assert notes == []
    assert off_axis(demo, hinge) < 5.0


def test_the_settled_hinge_moves_with_the_head(demo, demo_capture):
    away = rigid((25.0, -40.0, 70.0), (120.0, -300.0, 45.0))
    constraints = trace_constraints(demo.neutral, demo.topology.triangles(), demo_capture.bones)
    here = settle_hinge(demo_capture.bones, demo.neutral, demo.shapes[1:], constraints, FACE)[0]
    bones = {name: Bone(moved(away, part.vertices), part.triangles) for name, part in demo_capture.bones.items()}
    there_bone = replace(constraints, bone=moved(away, constraints.bone), normal=constraints.normal @ away[:3, :3].T)
    plane = np.stack([moved(away, FACE[0]), away[:3, :3] @ FACE[1]])
    there = settle_hinge(bones, moved(away, demo.neutral), moved(away, demo.shapes[1:]), there_bone, plane)[0]
    assert np.abs(there.centre - moved(away, here.centre)).max() < 0.2
    assert degrees_between(frame_of(there), frame_of(here) @ away[:3, :3].T) < 0.2


def frame_of(hinge: Hinge) -> np.ndarray:
    return np.stack([hinge.axis, hinge.up, hinge.forward])


def test_lower_incisors_are_in_front_and_on_top(demo, demo_preparation):
    found = lower_incisors(demo.mandible_vertices, demo_preparation.hinge)
    assert abs(found[0]) < 8
    assert found[1] < np.quantile(demo.mandible_vertices[:, 1], 0.1)
    front = demo.mandible_vertices[:, 1] < demo.mandible_vertices[:, 1].min() + 14
    assert found[2] > demo.mandible_vertices[front, 2].max() - 3


def test_an_actor_and_its_takes_tell_how_far_the_incisors_go(demo, demo_learned, demo_take):
    rows = {row["name"]: row["incisors_mm"] for row in jaw_movements(demo_learned)}
    teeth = lower_incisors(demo.mandible_vertices, demo_learned.hinge)
    true = dict(zip(demo.names[1:], travel(demo.jaw[1:], teeth), strict=True))
    assert rows["jaw_open"] == pytest.approx(true["jaw_open"], rel=0.1)
    assert rows["surprise"] < 0.5
    assert demo_take.figures["incisors_mm"] == pytest.approx(travel(demo_take.jaw, teeth).max(), abs=0.01)


# -- teeth that are part of the mesh -----------------------------------------------------------------------------------


def with_parts(demo, demo_capture) -> tuple[Capture, np.ndarray]:
    """The demo capture with teeth and eyeballs in its mesh, and the vertices of the lower teeth."""
    teeth = lower_incisors(demo.mandible_vertices, Hinge(demo.hinge_centre, demo.hinge_axis, np.array([0.0, 0, 1.0])))
    look = [rigid((4.0 * index, 9.0 * index, 0.0), (0, 0, 0)) for index in range(len(demo.shapes))]
    eye = np.array([32.0, -68.0, 5.0])
    rest = np.tile(np.eye(4), (len(demo.shapes), 1, 1))
    about_eye = [rigid((0, 0, 0), eye) @ turn @ rigid((0, 0, 0), -eye) for turn in look]
    parts = [
        (ball(teeth + np.array([12, 10, 0]), 5.0), demo.jaw),
        (ball(teeth + np.array([-12, 10, 0]), 5.0), demo.jaw),
        (ball(teeth + np.array([0, 0, 9]), 5.0), rest),  # upper teeth
        (ball(eye, 12.0), about_eye),
        (ball(eye - [0, 11, 0], 4.0), about_eye),  # a lens
    ]
    vertices, corners, sizes = [demo.shapes], [demo.topology.corners], [demo.topology.sizes]
    count = len(demo.neutral)
    for mesh, motions in parts:
        vertices.append(np.stack([moved(motion, np.array(mesh.vertices)) for motion in motions]))
        corners.append(mesh.faces.ravel() + count)
        sizes.append(np.full(len(mesh.faces), 3))
        count += len(mesh.vertices)
    topology = Topology(np.concatenate(corners), np.concatenate(sizes), count)
    capture = replace(demo_capture, vertices=np.concatenate(vertices, axis=1), topology=topology)
    return capture, np.arange(len(demo.neutral), len(demo.neutral) + 2 * len(parts[0][0].vertices))


def ball(centre: np.ndarray, radius: float) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(2, radius)
    mesh.apply_translation(centre)
    return mesh


def test_lower_teeth_in_the_mesh_are_known_by_what_they_do(demo, demo_capture):
    capture, teeth = with_parts(demo, demo_capture)
    found = lower_teeth(capture.neutral, capture.vertices[1:], capture.topology.edges())
    assert np.array_equal(found, teeth)
    shuffled = np.random.default_rng(1).permutation(len(capture.neutral))
    place = np.argsort(shuffled)
    again = lower_teeth(capture.neutral[shuffled], capture.vertices[1:, shuffled], place[capture.topology.edges()])
    assert np.array_equal(np.sort(shuffled[again]), teeth)


def test_modelled_teeth_may_be_a_little_off_a_turn_and_a_tongue_is_farther(demo, demo_capture):
    capture, teeth = with_parts(demo, demo_capture)
    for stretched, known in ((0.045, teeth), (0.25, teeth[:0])):
        shapes = capture.vertices.copy()
        offsets = shapes[1:, teeth] - shapes[0, teeth]
        height = shapes[0, teeth, 2]
        along = (height - height.mean()) / np.ptp(height)
        shapes[1:, teeth] += stretched * along[:, None] * offsets  # farther on one end than on the other
        assert np.array_equal(lower_teeth(shapes[0], shapes[1:], capture.topology.edges()), known)


def test_the_jaw_is_read_from_teeth_in_the_mesh(demo, demo_capture):
    capture, teeth = with_parts(demo, demo_capture)
    prepared = prepare(capture, space="mean")
    assert np.abs(prepared.jaw.jaw - demo.jaw[1:]).max() < 1e-6
    assert any(note.startswith(f"{len(teeth)} vertices of the mesh are fixed to the jaw") for note in prepared.notes)


def test_a_head_that_moves_as_a_whole_has_no_teeth(demo, demo_capture):
    """Upper teeth of a head that nods turn about a hinge far away, too."""
    capture = with_parts(demo, demo_capture)[0]
    nod = rigid((12.0, 0, 0), (0, 0, 0))
    nodded = moved(nod, capture.neutral)[None]
    assert len(lower_teeth(capture.neutral, nodded, capture.topology.edges())) == 0
    assert len(lower_teeth(demo.neutral, demo.shapes[1:], demo.topology.edges())) == 0
