# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a take are what the model's formula says, and only for the actor they belong to."""

import dataclasses

import numpy as np
import pytest

from aim_blender.core.model.evaluation import CHUNK_FRAMES, check_belongs, evaluate_take
from aim_blender.core.shared.foundation.errors import InputError


def by_formula(actor, take, frame: int) -> np.ndarray:
    """s_j = H_j [ LBS(s0, T_j, k) + sum_i w_ji(c) e_i(c) ] in plain numpy, from the fields as the files have them."""
    neutral = actor.bone + actor.thickness * actor.normal + actor.neutral_residual.astype(np.float64)
    jaw, head = take.jaw[frame], take.head[frame]
    skinned = (1 - actor.skin_weight) * neutral
    skinned = skinned + actor.skin_weight * (neutral @ jaw[:3, :3].T + jaw[:3, 3])
    expressions = actor.implicit_expressions.astype(np.float64) + actor.expression_residual
    weights = np.einsum("vm,mi->vi", take.modes.astype(np.float64), take.coefficients[frame].astype(np.float64))
    still = skinned + np.einsum("vi,vix->vx", weights, expressions)
    return still @ head[:3, :3].T + head[:3, 3]


def repeated(take, frames: int):
    """A take of many frames, made of the frames of another by turns."""
    chosen = np.arange(frames) % len(take.frames)
    names = ("coefficients", "jaw", "head", "error_mm")
    return dataclasses.replace(
        take, frames=np.arange(frames, dtype=np.int32), **{name: getattr(take, name)[chosen] for name in names}
    )


def test_frames_follow_the_formula(demo_learned, demo_take):
    found = evaluate_take(demo_learned, demo_take)
    assert found["vertices"].dtype == np.float32
    for frame in range(len(demo_take.frames)):
        assert np.abs(found["vertices"][frame] - by_formula(demo_learned, demo_take, frame)).max() < 2e-4
    for name in ("jaw", "head", "frames"):
        assert np.array_equal(found[name], getattr(demo_take, name))
    assert found["fps"] == demo_take.fps


def test_chunks_meet(demo_learned, demo_take):
    few = evaluate_take(demo_learned, demo_take)["vertices"]
    many = evaluate_take(demo_learned, repeated(demo_take, CHUNK_FRAMES + 3))["vertices"]
    assert np.abs(many - few[np.arange(len(many)) % len(few)]).max() < 1e-4


def test_no_weights_and_no_motion_are_the_neutral(demo, demo_learned, demo_take):
    rest = np.tile(np.eye(4), (len(demo_take.frames), 1, 1))
    still = dataclasses.replace(demo_take, coefficients=np.zeros_like(demo_take.coefficients), jaw=rest, head=rest)
    assert np.abs(evaluate_take(demo_learned, still)["vertices"] - demo.neutral).max() < 1e-4


def test_a_weight_of_one_is_the_shape(demo, demo_learned, demo_take):
    """The first mode is constant; so its coefficient alone is one weight for the whole face."""
    coefficients = np.zeros_like(demo_take.coefficients)
    count = min(len(demo_take.frames), len(demo_take.names))
    coefficients[range(count), 0, range(count)] = 1.0
    jaw = np.tile(np.eye(4), (len(demo_take.frames), 1, 1))
    jaw[:count] = demo_learned.jaw[:count]
    head = np.tile(np.eye(4), (len(demo_take.frames), 1, 1))
    take = dataclasses.replace(demo_take, coefficients=coefficients, jaw=jaw, head=head)
    assert np.abs(evaluate_take(demo_learned, take)["vertices"][:count] - demo.shapes[1 : count + 1]).max() < 1e-3


def refused(actor, take) -> str:
    with pytest.raises(InputError) as caught:
        evaluate_take(actor, take)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_take_of_another_actor_is_refused(demo_learned, demo_take):
    check_belongs(demo_learned, demo_take)
    assert "fitted on another mesh" in refused(demo_learned, dataclasses.replace(demo_take, topology_digest="0" * 64))
    renamed = dataclasses.replace(demo_take, names=("grin", *demo_take.names[1:]))
    assert "other expressions than the actor" in refused(demo_learned, renamed)


def test_take_with_weights_for_another_number_of_points_is_refused(demo_learned, demo_take):
    cut = dataclasses.replace(demo_take, modes=demo_take.modes[:-1])
    assert "8759 points" in refused(demo_learned, cut)
