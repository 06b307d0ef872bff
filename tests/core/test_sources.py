# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of sources: files are recognised by what they hold, and every row leads to what fits it."""

import dataclasses
import inspect
import json

import numpy as np
import pytest

from aim_blender.core.files.describing import describe_file
from aim_blender.core.fitting.driving.request import FitRequest, Fitted
from aim_blender.core.points.image_points import read_image_points
from aim_blender.core.points.points import read_points
from aim_blender.core.shared.captured.mesh_caches import write_cache
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.sources.sources import OTHER_FILES, SOURCES, recognised, source_of
from aim_blender.jobs.tasks.fitting import fit

IN_SPACE = "frame,name,x,y,z\n1,chin,1,2,3\n2,chin,1,2,4\n"
SEEN = "frame;name;x;y\n1;chin;10;20\n"
WIDE = "Frame\tchin_X\tchin_Y\tchin_Z\n1\t1\t2\t3\n"
OF_SPACE = {
    "points": [{"name": "chin"}],
    "frames": [{"frame": 1, "positions": [None]}, {"frame": 2, "positions": [[1, 2, 3]]}],
}
OF_IMAGES = {"frames": [{"frame": 1, "positions": [None, [1, 2]]}], "points": ["chin", "lip"]}
VERTICES = np.ones((2, 5, 3), np.float32)


def written(path, kind: str):
    """A file with nothing in its name, but for .mdd and the like."""
    texts = {
        "points": IN_SPACE, "images": SEEN, "wide": WIDE, "named": "frame name x y z\n1 chin 1 2 3\n",
        "json": json.dumps(OF_SPACE), "images json": json.dumps(OF_IMAGES, indent=2),
    }  # fmt: skip
    if kind in texts:
        path.write_text(texts[kind], encoding="utf-16" if kind == "wide" else "utf-8-sig")
    elif kind == "archive":
        with open(path, "wb") as file:
            np.savez(file, vertices=VERTICES)
    elif kind in ("pc2", "mdd"):
        write_cache(path.with_suffix(f".{kind}"), VERTICES, np.arange(1, 3), 24.0)
        path.with_suffix(f".{kind}").rename(path)
    else:
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("points", "points"), ("wide", "points"), ("named", "points"), ("json", "points"), ("images", "images"),
        ("images json", "images"), ("archive", "meshes"), ("pc2", "meshes"), ("mdd", "meshes"), ("folder", "meshes"),
    ],
)  # fmt: skip
def test_content_tells_the_source_and_the_reader_reads_it(tmp_path, kind, name):
    path = written(tmp_path / "performance", kind)
    assert recognised(path).name == source_of(path).name == name
    if name == "points":
        assert read_points(path).names == ("chin",)
        assert describe_file(path)["kind"] == "points"
    elif name == "images":
        assert "chin" in read_image_points(path).names
        assert describe_file(path)["kind"] == "points of images"
    elif kind != "folder":
        assert np.array_equal(read_performance(path).vertices, VERTICES)


def test_content_goes_before_the_name(tmp_path):
    (tmp_path / "a.csv").write_text(json.dumps(OF_SPACE))
    (tmp_path / "a.json").write_text(IN_SPACE)
    for name in ("a.csv", "a.json"):
        assert source_of(tmp_path / name).name == "points"
        assert read_points(tmp_path / name).names == ("chin",)
    (tmp_path / "a.npz").write_text(SEEN)
    assert source_of(tmp_path / "a.npz").name == "images"


def test_where_content_tells_nothing_the_name_does(tmp_path):
    (tmp_path / "broken.json").write_bytes(b"\0\1\2")
    assert recognised(tmp_path / "broken.json") is None
    for name, source in (("broken.json", "points"), ("gone.csv", "points"), ("gone.mdd", "meshes"), ("gone", "meshes")):
        assert source_of(tmp_path / name).name == source


def test_a_camera_makes_points_those_of_images(tmp_path):
    path = written(tmp_path / "a", "points")  # as some trackers write them, with a depth
    assert source_of(path, ["camera"]).name == "images"
    assert source_of(written(tmp_path / "b", "archive"), ["camera"]).name == "meshes"


def test_a_file_is_looked_into_again_when_it_changes(tmp_path):
    path = written(tmp_path / "a", "points")
    assert source_of(path).name == "points"
    assert source_of(written(path, "images json")).name == "images"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_row_leads_to_what_fits_it(source):
    module = source.loaded()
    found = inspect.get_annotations(module.fit_file, eval_str=True)
    assert (list(found.values())[1], found["return"]) == (FitRequest, Fitted)
    assert source.whole or callable(module.describe_file)
    assert dataclasses.is_dataclass(source.settings)
    assert set(source.files) <= set(OTHER_FILES)
    assert source.settings_of({"temporal": 4.0, "nothing of it": 1}).temporal == 4.0


@pytest.mark.parametrize(
    ("kind", "more", "part"),
    [
        ("images", {}, "performance holds points of images; camera, a JSON file of the cameras, is needed too"),
        ("points", {"camera": "c.json"}, "landmarks, a JSON file of where on the mesh each belongs, is needed too"),
        ("archive", {"landmarks": "c.json"}, "landmarks given is for points of images or points; "),
        ("points", {"solver": "neural"}, "holds points, which the networks do not fit; leave out the solver"),
        ("points", {"iterations": 3}, "iterations means nothing for the points in"),
        (
            "points",
            {"start": 3},
            "leave it out, or give whole meshes, weights that a phone recorded or frames of a video instead",
        ),
        (
            "archive",
            {"rest_frame": 1},
            "leave it out, or give weights that a phone recorded, points of images, points or frames of a video "
            "instead",
        ),
        ("points", {"modes": 0}, "modes is 0; it must be between 1 and 2000"),
        ("points", {"gain": 0}, "fit does not know gain"),
    ],
)
def test_what_a_source_does_not_take_is_said_before_any_work(tmp_path, kind, more, part):
    path = written(tmp_path / "performance", kind)
    arguments = {"actor": "gone", "performance": str(path), "out": str(tmp_path / "T.take.safetensors"), **more}
    with pytest.raises(InputError) as caught:
        fit(arguments, lambda _: None, None)
    assert part in str(caught.value)
