# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of a capture is told by its face, or asked for by name with what each unit would mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aim_blender.core.anatomy.anatomy_request import AnatomyRequest, fit_anatomy
from aim_blender.core.parts.finding import find_parts
from aim_blender.core.parts.pieces import skin_of
from aim_blender.core.shared.captured.captures import read_capture
from aim_blender.core.shared.captured.meshes import write_mesh
from aim_blender.core.shared.demo.demo_actor import DemoActor
from aim_blender.core.shared.faces.face_profile import find_head_frame
from aim_blender.core.shared.faces.head_region import moving_vertices
from aim_blender.core.shared.faces.table_of_units import MILLIMETRES_PER, UNITS
from aim_blender.core.shared.faces.units import Measured, possible_units
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.jobs.command_line.command_line import main
from tests.core.bodies import RINGS, SIDES, with_body, with_clothes_and_hair


def write(folder: Path, shapes: np.ndarray, topology: Topology, count: int = 3) -> Path:
    """A capture of the first of the shapes (N+1, V, 3) as a folder."""
    folder.mkdir()
    for number, points in enumerate(shapes[:count]):
        write_mesh(folder / f"{number:02}.obj", points, topology)
    return folder


@pytest.mark.parametrize("symbol", ["mm", "dm", "ft"])
def test_a_head_is_read_in_its_unit(symbol: str, demo: DemoActor, tmp_path: Path) -> None:
    shapes = demo.shapes / MILLIMETRES_PER[symbol]
    capture = read_capture(write(tmp_path / "capture", shapes, demo.topology))
    assert capture.unit_factor == MILLIMETRES_PER[symbol]
    assert np.abs(capture.vertices - demo.shapes[:3]).max() < 1e-2
    assert any("told by its size" in note for note in capture.notes) == (symbol != "mm")


@pytest.mark.parametrize("symbol", ["m", "cm"])
def test_a_whole_character_is_read_in_its_unit(symbol: str, demo: DemoActor, tmp_path: Path) -> None:
    shapes, topology = with_body(demo.shapes, demo.topology)
    capture = read_capture(write(tmp_path / "capture", shapes / MILLIMETRES_PER[symbol], topology))
    assert capture.unit_factor == MILLIMETRES_PER[symbol]


def test_the_face_of_a_body_is_found_at_rest_too(demo: DemoActor) -> None:
    alone = find_head_frame(demo.neutral, demo.topology.triangles())
    shapes, topology = with_body(demo.shapes, demo.topology)
    lift = (shapes[0, : len(demo.neutral)] - demo.neutral).mean(0)
    moving = moving_vertices(shapes, topology.in_faces())
    assert not moving[len(demo.neutral) :].any()
    for known in (moving, None):
        found = find_head_frame(shapes[0], topology.triangles(), known)
        assert found.scale == pytest.approx(alone.scale, rel=0.03)
        assert np.linalg.norm(found.nasion - alone.nasion - lift) < 3.0


def test_the_face_is_found_beside_hair_and_clothes(demo: DemoActor) -> None:
    alone = find_head_frame(demo.neutral, demo.topology.triangles())
    shapes, topology = with_clothes_and_hair(demo.shapes, demo.topology)
    moving = moving_vertices(shapes, topology.in_faces())
    found = find_head_frame(shapes[0], topology.triangles(), moving)
    assert found.scale == pytest.approx(alone.scale, rel=0.03)
    assert np.linalg.norm(found.nasion - alone.nasion) < 3.0
    assert skin_of(shapes, topology).sum() == len(demo.neutral)
    parts = find_parts(shapes, topology)
    assert parts is not None
    cloth, hair = parts.part_of[-RINGS * SIDES :], parts.part_of[len(demo.neutral) : -2 * RINGS * SIDES]
    assert {parts.kinds[part] for part in cloth} == {"still"}
    assert {parts.kinds[part] for part in hair} == {"skull"}


def test_what_looks_like_a_face_elsewhere_than_shapes_move_is_none(demo: DemoActor) -> None:
    corner = np.linalg.norm(demo.neutral - demo.neutral[demo.neutral[:, 2].argmin()], axis=1) < 20
    with pytest.raises(InputError, match="no face is found"):
        find_head_frame(demo.neutral, demo.topology.triangles(), corner)


def test_bones_are_fitted_into_the_head_of_a_body(demo: DemoActor) -> None:
    shapes, topology = with_body(demo.shapes, demo.topology)
    lift = (shapes[0, : len(demo.neutral)] - demo.neutral).mean(0)
    alone = fit_anatomy(AnatomyRequest(demo.neutral, demo.topology))
    fitted = fit_anatomy(AnatomyRequest(shapes[0], topology))
    for name, bone in alone.bones.items():
        assert np.abs(fitted.bones[name].vertices - lift - bone.vertices).max() < 6.0
    assert max(fitted.landmarks.values()) < len(demo.neutral)


def test_what_may_be_two_units_is_asked_for(demo: DemoActor, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    # A child of half an adult's size in centimetres is an adult in inches but for a fifth.
    folder = write(tmp_path / "capture", demo.shapes * 0.48 / 10, demo.topology)
    with pytest.raises(InputError) as caught:
        read_capture(folder)
    sentence = str(caught.value)
    assert "--unit" in sentence
    assert "1 cm" in sentence
    assert "1 in" in sentence
    assert read_capture(folder, None, 10.0).unit_factor == 10.0
    out = tmp_path / "a.actor.safetensors"
    assert main(["learn", str(folder), "--out", str(out)]) == 2
    assert "--unit" in capsys.readouterr().err
    few = ["--iterations", "5", "--hidden", "8", "--device", "cpu", "--json"]
    assert main(["learn", str(folder), "--out", str(out), "--unit", "cm", *few]) == 0
    assert json.loads(capsys.readouterr().out)["unit_factor"] == 10.0
    with pytest.raises(SystemExit):
        main(["learn", str(folder), "--out", str(out), "--unit", "ell"])
    assert "mm, cm, dm, m, in, ft" in capsys.readouterr().err


def test_no_head_in_any_unit_says_what_each_would_mean(demo: DemoActor, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no head's size.*1 mm, .*1 cm, .*or .* 1 ft; .*--unit"):
        read_capture(write(tmp_path / "capture", demo.shapes * 2.2, demo.topology))


def test_units_of_all_sizes() -> None:
    """An adult is known in every unit, and faces from a child's to a giant's in the metric ones."""
    for unit in UNITS:
        assert possible_units(Measured(1.0 / unit.millimetres, 0.0)) == [unit]
    for size in np.linspace(0.55, 1.95, 20):
        for symbol in ("mm", "cm", "dm", "m"):
            assert possible_units(Measured(size / MILLIMETRES_PER[symbol], 0.0)) == [
                unit for unit in UNITS if unit.symbol == symbol
            ]


def test_feet_are_asked_for_where_they_may_be_decimetres() -> None:
    """A baby's head of which no face is found; that of an adult in feet is told by its face."""
    assert [unit.symbol for unit in possible_units(Measured(None, 0.96))] == ["dm", "ft"]
    assert [unit.symbol for unit in possible_units(Measured(None, 11.2))] == ["cm", "in"]
    assert [unit.symbol for unit in possible_units(Measured(None, 1.5))] == ["dm"]
