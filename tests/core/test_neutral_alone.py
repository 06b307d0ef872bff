# SPDX-License-Identifier: GPL-3.0-or-later
"""What a character with a neutral alone is given: the source's shapes in its own place and size, its lids shut."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aim_blender.core.characters.closing import find_slits
from aim_blender.core.characters.filling import filled
from aim_blender.core.characters.local_frames import LocalFrames
from aim_blender.core.characters.own_shapes import own_expressions
from aim_blender.core.characters.transferring import transfer_actor
from aim_blender.core.correspondence.rest_mesh import rest_mesh
from aim_blender.core.geometry.rigid import angle_degrees
from tests.core.tiny_capture import grid, shapes


@pytest.fixture(scope="module")
def triangles() -> np.ndarray:
    quads = grid()[1]
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


# -- frames -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "degrees"), [(1.0, 0.0), (1.04, 4.0), (0.5, 0.0), (3.0, 70.0)])
def test_a_copy_is_as_large_and_as_turned_as_it_is_everywhere(demo, size, degrees):
    turn = Rotation.from_rotvec(np.deg2rad(degrees) * np.array([0.6, 0.0, 0.8])).as_matrix()
    frames = LocalFrames(demo.neutral, size * demo.neutral @ turn.T + 7.0, np.ones(len(demo.neutral)))
    np.testing.assert_allclose(frames.resize, np.broadcast_to(size * turn, frames.resize.shape), atol=1e-8)


def test_what_differs_in_shape_alone_turns_and_resizes_little(demo):
    """A bump here and there makes another person, and says nothing of how far skin goes."""
    points = demo.neutral
    wave = np.sin(points @ np.array([[0.05, 0.11, 0.0], [0.07, 0.0, 0.09], [0.0, 0.06, 0.08]]).T)
    other = points + 3.0 * wave
    frames = LocalFrames(points, other, np.ones(len(points)))
    moved = frames.carried(np.tile([0.0, 0.0, 10.0], (len(points), 1)))
    assert np.linalg.norm(moved - [0.0, 0.0, 10.0], axis=1).mean() < 0.4
    assert np.linalg.norm(moved - [0.0, 0.0, 10.0], axis=1).max() < 2.0


def test_a_part_that_is_larger_moves_further(demo):
    """The lower half of the face, twice as large."""
    points, middle = demo.neutral, np.array([0.0, -90.0, -65.0])
    away = np.linalg.norm(points - middle, axis=1)
    grown = np.clip(2.0 - (away - 50) / 60, 1.0, 2.0)[:, None]
    frames = LocalFrames(points, middle + grown * (points - middle), np.ones(len(points)))
    size = np.linalg.norm(frames.resize[:, :, 0], axis=1)
    assert size[away < 25].min() > 1.6
    assert size[away > 170].max() < 1.3


# -- filling ----------------------------------------------------------------------------------------------------------


def test_what_is_sure_is_kept_and_what_is_not_follows(triangles):
    points, given = grid()[0], np.stack([shapes()[2] - shapes()[0]])
    none, all_sure = np.zeros(len(triangles), bool), np.ones(len(points))
    kept = filled(points, triangles, given, all_sure, all_sure, none, none)
    np.testing.assert_allclose(kept, given, atol=1e-9)
    odd = len(points) // 2
    sure = all_sure.copy()
    sure[odd] = 0.0
    wrong = given.copy()
    wrong[:, odd] += 50.0
    found = filled(points, triangles, wrong, sure, all_sure, none, none)
    around = np.unique(triangles[(triangles == odd).any(1)])
    assert np.abs(found[:, odd] - given[:, around].mean(1)).max() < np.ptp(given[:, around], axis=1).max() + 0.1
    np.testing.assert_allclose(np.delete(found, odd, 1), np.delete(given, odd, 1), atol=0.5)


# -- the whole --------------------------------------------------------------------------------------------------------


def test_a_copy_of_the_source_gets_its_shapes(demo_learned):
    character = transfer_actor(demo_learned, demo_learned.neutral, demo_learned.topology, None, "demo")
    np.testing.assert_allclose(character.shapes(), demo_learned.shapes(), atol=2e-5)  # an actor's fields are float32
    np.testing.assert_allclose(character.jaw, demo_learned.jaw, atol=1e-6)


def test_a_copy_in_another_size_and_turn_gets_them_so(demo_learned):
    turn = Rotation.from_rotvec([0.04, -0.02, 0.05]).as_matrix()
    neutral = 1.07 * demo_learned.neutral @ turn.T + np.array([3.0, 2.0, 1.0])
    character = transfer_actor(demo_learned, neutral, demo_learned.topology, None, "demo")
    wanted = 1.07 * demo_learned.shapes() @ turn.T + np.array([3.0, 2.0, 1.0])
    np.testing.assert_allclose(character.shapes(), wanted, atol=5e-5)


@pytest.mark.parametrize("wider", [-3.0, 4.0])
def test_lids_meet_where_they_meet_on_the_source(demo_learned, head_slits, wider):
    """Eyes that stand open wider or less wide: a blink leaves the same share of their gap open."""
    lids, pairs = head_slits
    shut = demo_learned.names.index("eyes_closed") + 1
    neutral = demo_learned.neutral.copy()
    for slit in lids:
        away = np.linalg.norm(neutral[:, None] - slit.points[0], axis=2).min(1)
        other = np.linalg.norm(neutral[:, None] - slit.points[1], axis=2).min(1)
        above = np.clip(1 - away / 12, 0, 1) * (away < other)
        neutral += wider * above[:, None] * slit.across
    character = transfer_actor(demo_learned, neutral, demo_learned.topology, None, "demo")

    def gaps(shape: np.ndarray) -> np.ndarray:
        apart = [shape[above] - shape[below] for above, below in pairs]
        return np.array([(each @ slit.across).mean() for slit, each in zip(lids, apart, strict=True)])

    source = gaps(demo_learned.shapes()[shut]) / gaps(demo_learned.neutral)
    moved = demo_learned.shapes()[shut] - demo_learned.neutral
    found = gaps(character.shapes()[shut]) / gaps(neutral)
    copied = gaps(neutral + moved) / gaps(neutral)
    # The copied blink falls short, or crosses, by all that the eyes differ in.
    assert np.abs(found - source).max() < 0.3 * np.abs(copied - source).min()
    opened = demo_learned.names.index("jaw_open") + 1
    frames = LocalFrames(demo_learned.neutral, neutral, np.ones(len(neutral)))
    wanted = frames.carried(demo_learned.shapes()[opened] - demo_learned.neutral)
    np.testing.assert_allclose(character.shapes()[opened] - neutral, wanted, atol=0.05)


@pytest.fixture(scope="module")
def head_slits(demo_learned):
    """The demo head's slits, which are its eyes, and of each the vertices in its middle above and below."""
    mesh = rest_mesh(demo_learned.neutral, demo_learned.topology)
    moved = demo_learned.shapes()[1:, mesh.chosen] - mesh.vertices
    slits = find_slits(mesh, moved)
    pairs = []
    for slit in slits:
        place = slit.points[0] - slit.points.mean((0, 1))
        middle = np.linalg.norm(place - (place @ slit.across)[:, None] * slit.across, axis=1) < 0.15 * slit.length
        rows = [np.linalg.norm(demo_learned.neutral[:, None] - side[middle], axis=2).argmin(0) for side in slit.points]
        pairs.append(rows)
    return slits, pairs


def test_eyes_are_found_as_slits(demo_learned, head_slits):
    slits = head_slits[0]
    assert len(slits) == 2  # the mouth is closed at rest, and no shape presses it
    shut = demo_learned.names.index("eyes_closed")
    assert all(slit.closed[shut] > 0.8 and slit.moves[shut] > 0.5 for slit in slits)
    opened = demo_learned.names.index("jaw_open")
    assert all(slit.closed[opened] < 0.05 for slit in slits)


# -- expressions of its own -------------------------------------------------------------------------------------------


def test_its_own_shapes_count_and_others_agree_with_them(demo_learned):
    """A face that smiles half as far again, of which the smile is known: the big smile does so too, brows do not."""
    neutral, shapes = demo_learned.neutral, demo_learned.shapes()
    smile, big, brows = (demo_learned.names.index(name) for name in ("smile", "big_smile", "surprise"))
    own = {"smile": neutral + 1.5 * (shapes[1 + smile] - neutral)}
    character = transfer_actor(demo_learned, neutral, demo_learned.topology, None, "demo", own=own)
    found, moved = character.shapes()[1:] - neutral, shapes[1:] - neutral
    np.testing.assert_allclose(found[smile], own["smile"] - neutral, atol=2e-5)
    most = np.linalg.norm(moved[smile], axis=1) > 0.7 * np.linalg.norm(moved[smile], axis=1).max()

    def further(shape: int, where: np.ndarray) -> float:
        return float((found[shape, where] * moved[shape, where]).sum() / (moved[shape, where] ** 2).sum())

    assert 1.3 < further(big, most) < 1.51
    assert further(brows, np.ones(len(neutral), bool)) == pytest.approx(1.0, abs=0.03)


def test_its_own_jaw_counts(demo_learned):
    """A mouth that is known to open less wide has a jaw that does."""
    neutral, opened = demo_learned.neutral, demo_learned.names.index("jaw_open")
    own = {"jaw_open": neutral + 0.7 * (demo_learned.shapes()[1 + opened] - neutral)}
    character = transfer_actor(demo_learned, neutral, demo_learned.topology, None, "demo", own=own)
    before, after = (angle_degrees(each.jaw)[opened] for each in (demo_learned, character))
    assert after == pytest.approx(0.7 * before, rel=0.02)


def test_own_expressions_pair_by_name_and_others_are_told():
    shapes = np.arange(9.0).reshape(3, 1, 3)
    own, told = own_expressions(("jaw_open", "smile"), ("Smile", "wink"), shapes)
    assert list(own) == ["smile"]
    np.testing.assert_array_equal(own["smile"], shapes[1])
    assert "wink" in told[0]
    own, told = own_expressions(("jaw_open",), ("wink",), shapes[:2])
    assert own == {}
    assert "none of its own" in told[0]
    assert own_expressions(("jaw_open",), (), shapes[:1]) == ({}, [])
