# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of markers, .c3d: written byte by byte, and by the package that reads
them."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from aim_blender.core.fitting.driving.request import FitRequest
from aim_blender.core.fitting.fitting_points import fit_file
from aim_blender.core.geometry.rigid import apply_motion
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.points.points import read_points
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.settings.point_settings import PointFittingSettings
from aim_blender.core.shared.sources.sources import source_of
from tests.core.c3d_made import RATE, SMALLEST, write_c3d
from tests.core.geometry import rigid


@pytest.fixture
def positions() -> np.ndarray:
    found = np.random.default_rng(0).uniform(-100, 100, (7, 4, 3)).round(2)
    found[2:4, 1] = np.nan
    return found


LABELS = ["LMC", "RMC", "CH", "NO"]


@pytest.mark.parametrize("whole", [False, True])
def test_all_of_it_is_read(tmp_path, positions, whole):
    path = write_c3d(tmp_path / "take.trial", LABELS, positions, whole, first=41)
    assert source_of(path).name == "points"  # whatever it is called
    found = read_points(path)
    assert found.names == tuple(LABELS)
    np.testing.assert_allclose(found.positions, positions, atol=SMALLEST)
    assert found.frames.tolist() == list(range(41, 48))
    assert found.fps == pytest.approx(RATE)
    assert (found.vertices == -1).all()
    assert not found.notes


def test_units_and_a_given_rate(tmp_path, positions):
    found = read_points(write_c3d(tmp_path / "a.c3d", LABELS, positions / 1000, unit="m"), fps=60.0)
    np.testing.assert_allclose(found.positions, positions, rtol=1e-5)
    assert found.fps == 60.0


def test_what_the_package_writes_is_read(tmp_path, positions):
    import c3d

    warnings.simplefilter("ignore")  # the package's, of what a file of markers need not have
    writer = c3d.Writer(point_rate=120.0, analog_rate=0, point_scale=-1.0)
    writer.set_point_labels(LABELS)
    for places in positions:
        hidden = np.isnan(places).any(1)
        rows = np.zeros((4, 5), np.float32)
        rows[:, :3], rows[hidden, 3] = np.nan_to_num(places), -1
        writer.add_frames([(rows, np.zeros((0, 0)))])
    with open(tmp_path / "a.c3d", "wb") as file:
        writer.write(file)
    found = read_points(tmp_path / "a.c3d")
    assert found.names == tuple(LABELS)
    np.testing.assert_allclose(found.positions, positions, rtol=1e-5)
    assert found.fps == 120.0


def test_what_is_left_out_is_said(tmp_path, positions):
    positions[:, 3] = np.nan
    labels = ["Ada:LMC", "Ada:RMC", "*12", "Ada:CH", "Bo:LMC"]
    places = np.concatenate([positions, positions[:, :1]], axis=1)
    found = read_points(write_c3d(tmp_path / "a.c3d", labels, places, lost_frames=2))
    assert found.names == ("LMC", "RMC")
    np.testing.assert_allclose(found.positions, positions[:5, :2], atol=1e-4)
    assert found.notes == (
        "it ends after 5 of 7 frames: the rest of the file is missing",
        "1 markers have no name and were left out",
        "1 markers belong to another subject and were left out",
        "1 markers are never seen and were left out",
    )


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["*1", "*2", "*3", "*4"], "no marker with a name and a place"),
        (["A", "B", "A", "C"], "2 markers are called 'A'"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(tmp_path, positions, labels, said):
    with pytest.raises(InputError, match=said):
        read_points(write_c3d(tmp_path / "a.c3d", labels, positions))


def test_a_map_says_where_markers_belong(tmp_path, demo_learned, demo_shot):
    """A recording in metres, turned, somewhere in a room, of which one marker is not in the map."""
    front = np.flatnonzero(demo_learned.neutral[:, 1] < np.quantile(demo_learned.neutral[:, 1], 0.5))[::100]
    placed = rigid((10.0, -20.0, 30.0), (900.0, -300.0, 1500.0))[None]
    truth = apply_motion(demo_shot.vertices[2:6].astype(float), placed)
    places = truth[:, front] / 1000
    labels = [f"m{vertex}" for vertex in front]
    recorded = np.concatenate([places, np.ones((4, 1, 3))], axis=1)
    path = write_c3d(tmp_path / "a.c3d", [*labels, "wand"], recorded, unit="m")
    (tmp_path / "map.json").write_text(json.dumps({label: int(v) for label, v in zip(labels, front, strict=True)}))
    assert source_of(path, ["landmarks"]).name == "points"
    settings = PointFittingSettings(rest_frame="off")
    request = FitRequest(path, tmp_path / "a", settings, lambda _: None, files={"landmarks": tmp_path / "map.json"})
    take = fit_file(demo_learned, request).take
    assert "1 points are not in" in " ".join(take.figures["notes"])
    off = np.linalg.norm(evaluate_take(demo_learned, take)["vertices"] - truth, axis=-1)
    assert off[:, front].mean() < 0.5


def test_a_map_of_other_names_is_refused(tmp_path, demo_learned, positions):
    path = write_c3d(tmp_path / "a.c3d", LABELS, positions)
    (tmp_path / "map.json").write_text('{"x": 3}')
    request = FitRequest(
        path, tmp_path / "a", PointFittingSettings(), lambda _: None, files={"landmarks": tmp_path / "map.json"}
    )
    with pytest.raises(InputError, match=r"map\.json has none of the points' names, such as 'LMC'"):
        fit_file(demo_learned, request)
