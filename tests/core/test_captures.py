# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures from folders and from Blender: read in full, or refused by the name of what is wrong."""

import pickle

import numpy as np
import pytest

from aim_blender.core.shared.captured.captures import read_bones, read_capture
from aim_blender.core.shared.captured.meshes import write_mesh
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from tests.core.tiny_capture import NAMES, POINTS, grid, shapes, write_capture

SHAPES = shapes()
TOPOLOGY = Topology.from_padded(grid()[1], POINTS)
BONE = Topology(np.array([0, 1, 2, 0, 2, 3]), np.array([3, 3]), 4)


def write_folder(folder, names=("01_neutral", "02_smile", "03_frown", "04_pout"), vertices=SHAPES, topology=TOPOLOGY):
    folder.mkdir(exist_ok=True)
    for name, points in zip(names, vertices, strict=True):
        write_mesh(folder / f"{name}.obj", points, topology)
    return folder


def write_bones(folder, names=("skull", "mandible")):
    folder.mkdir()
    for name in names:
        write_mesh(folder / f"{name}.obj", SHAPES[0][:4], BONE)
    return folder


def refused(path, bones=None) -> str:
    with pytest.raises(InputError) as caught:
        read_capture(path, bones)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- folders ----------------------------------------------------------------------------------------------------------


def test_folder_is_read_in_order_and_without_numbers(tmp_path):
    capture = read_capture(write_folder(tmp_path / "capture"))
    assert capture.names == NAMES
    assert np.abs(capture.vertices - SHAPES).max() < 1e-6
    assert capture.vertices.dtype == np.float64
    assert np.array_equal(capture.neutral, capture.vertices[0])
    assert capture.topology.digest == TOPOLOGY.digest
    assert capture.bones == {}


def test_neutral_is_found_by_its_name(tmp_path):
    names = ("brows", "Face_Neutral_01", "smile", "x")
    capture = read_capture(write_folder(tmp_path / "capture", names, SHAPES[[1, 0, 2, 3]]))
    assert capture.names == ("neutral", "brows", "smile", "x")
    assert np.abs(capture.vertices - SHAPES).max() < 1e-6


def test_without_such_a_name_the_neutral_is_the_first(tmp_path):
    capture = read_capture(write_folder(tmp_path / "capture", ("a", "b", "c", "d")))
    assert capture.names == ("neutral", "b", "c", "d")
    assert np.abs(capture.neutral - SHAPES[0]).max() < 1e-6


def test_names_stay_distinct_and_never_empty(tmp_path):
    """Every name becomes a shape key: two takes of a smile, and a name of digits only, keep their numbers."""
    names = ("00_neutral", "01_smile", "02_smile", "03")
    capture = read_capture(write_folder(tmp_path / "capture", names))
    assert len(set(capture.names)) == 4
    assert all("smile" in name for name in capture.names[1:3])
    assert capture.names[3] == "03"


def test_bones_are_read_from_beside_the_meshes_or_elsewhere(tmp_path):
    folder = write_folder(tmp_path / "capture")
    elsewhere = write_bones(tmp_path / "elsewhere")
    capture = read_capture(folder, elsewhere)
    assert set(capture.bones) == {"skull", "mandible"}
    assert np.abs(capture.bones["skull"].vertices - SHAPES[0][:4]).max() < 1e-6
    assert capture.bones["skull"].triangles.tolist() == [[0, 1, 2], [0, 2, 3]]
    write_bones(folder / "bones")
    assert set(read_capture(folder).bones) == {"skull", "mandible"}


@pytest.mark.parametrize("names", [("skull",), ("mandible",), ()])
def test_missing_bones_are_named(tmp_path, names):
    folder = write_bones(tmp_path / "bones", names)
    with pytest.raises(InputError) as caught:
        read_bones(folder)
    missing = next(name for name in ("skull", "mandible") if name not in names)
    assert f"{folder} has no {missing}.obj or {missing}.ply" in str(caught.value)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_meshes(tmp_path, count):
    folder = write_folder(tmp_path / "capture", ("neutral",)[:count], SHAPES[:count])
    assert f"{folder} holds {count} mesh" in refused(folder)


def test_missing_folder(tmp_path):
    assert f"{tmp_path / 'nothing'} is not a folder" in refused(tmp_path / "nothing")
    assert str(tmp_path / "nothing.npz") in refused(tmp_path / "nothing.npz")


def test_the_mesh_at_fault_is_named(tmp_path):
    folder = write_folder(tmp_path / "capture")
    frown = folder / "03_frown.obj"
    good = frown.read_text()

    frown.write_text(good[: len(good) // 2])
    assert "03_frown.obj" in refused(folder)
    frown.write_text(good.replace("v ", "v nan ", 1))
    assert "03_frown.obj" in refused(folder)
    write_mesh(frown, SHAPES[2] / 1000, TOPOLOGY)
    sentence = refused(folder)
    assert "03_frown.obj" in sentence
    assert "0.001 times the size" in sentence
    write_mesh(frown, np.random.default_rng(0).permutation(SHAPES[2]), TOPOLOGY)
    sentence = refused(folder)
    assert "03_frown.obj" in sentence
    assert "shuffled" in sentence
    write_mesh(frown, SHAPES[2], Topology(TOPOLOGY.corners[::-1], TOPOLOGY.sizes, POINTS))
    sentence = refused(folder)
    assert "03_frown.obj" in sentence
    assert "other faces" in sentence


def test_jaw_is_read_shape_by_shape(tmp_path):
    folder = write_folder(tmp_path / "capture")
    assert read_capture(folder).jaw_points is None
    names = ("01_neutral", "02_smile", "03_frown", "04_pout")
    jaw = SHAPES[:, :4] + np.arange(4)[:, None, None]
    write_folder(folder / "jaw", names, jaw, BONE)
    assert np.abs(read_capture(folder).jaw_points - jaw).max() < 1e-6
    (folder / "jaw" / "03_frown.obj").rename(folder / "jaw" / "other.obj")
    assert f"{folder / 'jaw'} has no mesh called 03_frown" in refused(folder)


@pytest.mark.parametrize("factor", [1000, 10])
def test_another_unit_is_told_by_the_size_and_counts_for_all(tmp_path, factor):
    head = SHAPES * 1.7
    folder = write_folder(tmp_path / "capture", vertices=head / factor)
    for name in ("bones", "jaw"):
        write_folder(folder / name, ("01_neutral", "02_smile", "03_frown", "04_pout"), head / factor)
    for bone in ("skull", "mandible"):
        write_mesh(folder / "bones" / f"{bone}.obj", head[1] / factor, TOPOLOGY)
    capture = read_capture(folder)
    assert capture.unit_factor == factor
    for found in (capture.vertices, capture.jaw_points):
        assert np.abs(found - head).max() < 1e-3
    assert np.abs(capture.bones["mandible"].vertices - head[1]).max() < 1e-3


def test_what_is_no_head_in_any_unit_is_refused(tmp_path):
    assert "no head's size" in refused(write_folder(tmp_path / "capture", vertices=SHAPES * 1e5))


# -- from Blender -----------------------------------------------------------------------------------------------------


def test_archive_is_read(tmp_path):
    capture = read_capture(write_capture(tmp_path / "capture.npz"))
    assert capture.names == NAMES
    assert np.abs(capture.vertices - SHAPES).max() < 1e-5
    assert capture.topology.digest == TOPOLOGY.digest
    assert capture.bones == {}


def test_archive_with_bones(tmp_path, demo):
    arrays = {
        f"{bone}_{part}": getattr(demo, f"{bone}_{part}")
        for bone in ("skull", "mandible")
        for part in ("vertices", "triangles")
    }
    capture = read_capture(changed(tmp_path, **arrays))
    assert np.array_equal(capture.bones["mandible"].vertices, demo.mandible_vertices)
    assert np.array_equal(capture.bones["skull"].triangles, demo.skull_triangles)
    assert capture.jaw_points is None


def test_archive_with_a_jaw(tmp_path):
    jaw = SHAPES[:, :4]
    assert np.array_equal(read_capture(changed(tmp_path, jaw_points=jaw)).jaw_points, jaw)


def changed(tmp_path, **changes):
    """A capture.npz with some arrays changed, or left out where None."""
    with np.load(write_capture(tmp_path / "capture.npz")) as archive:
        arrays = {name: archive[name] for name in archive.files} | changes
    np.savez(tmp_path / "capture.npz", **{name: value for name, value in arrays.items() if value is not None})
    return tmp_path / "capture.npz"


@pytest.mark.parametrize("name", ["vertices", "names", "corners", "sizes"])
def test_archive_without_an_array_is_refused(tmp_path, name):
    path = changed(tmp_path, **{name: None})
    sentence = refused(path)
    assert str(path) in sentence
    assert name in sentence


BONES = {
    f"{bone}_{part}": value
    for bone in ("skull", "mandible")
    for part, value in (("vertices", SHAPES[0][:3]), ("triangles", np.array([[0, 1, 2]])))
}


@pytest.mark.parametrize(
    "changes",
    [
        {"vertices": np.zeros(7)},
        {"vertices": np.array([["a", "b"]])},
        {"vertices": SHAPES[:3].astype(np.float32)},
        {"vertices": SHAPES[..., :2]},
        {"names": np.array(NAMES[:3])},
        {"corners": TOPOLOGY.corners[:-1]},
        {"corners": TOPOLOGY.corners + 1},
        {"skull_vertices": np.zeros((3, 3))},
        {"mandible_vertices": np.zeros((3, 3)), "mandible_triangles": np.array([[0, 1, 2]])},
        {**BONES, "skull_triangles": np.array([[0, 1, 9]])},
        {**BONES, "skull_vertices": np.full((3, 3), np.nan)},
        {"jaw_points": np.zeros((4, 5))},
        {"jaw_points": np.zeros((3, 5, 3))},
        {"jaw_points": np.zeros((4, 0, 3))},
        {"jaw_points": np.array("x")},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_archive_that_does_not_hold_together_is_refused(tmp_path, changes):
    path = changed(tmp_path, **changes)
    assert str(path) in refused(path)


def test_archive_names_the_shape_with_a_bad_coordinate(tmp_path):
    vertices = SHAPES.copy()
    vertices[2, 5, 1] = np.nan
    assert "'frown'" in refused(changed(tmp_path, vertices=vertices))


@pytest.mark.parametrize("damage", ["empty", "truncated", "garbage", "pickle", "one array", "text"])
def test_damaged_archive_is_refused(tmp_path, damage):
    path = write_capture(tmp_path / "capture.npz")
    data = path.read_bytes()
    if damage == "one array":
        with open(path, "wb") as file:
            np.save(file, SHAPES)
    else:
        damaged = {
            "empty": b"",
            "truncated": data[: len(data) // 2],
            "garbage": data[::-1],
            "pickle": pickle.dumps({"vertices": SHAPES}),
            "text": b"vertices",
        }
        path.write_bytes(damaged[damage])
    assert str(path) in refused(path)


def test_archive_of_pickled_objects_is_refused(tmp_path):
    path = changed(tmp_path, names=np.array([{"a": 1}] * 4, dtype=object))
    assert str(path) in refused(path)
