# SPDX-License-Identifier: GPL-3.0-or-later
"""Performances from folders, archives and point caches; and which ones an actor refuses, in what words."""

import dataclasses
import os
import pickle
import struct
import tempfile

import numpy as np
import pytest

from aim_blender.core.shared.captured.meshes import write_mesh
from aim_blender.core.shared.captured.performances import (
    Performance,
    check_performance,
    read_performance,
    to_millimetres,
)
from aim_blender.core.shared.foundation import archives, large_arrays
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from tests.core.geometry import moved, rigid
from tests.core.mesh_files import write_mdd, write_pc2, write_ply
from tests.core.tiny_capture import POINTS, grid, shapes, write_performance

FRAMES = 6
NEUTRAL, QUADS = grid()
TOPOLOGY = Topology.from_padded(QUADS, POINTS)
BLEND = np.linspace(0, 1, FRAMES)[:, None, None]
TRUTH = (1 - BLEND) * shapes()[1] + BLEND * shapes()[2]
KINDS = ("obj", "ply", "npz", "pc2", "mdd")


def written(folder, kind: str, vertices=TRUTH):
    """A performance in one of the formats."""
    path = folder / f"shot.{kind}"
    if kind in ("obj", "ply"):
        path = folder / "shot"
        path.mkdir()
        for index, points in enumerate(vertices):
            if kind == "obj":
                write_mesh(path / f"frame_{index + 1:04d}.obj", points, TOPOLOGY)
            else:
                write_ply(path / f"frame_{index + 1:04d}.ply", points, QUADS)
    elif kind == "npz":
        write_performance(path)
    else:
        (write_pc2 if kind == "pc2" else write_mdd)(path, vertices)
    return path


def refused(path) -> str:
    with pytest.raises(InputError) as caught:
        read_performance(path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def checked(performance: Performance) -> None:
    check_performance(performance, NEUTRAL, TOPOLOGY)


def rejected(performance: Performance) -> str:
    with pytest.raises(InputError) as caught:
        checked(performance)
    sentence = str(caught.value)
    assert performance.source in sentence
    assert "\n" not in sentence
    return sentence


def sound(**changes) -> Performance:
    """A performance of the tiny mesh that an actor accepts, but for the changes."""
    frames = np.arange(1, FRAMES + 1, dtype=np.int32)
    performance = Performance(TRUTH.astype(np.float32), frames, 24.0, TOPOLOGY, "shot.npz")
    return dataclasses.replace(performance, **changes)


# -- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_is_read(tmp_path, kind):
    performance = read_performance(written(tmp_path, kind))
    assert performance.vertices.dtype == np.float32
    assert np.abs(performance.vertices - TRUTH).max() < 1e-4
    assert np.array_equal(performance.frames, np.arange(1, FRAMES + 1))
    assert performance.frames.dtype == np.int32
    assert performance.fps == pytest.approx(24.0)
    assert performance.source == str(tmp_path / ("shot" if kind in ("obj", "ply") else f"shot.{kind}"))
    if kind in ("pc2", "mdd"):
        assert performance.topology is None
    else:
        assert performance.topology.digest == TOPOLOGY.digest
    checked(performance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compressed", [False, True])
def test_large_files_are_paged_and_hold_the_same(tmp_path, monkeypatch, kind, compressed):
    path = written(tmp_path, kind)
    if compressed and kind == "npz":
        np.savez_compressed(path, vertices=TRUTH)  # in double precision, so that it is converted too
    small = read_performance(path)
    monkeypatch.setattr(large_arrays, "IN_MEMORY_BYTES", 0)
    large = read_performance(path)
    assert isinstance(large.vertices, np.memmap)
    assert large.vertices.dtype == np.float32
    assert np.array_equal(small.vertices, large.vertices)
    centimetres = dataclasses.replace(large, vertices=large.vertices / 10)
    scaled, factor = to_millimetres(centimetres, NEUTRAL, TOPOLOGY)
    assert factor == 10.0
    assert np.abs(scaled.vertices - TRUTH).max() < 1e-4


def test_archive_says_what_counts(tmp_path):
    mask = np.random.default_rng(0).random((FRAMES, POINTS)) < 0.9
    np.savez(tmp_path / "a.npz", vertices=TRUTH, mask=mask)
    assert np.array_equal(read_performance(tmp_path / "a.npz").confidence, mask)
    np.savez(tmp_path / "a.npz", vertices=TRUTH, confidence=np.linspace(0, 1, POINTS))
    assert read_performance(tmp_path / "a.npz").confidence.shape == (FRAMES, POINTS)
    np.savez(tmp_path / "a.npz", vertices=TRUTH, confidence=np.full((FRAMES, POINTS), 1.5))
    assert "confidence holds values that are not from 0 to 1" in refused(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", vertices=TRUTH, mask=mask[:, 1:])
    assert "its mask has the shape (6, 224)" in refused(tmp_path / "a.npz")


def test_caches_know_their_start_and_rate(tmp_path):
    assert read_performance(write_pc2(tmp_path / "a.pc2", TRUTH, start=101.0)).frames.tolist() == [*range(101, 107)]
    assert read_performance(write_mdd(tmp_path / "a.mdd", TRUTH, fps=60.0)).fps == pytest.approx(60.0)
    assert read_performance(write_mdd(tmp_path / "b.mdd", TRUTH[:1])).fps == 24.0


def test_archive_of_anyone(tmp_path):
    """Only `vertices` is needed; padded faces and double precision are read too."""
    np.savez(tmp_path / "shot.npz", vertices=TRUTH)
    performance = read_performance(tmp_path / "shot.npz")
    assert performance.topology is None
    assert performance.fps == 24.0
    assert performance.vertices.dtype == np.float32
    np.savez(tmp_path / "shot.npz", vertices=TRUTH, faces=QUADS, frames=np.arange(10, 16), fps=30)
    performance = read_performance(tmp_path / "shot.npz")
    assert performance.topology.digest == TOPOLOGY.digest
    assert performance.frames.tolist() == [10, 11, 12, 13, 14, 15]
    assert performance.fps == 30.0


def test_archives_have_missing_frames_and_samples_between_them(tmp_path):
    confidence = np.linspace(0.5, 1, FRAMES)[:, None] * np.ones(POINTS)
    numbers = np.array([1.0, 2.0, 3.0, 6.0, 7.0, 8.0])  # whole, whatever their kind
    np.savez(tmp_path / "shot.npz", vertices=TRUTH, frames=numbers, confidence=confidence)
    performance = read_performance(tmp_path / "shot.npz")
    assert performance.frames.tolist() == [*range(1, 9)]
    assert performance.frames.dtype == np.int32
    np.testing.assert_allclose(performance.vertices[[0, 1, 2, 5, 6, 7]], TRUTH, rtol=1e-6)
    assert np.isnan(performance.vertices[3:5]).all()
    np.testing.assert_allclose(performance.confidence[[0, 3, 5]][:, 0], [0.5, 0.0, 0.8])
    np.savez(tmp_path / "shot.npz", vertices=TRUTH, frames=1 + 0.5 * np.arange(FRAMES))
    performance = read_performance(tmp_path / "shot.npz")
    assert performance.frames.tolist() == [1, 2, 3]
    np.testing.assert_allclose(performance.vertices, TRUTH[::2], rtol=1e-6)
    assert "made of the samples around them" in performance.notes[0]
    np.savez(tmp_path / "shot.npz", vertices=TRUTH, frames=1 + 0.1 * np.arange(FRAMES))  # one whole frame among them
    performance = read_performance(tmp_path / "shot.npz")
    assert (performance.frames.tolist(), len(performance.vertices)) == ([1], 1)
    # Blender wrote the frames that the artist chose.
    np.savez(tmp_path / "shot.npz", vertices=TRUTH, frames=[1, 2, 3, 6, 7, 8], source="face")
    performance = read_performance(tmp_path / "shot.npz")
    assert (performance.frames.tolist(), performance.notes) == ([1, 2, 3, 6, 7, 8], ())


# -- damaged files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_truncated_files_are_refused(tmp_path, kind, share):
    path = written(tmp_path, kind)
    cut = path / f"frame_0004.{kind}" if path.is_dir() else path
    data = cut.read_bytes()
    # Within a line: an OBJ file that ends with whole faces cannot be told from a smaller mesh, but for its faces.
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError) as caught:
        read_performance(path)
    assert str(cut) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["npz", "pc2", "mdd"])
def test_random_bytes_are_refused(tmp_path, kind):
    path = tmp_path / f"shot.{kind}"
    for seed in range(5):
        path.write_bytes(np.random.default_rng(seed).bytes(4000))
        refused(path)


@pytest.mark.parametrize("kind", ["pc2", "mdd"])
def test_caches_with_impossible_counts_are_refused(tmp_path, kind):
    path = tmp_path / f"shot.{kind}"
    for samples, points in ((-1, POINTS), (FRAMES, -POINTS), (2**31 - 1, 2**31 - 1), (FRAMES + 1, POINTS)):
        data = written(tmp_path, kind).read_bytes()
        if kind == "pc2":
            damaged = data[:12] + struct.pack("<iiffi", 1, points, 1.0, 1.0, samples) + data[32:]
        else:
            damaged = struct.pack(">ii", samples, points) + data[8:]
        path.write_bytes(damaged)
        assert "is damaged" in refused(path)


def test_pickles_are_refused(tmp_path):
    path = tmp_path / "shot.npz"
    path.write_bytes(pickle.dumps({"vertices": TRUTH}))
    refused(path)
    np.savez(path, vertices=np.array([{"a": 1}], dtype=object))
    refused(path)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="a system that reserves room on a disk")
def test_a_disk_without_room_for_a_large_performance_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OSError, match=f"the disk of {tmp_path} has no room for 4194304.0 GiB"):
        large_arrays.room_for((2**40, 2**10, 1))


def test_what_is_made_to_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "ALWAYS_READ_BYTES", 0)
    path = tmp_path / "shot.npz"
    np.savez_compressed(path, vertices=TRUTH)
    read_performance(path)
    np.savez_compressed(path, vertices=np.zeros((40, 10000, 3)))
    assert "it unpacks to 0.0 GiB, as no meshes do" in refused(path)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"vertices": None}, "vertices"),
        ({"vertices": TRUTH[0]}, "(frames, points, 3) is needed"),
        ({"vertices": TRUTH[..., :2]}, "(frames, points, 3) is needed"),
        ({"vertices": np.array([["a"]])}, "could not convert"),
        ({"frames": np.arange(3)}, "numbers 3 frames but has 6"),
        ({"frames": np.array(["a"] * FRAMES)}, "frame numbers"),
        ({"frames": np.full(FRAMES, 5)}, "frame numbers"),
        ({"fps": np.float64(0)}, "0 frames a second"),
        ({"fps": np.float64(np.nan)}, "nan frames a second"),
        ({"fps": np.array([24.0, 25.0])}, "fps"),
        ({"sizes": None}, "sizes"),
        ({"corners": TOPOLOGY.corners + 1}, "names vertex 225"),
    ],
)
def test_archive_that_does_not_hold_together_is_refused(tmp_path, changes, part):
    with np.load(write_performance(tmp_path / "shot.npz")) as archive:
        arrays = {name: archive[name] for name in archive.files} | changes
    np.savez(tmp_path / "shot.npz", **{name: value for name, value in arrays.items() if value is not None})
    assert part in refused(tmp_path / "shot.npz")


def test_archive_that_is_one_array_is_refused(tmp_path):
    with open(tmp_path / "shot.npz", "wb") as file:
        np.save(file, TRUTH)
    refused(tmp_path / "shot.npz")


@pytest.mark.parametrize("kind", ["npz", "pc2", "mdd"])
def test_a_performance_without_frames_is_refused(tmp_path, kind):
    path = tmp_path / f"shot.{kind}"
    if kind == "npz":
        np.savez(path, vertices=TRUTH[:0])
    else:
        (write_pc2 if kind == "pc2" else write_mdd)(path, TRUTH[:0])
    assert "has no frames; a performance needs at least one" in refused(path)


def test_missing_and_foreign_files_are_refused(tmp_path):
    for name in ("nothing.npz", "nothing", "nothing.pc2"):
        assert "does not exist" in refused(tmp_path / name)
    (tmp_path / "shot.abc").write_bytes(b"Ogawa")
    assert "must be a folder of meshes, an .npz, a .pc2 or an .mdd file" in refused(tmp_path / "shot.abc")
    (tmp_path / "empty").mkdir()
    assert "holds no meshes" in refused(tmp_path / "empty")


def test_folder_with_another_mesh_among_its_frames_is_refused(tmp_path):
    path = written(tmp_path, "obj")
    other = Topology(np.roll(TOPOLOGY.corners, 1), TOPOLOGY.sizes, POINTS)
    write_mesh(path / "frame_0003.obj", TRUTH[2], other)
    sentence = refused(path)
    assert "frame_0003.obj has other faces than frame_0001.obj" in sentence


# -- what an actor accepts --------------------------------------------------------------------------------------------


def test_quads_and_triangles_of_one_mesh_are_accepted():
    triangles = Topology.from_padded(TOPOLOGY.triangles(), POINTS)
    other_way = Topology.from_padded(np.concatenate([QUADS[:, [1, 2, 3]], QUADS[:, [1, 3, 0]]]), POINTS)
    checked(sound(topology=triangles))
    checked(sound(topology=other_way))
    checked(sound(topology=None))
    check_performance(sound(), NEUTRAL, triangles)


def test_a_turned_and_stretched_head_is_accepted():
    away = moved(rigid((40.0, 170.0, -20.0), (500.0, -300.0, 20.0)), TRUTH * [1.1, 0.9, 1.2])
    checked(sound(vertices=away.astype(np.float32)))


def test_another_number_of_points_is_refused():
    sentence = rejected(sound(vertices=TRUTH[:, :-1].astype(np.float32), topology=None))
    assert "has 224 vertices a frame but the actor's mesh has 225" in sentence


def test_other_faces_are_refused():
    other = Topology.from_padded(np.random.default_rng(0).permutation(POINTS)[QUADS], POINTS)
    assert "joins its vertices to other faces" in rejected(sound(topology=other))


def test_shuffled_points_are_refused():
    shuffled = np.random.default_rng(0).permutation(POINTS)
    sentence = rejected(sound(vertices=TRUTH[:, shuffled].astype(np.float32), topology=None))
    assert "vertex order is shuffled" in sentence
    assert "export it again with the vertex order kept" in sentence


def test_an_infinite_coordinate_is_refused():
    vertices = TRUTH.astype(np.float32)
    vertices[3, 17, 1] = np.inf
    sentence = rejected(sound(vertices=vertices, frames=np.arange(101, 107, dtype=np.int32)))
    assert "frame 104" in sentence
    assert "vertex 17" in sentence


def test_points_without_a_position_or_confidence_are_missing():
    vertices, confidence = TRUTH.astype(np.float32), np.ones((FRAMES, POINTS), dtype=bool)
    vertices[1, 40:50] = np.nan
    vertices[4] = np.nan
    confidence[2, :30] = False
    shot = sound(vertices=vertices, confidence=confidence)
    presence = check_performance(shot, NEUTRAL, TOPOLOGY)
    assert np.flatnonzero(presence.missing).tolist() == [4]
    assert presence.points == 40
    assert presence.trust == pytest.approx(1 - (np.arange(POINTS) < 30) / 5 - ((np.arange(POINTS) // 10) == 4) / 5)
    assert shot.trust(slice(0, 1)) is None
    assert np.flatnonzero(shot.trust(slice(1, 2))[0] == 0).tolist() == [*range(40, 50)]
    assert check_performance(sound(), NEUTRAL, TOPOLOGY).trust is None


def test_a_performance_without_points_is_refused():
    sentence = rejected(sound(vertices=np.full_like(TRUTH, np.nan, dtype=np.float32)))
    assert "no frame with enough points" in sentence


def test_unit_is_known_from_the_first_points_there_are():
    vertices = TRUTH.astype(np.float32) / 10
    vertices[0] = np.nan
    assert to_millimetres(sound(vertices=vertices), NEUTRAL, TOPOLOGY)[1] == 10.0


@pytest.mark.parametrize(("factor", "said"), [(0.001, "0.001 times"), (0.1, "0.1 times"), (1000.0, "1000 times")])
def test_another_unit_is_refused_by_its_factor(factor, said):
    sentence = rejected(sound(vertices=(TRUTH * factor).astype(np.float32)))
    assert f"is {said} the size of" in sentence
    assert "one scale and one unit" in sentence


@pytest.mark.parametrize("factor", [1.0, 0.001, 0.1, 1.0 / 25.4, 1000.0])
def test_a_known_unit_is_taken_for_what_it_is(factor):
    original = sound()
    performance, found = to_millimetres(sound(vertices=(TRUTH * factor).astype(np.float32)), NEUTRAL, TOPOLOGY)
    assert found == pytest.approx(1.0 / factor)
    np.testing.assert_allclose(performance.vertices, original.vertices, rtol=1e-5, atol=1e-4)


def test_an_unknown_size_stays_as_it_is():
    performance, found = to_millimetres(sound(vertices=(TRUTH * 0.3).astype(np.float32)), NEUTRAL, TOPOLOGY)
    assert found == 1.0
    assert performance.vertices[0, 0] == pytest.approx((TRUTH[0, 0] * 0.3).astype(np.float32))


@pytest.mark.parametrize("fault", ["unit", "shuffled", "zero"])
def test_a_later_frame_at_fault_is_named(fault):
    vertices = TRUTH.astype(np.float32)
    vertices[4] = {
        "unit": vertices[4] / 1000,
        "shuffled": np.random.default_rng(0).permutation(vertices[4]),
        "zero": vertices[4] * 0,
    }[fault]
    assert "frame 5" in rejected(sound(vertices=vertices))
