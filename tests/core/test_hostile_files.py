# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are damaged or made to do harm, each kind once by name; the fuzzer finds others."""

import dataclasses
import io
import json
import struct
import sys
import zipfile
from typing import Any

import numpy as np
import pytest

from aim_blender.core.baking.baking import bake_take
from aim_blender.core.baking.corrections import correct_bake
from aim_blender.core.files.files import load_take, save_actor, save_take
from aim_blender.core.files.neutrals import read_neutral
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.points.image_points import read_image_points
from aim_blender.core.points.points import read_points
from aim_blender.core.retargeting.regions import read_regions
from aim_blender.core.shared.captured.cameras import Camera, read_cameras, save_cameras
from aim_blender.core.shared.captured.captures import read_capture
from aim_blender.core.shared.captured.meshes import write_mesh
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.foundation.archives import open_archive
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.jobs.batch.batch_table import read_table
from tests.core.fuzzing import limited
from tests.core.tiny_capture import shapes, write_capture, write_performance


@pytest.fixture(scope="module")
def take(tiny):
    return fit_performance(*tiny, settings=FittingSettings(modes=6, device="cpu"))


def member(header: str, values: bytes = b"") -> bytes:
    """A .npy member that declares what the header says."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values


def described(shape: str, kind: str = "<f4") -> str:
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "its strength is no array"),
        (b"no array, but a text", "its strength is no array"),
        (member(described("(100000000000,)")), "does not hold what its shape"),
        (member(described("(3,)", "<U100000000"), b"\0" * 12), "does not hold what its shape"),
        (member(described("()", "<U0")), "does not hold what its shape"),
        (member("{'descr': ((((("), "header of its strength is damaged"),  # no Python text: numpy raises TokenError
        (member(described("(3,", "|O")), "header of its strength is damaged"),
        (member(described("(1,)", "|O"), b"\0" * 8), "pickled Python objects"),
    ],
)
def test_members_that_are_no_arrays_are_named(tmp_path, content, said):
    with zipfile.ZipFile(tmp_path / "regions.npz", "w") as archive:
        archive.writestr("strength.npy", content)
    with pytest.raises(InputError) as caught:
        read_regions(tmp_path / "regions.npz")
    assert said in str(caught.value)


def test_a_damaged_compression_is_refused(tmp_path):
    packed = io.BytesIO()
    np.save(packed, np.random.default_rng(0).random(1000))
    for kind in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "regions.npz", "w", kind) as archive:
            archive.writestr("strength.npy", packed.getvalue())
        assert read_regions(tmp_path / "regions.npz").shape == (1000,)
        data = bytearray((tmp_path / "regions.npz").read_bytes())
        for place in range(60, 90):
            data[place] ^= 255
        (tmp_path / "regions.npz").write_bytes(data)
        with pytest.raises(InputError, match=r"regions\.npz must be an \.npz file"):
            read_regions(tmp_path / "regions.npz")


@pytest.mark.skipif(sys.platform != "linux", reason="only there does a limit of memory hold")
def test_a_compression_that_asks_for_gigabytes_is_refused(tmp_path):
    packed = io.BytesIO()
    np.save(packed, np.random.default_rng(0).random(1000))
    with zipfile.ZipFile(tmp_path / "regions.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("strength.npy", packed.getvalue())
    data = bytearray((tmp_path / "regions.npz").read_bytes())
    dictionary = 30 + len("strength.npy") + 4 + 1  # after the member's header, two versions and what it is made of
    data[dictionary : dictionary + 4] = b"\xff" * 4
    (tmp_path / "regions.npz").write_bytes(data)
    with limited(2**30), pytest.raises(InputError, match="asks for more memory than there is"):
        read_regions(tmp_path / "regions.npz")


def test_arrays_of_all_orders_and_kinds_are_read(tmp_path):
    arrays: dict[str, Any] = {
        "by_column": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "number": np.array(24.0),
        "text": np.array("name"),
        "names": np.array(["a", "bc"]),
        "empty": np.zeros((0, 3)),
        "flags": np.array([True, False]),
        "big_endian": np.arange(3, dtype=">i4"),
    }
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    with open_archive(tmp_path / "a.npz") as archive:
        assert set(archive.files) == set(arrays)
        for name, array in arrays.items():
            assert archive[name].dtype == array.dtype
            np.testing.assert_array_equal(archive[name], array)
        archive["by_column"][0, 0] = 7.0  # one's own


@pytest.mark.parametrize("far", [1e30, 1e308])
def test_a_vertex_that_no_face_has_is_named(tmp_path, tiny, far):
    vertices = shapes().copy()
    vertices[1, 17, 1] = far
    write_mesh(tmp_path / "mesh.obj", vertices[1], tiny[0].topology)
    with pytest.raises(InputError, match=r"mesh\.obj' has vertex 17 at a coordinate of 1e\+30"):
        read_neutral(tmp_path / "mesh.obj")
    with np.load(write_capture(tmp_path / "capture.npz")) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(tmp_path / "capture.npz", **{**arrays, "vertices": vertices})
    with pytest.raises(InputError, match="'smile' has vertex 17"):
        read_capture(tmp_path / "capture.npz")
    with np.load(write_performance(tmp_path / "shot.npz")) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["vertices"][2, 17, 1] = min(far, 1e30)
    np.savez(tmp_path / "shot.npz", **arrays)
    with pytest.raises(InputError, match="frame 3' has vertex 17"):
        fit_performance(tiny[0], read_performance(tmp_path / "shot.npz"), FittingSettings(modes=6, device="cpu"))


def test_json_that_would_fill_the_memory_is_refused(tmp_path):
    names = [f"p{number}" for number in range(30000)]
    frames = [{"frame": number, "positions": []} for number in range(30000)]
    (tmp_path / "a.json").write_text(json.dumps({"points": [{"name": name} for name in names], "frames": frames}))
    with pytest.raises(InputError, match="frame 0 has 0 positions for 30000 points"):
        read_points(tmp_path / "a.json")
    (tmp_path / "a.json").write_text(json.dumps({"points": names, "frames": frames}))
    with pytest.raises(InputError, match="frame 0 has 0 positions for 30000 points"):
        read_image_points(tmp_path / "a.json")


# -- cameras ----------------------------------------------------------------------------------------------------------

PLAIN = {"width": 1920, "height": 1080, "focal": 2000}
PLACED = {"width": 1920, "height": 1080, "lens_mm": 50, "matrix_world": np.eye(4).tolist()}
SHEARED = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0.5, 1]]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({**PLAIN, "focal": 35}, "35 pixels at 1920 pixels, a view of 176 degrees"),
        ({**PLAIN, "focal": 2e9}, "which no lens has"),
        ({**PLACED, "lens_mm": 2e9}, "which no lens has"),
        ({**PLACED, "lens_mm": 0}, "lens_mm of 'the camera' is 0; it must be more than 0"),
        ({**PLACED, "sensor_mm": [0, 24]}, "a sensor of 0 by 24 mm"),
        ({**PLACED, "pixel_aspect": "wide"}, "pixel_aspect of 'the camera' must be 1 numbers"),
        ({**PLAIN, "world_to_camera": SHEARED}, "not a rigid motion"),
        ({**PLACED, "matrix_world": SHEARED}, "not a rigid motion"),
        ({**PLAIN, "centre": [1e6, 540]}, "far outside the image"),
        ({**PLAIN, "focal": [2000, 200]}, "focal lengths of 2000 and 200"),
        ({**PLAIN, "width": 10**400}, "width of 'the camera' must be 1 numbers"),
        ({**PLAIN, "world_to_camera": [*np.eye(4)[:3].tolist(), [0, 0, 0, "a"]]}, "must be 16 numbers"),
        ("camera", "not an object"),
    ],
)
def test_cameras_that_no_one_has_are_refused(tmp_path, entry, said):
    (tmp_path / "camera.json").write_text(json.dumps({"cameras": [entry]}))
    with pytest.raises(InputError) as caught:
        read_cameras(tmp_path / "camera.json")
    assert said in str(caught.value)


@pytest.mark.parametrize("lens", [12.0, 35.0, 85.0, 600.0])
def test_cameras_that_people_have_are_read(tmp_path, lens):
    (tmp_path / "camera.json").write_text(json.dumps({**PLACED, "lens_mm": lens}))
    assert read_cameras(tmp_path / "camera.json")[0].focal[0] == pytest.approx(1920 * lens / 36)


def test_a_camera_that_could_not_be_read_again_is_not_written(tmp_path):
    odd = Camera("odd", np.array([100, 100]), np.array([2e9, 2e9]), np.array([50, 50]), np.eye(4))
    with pytest.raises(InputError, match="the camera 'odd' has a focal length of 2e"):
        save_cameras([odd], tmp_path / "camera.json")
    assert not (tmp_path / "camera.json").exists()


# -- what is written --------------------------------------------------------------------------------------------------


def test_what_could_not_be_read_again_is_not_written(tmp_path, tiny, take):
    path = tmp_path / "a.take.safetensors"
    save_take(take, path)
    for change, said in (
        ({"coefficients": take.coefficients * np.float32(1e12)}, "its coefficients holds numbers beyond"),
        ({"head": take.head * 2}, "its head holds a matrix that is not a rigid motion"),
        ({"fps": float("inf")}, "it has no frame rate"),
    ):
        with pytest.raises(InputError, match=f"could not be read again: {said}"):
            save_take(dataclasses.replace(take, **change), path)
        assert load_take(path).fps == take.fps
    actor = dataclasses.replace(tiny[0], thickness=tiny[0].thickness * np.float32(np.inf))
    with pytest.raises(InputError, match="its thickness holds values that are not numbers"):
        save_actor(actor, tmp_path / "a.actor.safetensors")
    assert not (tmp_path / "a.actor.safetensors").exists()


@pytest.mark.parametrize("name", ["keys", "key_weights", "key_names", "jaw", "frames", "skin_weight", "neutral", "fps"])
@pytest.mark.parametrize("damage", ["shorter", "infinite", "text", "gone"])
def test_a_frame_is_not_kept_in_a_bake_that_does_not_hold_together(tmp_path, tiny, take, name, damage):
    bake_take(tiny[0], take, 0.5).save(tmp_path / "bake.npz")
    with np.load(tmp_path / "bake.npz") as archive:
        arrays = {each: archive[each] for each in archive.files}
    array = arrays[name]
    if damage == "gone":
        del arrays[name]
    elif damage == "text":
        arrays[name] = np.array("text")
    elif damage == "shorter":
        arrays[name] = array[:-1] if array.ndim else array[None]
    else:
        arrays[name] = np.full(array.shape, np.inf)
    np.savez(tmp_path / "bake.npz", **arrays)
    with pytest.raises(InputError, match=r"bake\.npz is gone or damaged: .*; bake the take again"):
        correct_bake(tmp_path / "bake.npz", tmp_path / "out.npz", take, int(take.frames[1]), shapes()[:2], 2)
    assert not (tmp_path / "out.npz").exists()


# -- tables -----------------------------------------------------------------------------------------------------------

SHOT = {"actor": "a.actor.safetensors", "performance": "shot.pc2"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**SHOT, "write": [{"a": 1}]}, "column write: [{'a': 1}] is not a list"),
        ({**SHOT, "fps": 10**400}, "column fps: 1000"),
        ({**SHOT, "start": 1e300}, "is not a number that can be used"),
        ({**SHOT, "pairs": {"smile": 3}}, "column pairs: each expression must have the name of one"),
        ({**SHOT, "targets": [["b"]]}, "column targets"),
        ({**SHOT, "performance_fps": 0}, "column performance_fps: 0 must be more than 0"),
        ({**SHOT, "shot": ["a"]}, "column shot: ['a'] is not a text"),
        ([], "is not an object with columns and values"),
    ],
)
def test_rows_of_another_kind_are_named(tmp_path, row, said):
    (tmp_path / "shots.json").write_text(json.dumps([row]))
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "shots.json")
    assert said in str(caught.value)
    assert "shot 1" in str(caught.value)


def test_nested_brackets_and_long_numbers_are_refused(tmp_path):
    for text in ("[" * 100000, '{"shots": [' + "9" * 5000 + "]}", '{"shots": ' * 5000):
        (tmp_path / "shots.json").write_text(text)
        with pytest.raises(InputError, match=r"shots\.json cannot be read"):
            read_table(tmp_path / "shots.json")
