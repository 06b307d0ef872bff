# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of a performance may be named where its size does not tell it, and that of the caches that are written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aim_blender.core.files.files import load_take, save_actor
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.shared.captured.mesh_caches import read_cache
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.jobs.batch.batch_table import read_table
from aim_blender.jobs.command_line.command_line import main

ODD = 37.0  # mm, as no program has them


@pytest.fixture
def folder(tiny, tmp_path):
    """An actor's file, and a performance in odd units."""
    actor, performance = tiny
    save_actor(actor, tmp_path / "A.actor.safetensors")
    np.savez(tmp_path / "shot.npz", vertices=performance.vertices / np.float32(ODD))
    return tmp_path


def test_a_unit_that_is_named_counts(tiny, folder, capsys):
    given = ["fit", str(folder / "A.actor.safetensors"), str(folder / "shot.npz"), "--modes", "6"]
    out = ["--out", str(folder / "T.take.safetensors")]
    assert main([*given, *out]) == 2
    assert "0.02703 times the size" in capsys.readouterr().err
    assert main([*given, *out, "--unit", "37", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unit_factor"] == ODD
    assert main([*given, *out, "--unit", "mm"]) == 2  # what is named is not told by the size
    take = load_take(folder / "T.take.safetensors")
    plain = fit_performance(*tiny, settings=FittingSettings(modes=6, device="cpu"))
    assert take.figures["worst_mm"] == pytest.approx(plain.figures["worst_mm"], rel=1e-3)
    errors = [str(folder / "A.actor.safetensors"), str(folder / "T.take.safetensors"), str(folder / "shot.npz")]
    assert main(["errors", *errors, "--out", str(folder / "errors.npz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["worst_mm"] == pytest.approx(take.figures["worst_mm"], rel=0.01)


def test_points_in_a_unit_that_is_named(tiny, folder, capsys):
    actor, performance = tiny
    some = np.arange(0, len(actor.neutral), 9)
    entries = [
        {"frame": number, "positions": (place[some] / ODD).tolist()}
        for number, place in enumerate(performance.vertices.astype(float), 1)
    ]
    points = [{"name": f"p{vertex}", "vertex": int(vertex)} for vertex in some]
    (folder / "points.json").write_text(json.dumps({"points": points, "frames": entries}))
    given = ["fit", str(folder / "A.actor.safetensors"), str(folder / "points.json"), "--modes", "4"]
    out = ["--out", str(folder / "T.take.safetensors")]
    assert main([*given, *out, "--unit", "37", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["unit_factor"] == ODD
    (folder / "points.json").write_text((folder / "points.json").read_text().replace('"vertex"', '"of"'))
    assert main([*given, *out, "--unit", "37", "--json"]) == 0  # where they lie on the skin, in that unit
    assert json.loads(capsys.readouterr().out)["mean_mm"] < 1.0
    camera = ["--camera", str(folder / "points.json"), "--landmarks", str(folder / "points.json")]
    assert main([*given, *out, *camera, "--unit", "mm"]) == 2
    assert "points of images, which are in pixels" in capsys.readouterr().err


def test_a_table_names_units(folder):
    (folder / "shots.csv").write_text(
        "actor,performance,performance_millimetres_per_unit,millimetres_per_unit,write,modes\n"
        "A.actor.safetensors,shot.npz,37,cm,pc2|mdd|npz,6\n"
    )
    assert main(["batch", str(folder / "shots.csv"), "--out", str(folder / "out")]) == 0
    with np.load(folder / "out/shot/shot.A.npz") as found:
        wanted = found["vertices"]
    for suffix in ("pc2", "mdd"):
        cached = read_cache(folder / f"out/shot/shot.A.{suffix}").vertices
        np.testing.assert_allclose(10 * cached, wanted, atol=1e-3)


def test_units_of_a_table_that_mean_nothing_are_refused(tmp_path):
    row = {"actor": "a", "performance": "b.pc2"}
    for more, said in (
        ({"millimetres_per_unit": "parsec"}, "'parsec' is not a unit"),
        ({"performance_millimetres_per_unit": 0}, "0 must be more than 0"),
        ({"millimetres_per_unit": "cm"}, "of the .pc2 and .mdd that are written, and none is"),
        ({"performance_millimetres_per_unit": "cm", "performance": "", "take": "b"}, "the take is fitted already"),
    ):
        (tmp_path / "shots.json").write_text(json.dumps([{**row, **more}]))
        with pytest.raises(InputError) as caught:
            read_table(tmp_path / "shots.json")
        assert said in str(caught.value)
    # What stands for all shots is not meant for one that writes no cache.
    table = {"defaults": {"millimetres_per_unit": "m"}, "shots": [row, {**row, "shot": "c", "write": "bake|mdd"}]}
    (tmp_path / "shots.json").write_text(json.dumps(table))
    assert [shot.millimetres_per_unit for shot in read_table(tmp_path / "shots.json")] == [None, 1000.0]
