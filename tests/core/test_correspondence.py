# SPDX-License-Identifier: GPL-3.0-or-later
"""Which place on one face is which on another's: exact where it can be, and lips are never taken for each other."""

import dataclasses
import json

import numpy as np
import pytest

from aim_blender.core.characters.transferring import millimetres_of, transfer_actor
from aim_blender.core.correspondence.correspondence import Correspondence, make_correspondence
from aim_blender.core.files.describing import describe_file
from aim_blender.core.files.files import load_correspondence, save_actor, save_correspondence, save_take
from aim_blender.core.files.neutrals import read_landmarks
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.meshes import write_mesh
from aim_blender.core.shared.demo.demo_topology import make_head_topology
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.core.shared.results.correspondence_files import read_places
from aim_blender.core.shared.results.kept_files import kept_correspondence
from aim_blender.jobs.running.registry import TASKS
from tests.core.tiny_capture import SIDE, grid

NO_LANDMARKS: tuple[dict[str, int], dict[str, int]] = ({}, {})


def halved(vertices: np.ndarray, quads: np.ndarray) -> tuple[np.ndarray, Topology]:
    """A mesh of quads, each cut into four; the old vertices first."""
    sides = np.sort(np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2), 1)
    edges, of_side = np.unique(sides, axis=0, return_inverse=True)
    of_side = len(vertices) + of_side.reshape(-1, 4)
    middle = len(vertices) + len(edges) + np.arange(len(quads))
    cut = np.concatenate([np.stack([quads[:, k], of_side[:, k], middle, of_side[:, k - 1]], 1) for k in range(4)])
    points = np.concatenate([vertices, vertices[edges].mean(1), vertices[quads].mean(1)])
    return points, Topology(cut.ravel(), np.full(len(cut), 4), len(points))


def dual(vertices: np.ndarray, topology: Topology) -> tuple[np.ndarray, Topology, list[np.ndarray]]:
    """The mesh whose vertices are the faces' middles; and of which vertices each is the middle."""
    faces = [
        topology.corners[first : first + size] for first, size in zip(topology.starts, topology.sizes, strict=True)
    ]
    following: list[dict[int, int]] = [{} for _ in vertices]  # around a vertex, from side to side
    face_of: list[dict[int, int]] = [{} for _ in vertices]
    for number, face in enumerate(faces):
        for before, here, after in zip(np.roll(face, 1), face, np.roll(face, -1), strict=True):
            following[here][int(after)] = int(before)
            face_of[here][int(after)] = number
    corners, sizes = [], []
    for around, of in zip(following, face_of, strict=True):
        start = side = next(iter(around))
        ring = []
        while side in around and len(ring) <= len(around):
            ring.append(of[side])
            side = around[side]
            if side == start:
                corners.extend(ring)
                sizes.append(len(ring))
                break
    points = np.stack([vertices[face].mean(0) for face in faces])
    return points, Topology(np.array(corners), np.array(sizes), len(points)), faces


@pytest.fixture(scope="module")
def sheet():
    vertices, quads = grid()
    return vertices, Topology(quads.ravel(), np.full(len(quads), 4), len(vertices))


@pytest.fixture(scope="module")
def fine(sheet):
    return halved(sheet[0], grid()[1])


@pytest.fixture(scope="module")
def found(sheet, fine):
    return make_correspondence(*sheet, *fine, landmarks=NO_LANDMARKS)


# -- what must be exact -----------------------------------------------------------------------------------------------


def test_a_face_corresponds_to_itself(demo):
    found = make_correspondence(demo.neutral, demo.topology, demo.neutral, demo.topology, NO_LANDMARKS)
    np.testing.assert_allclose(found.carry(demo.shapes[5]), demo.shapes[5], atol=1e-6)
    assert found.confidence.min() > 0.999
    assert found.figures["slits"] == 3


def test_a_subdivided_mesh_lies_on_its_parents(sheet, fine, found):
    np.testing.assert_allclose(found.carry(sheet[0]), fine[0], atol=1e-6)
    own = found.carry(np.eye(SIDE * SIDE))[: SIDE * SIDE]
    np.testing.assert_allclose(own, np.eye(SIDE * SIDE), atol=1e-6)


def test_where_the_faces_stand_does_not_matter(sheet, fine, found):
    angle = 1.1
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    warped = fine[0] * [1.1, 0.9, 1.0]
    warped[:, 1] += 4 * np.sin(fine[0][:, 2] / 30)
    corners = {"a": 0, "b": SIDE - 1, "c": SIDE * (SIDE - 1), "d": SIDE * SIDE - 1}
    landmarks = (corners, corners)
    still = make_correspondence(sheet[0], sheet[1], warped, fine[1], landmarks).carry(sheet[0])
    for source, target in (
        (sheet[0] @ turn.T + [900, 0, -40], warped),
        (sheet[0] * 0.001, warped),
        (sheet[0], warped @ turn.T * 12 - [0, 700, 0]),
    ):
        moved = make_correspondence(source, sheet[1], target, fine[1], landmarks).carry(sheet[0])
        np.testing.assert_allclose(moved, still, atol=1e-3)
    # The two are laid on each other smoothly: what is given holds, and neighbours stay neighbours.
    np.testing.assert_allclose(still[list(corners.values())], sheet[0][list(corners.values())], atol=3.0)
    assert np.linalg.norm(still - found.carry(sheet[0]), axis=1).mean() < 4.0


def test_lips_and_lids_are_not_taken_for_each_other(demo):
    """A wider, longer face with other faces, whose lips touch: every place is on its own side."""
    head = make_head_topology()
    target, topology, faces = dual(demo.neutral * [1.08, 1.0, 0.95] + [0, 0, 6], demo.topology)
    found = make_correspondence(demo.neutral, demo.topology, target, topology, NO_LANDMARKS)
    first = [np.abs(head.side[face]).argmax() for face in faces]
    side, slit = (
        np.array([values[face][k] for face, k in zip(faces, first, strict=True)]) for values in (head.side, head.slit)
    )
    known = side != 0
    assert known.sum() > 300
    opposite = (head.side[found.corners] == -side[:, None]) & (head.slit[found.corners] == slit[:, None])
    swapped = known & ((found.weights * opposite).sum(1) > 0.5)
    assert swapped.sum() == 0
    places = found.carry(demo.neutral)
    true = np.stack([demo.neutral[face].mean(0) for face in faces])
    front = true[:, 1] < -40
    assert np.linalg.norm(places - true, axis=1)[front].mean() < 3.0


# -- actors along it --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def coarse(demo):
    """The demo actor's dual mesh with the true correspondence: every vertex a mean of a triangle's corners."""
    _, topology, faces = dual(demo.neutral, demo.topology)
    corners = np.stack([face[[0, len(face) // 2, -1]] for face in faces]).astype(np.int32)
    weights = np.tile([0.5, 0.5, 0.0], (len(faces), 1))
    places = Correspondence(demo.topology.digest, topology.digest, corners, weights, np.ones(len(faces), np.float32))
    return places.carry(demo.neutral.astype(np.float64)), topology, places


def test_a_take_moves_along_it(demo_learned, demo_take, coarse):
    neutral, topology, places = coarse
    target = transfer_actor(demo_learned, neutral, topology, places, "demo")
    carried = retarget_take(demo_take, demo_learned, target, correspondence=places)
    frames = evaluate_take(target, carried)["vertices"]
    wanted = np.stack([places.carry(frame) for frame in evaluate_take(demo_learned, demo_take)["vertices"]])
    moved = np.linalg.norm(wanted - neutral, axis=-1).mean()
    assert np.linalg.norm(frames - wanted, axis=-1).mean() < 0.1 * moved
    assert carried.figures["across_topologies"] is True
    with pytest.raises(InputError, match="needs their correspondence"):
        retarget_take(demo_take, demo_learned, target)
    other = dataclasses.replace(places, source_digest=topology.digest)
    with pytest.raises(InputError, match="made for another source mesh"):
        retarget_take(demo_take, demo_learned, target, correspondence=other)


def test_an_actor_from_a_neutral(demo_learned, coarse):
    neutral, topology, places = coarse
    size = 1.3
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    character = transfer_actor(demo_learned, size * neutral @ turn.T, topology, places, "demo")
    shapes = demo_learned.shapes()
    wanted = size * np.stack([places.carry(shape) for shape in shapes]) @ turn.T
    np.testing.assert_allclose(character.neutral, wanted[0], atol=1e-4)
    moved = np.linalg.norm(wanted[1:] - wanted[0], axis=-1)
    error = np.linalg.norm(character.shapes()[1:] - wanted[1:], axis=-1)
    assert error.mean() < 0.03 * moved.mean()
    assert error.max() < 0.1 * moved.max()
    assert "not captured" in character.figures["transferred"]
    assert character.figures["size"] == pytest.approx(size, rel=1e-3)
    assert millimetres_of(character.neutral / 10, character.topology, demo_learned, "it") == 10.0
    assert millimetres_of(character.neutral, character.topology, demo_learned, "it") == 1.0


# -- files and what is refused ----------------------------------------------------------------------------------------


def test_files(found, sheet, fine, tmp_path):
    path, counts = tmp_path / "X.correspondence.safetensors", (len(sheet[0]), len(fine[0]))
    save_correspondence(found, path)
    again = load_correspondence(path)
    for name in ("corners", "weights", "confidence"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert (again.source_digest, again.target_digest) == (sheet[1].digest, fine[1].digest)
    again.check(sheet[1], fine[1])
    for values, name in zip(read_places(path, *counts), ("corners", "weights", "confidence"), strict=True):
        np.testing.assert_array_equal(values, getattr(found, name))
    assert describe_file(path)["kind"] == "correspondence"
    with pytest.raises(InputError, match="another target mesh"):
        again.check(sheet[1], sheet[1])
    with pytest.raises(InputError, match="not of these two meshes"):
        read_places(path, len(sheet[0]), len(sheet[0]))
    with pytest.raises(InputError, match="no correspondence"):
        read_places(tmp_path / "none", 1, 1)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    for read in (load_correspondence, lambda file: read_places(file, *counts)):
        with pytest.raises(InputError, match="damaged"):
            read(path)
    for wrong in (
        dataclasses.replace(found, weights=found.weights * 2),
        dataclasses.replace(found, corners=found.corners - 1),
        dataclasses.replace(found, confidence=np.full(len(found.confidence), np.nan, np.float32)),
    ):
        with pytest.raises(InputError, match="was not written, since it could not be read again"):
            save_correspondence(wrong, path)
    with pytest.raises(InputError, match="damaged"):
        dataclasses.replace(found, corners=found.corners[1:]).check(sheet[1], fine[1])


def test_tasks(demo_learned, demo_take, coarse, tmp_path):
    """From a mesh file in centimetres to a take on it, as the command line does it."""
    neutral, topology, places = coarse
    source, mesh, out = tmp_path / "A.actor.safetensors", tmp_path / "hero.obj", tmp_path / "B.actor.safetensors"
    save_actor(demo_learned, source)
    save_take(demo_take, tmp_path / "T.take.safetensors")
    write_mesh(mesh, neutral / 10, topology)
    given = tmp_path / "given.correspondence.safetensors"
    save_correspondence(places, given)
    arguments = {"source": str(source), "target": str(mesh), "out": str(out)}
    figures = TASKS["transfer"]({**arguments, "correspondence": str(given)}, lambda _: None, None)
    assert (figures["unit_factor"], figures["points"]) == (10.0, len(neutral))
    assert figures["transferred"].startswith("expressions from A carried")
    hero = tmp_path / "hero"
    hero.mkdir()
    smile = places.carry(demo_learned.shapes()[1 + demo_learned.names.index("smile")])
    for name, points in (("neutral", neutral), ("smile", neutral + 1.2 * (smile - neutral))):
        write_mesh(hero / f"{name}.obj", points / 10, topology)
    known = {
        **arguments,
        "target": str(hero),
        "out": str(tmp_path / "C.actor.safetensors"),
        "correspondence": str(given),
    }
    assert TASKS["transfer"](known, lambda _: None, None)["own_shapes"] == 1
    save_correspondence(places, kept_correspondence(out, demo_learned.topology.digest))
    arguments = {"take": str(tmp_path / "T.take.safetensors"), "source": str(source), "target": str(out)}
    figures = TASKS["retarget"]({**arguments, "out": str(tmp_path / "U.take.safetensors")}, lambda _: None, None)
    assert figures["correspondence"].endswith(f"B.from-{demo_learned.topology.digest[:12]}.correspondence.safetensors")
    assert "correspondence_made" not in figures


def test_the_task_takes_landmarks(sheet, fine, tmp_path):
    for name, (points, topology) in (("one", sheet), ("other", fine)):
        write_mesh(tmp_path / f"{name}.obj", points, topology)
    named = {"corner": 0, "nose": SIDE * SIDE // 2, "chin": SIDE - 1, "top": SIDE * SIDE - 1}
    landmarks = tmp_path / "landmarks.json"
    landmarks.write_text(json.dumps({"source": named, "target": named}))
    out = tmp_path / "X.correspondence.safetensors"
    arguments = {"source": str(tmp_path / "one.obj"), "target": str(tmp_path / "other.obj"), "out": str(out)}
    figures = TASKS["correspond"]({**arguments, "landmarks": str(landmarks)}, lambda _: None, None)
    assert (figures["landmarks"], figures["points"]) == (4, len(fine[0]))
    assert load_correspondence(out).settings["suggested"] is False
    with pytest.raises(InputError, match="must have a name that ends"):
        TASKS["correspond"]({**arguments, "out": str(tmp_path / "X.npz")}, lambda _: None, None)
    landmarks.write_text(json.dumps({"source": {**named, "nose": 10**6}, "target": named}))
    with pytest.raises(InputError, match="landmark nose of the source is vertex 1000000"):
        TASKS["correspond"]({**arguments, "landmarks": str(landmarks)}, lambda _: None, None)
    for wrong in ("[]", "{", '{"source": {"a": 1.5}, "target": {}}', '{"source": {}}'):
        landmarks.write_text(wrong)
        with pytest.raises(InputError, match=r"landmarks\.json"):
            read_landmarks(landmarks)
    with pytest.raises(InputError, match=r"one\.txt is not a mesh"):
        TASKS["correspond"]({**arguments, "source": str(tmp_path / "one.txt")}, lambda _: None, None)
