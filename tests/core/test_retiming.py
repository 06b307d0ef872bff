# SPDX-License-Identifier: GPL-3.0-or-later
"""Frame ranges, steps and frame rates of a take, and mesh caches of what it evaluates to."""

from dataclasses import replace

import numpy as np
import pytest

from aim_blender.core.baking.baking import bake_take, posed_frames
from aim_blender.core.geometry.rigid import apply_motion
from aim_blender.core.model import evaluation
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.shared.captured.mesh_caches import write_cache
from aim_blender.core.shared.captured.performances import read_performance, within
from aim_blender.core.shared.foundation import large_arrays
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.settings.timing_settings import Timing
from aim_blender.core.timing.retiming import between, retimed


@pytest.fixture(scope="module")
def shot(demo_take):
    """The demo take as one of consecutive frames."""
    return replace(demo_take, frames=np.arange(101, 101 + len(demo_take.frames), dtype=np.int32))


def test_nothing_asked_changes_nothing(shot, demo_learned):
    same = retimed(shot, demo_learned, Timing())
    for name in ("coefficients", "jaw", "head", "frames", "error_mm"):
        assert np.array_equal(getattr(same, name), getattr(shot, name))


def test_range_step_and_first_frame(shot, demo_learned):
    part = retimed(shot, demo_learned, Timing(start=103, end=110, step=3, first=1))
    assert part.frames.tolist() == [1, 4, 7]
    assert np.array_equal(part.coefficients, shot.coefficients[[2, 5, 8]])
    assert np.array_equal(part.head, shot.head[[2, 5, 8]])
    assert part.fps == shot.fps


def test_24_to_30_frames_a_second(shot, demo_learned):
    faster = retimed(shot, demo_learned, Timing(fps=30))
    assert faster.fps == 30
    assert faster.frames.tolist() == list(range(101, 101 + int((len(shot.frames) - 1) / 24 * 30) + 1))
    # Every fifth frame is a fourth of the original, and exactly so.
    assert np.array_equal(faster.coefficients[::5], shot.coefficients[::4])
    assert np.array_equal(faster.jaw[::5], shot.jaw[::4])
    # One in between lies between: 4/5 of the way from the first to the second.
    wanted = 0.2 * shot.coefficients[0] + 0.8 * shot.coefficients[1]
    assert np.abs(faster.coefficients[1] - wanted).max() < 1e-5
    rotation = faster.head[:, :3, :3]
    assert np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max() < 1e-9


def test_the_way_back_is_as_exact_as_linear_frames_allow(demo_learned, shot):
    """A take that moves evenly survives 24 to 30 to 24 exactly."""
    even = np.linspace(0, 1, 13)[:, None, None].astype(np.float32)
    count = len(even)
    line = replace(
        shot,
        coefficients=even * shot.coefficients[3],
        jaw=between(
            np.tile(shot.jaw[:1], (count, 1, 1)), np.tile(shot.jaw[3:4], (count, 1, 1)), even.ravel(), np.zeros(3)
        ),
        head=np.tile(np.eye(4), (count, 1, 1)),
        frames=np.arange(1, count + 1, dtype=np.int32),
        error_mm=shot.error_mm[:1].repeat(count, 0),
    )
    back = retimed(retimed(line, demo_learned, Timing(fps=30)), demo_learned, Timing(fps=24))
    assert back.frames.tolist() == line.frames.tolist()
    apart = evaluate_take(demo_learned, back)["vertices"] - evaluate_take(demo_learned, line)["vertices"]
    assert np.abs(apart).max() < 2e-3


def test_a_turn_is_even_about_its_pivot():
    pivot = np.array([3.0, -20.0, 1700.0])
    angle = np.radians(40)
    turned = np.eye(4)[None].copy()
    turned[0, :2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turned[0, :3, 3] = pivot - turned[0, :3, :3] @ pivot + [8, 0, 0]
    middle = between(np.eye(4)[None], turned, np.array([0.5]), pivot)
    assert np.abs(apply_motion(pivot[None], middle)[0] - pivot - [4, 0, 0]).max() < 1e-9
    assert middle[0, 0, 0] == pytest.approx(np.cos(angle / 2))


def test_refusals(shot, demo_learned):
    with pytest.raises(InputError, match="frames 101 to 112, none of which lies in the range from 1 to 5"):
        retimed(shot, demo_learned, Timing(start=1, end=5))
    for wrong in ({"step": 0}, {"fps": 0.0}, {"start": 5, "end": 4}):
        with pytest.raises(InputError):
            Timing(**wrong)


def test_a_bake_of_other_frames_is_within_its_tolerance(shot, demo_learned):
    part = retimed(shot, demo_learned, Timing(start=104, end=107, fps=30))
    bake = bake_take(demo_learned, part, 0.2)
    assert bake.frames.tolist() == part.frames.tolist()
    wanted = evaluate_take(demo_learned, part)["vertices"]
    assert np.linalg.norm(posed_frames(bake, slice(None)) - wanted, axis=-1).max() < 0.2


@pytest.mark.parametrize("suffix", [".pc2", ".mdd"])
def test_caches_are_read_back_exactly(tmp_path, suffix):
    vertices = np.random.default_rng(1).normal(size=(7, 11, 3)).astype(np.float32)
    path = tmp_path / f"cache{suffix}"
    write_cache(path, vertices, np.arange(5, 12), 25.0)
    found = read_performance(path)
    assert np.array_equal(found.vertices, vertices)
    write_cache(path, vertices, np.arange(5, 12), 25.0, 10.0)
    assert np.array_equal(read_performance(path).vertices, vertices / np.float32(10))
    assert found.frames[0] == (5 if suffix == ".pc2" else 1)
    if suffix == ".mdd":
        assert found.fps == pytest.approx(25.0)


def test_a_long_take_is_evaluated_into_a_file_and_can_be_stopped(shot, demo_learned, monkeypatch):
    wanted = evaluate_take(demo_learned, shot)["vertices"]
    monkeypatch.setattr(large_arrays, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(evaluation, "CHUNK_FRAMES", 4)
    told = []
    found = evaluate_take(demo_learned, shot, told.append)["vertices"]
    assert isinstance(found, np.memmap)
    assert np.allclose(found, wanted, atol=1e-4)
    assert len(told) == -(-len(wanted) // 4)
    assert {each["total"] for each in told} == {told[-1]["done"]} == {len(wanted)}


def test_part_of_a_performance(demo_frames):
    part = within(demo_frames, 25, 60)
    assert part.frames.tolist() == [25, 37, 49]
    assert np.array_equal(part.vertices, demo_frames.vertices[2:5])
    assert np.shares_memory(part.vertices, demo_frames.vertices)  # a long one's stays in its file
    with pytest.raises(InputError, match="none of which lies in the range from 2 to 3"):
        within(demo_frames, 2, 3)
