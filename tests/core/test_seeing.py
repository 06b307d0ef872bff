# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces on meshes: the demo head, turned anyhow, seen by the real detector and judged by its shape."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from aim_blender.core.checks.seen_places import at_seen
from aim_blender.core.seeing.kept_mesh_faces import KeptMeshFaces
from aim_blender.core.seeing.mesh_asking import MeshFaces
from aim_blender.core.seeing.mesh_faces import agreed, likeness
from aim_blender.core.seeing.picked_faces import PickedFace, read_picked
from aim_blender.core.shared.demo.demo_actor import DemoActor
from aim_blender.core.shared.faces.face_landmarks import landmarks_in_frame
from aim_blender.core.shared.faces.face_profile import PROFILE, HeadFrame, asked_first, find_head_frame
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.video.face_detector import installed_model
from aim_blender.jobs.tasks.face_asking import asks_detector
from tests.core.geometry import moved, rigid

TURN = rigid((100.0, 40.0, -70.0), (300.0, -80.0, 40.0))
UNIT = 0.001
CORNERS = {"mouth_corner.L": 2611, "mouth_corner.R": 2693}  # picked by hand on the demo's mesh
MIDDLES_OF_LIDS = {"upper_lid.L": 5735, "upper_lid.R": 5809}


@pytest.fixture(scope="module")
def faces() -> MeshFaces:
    model = installed_model()
    if model is None:
        pytest.skip("the face model is not here; python build.py environments fetches it")
    return MeshFaces(model)


@pytest.fixture(scope="module")
def turned(demo: DemoActor) -> np.ndarray:
    return moved(TURN, demo.neutral) * UNIT


@pytest.fixture(scope="module")
def frame(demo: DemoActor, turned: np.ndarray, faces: MeshFaces) -> HeadFrame:
    with asked_first(faces.head_frame):
        return find_head_frame(turned, demo.topology.triangles())


def test_a_head_is_seen_in_any_position_and_unit(frame: HeadFrame, faces: MeshFaces) -> None:
    turn = TURN[:3, :3]
    assert frame.up @ turn @ [0, 0, 1] > 0.99
    assert frame.front @ turn @ [0, -1, 0] > 0.99
    assert frame.scale / UNIT == pytest.approx(1.0, abs=0.15)
    assert faces.ways == ["detector and shape"]
    assert not faces.notes


def test_what_is_seen_lies_on_the_mesh(demo: DemoActor, turned: np.ndarray, frame: HeadFrame) -> None:
    for name, vertex in {**CORNERS, **MIDDLES_OF_LIDS}.items():
        off = (frame.local(turned[vertex]) - frame.seen[name]) * frame.scale / UNIT
        assert np.linalg.norm(off) < 3.0, name


def test_the_mouths_corners_are_where_they_are_seen(demo: DemoActor, turned: np.ndarray, frame: HeadFrame) -> None:
    found = landmarks_in_frame(turned, demo.topology.triangles(), frame)
    blind = landmarks_in_frame(turned, demo.topology.triangles(), dataclasses.replace(frame, seen={}))
    for name, vertex in CORNERS.items():
        off, before = (np.linalg.norm(turned[one[name]] - turned[vertex]) / UNIT for one in (found, blind))
        assert off < 3.0 < before, name
    assert all(found[name] == blind[name] for name in ("nasion", "nose_tip", "stomion", "menton", "zygion.L"))


def test_a_mesh_is_looked_at_once(demo: DemoActor, turned: np.ndarray, frame: HeadFrame, faces: MeshFaces) -> None:
    known = dict(faces._known)
    again = faces.head_frame(demo.neutral @ TURN[:3, :3].T, demo.topology.triangles())
    assert faces._known == known
    assert again.scale == pytest.approx(frame.scale / UNIT, rel=0.02)


def test_what_was_seen_is_kept_beside_an_actor(
    demo: DemoActor, turned: np.ndarray, frame: HeadFrame, faces: MeshFaces, tmp_path: Path
) -> None:
    actor, model = tmp_path / "A.actor.safetensors", installed_model()
    assert model is not None
    kept = KeptMeshFaces(actor, model)
    for mesh, seen in faces._known.items():
        assert kept.read(mesh) is None
        kept.write(mesh, seen)
    kept.write("nothing", None)
    assert kept.read("nothing") == (None,)
    again = MeshFaces(model, actor)
    found = again.head_frame(turned, demo.topology.triangles())
    assert again._detector is None
    assert found.nasion == pytest.approx(frame.nasion)
    assert found.seen["mouth_corner.L"] == pytest.approx(frame.seen["mouth_corner.L"])
    for file in tmp_path.iterdir():
        file.write_text('{"seen": {}}')
    assert all(kept.read(mesh) is None for mesh in faces._known)


def test_another_way_is_asked_within_only(frame: HeadFrame) -> None:
    nothing = np.zeros((3, 3)), np.array([[0, 1, 2]])
    with asked_first(lambda *_: frame):
        assert find_head_frame(*nothing) is frame
    with pytest.raises(InputError, match="has no area"):
        find_head_frame(*nothing)


@pytest.mark.usefixtures("faces")
def test_a_job_says_how_a_face_was_found(demo: DemoActor) -> None:
    def looking(arguments: dict, *_: object) -> dict:
        if arguments["look"]:
            find_head_frame(demo.neutral, demo.topology.triangles())
        return {"notes": ["one"]}

    task = asks_detector(looking)
    assert task({"look": True}, print, None) == {"notes": ["one"], "face_found_by": "detector and shape"}
    assert task({"look": False}, print, None) == {"notes": ["one"]}


def test_where_no_face_is_seen_the_shape_tells(faces: MeshFaces) -> None:
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    sides = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6],
             [0, 6, 4], [1, 5, 7], [1, 7, 3]]  # fmt: skip
    with pytest.raises(InputError, match="no face is found"):
        faces.head_frame(corners, np.array(sides))


def test_a_detector_that_cannot_run_is_said(tmp_path: Path, demo: DemoActor) -> None:
    broken = tmp_path / "face_landmarker.task"
    broken.write_bytes(b"no model")
    asked = MeshFaces(broken)
    assert asked._loaded() is None
    assert asked._loaded() is None
    assert len(asked.notes) == 1
    assert "by their shape alone" in asked.notes[0]


def test_a_hollow_face_is_none() -> None:
    rng = np.random.default_rng(0)
    landmarks = rng.uniform(0, 200, (478, 3)) * [1, 1, 0]
    landmarks[:, 2] = ((landmarks[:, :2] - 100) ** 2).sum(1) / 200
    tilted = -1.3 * landmarks[:, 2] + 0.4 * landmarks[:, 0] - 12
    assert likeness(tilted, landmarks) > 0.999
    assert likeness(-tilted, landmarks) == 0.0
    assert likeness(np.where(np.arange(478) < 200, tilted, np.nan), landmarks) == 0.0


def test_views_that_disagree_are_trusted_less() -> None:
    places = np.tile([1.0, 2.0, 3.0], (5, 2, 1))
    places[0, 0] += 50.0
    places[:3, 1] = np.nan
    middle, spread = agreed(places, np.ones((5, 2)), 1.0)
    assert middle[0] == pytest.approx([1, 2, 3], abs=0.1)
    assert np.isnan(middle[1]).all()
    assert spread[0] < 3.0


def test_a_long_face_is_looked_for_where_it_is_seen(demo: DemoActor, turned: np.ndarray, frame: HeadFrame) -> None:
    """The chin drawn down by nearly its height: the menton is looked for where it is seen to be."""
    triangles = demo.topology.triangles()
    at = frame.local(turned)
    low = PROFILE["stomion"][0]
    at[:, 1] -= 0.9 * (low - at[:, 1]).clip(0.0, 60.0)
    menton = np.array([0.0, low - 1.9 * (low - PROFILE["menton"][0]), PROFILE["menton"][1]])
    left, up, front = np.eye(3)
    local = HeadFrame(left, up, front, np.zeros(3), 1.0, 0.0)
    before = landmarks_in_frame(at, triangles, local)
    seen = {"menton": menton} | {name: at[before[name]] for name in ("nasion", "nose_tip", "subnasale", "stomion")}
    after = landmarks_in_frame(at, triangles, dataclasses.replace(local, seen=seen))
    assert at[after["menton"]] == pytest.approx(menton, abs=16.0)
    assert at[before["menton"]][1] > menton[1] + 15.0
    assert all(after[name] == before[name] for name in ("nasion", "nose_tip", "subnasale"))


def test_places_at_rest_are_those_that_are_seen() -> None:
    at = np.array([[0.0, 0, 0], [0, 5, 0], [0, 20, 0]])
    seen = {"upper": np.array([0.0, 6, 0]), "lower": np.array([0.0, 1, 0])}
    names = ("upper", "lower")
    assert at_seen((None, None), names, seen, at, rest=False) == (1, 0)
    assert at_seen((2, 1), names, seen, at, rest=False) == (2, 1)
    assert at_seen((2, 1), names, seen, at, rest=True) == (1, 0)
    assert at_seen((2, None), ("upper", "unseen"), seen, at, rest=True) == (2, None)
    assert at_seen((2, 1), names, {"upper": np.array([0.0, 90, 0]), "lower": at[0]}, at, rest=True) == (2, 1)


def test_a_face_is_where_landmarks_were_picked(demo: DemoActor, turned: np.ndarray, tmp_path: Path) -> None:
    """In the whole mesh, in a part of it in another unit, and in no other mesh."""
    triangles, missed = demo.topology.triangles(), InputError("there is none")

    def none(*_: object) -> HeadFrame:
        raise missed

    true = find_head_frame(turned, triangles)
    spots = landmarks_in_frame(turned, triangles, true)
    (tmp_path / "picked.json").write_text(json.dumps({name: spots[name] for name in ("nasion", "menton", *CORNERS)}))
    picked = read_picked(tmp_path / "picked.json", len(turned))
    with asked_first(none):
        face = PickedFace(turned, picked)
        with asked_first(face.head_frame):
            found = find_head_frame(turned, triangles)
            part = find_head_frame(
                1000.0 * turned[np.unique([*spots.values(), *range(0, len(turned), 7)])], triangles[:0]
            )
            with pytest.raises(InputError, match="there is none"):
                find_head_frame(demo.neutral, triangles)
    assert min(found.front @ true.front, found.up @ true.up) > np.cos(np.deg2rad(12.0))
    assert np.linalg.norm(true.local(found.nasion)) < 15.0  # mm, by four landmarks alone
    assert part.scale == pytest.approx(1000.0 * found.scale, rel=1e-6)
    with pytest.raises(InputError, match="at least 4 are needed"):
        PickedFace(turned, {"nasion": spots["nasion"], "menton": spots["menton"]})
    (tmp_path / "wrong.json").write_text('{"nose": 3}')
    with pytest.raises(InputError, match="no landmark 'nose'"):
        read_picked(tmp_path / "wrong.json", len(turned))
