# SPDX-License-Identifier: GPL-3.0-or-later
"""Actor and take files: exact when read again, whole or not there, and refused by name when anything is wrong."""

import dataclasses
import json
import pickle
import resource
import signal
import sys
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from aim_blender.core.files.actor_files import ACTOR_ARRAYS
from aim_blender.core.files.describing import describe_file
from aim_blender.core.files.files import load_actor, load_take, save_actor, save_take
from aim_blender.core.shared.captured.mesh_caches import write_cache
from aim_blender.core.shared.captured.meshes import write_mesh
from aim_blender.core.shared.foundation.archives import save_arrays
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.core.shared.results.take_files import TAKE_ARRAYS
from tests.core.tiny_capture import NAMES, grid, shapes, write_capture, write_performance

READ: dict[str, Any] = {"actor": load_actor, "take": load_take}
WRITE: dict[str, Any] = {"actor": save_actor, "take": save_take}


@pytest.fixture(scope="module")
def made(demo_learned, demo_take):
    return {"actor": demo_learned, "take": demo_take}


@pytest.fixture(scope="module")
def written(made, tmp_path_factory):
    """A sound file of either kind."""
    folder = tmp_path_factory.mktemp("files")
    for kind, thing in made.items():
        WRITE[kind](thing, folder / f"A.{kind}.safetensors")
    return {kind: folder / f"A.{kind}.safetensors" for kind in made}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "damaged.safetensors"


def refused(kind: str, path) -> str:
    """The sentence, which both reading and describing give."""
    with pytest.raises(InputError) as caught:
        READ[kind](path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    with pytest.raises(InputError, match=path.name):
        describe_file(path)
    return sentence


def rewrite(source, path, change):
    """The file `source` as `path` after change(arrays, header); arrays and header are changed in place."""
    with safe_open(source, framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()["aim"])
    change(arrays, header)
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, path, {"aim": json.dumps(header)})


# -- exact ------------------------------------------------------------------------------------------------------------


def test_actor_comes_back_to_the_last_bit(made, written):
    actor, again = made["actor"], load_actor(written["actor"])
    for name in ACTOR_ARRAYS:
        before, after = getattr(actor, name), getattr(again, name)
        assert before.dtype == after.dtype, name
        assert np.array_equal(before, after), name
    assert again.names == actor.names
    assert again.topology.digest == actor.topology.digest
    for part in ("hinge", "constraints"):
        for item in dataclasses.fields(getattr(actor, part)):
            before, after = (getattr(getattr(thing, part), item.name) for thing in (actor, again))
            assert np.array_equal(before, after), item.name
    assert again.networks.keys() == actor.networks.keys()
    assert all(np.array_equal(again.networks[name], actor.networks[name]) for name in actor.networks)
    assert again.figures == actor.figures
    assert again.settings == json.loads(json.dumps(actor.settings))
    assert np.array_equal(again.shapes(), actor.shapes())
    assert np.array_equal(again.kept_mirror, actor.kept_mirror)


def test_take_comes_back_to_the_last_bit(made, written):
    take, again = made["take"], load_take(written["take"])
    for name in TAKE_ARRAYS:
        before, after = getattr(take, name), getattr(again, name)
        assert before.dtype == after.dtype, name
        assert np.array_equal(before, after), name
    for name in ("names", "topology_digest", "fps", "settings", "figures"):
        assert getattr(again, name) == getattr(take, name)


def test_actor_without_bones_comes_back(made, tmp_path):
    from aim_blender.core.shared.bones.constraints import Constraints

    bare = dataclasses.replace(made["actor"], hinge=None, constraints=Constraints.none())
    save_actor(bare, tmp_path / "A.actor.safetensors")
    again = load_actor(tmp_path / "A.actor.safetensors")
    assert again.hinge is None
    assert len(again.constraints) == 0


def test_names_in_any_script_come_back(made, tmp_path):
    names = ("улыбка", "微笑", *made["actor"].names[2:])
    save_actor(dataclasses.replace(made["actor"], names=names), tmp_path / "A.actor.safetensors")
    assert load_actor(tmp_path / "A.actor.safetensors").names == names


def test_only_the_file_itself_is_left(written):
    assert {path.name for path in written["actor"].parent.iterdir()} == {path.name for path in written.values()}


# -- damaged ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("share", [0.0, 1e-6, 0.001, 0.5, 0.999])
def test_truncated_file_is_refused(written, path, kind, share):
    data = written[kind].read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "damaged" in refused(kind, path)


@pytest.mark.parametrize("kind", READ)
def test_one_changed_byte_is_noticed(written, path, kind):
    """Wherever it is: in the last digits of a number, in the figures of the header, in the name of an array."""
    data = written[kind].read_bytes()
    for place in (len(data) - 4, len(data) // 2, data.index(b"mean_mm") + 1, data.index(b'"jaw"') + 1):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert "a byte of it has changed" in refused(kind, path)


@pytest.mark.parametrize("kind", READ)
def test_files_of_before_there_was_a_checksum_are_read(written, path, kind):
    rewrite(written[kind], path, lambda arrays, header: None)
    with safe_open(path, framework="np") as file:
        assert set(file.metadata()) == {"aim"}
    assert np.array_equal(READ[kind](path).jaw, READ[kind](written[kind]).jaw)


@pytest.mark.parametrize("kind", READ)
def test_file_with_bytes_after_its_end_is_refused(written, path, kind):
    path.write_bytes(written[kind].read_bytes() + b"more")
    refused(kind, path)


@pytest.mark.parametrize("kind", READ)
def test_random_bytes_are_refused(path, kind):
    for seed in range(10):
        path.write_bytes(np.random.default_rng(seed).bytes(5000))
        assert "not an actor or take file" in refused(kind, path)
    path.write_bytes(b"\xff" * 8 + b"{}")
    refused(kind, path)


@pytest.mark.parametrize("kind", READ)
def test_pickles_are_refused(made, path, kind):
    path.write_bytes(pickle.dumps(made[kind]))
    refused(kind, path)


def test_torch_checkpoints_are_refused(path):
    import torch

    torch.save({"a": torch.zeros(3)}, path)
    assert "not an actor or take file" in refused("actor", path)


@pytest.mark.parametrize("kind", READ)
def test_missing_file_and_folder_are_refused(tmp_path, path, kind):
    assert "does not exist" in refused(kind, path)
    path.mkdir()
    refused(kind, path)


@pytest.mark.parametrize(("wanted", "given", "part"), [("actor", "take", "an actor"), ("take", "actor", "a take")])
def test_the_other_kind_is_named(written, wanted, given, part):
    with pytest.raises(InputError) as caught:
        READ[wanted](written[given])
    article = "an" if given == "actor" else "a"
    assert str(caught.value) == f"{written[given]} is {article} {given} file; {part} file is needed"


def test_safetensors_of_another_program_are_refused(path):
    save_file({"weight": np.zeros(3)}, path)
    assert "not an actor or take file" in refused("actor", path)
    save_file({"weight": np.zeros(3)}, path, {"format": "pt"})
    assert "not an actor or take file" in refused("actor", path)


@pytest.mark.parametrize("kind", READ)
def test_file_of_a_newer_release_is_refused(written, path, kind):
    rewrite(written[kind], path, lambda arrays, header: header.update(version=2))
    sentence = refused(kind, path)
    assert "version 2" in sentence
    assert "version 1" in sentence
    assert "newer" in sentence
    assert "is damaged" not in sentence


ARRAYS_OF = {"actor": (*ACTOR_ARRAYS, "corners", "sizes", "constraints.points"), "take": TAKE_ARRAYS}
CASES = [(kind, name) for kind, names in ARRAYS_OF.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_missing_array_is_named(written, path, kind, name):
    rewrite(written[kind], path, lambda arrays, header: arrays.pop(name))
    assert f"it has no {name};" in refused(kind, path)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_array_of_another_shape_is_refused(written, path, kind, name):
    changes = [lambda array: array[..., None], lambda array: array.ravel()[0]]
    if name not in ("modes", "constraints.points"):  # whose length is only known beside other arrays
        changes.append(lambda array: array[:-1])
    for change in changes:
        rewrite(written[kind], path, lambda arrays, header, c=change: arrays.update({name: np.array(c(arrays[name]))}))
        refused(kind, path)


@pytest.mark.parametrize(
    ("kind", "name"), [case for case in CASES if case[1] not in ("corners", "sizes", "frames", "constraints.points")]
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_numbers_are_refused(written, path, kind, name, value):
    def spoil(arrays, header):
        arrays[name].ravel()[-1] = value

    rewrite(written[kind], path, spoil)
    assert f"its {name} holds values that are not numbers" in refused(kind, path)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_empty_arrays_are_refused(written, path, kind, name):
    rewrite(written[kind], path, lambda arrays, header: arrays.update({name: arrays[name][:0]}))
    refused(kind, path)


def test_file_without_a_single_point_is_refused(written, path):
    def empty(arrays, header):
        for name, array in arrays.items():
            if len(array) == len(arrays["template"]):
                arrays[name] = array[:0]

    rewrite(written["actor"], path, empty)
    refused("actor", path)


@pytest.mark.parametrize(("kind", "name"), [("actor", "jaw"), ("take", "jaw"), ("take", "head")])
@pytest.mark.parametrize("fault", ["scaled", "mirrored", "sheared", "perspective"])
def test_motion_that_is_not_rigid_is_refused(written, path, kind, name, fault):
    def bend(arrays, header):
        change = {
            "scaled": np.diag([1.01, 1.01, 1.01, 1.0]),
            "mirrored": np.diag([-1.0, 1.0, 1.0, 1.0]),
            "sheared": np.eye(4) + 0.01 * np.eye(4, k=1) * [1, 1, 1, 0],
            "perspective": np.eye(4) + 0.01 * np.eye(4, k=-3),
        }[fault]
        arrays[name][-1] = change @ arrays[name][-1]

    rewrite(written[kind], path, bend)
    assert f"its {name} holds a matrix that is not a rigid motion" in refused(kind, path)


@pytest.mark.parametrize("value", [-0.01, 1.01])
def test_skin_weight_outside_its_range_is_refused(written, path, value):
    rewrite(written["actor"], path, lambda arrays, header: arrays["skin_weight"].put(7, value))
    assert "a skinning weight is not in [0, 1]" in refused("actor", path)


def test_flipped_face_is_refused(written, path):
    def flip(arrays, header):
        arrays["corners"][:4] = arrays["corners"][:4][::-1]

    rewrite(written["actor"], path, flip)
    assert "its faces are not those it was written with" in refused("actor", path)


def test_faces_that_name_no_point_are_refused(written, path):
    rewrite(written["actor"], path, lambda arrays, header: arrays["corners"].put(0, 99999))
    assert "names vertex 99999 of a mesh with 8760 vertices" in refused("actor", path)


@pytest.mark.parametrize("point", [-1, 8760])
def test_constraint_of_no_point_is_refused(written, path, point):
    rewrite(written["actor"], path, lambda arrays, header: arrays["constraints.points"].put(0, point))
    assert "a constraint names a point that does not exist" in refused("actor", path)


def test_constraints_of_different_counts_are_refused(written, path):
    rewrite(written["actor"], path, lambda a, header: a.update({"constraints.bone": a["constraints.bone"][:-1]}))
    assert "constraints.bone" in refused("actor", path)


@pytest.mark.parametrize("name", ["hinge", "mirror"])
@pytest.mark.parametrize("fault", ["shape", "nan", "bent"])
def test_damaged_hinge_or_mirror_plane_is_refused(written, path, name, fault):
    def spoil(arrays, header):
        rows = arrays[name].copy()
        arrays[name] = {"shape": rows[:1], "nan": rows * np.nan, "bent": rows * 1.1}[fault]

    rewrite(written["actor"], path, spoil)
    assert name in refused("actor", path)


def test_mirror_plane_is_found_again_where_a_file_has_none(made, written, path):
    rewrite(written["actor"], path, lambda arrays, _: arrays.pop("mirror"))
    again = load_actor(path)
    assert again.kept_mirror is None
    (origin, normal), (kept_origin, kept_normal) = again.mirror, made["actor"].kept_mirror
    assert np.abs(normal - kept_normal).max() < 1e-6
    assert abs((origin - kept_origin) @ normal) < 1e-6


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("names", [None, [], "smile", ["a", 3], ["", "b"], "twice", "fewer"])
def test_names_that_are_no_names_are_refused(made, written, path, kind, names):
    good = list(made[kind].names)
    names = {"twice": [good[0], *good[:-1]], "fewer": good[:-1]}.get(names, names) if isinstance(names, str) else names
    rewrite(written[kind], path, lambda arrays, header: header.update(names=names))
    refused(kind, path)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_array_of_another_type_is_refused(written, path, kind, name):
    for wrong in (np.float16, np.uint8, np.complex64):
        rewrite(written[kind], path, lambda arrays, header, w=wrong: arrays.update({name: arrays[name].astype(w)}))
        refused(kind, path)


@pytest.mark.parametrize("kind", READ)
def test_numbers_beyond_any_face_are_refused(written, path, kind):
    name = {"actor": "implicit_expressions", "take": "coefficients"}[kind]
    rewrite(written[kind], path, lambda arrays, header: arrays[name].ravel().put(-1, 1e20))
    assert f"its {name} holds numbers beyond 1e+09" in refused(kind, path)


@pytest.mark.parametrize("change", [lambda frames: frames[::-1], lambda frames: frames * 0])
def test_frame_numbers_that_do_not_grow_are_refused(written, path, change):
    rewrite(written["take"], path, lambda arrays, header: arrays.update(frames=change(arrays["frames"])))
    assert "frame numbers do not grow" in refused("take", path)


DEEP = "[" * 100000 + "]" * 100000


@pytest.mark.parametrize(
    "header", ["[]", "3", "null", '"actor"', "{}", '{"version": 1}', '{"version": 1, "kind": []}', DEEP], ids=len
)
def test_other_headers_are_refused(path, header):
    save_file({"a": np.zeros(3)}, path, {"aim": header})
    refused("actor", path)


@pytest.mark.parametrize("fps", [None, 0, -24, "24", True, 1e300, float("inf"), float("nan")])
def test_take_without_a_frame_rate_is_refused(written, path, fps):
    rewrite(written["take"], path, lambda arrays, header: header.update(fps=fps))
    assert "it has no frame rate" in refused("take", path)


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("part", ["settings", "figures"])
def test_notes_that_are_no_notes_are_refused(written, path, kind, part):
    rewrite(written[kind], path, lambda arrays, header: header.update({part: [1, 2]}))
    refused(kind, path)


# -- writing ----------------------------------------------------------------------------------------------------------


class Unwritable:
    """An array that fails when it is written."""

    def __array__(self, dtype=None, copy=None):
        raise OSError("cannot be written")


@pytest.mark.parametrize("kind", READ)
def test_a_failing_write_leaves_the_old_file(made, tmp_path, kind):
    path = tmp_path / f"A.{kind}.safetensors"
    WRITE[kind](made[kind], path)
    before = path.read_bytes()
    with pytest.raises((OSError, ValueError)):
        WRITE[kind](dataclasses.replace(made[kind], jaw=Unwritable()), path)
    with pytest.raises(ValueError):
        WRITE[kind](dataclasses.replace(made[kind], figures={"error_mm": float("nan")}), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_failing_archive_leaves_the_old_one(tmp_path):
    path = tmp_path / "frames.npz"
    save_arrays(path, {"vertices": np.zeros((2, 3, 3))})
    before = path.read_bytes()
    with pytest.raises(OSError):
        save_arrays(path, {"vertices": np.ones((2, 3, 3)), "jaw": Unwritable()})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["frames.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of POSIX on the size of files")
@pytest.mark.parametrize("kind", ["actor", "take", "archive"])
def test_a_full_disk_leaves_the_old_file(made, tmp_path, kind):
    """The kernel refuses to let the file grow, as a full disk does."""
    path = tmp_path / "A.safetensors"
    path.write_bytes(b"what was there before")

    def write(path):
        if kind == "archive":
            save_arrays(path, {"vertices": np.zeros((100, 100, 3))})
        else:
            WRITE[kind](made[kind], path)

    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "too large" in str(caught.value)
    assert path.read_bytes() == b"what was there before"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", READ)
def test_writing_into_no_folder_fails(made, tmp_path, kind):
    with pytest.raises(OSError):
        WRITE[kind](made[kind], tmp_path / "nothing" / "A.safetensors")
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        WRITE[kind](made[kind], tmp_path / "file" / "A.safetensors")


def test_archives_are_read_without_pickle(tmp_path):
    save_arrays(tmp_path / "frames.npz", {"vertices": np.eye(3), "names": np.array(["a", "b"])})
    with np.load(tmp_path / "frames.npz", allow_pickle=False) as archive:
        assert np.array_equal(archive["vertices"], np.eye(3))
        assert archive["names"].tolist() == ["a", "b"]


# -- describing -------------------------------------------------------------------------------------------------------


def test_actor_is_described(made, written):
    found = describe_file(written["actor"])
    json.dumps(found, allow_nan=False)
    assert found["kind"] == "actor"
    assert found["points"] == 8760
    assert found["expressions"] == list(made["actor"].names)
    assert found["bones"] is True
    assert found["implicit_mean_mm"] == made["actor"].figures["implicit_mean_mm"]


def test_take_is_described(made, written):
    found = describe_file(written["take"])
    json.dumps(found, allow_nan=False)
    assert found["kind"] == "take"
    assert found["frames"] == len(made["take"].frames)
    assert found["fps"] == 24.0
    assert found["mean_mm"] == made["take"].figures["mean_mm"]


def test_archives_are_described(demo_bake, tmp_path):
    demo_bake.save(tmp_path / "bake.npz")
    write_capture(tmp_path / "capture.npz")
    write_performance(tmp_path / "performance.npz")
    for kind in ("bake", "capture", "performance"):
        found = describe_file(tmp_path / f"{kind}.npz")
        assert found["kind"] == kind
        json.dumps(found)
    assert found["vertices"] == [6, 225, 3]


def test_folders_meshes_caches_and_points_are_described(tmp_path):
    vertices, quads = grid()
    topology = Topology.from_padded(quads, len(vertices))
    (tmp_path / "capture").mkdir()
    for name, points in zip(NAMES, shapes(), strict=True):
        write_mesh(tmp_path / "capture" / f"{name}.obj", points / 1000, topology)
    write_cache(tmp_path / "shot.mdd", shapes().astype("f4"), np.arange(5, 9), 24.0)
    (tmp_path / "points.csv").write_text("frame,name,x,y,z\n3,chin,0,0,0\n4,chin,0,0,1\n")
    kinds = {
        "capture": "folder of meshes",
        "capture/smile.obj": "mesh",
        "shot.mdd": "performance",
        "points.csv": "points",
    }
    found = {name: describe_file(tmp_path / name) for name in kinds}
    assert {name: each["kind"] for name, each in found.items()} == kinds
    json.dumps(found)
    assert (len(found["capture"]["names"]), found["capture"]["millimetres_per_unit"]) == (len(NAMES), 1000.0)
    assert (found["shot.mdd"]["frames"], found["points.csv"]["range"]) == (4, [3, 4])
    with pytest.raises(InputError, match="holds no meshes"):
        describe_file(tmp_path)


@pytest.mark.parametrize("content", ["nothing", "foreign", "one array", "pickle", "truncated", "garbage"])
def test_archives_of_nobody_are_refused(tmp_path, content):
    path = tmp_path / "shot.npz"
    if content == "foreign":
        np.savez(path, weights=np.zeros(3))
    elif content == "one array":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    elif content != "nothing":
        data = write_capture(path).read_bytes()
        damaged = {"pickle": pickle.dumps({"a": 1}), "truncated": data[: len(data) // 2], "garbage": data[::-1]}
        path.write_bytes(damaged[content])
    with pytest.raises(InputError) as caught:
        describe_file(path)
    assert str(path) in str(caught.value)
