# SPDX-License-Identifier: GPL-3.0-or-later
"""What is learned of a detector that answers in a known way: expressions, jaw and head are told from its answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aim_blender.core.video.answers import CAMERA, JAW_SCALE, Answers, aligned, calibrated_gain, learn_answers
from aim_blender.core.video.face_detector import IMPRESSIONS, LANDMARKS, WEIGHT_NAMES
from aim_blender.core.video.face_renders import RESTING, Renders
from aim_blender.core.video.kept_answers import KeptAnswers

SHAPES, COUNT, DISTANCE = 3, 320, 800.0
UNSEEN = 1  # a target that moves no landmark


@pytest.fixture(scope="module")
def renders() -> Renders:
    """A face of random points on which each target moves some, before a camera, with noise and a look of its own."""
    rng = np.random.default_rng(1)
    face = rng.normal(size=(LANDMARKS, 3)) * [60.0, 80.0, 30.0]
    moved = rng.normal(size=(2 * SHAPES + 6, LANDMARKS, 3)) * (rng.random((2 * SHAPES + 6, LANDMARKS, 1)) < 0.15) * 8.0
    moved[UNSEEN] = 0.0
    left, right = rng.uniform(size=(2, COUNT, SHAPES))
    jaw = rng.uniform(size=(COUNT, 6)) / JAW_SCALE
    turns = Rotation.from_euler("YXZ", rng.normal(size=(COUNT, 3)) * [12, 8, 6], degrees=True)
    for part in (left, right, jaw):
        part[:RESTING] = 0.0
    turns = Rotation.concatenate([Rotation.identity(RESTING), turns[RESTING:]])
    targets = np.concatenate([left, right, jaw * JAW_SCALE], axis=1)
    look = np.arange(COUNT) // RESTING
    looks = rng.normal(size=(look.max() + 1, LANDMARKS, 3))
    places = face + np.einsum("rt,tlx->rlx", targets, moved) + 0.3 * looks[look]
    seen = np.einsum("rxy,rly->rlx", turns.as_matrix(), places) + 0.2 * rng.normal(size=places.shape)
    landmarks = seen.copy()
    landmarks[..., :2] *= DISTANCE / (DISTANCE + seen[..., 2:])
    weights = np.zeros((COUNT, len(WEIGHT_NAMES)))
    turn = turns.as_matrix() @ CAMERA
    impressions = targets @ rng.normal(size=(targets.shape[1], IMPRESSIONS)) + turns.as_rotvec() @ rng.normal(
        size=(3, IMPRESSIONS)
    )
    impressions += rng.normal(size=(look.max() + 1, IMPRESSIONS))[look] + 0.5 * rng.normal(size=impressions.shape)
    return Renders(left, right, jaw, turn, np.full(COUNT, DISTANCE), landmarks, weights, impressions, look)


@pytest.fixture(scope="module")
def learned(renders) -> Answers:
    return learn_answers(_part(renders, slice(0, COUNT - 40)))


def _part(renders: Renders, rows: slice) -> Renders:
    return Renders(*(getattr(renders, name)[rows] for name in Renders.__dataclass_fields__))


def test_what_is_told_well_but_too_small_is_made_as_large_as_it_is():
    true = np.random.default_rng(2).normal(size=(400, 3))
    noise = np.random.default_rng(3).normal(size=(400, 3))
    told = 2.0 + true * [0.8, 0.8, 1.2] + noise * [0.1, 2.0, 0.1]
    gain = calibrated_gain(told, true)
    assert gain[0] == pytest.approx(1 / 0.8, abs=0.02)
    assert list(gain[1:]) == [1.0, 1.0]


def test_what_the_actor_does_is_told_by_the_answers(renders, learned):
    new = _part(renders, slice(COUNT - 40, COUNT))
    # A picture of half the size, seen elsewhere in it, is the same face.
    landmarks = 0.5 * new.landmarks + [100.0, 50.0, 0.0]
    found = aligned(landmarks, new.weights, 0.5 * new.distance, learned.base, learned.steady)
    features = learned.features(found)
    targets = np.concatenate([new.left, new.right, new.jaw * JAW_SCALE], axis=1)
    told = learned.targets(features, found, new.impressions)
    told = told - told.mean(0) + targets.mean(0)  # what a look adds is taken off in a video
    assert np.abs(told - targets).mean() < 0.1
    assert np.corrcoef(told.ravel(), targets.ravel())[0, 1] > 0.95
    assert np.corrcoef(told[:, UNSEEN], targets[:, UNSEEN])[0, 1] > 0.7
    turn, _, scale = learned.heads(found, features)
    off = Rotation.from_matrix(turn @ new.turn.transpose(0, 2, 1)).magnitude()
    assert np.degrees(off).mean() < 1.0
    assert np.allclose(scale, 2.0, rtol=0.03)


def test_heads_are_turned_as_far_as_they_are(renders):
    """The detector sees heads turned by two thirds, and its landmarks tremble."""
    rng = np.random.default_rng(4)
    turns = Rotation.from_matrix(renders.turn @ CAMERA)
    shown = Rotation.from_rotvec(turns.as_rotvec() * 2 / 3) * turns.inv()
    places = renders.landmarks.copy()
    places[..., :2] *= 1 + places[..., 2:] / DISTANCE
    places = np.einsum("rxy,rly->rlx", shown.as_matrix(), places) + 6.0 * rng.normal(size=places.shape)
    places[..., :2] *= DISTANCE / (DISTANCE + places[..., 2:])
    learned = learn_answers(_part(replace(renders, landmarks=places), slice(0, COUNT - 80)))
    new = _part(replace(renders, landmarks=places), slice(COUNT - 80, COUNT))
    found = aligned(new.landmarks, new.weights, new.distance, learned.base, learned.steady)
    told = Rotation.from_matrix(learned.heads(found, learned.features(found))[0] @ CAMERA).as_rotvec()
    true = turns.as_rotvec()[COUNT - 80 :]
    slopes = [np.polyfit(true[:, axis], told[:, axis], 1)[0] for axis in range(3)]
    assert slopes == pytest.approx([1.0] * 3, abs=0.03)


def test_shapes_of_the_lids_are_known_by_what_they_move(renders, learned):
    lids = np.zeros_like(learned.responses).reshape(len(learned.responses), -1)
    lids[0, [3 * each + 1 for each in (159, 160, 158, 386, 385, 387)]] = 5.0
    moved = replace(learned, responses=lids + 0.01 * learned.responses)
    share = moved.of_lids()
    assert share[0] == 1.0
    assert share[-6:].max() == 0.0
    assert np.allclose((moved.lid_gaps() - 0.01 * learned.lid_gaps())[:, 0], -5.0)


def test_what_is_kept_is_what_was_learned(demo_learned, learned, tmp_path):
    actor, model = tmp_path / "A.actor.safetensors", tmp_path / "model"
    actor.write_bytes(b"actor")
    model.write_bytes(b"model")
    kept = KeptAnswers(actor, model, 64)
    assert kept.read(demo_learned) is None
    kept.write(learned)
    of_three = replace(demo_learned, names=demo_learned.names[:SHAPES])
    found = kept.read(of_three)
    assert np.allclose(found.told, learned.told, rtol=1e-5)
    assert kept.read(demo_learned) is None  # not of so many shapes
    actor.write_bytes(b"learned anew")
    assert KeptAnswers(actor, model, 64).read(of_three) is None
    kept.path.write_bytes(kept.path.read_bytes()[:3000])
    assert kept.read(of_three) is None


def test_renders_that_were_begun_are_read_again(demo_learned, renders, tmp_path):
    actor, model = tmp_path / "A.actor.safetensors", tmp_path / "model"
    actor.write_bytes(b"actor")
    model.write_bytes(b"model")
    kept, of_three = KeptAnswers(actor, model, 64), replace(demo_learned, names=demo_learned.names[:SHAPES])
    assert kept.read_begun(of_three) is None
    begun = _part(renders, slice(0, 16))
    kept.write_begun(begun)
    found = kept.read_begun(of_three)
    again = Renders.of(found.rows())
    assert all(np.array_equal(getattr(again, name), getattr(begun, name)) for name in Renders.__dataclass_fields__)
    assert kept.read_begun(demo_learned) is None  # not of so many shapes
    kept.write(learn_answers(renders))
    assert not kept.begun.exists()
