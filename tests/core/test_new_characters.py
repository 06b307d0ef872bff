# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters made from a neutral alone, whose meshes are not as a scan's: joined lips, slivers, loose vertices, copies,
bodies and teeth. None of them is torn, and all can be fitted and retargeted to."""

import numpy as np
import pytest

from aim_blender.core.baking.baking import bake_take
from aim_blender.core.characters.transferring import transfer_actor
from aim_blender.core.correspondence.correspondence import Correspondence, make_correspondence
from aim_blender.core.correspondence.rest_mesh import rest_mesh, welded
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.performances import Performance
from aim_blender.core.shared.demo.demo_topology import make_head_topology
from aim_blender.core.shared.foundation.topology import Topology
from tests.core.bodies import with_body

FURTHER, SLACK_MM = 1.5, 1.5  # how much further than the source a character may move, size apart


def known(source: Topology, target: Topology, places: np.ndarray, sure: np.ndarray | None = None) -> Correspondence:
    """The correspondence by which each of the target's vertices is one of the source's, places (W,)."""
    corners = np.repeat(places[:, None], 3, axis=1).astype(np.int32)
    weights = np.tile([1.0, 0.0, 0.0], (len(places), 1))
    confidence = np.ones(len(places), np.float32) if sure is None else sure.astype(np.float32)
    return Correspondence(source.digest, target.digest, corners, weights, confidence)


def of_faces(faces: np.ndarray, count: int) -> Topology:
    return Topology.from_padded(np.asarray(faces), count)


def padded(topology: Topology) -> np.ndarray:
    """(P, 4) the corners of each face, -1 after those of triangles."""
    faces = np.full((len(topology.sizes), 4), -1)
    for corner in range(4):
        some = topology.sizes > corner
        faces[some, corner] = topology.corners[topology.starts[some] + corner]
    return faces


def furthest(character, source, places: np.ndarray) -> float:
    """By how many mm a character moves further than FURTHER times what any of the source's neighbours does."""
    own = np.linalg.norm(source.shapes()[1:] - source.neutral, axis=-1)
    edges = source.topology.edges()
    for _ in range(8):
        around = own.copy()
        for one, other in (edges.T, edges.T[::-1]):
            for shape in range(len(own)):
                np.maximum.at(around[shape], one, own[shape, other])
        own = around
    moved = np.linalg.norm(character.shapes()[1:] - character.neutral, axis=-1)
    return float((moved - FURTHER * own[:, places]).max())


@pytest.fixture(scope="module")
def head():
    return make_head_topology()


@pytest.fixture(scope="module")
def sewn(demo, head):
    """The demo head with its lips joined, and what is behind them away: points, topology, places on the demo head."""
    lower = np.flatnonzero((head.slit == 1) & (head.side < 0) & (head.roll == 0))
    upper = np.flatnonzero((head.slit == 1) & (head.side > 0) & (head.roll == 0))
    partner = upper[np.abs(head.angle[lower][:, None] - head.angle[upper]).argmin(1)]
    points, goes = demo.neutral.astype(float).copy(), np.arange(len(demo.neutral))
    points[partner] = (points[partner] + points[lower]) / 2
    goes[lower] = partner
    faces = padded(demo.topology)
    kept = ~((head.slit[faces] == 1) & (head.roll[faces] > 0) & (faces >= 0)).any(1)
    faces = np.where(faces >= 0, goes[faces], -1)[kept]
    used = np.unique(faces[faces >= 0])
    row = np.full(len(points) + 1, -1)
    row[used] = np.arange(len(used))
    return points[used], of_faces(row[faces], len(used)), used


def test_joined_lips_part_or_stay_but_never_tear(demo_learned, sewn, head):
    points, topology, places = sewn
    character = transfer_actor(demo_learned, points, topology, known(demo_learned.topology, topology, places), "demo")
    assert furthest(character, demo_learned, places) < SLACK_MM
    opened = character.names.index("jaw_open") + 1
    moved = character.shapes()[opened] - character.neutral
    true = (demo_learned.shapes()[opened] - demo_learned.neutral)[places]
    # The chin opens as the source's does, whatever becomes of the lips, and the lips' faces alone are longer.
    chin = (head.height[places] < -75) & (np.abs(head.angle[places]) < 0.3)
    assert np.linalg.norm(moved[chin] - true[chin], axis=1).max() < 3.0
    edges = topology.edges()
    shapes = points, points + moved, demo_learned.shapes()[opened][places]
    rest, now, wanted = (np.linalg.norm(p[edges[:, 0]] - p[edges[:, 1]], axis=1) for p in shapes)
    at_lips = (head.slit[places] == 1)[edges].any(1)
    assert (now > 2 * np.maximum(rest, wanted) + 1)[~at_lips].sum() == 0


def test_faces_in_the_open_between_parting_lips_stay_closed(demo_learned, sewn, monkeypatch):
    """Where nothing shows that there is a mouth, the face stretches smoothly, and it is said."""
    points, topology, places = sewn
    monkeypatch.setattr(
        "aim_blender.core.characters.character_surface.openness", lambda vertices, *_: np.ones(len(vertices))
    )
    character = transfer_actor(demo_learned, points, topology, known(demo_learned.topology, topology, places), "demo")
    opened = character.shapes()[character.names.index("jaw_open") + 1]
    edges = topology.edges()
    rest, now = (np.linalg.norm(p[edges[:, 0]] - p[edges[:, 1]], axis=1) for p in (points, opened))
    assert (now > 3 * rest + 1).sum() == 0
    assert "cut it open" in character.settings["notes"][0]


def test_wrong_places_between_lips_make_no_spikes(demo_learned, head):
    """A few places of each lip taken for the other's, half of them with full confidence."""
    random = np.random.default_rng(2)
    places, sure = np.arange(len(demo_learned.neutral)), np.ones(len(demo_learned.neutral))
    lips = np.flatnonzero((head.slit == 1) & (head.side != 0))
    wrong = random.choice(lips, 30, replace=False)
    opposite = [lips[(head.side[lips] != head.side[v]) & (head.roll[lips] == head.roll[v])] for v in wrong]
    for vertex, others in zip(wrong, opposite, strict=True):
        places[vertex] = others[np.abs(head.angle[others] - head.angle[vertex]).argmin()]
    sure[wrong[::2]] = 0.1
    faces = padded(demo_learned.topology)[::-1]  # a topology of its own
    topology = of_faces(faces, len(places))
    found = known(demo_learned.topology, topology, places, sure)
    size = 1.3
    character = transfer_actor(demo_learned, size * demo_learned.neutral, topology, found, "demo")
    moved = np.linalg.norm(character.shapes()[1:] - character.neutral, axis=-1)
    source = np.linalg.norm(demo_learned.shapes()[1:] - demo_learned.neutral, axis=-1)
    assert moved.max() < 1.1 * size * source.max()
    elsewhere = head.slit != 1
    wanted = size * (demo_learned.shapes()[1:] - demo_learned.neutral)
    off = np.linalg.norm(character.shapes()[1:] - character.neutral - wanted, axis=-1)
    assert off[:, elsewhere].mean() < 0.05 * moved.mean()


@pytest.fixture(scope="module")
def untidy(demo_learned):
    """The demo head with faces apart, loose vertices, and slivers: points, topology, places on the demo head."""
    faces = padded(demo_learned.topology)
    apart = faces[: len(faces) // 3]
    own = np.where(apart >= 0, len(demo_learned.neutral) + np.arange(apart.size).reshape(apart.shape), -1)
    copies = np.where(apart >= 0, apart, 0).ravel()
    places = np.concatenate([np.arange(len(demo_learned.neutral)), copies, np.arange(0, 600, 2)])
    points = demo_learned.neutral[places]
    points[-300:] += [0.0, -30.0, 5.0]
    slivers = faces[-400::8][:, [0, 1, 1, 0]]  # a quad between two corners has no size
    slivers[:, 2:] = faces[-400::8][:, [1, 0]]
    thin = np.stack([faces[-800::8, 0], faces[-800::8, 1], faces[-800::8, 1] + 1, np.full(100, -1)], 1)
    return points, of_faces(np.concatenate([own, faces[len(apart) :], slivers, thin]), len(places)), places


def test_copies_loose_vertices_and_slivers(demo_learned, demo_take, untidy):
    """What is made of an untidy mesh holds together, and can be fitted, retargeted to and baked."""
    points, topology, places = untidy
    found = known(demo_learned.topology, topology, places, (np.arange(len(places)) < len(places) - 300) * 1.0)
    character = transfer_actor(demo_learned, points, topology, found, "demo")
    shapes = character.shapes()
    assert np.isfinite(shapes).all()
    mesh = rest_mesh(points, topology)
    moved = shapes - character.neutral
    copies = np.flatnonzero(~mesh.loose)
    assert np.abs(moved[:, copies] - moved[:, mesh.chosen[mesh.follows[copies]]]).max() < 1e-4
    assert furthest(character, demo_learned, places[mesh.chosen[mesh.follows]]) < SLACK_MM
    frames = Performance(shapes[::4].astype(np.float32), np.arange(5, dtype=np.int32), 24.0, topology, "own shapes")
    settings = FittingSettings(modes=20, device="cpu")
    assert np.isfinite(fit_performance(character, frames, settings).error_mm).all()
    carried = retarget_take(demo_take, demo_learned, character, correspondence=found)
    vertices = evaluate_take(character, carried)["vertices"]
    assert np.isfinite(vertices).all()
    assert np.isfinite(bake_take(character, carried, 1.0).figures["worst_mm"])


def test_lips_that_touch_are_not_welded():
    sheet = np.array([[x, 0.0, z] for z in (0, 1) for x in range(4)])
    folded = sheet.copy()
    one, other = (np.array([[0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6]]) + start for start in (0, 8))
    faces = np.concatenate([one, other[:, ::-1]])
    triangles = np.concatenate([faces[:, :3], faces[:, [0, 2, 3]]])
    both = np.concatenate([sheet, folded])  # back to back: they face away from each other
    assert (welded(both, triangles) == np.arange(16)).all()
    beside = np.concatenate([sheet, sheet + np.array([0, 0, 1])])
    faces = np.concatenate([one, other])
    triangles = np.concatenate([faces[:, :3], faces[:, [0, 2, 3]]])
    first = welded(beside, triangles)
    np.testing.assert_array_equal(np.flatnonzero(first != np.arange(16)), [8, 9, 10, 11])
    np.testing.assert_array_equal(first[8:12], [4, 5, 6, 7])


def test_a_mouth_that_is_modelled_shut_is_no_seam():
    """A sheet with a cut in its middle, whose sides lie on one another and face the same way, and a seam from rim to
    rim, as a map's islands leave it."""
    x, y = np.meshgrid(np.arange(31.0), np.arange(21.0))
    points = np.stack([x.ravel(), y.ravel(), 0.0 * x.ravel()], axis=1)
    rows = np.arange(len(points)).reshape(x.shape)
    below = rows.copy()
    below[10, 12:19] = len(points) + np.arange(7)  # the corners are 11 and 19
    below[4] = len(points) + 7 + np.arange(31)
    points = np.concatenate([points, points[rows[10, 12:19]], points[rows[4]]])
    corners = [below[1:, :-1], rows[:-1, :-1], rows[:-1, 1:], below[1:, 1:]]
    faces = np.stack([each.ravel() for each in corners], axis=1)
    first = welded(points, np.concatenate([faces[:, :3], faces[:, [0, 2, 3]]]))
    assert (first[below[10]] == below[10]).all()
    assert (first[below[4]] == rows[4]).all()


def test_the_head_of_a_body_with_teeth_and_loose_vertices(demo, demo_learned):
    """The head is found on a body; what is not its skin stays, teeth move in one piece, and little is doubtful."""
    teeth = 4.0 * np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], float)
    at = demo.neutral[make_head_topology().rim_loops[0]].mean(0) + np.array([0.0, 14.0, -8.0])
    cube = np.array([[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]])
    count = len(demo.neutral)
    points = np.concatenate([demo.neutral * [1.05, 1.0, 0.97], teeth - teeth.mean(0) + at, demo.neutral[::100] + 300.0])
    faces = np.concatenate([padded(demo.topology), cube + count])
    points, topology = with_body(points[None], of_faces(faces, len(points)))
    found = make_correspondence(demo_learned.neutral, demo_learned.topology, points[0], topology)
    skin = np.arange(count)
    places = found.carry(demo.neutral.astype(float))[skin]
    front = demo.neutral[:, 1] < -40
    assert np.linalg.norm(places - demo.neutral, axis=1)[front].mean() < 3.0
    assert found.figures["doubtful_mouth_share"] < 0.1
    assert found.figures["doubtful_eyes_share"] < 0.1
    assert found.notes() == []
    character = transfer_actor(demo_learned, points[0], topology, found, "demo")
    moved = character.shapes()[1:] - character.neutral
    assert np.abs(moved[:, count + 8 + len(demo.neutral[::100]) :]).max() < 0.01  # the body
    opened = moved[character.names.index("jaw_open"), count : count + 8]
    sides = np.linalg.norm(np.diff(points[0, count : count + 8], axis=0), axis=1)
    now = np.linalg.norm(np.diff(points[0, count : count + 8] + opened, axis=0), axis=1)
    np.testing.assert_allclose(now, sides, atol=1e-3)
    assert np.linalg.norm(moved[:, skin] - (demo_learned.shapes()[1:] - demo_learned.neutral), axis=-1).mean() < 0.5
