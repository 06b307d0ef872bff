# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequences of meshes and mesh caches as people have them: numbers, gaps, strays, rates, samples between frames."""

import json
import struct

import numpy as np
import pytest

from aim_blender.core.files.files import load_take, save_actor
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.shared.captured.mesh_caches import write_cache
from aim_blender.core.shared.captured.meshes import write_mesh
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.jobs.command_line.command_line import main
from tests.core.mesh_files import write_mdd
from tests.core.tiny_capture import POINTS, grid, shapes

NEUTRAL, QUADS = grid()
TOPOLOGY = Topology.from_padded(QUADS, POINTS)


def height(number: float) -> np.ndarray:
    """The mesh of a frame: its number can be read off it."""
    return NEUTRAL + np.array([0.0, 0.0, number])


def write_sequence(folder, numbers, name="take_{}.obj"):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        write_mesh(folder / name.format(number), height(number if abs(number) < 10**6 else 0), TOPOLOGY)
    return folder


def heights(performance) -> list[float]:
    """What number each frame's mesh was written with."""
    return (performance.vertices[:, 0, 2] - NEUTRAL[0, 2]).round(2).tolist()


def test_unpadded_numbers_are_in_their_order(tmp_path):
    found = read_performance(write_sequence(tmp_path / "shot", range(1, 13)))
    assert found.frames.tolist() == heights(found) == [*range(1, 13)]
    assert found.notes == ()


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("frame{:04d}.obj", [1001, 1002, 1003]),
        ("{}.obj", [9, 10, 11]),
        ("head_v2_take3.{}.obj", [8, 9, 10]),
        ("{}_head_01.obj", [-1, 0, 1]),
        ("take_{}.obj", [-10, -9, -8]),
        ("take-{}.obj", [5, 6, 7]),
    ],
)
def test_the_number_that_differs_is_the_frame(tmp_path, name, numbers):
    found = read_performance(write_sequence(tmp_path / "shot", numbers, name))
    assert found.frames.tolist() == heights(found) == numbers


def test_missing_frames_are_filled_in_and_said(tmp_path, tiny):
    actor, _ = tiny
    folder = tmp_path / "shot"
    folder.mkdir()
    blend = dict(zip((8, 9, 10, 13), np.linspace(0, 1, 4), strict=True))
    for number, share in blend.items():
        write_mesh(folder / f"take_{number}.obj", (1 - share) * shapes()[1] + share * shapes()[2], TOPOLOGY)
    found = read_performance(folder)
    assert found.frames.tolist() == [8, 9, 10, 11, 12, 13]
    assert np.isnan(found.vertices).all((1, 2)).tolist() == [False, False, False, True, True, False]
    take = fit_performance(actor, found, FittingSettings(modes=6, device="cpu"))
    assert take.frames.tolist() == [8, 9, 10, 11, 12, 13]
    assert take.figures["missing_frames"] == [11, 12]
    assert any("2 of 6 frames are missing and were filled in: 11, 12" in note for note in take.figures["notes"])
    np.testing.assert_allclose(take.coefficients[3] * 3, take.coefficients[2] * 2 + take.coefficients[5], atol=1e-5)


def test_every_second_frame_is_no_gap_and_far_numbers_are_not_filled(tmp_path):
    found = read_performance(write_sequence(tmp_path / "a", [1, 3, 5, 9]))
    assert found.frames.tolist() == [1, 3, 5, 7, 9]
    assert "its frames are 2 apart" in found.notes[0]
    found = read_performance(write_sequence(tmp_path / "b", [1, 2, 5000]))
    assert found.frames.tolist() == [1, 2, 5000]
    assert "what lies between was not filled in" in found.notes[0]


def test_what_lies_beside_a_sequence_is_left_out_and_said(tmp_path):
    folder = write_sequence(tmp_path / "shot", range(1, 6))
    write_mesh(folder / "neutral.obj", height(100), TOPOLOGY)
    (folder / "other_3.ply").write_text("no mesh at all")
    found = read_performance(folder)
    assert found.frames.tolist() == heights(found) == [1, 2, 3, 4, 5]
    assert "neutral.obj and other_3.ply are not numbered as the others of take_#.obj and left out" in found.notes


def test_two_sequences_and_a_number_twice_are_refused(tmp_path):
    folder = write_sequence(write_sequence(tmp_path / "shot", range(1, 6)), range(1, 4), "close_{}.obj")
    with pytest.raises(InputError, match=r"holds two sequences, take_#.obj \(5 files\) and close_#.obj \(3 files\)"):
        read_performance(folder)
    twice = write_sequence(write_sequence(tmp_path / "twice", range(1, 6)), [3], "take_{:03d}.obj")
    with pytest.raises(InputError, match=r"take_003\.obj and take_3\.obj, which are both frame 3"):
        read_performance(twice)


def test_names_without_numbers_are_frames_by_name(tmp_path):
    folder = tmp_path / "shot"
    folder.mkdir()
    for number, name in enumerate(["open", "smile", "wide"], 1):
        write_mesh(folder / f"{name}.obj", height(number), TOPOLOGY)
    found = read_performance(folder)
    assert found.frames.tolist() == heights(found) == [1, 2, 3]
    assert "carry no frame numbers" in found.notes[0]


def test_numbers_that_are_no_frames_only_give_the_order(tmp_path):
    found = read_performance(write_sequence(tmp_path / "shot", [1690000000033, 1690000000066], "scan_{}.obj"))
    assert found.frames.tolist() == [1, 2]
    assert "are no frames" in found.notes[0]


def test_a_given_rate_counts(tmp_path):
    folder = write_sequence(tmp_path / "shot", range(1, 4))
    assert read_performance(folder).fps == 24.0
    assert read_performance(folder, fps=59.94).fps == 59.94
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="frame rate is"):
            read_performance(folder, fps=wrong)


def test_the_rate_is_an_option_of_the_command_line_and_a_column_of_a_table(tmp_path, tiny, capsys):
    actor, performance = tiny
    save_actor(actor, tmp_path / "A.actor.safetensors")
    folder = tmp_path / "shot"
    folder.mkdir()
    for number, points in zip((9, 10, 12), performance.vertices, strict=False):
        write_mesh(folder / f"take_{number}.obj", points, TOPOLOGY)
    take = tmp_path / "T.take.safetensors"
    given = ["fit", str(tmp_path / "A.actor.safetensors"), str(folder), "--out", str(take), "--modes", "6"]
    assert main([*given, "--fps", "59.94", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing_frames"] == [11]
    found = load_take(take)
    assert (found.fps, found.frames.tolist()) == (59.94, [9, 10, 11, 12])
    assert main([*given, "--fps", "0"]) == 2
    assert "the performance's frame rate is 0" in capsys.readouterr().err
    table = tmp_path / "shots.csv"
    table.write_text("actor,performance,performance_fps,write,modes\nA.actor.safetensors,shot,50,mdd,6\n")
    assert main(["batch", str(table), "--out", str(tmp_path / "out")]) == 0
    assert load_take(tmp_path / "out" / "shot" / "shot.take.safetensors").fps == 50.0
    capsys.readouterr()
    # Errors are measured at the same frames as were fitted.
    cache = tmp_path / "shot.mdd"
    write_mdd(cache, performance.vertices[:3], fps=12.0)
    given = [str(tmp_path / "A.actor.safetensors"), str(cache)]
    assert main(["fit", *given, "--out", str(take), "--modes", "6", "--fps", "24"]) == 0
    assert main(["errors", given[0], str(take), given[1], "--out", str(tmp_path / "errors.npz")]) == 0
    with np.load(tmp_path / "errors.npz") as errors:
        assert errors["frames"].tolist() == [1, 3, 5]
        assert np.isfinite(errors["errors"]).all()


# -- caches -----------------------------------------------------------------------------------------------------------


def write_pc2(path, start, rate, count=8):
    places = start + rate * np.arange(count)
    header = b"POINTCACHE2\0" + struct.pack("<iiffi", 1, POINTS, start, rate, count)
    path.write_bytes(header + np.stack([height(place) for place in places]).astype("<f4").tobytes())
    return path


@pytest.mark.parametrize(
    ("start", "rate", "frames"),
    [
        (1001.0, 2.0, [1001, 1003, 1005, 1007, 1009, 1011, 1013, 1015]),
        (-10.5, 0.5, [-10, -9, -8, -7]),
        (0.25, 1.0, [1, 2, 3, 4, 5, 6, 7]),
        (1.0, 1.25, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_a_pc2_is_read_at_the_frames_it_says(tmp_path, starting, start, rate, frames):
    found = read_performance(write_pc2(tmp_path / "a.pc2", start, rate))
    assert found.frames.tolist() == heights(found) == frames
    assert len(found.notes) == 1  # neither is one sample a frame, and it is said


@pytest.fixture(params=[True, False], ids=["in memory", "paged"])
def starting(request, monkeypatch):
    from aim_blender.core.shared.foundation import large_arrays

    if not request.param:
        monkeypatch.setattr(large_arrays, "IN_MEMORY_BYTES", 0)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), 1e30])
def test_a_pc2_with_an_impossible_rate_is_refused(tmp_path, rate):
    with pytest.raises(InputError, match=r"a\.pc2 is damaged: its samples are .* apart"):
        read_performance(write_pc2(tmp_path / "a.pc2", 1.0, rate))


def write_times(path, times):
    stored = np.stack([height(number) for number in range(len(times))])
    write_mdd(path, stored)
    path.write_bytes(path.read_bytes()[:8] + np.array(times, ">f4").tobytes() + stored.astype(">f4").tobytes())
    return path


def test_an_mdd_is_read_at_its_own_times(tmp_path):
    found = read_performance(write_times(tmp_path / "a.mdd", np.array([101, 102, 103, 106]) / 30))
    assert found.frames.tolist() == [101, 102, 103, 104, 105, 106]
    assert found.fps == pytest.approx(30.0, rel=1e-4)
    assert heights(found)[:3] == [0, 1, 2]
    assert heights(found)[5] == 3
    assert np.isnan(found.vertices[3:5]).all()
    # From the first sample on, which is frame 1; at another rate samples lie between frames.
    times = np.arange(5) / 12
    assert read_performance(write_times(tmp_path / "b.mdd", times)).frames.tolist() == [1, 2, 3, 4, 5]
    found = read_performance(write_times(tmp_path / "b.mdd", times), fps=24.0)
    assert (found.frames.tolist(), found.fps) == ([1, 3, 5, 7, 9], 24.0)
    found = read_performance(write_times(tmp_path / "b.mdd", times), fps=18.0)
    assert found.frames.tolist() == [1, 2, 3, 4, 5, 6, 7]
    np.testing.assert_allclose(heights(found), np.arange(7) * 2 / 3, atol=0.01)


def test_an_mdd_without_times_has_a_frame_a_sample(tmp_path):
    assert read_performance(write_times(tmp_path / "a.mdd", [0, 0, 0])).frames.tolist() == [1, 2, 3]
    for times in ([0, 2, 1], [0, 1, float("nan")], [0, 1e9, 2e9]):
        with pytest.raises(InputError, match=r"a\.mdd is damaged: its"):
            read_performance(write_times(tmp_path / "a.mdd", times))


def test_a_pc2_of_uneven_frames_is_not_written(tmp_path):
    with pytest.raises(InputError, match="not evenly apart, such as 5 and 8"):
        write_cache(tmp_path / "a.pc2", shapes().astype("f4"), np.array([4, 5, 8, 9]), 24.0)
    assert not (tmp_path / "a.pc2").exists()
