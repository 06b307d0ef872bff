# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones fitted to a head: the template's, and somebody's own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from aim_blender.core.anatomy.anatomy import find_hinge, trace_constraints
from aim_blender.core.anatomy.anatomy_fit import AnatomyFit
from aim_blender.core.anatomy.anatomy_request import AnatomyRequest, fit_anatomy, read_request, write_anatomy
from aim_blender.core.anatomy.skin_depth import Skin
from aim_blender.core.shared.bones import template_bones
from aim_blender.core.shared.bones.bone_checks import outwardness
from aim_blender.core.shared.bones.tissue_depths import TISSUE_DEPTHS, depths_of_landmarks
from aim_blender.core.shared.captured.captures import BONE_NAMES, Bone, read_bones
from aim_blender.core.shared.captured.meshes import write_mesh
from aim_blender.core.shared.demo.demo_actor import DemoActor
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.jobs.command_line.command_line import main
from tests.core.geometry import mirrored_name, moved, rigid

needs_template = pytest.mark.skipif(
    not (template_bones.FOLDER / "skull.ply").is_file(),
    reason="the template bones are not there: run build.py once with a connection to a package index",
)


@pytest.fixture(scope="module")
def request_(demo: DemoActor) -> AnatomyRequest:
    return AnatomyRequest(demo.neutral, demo.topology)


@pytest.fixture(scope="module")
def fitted(request_: AnatomyRequest) -> AnatomyFit:
    return fit_anatomy(request_)


@pytest.fixture(scope="module")
def given(request_: AnatomyRequest, fitted: AnatomyFit) -> AnatomyRequest:
    """The same with the landmarks that were found given by hand, so that only what a test changes differs."""
    return dataclasses.replace(request_, landmarks=fitted.landmarks)


def all_points(fit: AnatomyFit) -> np.ndarray:
    return np.concatenate([fit.bones[name].vertices for name in BONE_NAMES])


@needs_template
def test_the_template_is_symmetric_and_faces_outwards() -> None:
    for bone in template_bones.read_template_bones().values():
        assert cKDTree(bone.vertices).query(bone.vertices * [-1, 1, 1])[0].max() < 0.1
        assert outwardness(bone.vertices, bone.triangles) > 0.2


@needs_template
def test_the_tissue_is_as_thick_as_the_table_says(fitted: AnatomyFit) -> None:
    assert {name.split(".")[0] for name in fitted.depths_asked} == set(TISSUE_DEPTHS)
    assert fitted.mean_depth_error < 1.5
    assert fitted.outside == 0


@needs_template
def test_every_bone_point_is_below_the_skin(demo: DemoActor, fitted: AnatomyFit) -> None:
    """Seen otherwise than the fit does: from each point of the bone the skin goes all around."""
    inside = demo.neutral[:, 2] > -140  # the neck is open
    for point in all_points(fitted)[::40]:
        toward = demo.neutral[inside] - point
        toward /= np.linalg.norm(toward, axis=1, keepdims=True)
        for axis in np.eye(3)[:2]:
            assert (toward @ axis).max() > 0.5
            assert (toward @ axis).min() < -0.5


@needs_template
def test_bones_stay_smooth_joined_and_symmetric(fitted: AnatomyFit) -> None:
    template = template_bones.read_template_bones()
    for name in BONE_NAMES:
        bone, before = fitted.bones[name], template[name]
        areas = [np.linalg.norm(np.cross(c[:, 1] - c[:, 0], c[:, 2] - c[:, 0]), axis=1) for c in
                 (bone.vertices[bone.triangles], before.vertices[before.triangles])]  # fmt: skip
        ratio = areas[0] / areas[1].clip(1e-6)
        assert np.quantile(ratio, 0.01) > 0.25
        assert np.quantile(ratio, 0.99) < 4.0
        assert cKDTree(bone.vertices).query(bone.vertices * [-1, 1, 1])[0].mean() < 1.0
    gap = [
        cKDTree(each["skull"].vertices).query(each["mandible"].vertices)[0].min() for each in (template, fitted.bones)
    ]
    assert gap[1] < gap[0] + 2.0  # the condyles in their sockets


@needs_template
def test_constraints_and_the_hinge_are_found_on_the_fitted_bones(demo: DemoActor, fitted: AnatomyFit) -> None:
    hinge = find_hinge(fitted.bones)
    assert abs(hinge.axis @ [1, 0, 0]) > 0.99
    assert np.linalg.norm((hinge.centre - demo.hinge_centre)[1:]) < 25.0
    found = trace_constraints(demo.neutral, demo.topology.triangles(), fitted.bones)
    assert found.on_mandible.sum() > 50
    assert (~found.on_mandible).sum() > 200


@needs_template
def test_a_moved_head_in_metres_has_the_same_bones(demo: DemoActor, given: AnatomyRequest, fitted: AnatomyFit) -> None:
    motion = rigid((40.0, 110.0, -70.0), (300.0, -80.0, 40.0))
    again = fit_anatomy(dataclasses.replace(given, neutral=moved(motion, demo.neutral) / 1000))
    expected = moved(motion, all_points(fitted)) / 1000
    assert np.linalg.norm(all_points(again) - expected, axis=1).mean() * 1000 < 1.0
    assert any("metres" in note for note in again.notes)


@needs_template
def test_a_mirrored_head_has_mirrored_bones(demo: DemoActor, given: AnatomyRequest, fitted: AnatomyFit) -> None:
    asymmetric = demo.neutral + [0, 0, 3.0] * np.tanh(demo.neutral[:, :1] / 30)
    mirrored = {mirrored_name(name): vertex for name, vertex in given.landmarks.items()}
    first = fit_anatomy(dataclasses.replace(given, neutral=asymmetric))
    second = fit_anatomy(dataclasses.replace(given, neutral=asymmetric * [-1, 1, 1], landmarks=mirrored))
    partner = cKDTree(all_points(second)).query(all_points(first) * [-1, 1, 1])[0]
    assert partner.mean() < 0.5


@needs_template
def test_a_depth_moves_the_bone_there_and_not_elsewhere(given: AnatomyRequest, fitted: AnatomyFit) -> None:
    again = fit_anatomy(dataclasses.replace(given, depths={"pogonion": 18.0}))
    assert again.depths_reached["pogonion"] == pytest.approx(18.0, abs=1.5)
    moves = np.linalg.norm(all_points(again) - all_points(fitted), axis=1)
    chin = np.linalg.norm(all_points(fitted) - given.neutral[given.landmarks["pogonion"]], axis=1)
    assert moves[chin < 20].mean() > 0.5 * (again.depths_reached["pogonion"] - fitted.depths_reached["pogonion"])
    assert moves[chin > 80].mean() < 0.5


@needs_template
def test_a_landmark_moves_the_bone_with_it(demo: DemoActor, given: AnatomyRequest, fitted: AnatomyFit) -> None:
    place = demo.neutral[given.landmarks["zygion.L"]] + [0, 0, 6.0]
    vertex = int(np.linalg.norm(demo.neutral - place, axis=1).argmin())
    again = fit_anatomy(dataclasses.replace(given, landmarks={**given.landmarks, "zygion.L": vertex}))
    cheekbone = np.linalg.norm(all_points(fitted) - demo.neutral[given.landmarks["zygion.L"]], axis=1) < 15
    lifted = (all_points(again) - all_points(fitted))[cheekbone, 2]
    assert lifted.mean() > 1.5


@needs_template
def test_given_teeth_are_met(given: AnatomyRequest, fitted: AnatomyFit) -> None:
    template = template_bones.read_template_bones()["mandible"].vertices
    crowns = (template[:, 1] < template_bones.TEETH_BEFORE) & (template[:, 2] > -54) & (template[:, 2] < -36)
    teeth = fitted.bones["mandible"].vertices[crowns] + [0.0, 4.0, -2.0]
    again = fit_anatomy(dataclasses.replace(given, teeth={"lower_teeth": teeth}))
    before = np.linalg.norm(fitted.bones["mandible"].vertices[crowns] - teeth, axis=1).mean()
    after = np.linalg.norm(again.bones["mandible"].vertices[crowns] - teeth, axis=1).mean()
    assert after < 0.5 * before


@needs_template
def test_a_skin_turned_inside_out_with_extra_faces_is_taken_and_said(
    demo: DemoActor, given: AnatomyRequest, fitted: AnatomyFit
) -> None:
    triangles = demo.topology.triangles()[:, ::-1]
    crowded = np.concatenate([triangles, triangles[:50, [1, 2, 0]], triangles[:50]])
    topology = type(demo.topology)(crowded.ravel(), np.full(len(crowded), 3), len(demo.neutral))
    again = fit_anatomy(dataclasses.replace(given, topology=topology))
    assert any("point inwards" in note for note in again.notes)
    assert any("more than two faces" in note for note in again.notes)
    assert np.linalg.norm(all_points(again) - all_points(fitted), axis=1).mean() < 1.0


def test_own_bones_are_set_right_and_measured(demo: DemoActor, demo_capture) -> None:
    own = demo_capture.bones
    swapped = {"skull": own["mandible"], "mandible": Bone(own["skull"].vertices, own["skull"].triangles[:, ::-1])}
    fit = fit_anatomy(AnatomyRequest(demo.neutral, demo.topology, bones=swapped))
    assert np.array_equal(fit.bones["skull"].vertices, own["skull"].vertices)
    assert outwardness(fit.bones["skull"].vertices, fit.bones["skull"].triangles) > 0
    assert any("swapped" in note for note in fit.notes)
    assert any("inwards" in note for note in fit.notes)
    assert len(fit.depths_reached) > 20
    away = {name: Bone(bone.vertices + np.array([400.0, 0, 0]), bone.triangles) for name, bone in own.items()}
    with pytest.raises(InputError, match="lies outside of the neutral"):
        fit_anatomy(AnatomyRequest(demo.neutral, demo.topology, bones=away))


def test_points_outside_of_a_skin_with_holes_are_known(demo: DemoActor) -> None:
    skin = Skin(demo.neutral, demo.topology.triangles())
    vertices = np.arange(0, len(demo.neutral), 97)
    open_air = cKDTree(skin.samples).query(demo.neutral[vertices])[0] < 1e-6
    points, normals = demo.neutral[vertices[open_air]], skin.normals[vertices[open_air]]
    assert skin.outside(points + 6.0 * normals).mean() > 0.9
    assert skin.outside(points - 6.0 * normals).mean() < 0.05  # of thin ears, behind it


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"landmarks": {"nose": 3}}, "no landmark 'nose'"),
        ({"landmarks": {"nasion": 10**6}}, "nasion is on vertex 1000000"),
        ({"landmarks": {"nasion": "3"}}, "nasion is on vertex 3"),
        ({"depths": {"nasion": -2.0}}, "depth at nasion is -2"),
        ({"depths": {"brow": 2.0}}, "no landmark 'brow'"),
    ],
)
def test_what_was_picked_wrongly_is_refused(request_: AnatomyRequest, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_anatomy(dataclasses.replace(request_, **changes))


def test_a_depth_of_a_pair_counts_on_both_sides_unless_one_is_named() -> None:
    found = depths_of_landmarks({"gonion": 14.0, "zygion.L": 9.0})
    assert (found["gonion.L"], found["gonion.R"]) == (14.0, 14.0)
    assert (found["zygion.L"], found["zygion.R"]) == (9.0, TISSUE_DEPTHS["zygion"])


@needs_template
def test_files_say_what_to_fit_and_what_was_fitted(tmp_path: Path, demo: DemoActor, fitted: AnatomyFit) -> None:
    write_mesh(tmp_path / "neutral.obj", demo.neutral, demo.topology)
    (tmp_path / "landmarks.json").write_text(json.dumps({"nasion": fitted.landmarks["nasion"]}))
    (tmp_path / "depths.json").write_text(json.dumps({"nasion": 6.0}))
    request = read_request(tmp_path / "neutral.obj", tmp_path / "landmarks.json", tmp_path / "depths.json")
    assert (request.landmarks, request.depths) == ({"nasion": fitted.landmarks["nasion"]}, {"nasion": 6.0})
    suggested = {name: vertex for name, vertex in fitted.landmarks.items() if name != "nasion"}
    write_anatomy(fitted, suggested, tmp_path / "bones")
    for name, bone in read_bones(tmp_path / "bones").items():
        assert np.allclose(bone.vertices, fitted.bones[name].vertices, atol=1e-5)
    described = json.loads((tmp_path / "bones" / "anatomy.json").read_text())
    assert described["landmarks"]["nasion"] == {"vertex": fitted.landmarks["nasion"], "from": "given"}
    assert described["landmarks"]["menton"]["from"] == "suggested"
    assert described["depths_reached_mm"]["menton"] == pytest.approx(fitted.depths_reached["menton"])
    (tmp_path / "depths.json").write_text("[6.0]")
    with pytest.raises(InputError, match=r"depths\.json must hold one JSON object"):
        read_request(tmp_path / "neutral.obj", depths=tmp_path / "depths.json")


@needs_template
def test_the_verb_writes_bones_that_learning_takes(
    tmp_path: Path, demo: DemoActor, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mesh(tmp_path / "neutral.obj", demo.neutral, demo.topology)
    assert main(["anatomy", str(tmp_path / "neutral.obj"), "--out", str(tmp_path / "bones"), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["mean_depth_error_mm"] < 1.5
    assert figures["bone_points_outside"] == 0
    assert figures["landmarks_suggested"] > 30
    assert isinstance(figures["notes"], list)
    assert set(read_bones(tmp_path / "bones")) == set(BONE_NAMES)
