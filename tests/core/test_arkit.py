# SPDX-License-Identifier: GPL-3.0-or-later
"""The 52 shapes of any actor, a take baked to them, and its recording as Live Link Face would have written it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from aim_blender.core.arkit.arkit_baking import bake_arkit, head_angles
from aim_blender.core.arkit.arkit_files import write_meshes, write_shapes
from aim_blender.core.arkit.arkit_shapes import CLOSE, OPEN, ArkitShapes, arkit_shapes
from aim_blender.core.arkit.arkit_weights import PAIRS, SPARING, key_weights
from aim_blender.core.baking.baking import posed_frames
from aim_blender.core.files.files import load_take, save_take
from aim_blender.core.geometry.skinning import linear_blend_skinning
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import placed_frames
from aim_blender.core.phone.fitting_phone import PhoneActor, fit_phone, phone_actor
from aim_blender.core.phone.phone_guide import DEMO_AXES
from aim_blender.core.shared.captured.captures import read_capture
from aim_blender.core.shared.demo.demo_actor import DemoActor
from aim_blender.core.shared.faces.arkit_names import JAW, SHAPES
from aim_blender.core.shared.faces.vrm_names import mixtures
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.phone.live_link_face import COLUMNS, write_live_link_face
from aim_blender.core.shared.phone.phone_tables import read_phone_recording
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.timing_settings import Timing
from aim_blender.core.timing.retiming import retimed


@pytest.fixture(scope="module")
def performer(demo_learned: Actor, demo: DemoActor) -> PhoneActor:
    return phone_actor(demo_learned, demo, None)


@pytest.fixture(scope="module")
def shapes(performer: PhoneActor) -> ArkitShapes:
    return arkit_shapes(performer)


def said(shapes: ArkitShapes, name: str) -> str:
    return next(str(row["by"]) for row in shapes.rows if row["name"] == name)


def test_all_52_are_there_in_order_and_what_is_not_captured_is_said(shapes: ArkitShapes) -> None:
    assert [row["name"] for row in shapes.rows] == list(SHAPES)
    moved = np.linalg.norm(shapes.whole(), axis=-1).max(1)
    still = {name for name, most in zip(SHAPES, moved, strict=True) if most < 0.05}
    assert still == {row["name"] for row in shapes.rows if row["by"] == "nothing"}
    transferred = {row["name"] for row in shapes.rows if row["by"] == "transferred"}
    assert "mouthClose" in transferred
    assert any("demo head's muscles" in note and "mouthClose" in note for note in shapes.notes)


def test_two_sides_add_up_and_one_side_leaves_the_other(shapes: ArkitShapes, performer: PhoneActor) -> None:
    whole, left = shapes.whole(), performer.guide.left
    for motion in ("mouthSmile", "eyeBlink", "eyeLookDown"):
        one = np.linalg.norm(whole[SHAPES.index(motion + "Left")], axis=1)
        other = np.linalg.norm(whole[SHAPES.index(motion + "Right")], axis=1)
        assert one[left < 1e-6].max() < 0.05 * one.max()
        assert other[left > 1 - 1e-6].max() < 0.05 * other.max()


def test_mouth_close_closes_the_lips_of_an_open_jaw(shapes: ArkitShapes, performer: PhoneActor) -> None:
    actor, jaw = shapes.actor, shapes.jaw()[OPEN][None]
    lips = performer.guide.closing > 1.0 - 1e-9
    whole = shapes.whole()
    assert np.linalg.norm(whole[OPEN][lips], axis=1).max() > 8.0
    assert np.linalg.norm((whole[OPEN] + whole[CLOSE])[lips], axis=1).max() < 0.1
    keys = shapes.beside_bone()
    posed = linear_blend_skinning(actor.neutral + keys[OPEN] + keys[CLOSE], jaw, actor.skin_weight)[0]
    assert np.linalg.norm((posed - actor.neutral)[lips], axis=1).max() < 0.1


def test_a_jaw_bone_does_not_open_what_the_key_opens(shapes: ArkitShapes) -> None:
    """By bone and key together, jawOpen is what it is by key alone."""
    actor = shapes.actor
    shaped, jaw = actor.neutral + shapes.beside_bone()[OPEN], shapes.jaw()[OPEN][None]
    posed = linear_blend_skinning(shaped, jaw, actor.skin_weight)
    assert np.abs(posed[0] - actor.neutral - shapes.whole()[OPEN]).max() < 1e-4


def test_weights_are_those_of_bounded_least_squares() -> None:
    """Of the keys that are at work, beside those that are known."""
    random = np.random.default_rng(3)
    keys = random.normal(size=(6, 40))
    keys[5] = 0.0
    frames = random.uniform(-0.4, 1.4, (5, 6)) @ keys
    fixed = np.zeros((5, 6))
    fixed[:, 0], free = 0.5, np.arange(6) > 0
    told = []
    found = key_weights(keys, frames, fixed, free, temporal=0.0, report=told.append)
    (total,) = {each["total"] for each in told if each["message"] == "Weighting the keys"}
    assert [each["done"] for each in told if each["message"] == "Weighting the keys"] == list(range(total))
    ridge = np.sqrt(SPARING * np.square(keys[1:5]).sum(1).mean()) * np.eye(4)
    for frame, weights in zip(frames, found, strict=True):
        wide = np.concatenate([keys[1:5].T, ridge])
        right = np.concatenate([frame - 0.5 * keys[0], np.zeros(4)])
        at_work = weights[1:5] > 0
        best = lsq_linear(wide[:, at_work], right, bounds=(0.0, 1.0)).x
        assert weights[1:5][at_work] == pytest.approx(best, abs=1e-4)
        everything = lsq_linear(wide, right, bounds=(0.0, 1.0)).x
        assert (at_work == (everything > 0.02)).all()
    assert (found[:, 0] == 0.5).all()
    assert (found[:, 5] == 0.0).all()


def test_of_opposite_keys_one_is_at_work() -> None:
    """They do not quite undo each other, so that least squares would use both."""
    random = np.random.default_rng(5)
    one, other, more = random.normal(size=(3, 60))
    keys = np.stack([one, 0.5 * other - one, more])
    frames = np.outer(np.linspace(-0.6, 0.6, 9), one) + 0.2 * other + 0.3 * more
    both = key_weights(keys, frames, temporal=0.0)
    found = key_weights(keys, frames, opposite=[(0, 1)], temporal=0.0)
    assert (both[:, :2].min(1) > 0.05).any()
    assert not found[:, :2].min(1).any()
    assert found[0, 1] > 0.5 > found[0, 0]
    assert found[-1, 0] > 0.5 > found[-1, 1]
    assert {SHAPES[place] for pair in PAIRS for place in pair} >= {"mouthLeft", "mouthRight", "jawLeft", "jawRight"}


def played(shapes: ArkitShapes, performer: PhoneActor, tmp_path: Path) -> Take:
    """A take of shapes that were captured, by our own phone source; its head turns."""
    frames = np.arange(1, 13, dtype=np.int32)
    weights = np.zeros((12, 52))
    weights[:, SHAPES.index("jawOpen")] = np.linspace(0, 0.8, 12)
    weights[:, SHAPES.index("mouthSmileLeft")] = np.linspace(0.6, 0, 12)
    head = np.stack([np.linspace(0, 0.2, 12), np.linspace(0, -0.3, 12), np.linspace(0, 0.1, 12)], axis=1)
    file = tmp_path / "played.csv"
    write_live_link_face(file, weights, frames, 24.0, head)
    return fit_phone(performer, read_phone_recording(file, 24.0))


@pytest.mark.parametrize("jaw", ["bone", "keys"])
def test_a_take_plays_on_the_keys(shapes: ArkitShapes, performer: PhoneActor, tmp_path: Path, jaw: str) -> None:
    take = dataclasses.replace(played(shapes, performer, tmp_path), shape_weights=None)  # so that they are solved for
    bake = bake_arkit(shapes, take, jaw=jaw)
    assert bake.key_names == SHAPES
    assert bake.key_weights.min() >= 0.0
    assert bake.key_weights.max() <= 1.0
    off = np.linalg.norm(posed_frames(bake, slice(None)) - placed_frames(shapes.actor, take, slice(None)), axis=-1)
    assert off.mean() == pytest.approx(bake.figures["mean_mm"], abs=1e-4)
    assert off.mean() < 0.1
    if jaw == "keys":
        assert (bake.jaw == np.eye(4)).all()
        assert not bake.skin_weight.any()
    opened = bake.key_weights[:, SHAPES.index("jawOpen")]
    assert opened == pytest.approx(np.linspace(0, 0.8, 12), abs=0.01)
    assert bake.key_jaw is None if jaw == "keys" else bake.key_jaw.shape == (52, 4, 4)


def test_a_recording_that_is_played_gives_its_own_weights_again(
    shapes: ArkitShapes, performer: PhoneActor, tmp_path: Path
) -> None:
    """Of what was never captured, too; and where it is not known what was recorded, those that come nearest."""
    frames = np.arange(1, 9, dtype=np.int32)
    weights = np.random.default_rng(2).uniform(0, 1, (8, 52))
    file = tmp_path / "some.csv"
    write_live_link_face(file, weights, frames, 24.0)
    take = fit_phone(performer, read_phone_recording(file, 24.0))
    save_take(take, tmp_path / "t.take.safetensors")
    take = retimed(load_take(tmp_path / "t.take.safetensors"), shapes.actor, Timing(fps=48.0))
    bake = bake_arkit(shapes, take)
    assert bake.key_weights[::2] == pytest.approx(weights, abs=1e-5)
    assert bake.key_weights[1] == pytest.approx((weights[0] + weights[1]) / 2, abs=1e-5)
    assert "the weights are those of the recording that the take plays" in bake.figures["notes"]
    solved = bake_arkit(shapes, dataclasses.replace(take, shape_weights=None))
    assert np.abs(solved.key_weights[::2] - weights).max() > 0.1
    assert solved.figures["mean_mm"] <= bake.figures["mean_mm"] + 1e-6


def test_a_recording_of_it_is_read_back(shapes: ArkitShapes, performer: PhoneActor, tmp_path: Path) -> None:
    """Every weight and turn, and the rate where the timecode can tell it; 61 columns in Live Link Face's order."""
    take = played(shapes, performer, tmp_path)
    bake = bake_arkit(shapes, take)
    angles, eyes = head_angles(take, performer.guide.axes)
    assert eyes is not None
    assert not eyes.any()
    eyes = np.tile([5.0, -3.0, 4.0, 2.0], (12, 1))
    assert angles[-1] == pytest.approx([0.2, -0.3, 0.1], abs=1e-4)
    assert performer.guide.axes == pytest.approx(DEMO_AXES, abs=1e-6)
    file, numbers = tmp_path / "again.csv", np.arange(48, 60)
    assert not write_live_link_face(file, bake.key_weights, numbers, 59.94, angles, eyes)
    header = file.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert header[:3] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft"]
    assert len(header) == 63
    assert set(COLUMNS) == set(SHAPES)
    read = read_phone_recording(file, keep_timecode=True)
    assert read.program == "Live Link Face"
    assert read.fps == 59.94
    assert read.frames.tolist() == numbers.tolist()
    assert read.weights == pytest.approx(bake.key_weights, abs=1e-5)
    assert read.head == pytest.approx(angles, abs=1e-5)
    assert read.eyes == pytest.approx(eyes, abs=1e-3)


def test_what_no_timecode_holds_is_said(tmp_path: Path) -> None:
    file = tmp_path / "some.csv"
    weights, frames = np.zeros((3, 52)), np.arange(3)
    with pytest.raises(InputError, match=r"no timecode counts 72 frames a second; write the CSV at 59.94, or at one"):
        write_live_link_face(file, weights, frames, 72.0)
    with pytest.raises(InputError, match="a timecode ends after a day"):
        write_live_link_face(file, weights, frames + 10**8, 24.0)
    assert not file.exists()
    assert "so short that its timecode does not tell" in write_live_link_face(file, weights, frames, 59.94)[0]
    assert "tell it that it is 30" in write_live_link_face(file, weights, frames, 30.0)[0]
    assert "frame -5 is written as frame 0" in write_live_link_face(file, weights, frames - 5, 24.0)[0]


def test_expressions_of_vrm_are_mixtures(shapes: ArkitShapes, performer: PhoneActor, tmp_path: Path) -> None:
    assert set(mixtures(0)) >= {"A", "I", "U", "E", "O", "Blink", "Blink_L", "Joy", "Angry", "Sorrow", "Fun", "LookUp"}
    assert set(mixtures(1)["blink"]) == {"eyeBlinkLeft", "eyeBlinkRight"}
    bake = bake_arkit(shapes, played(shapes, performer, tmp_path), "vrm1", "keys")
    assert bake.key_names == tuple(mixtures(1))
    assert bake.key_weights[:, bake.key_names.index("blink")].max() == 0.0
    look = [bake.key_weights[:, bake.key_names.index(name)] for name in ("lookUp", "lookDown")]
    assert not (np.minimum(*look) > 0).any()
    assert bake.keys[bake.key_names.index("aa")] == pytest.approx(0.6 * shapes.whole()[OPEN], abs=1e-4)


def test_files_of_the_shapes_are_captures(shapes: ArkitShapes, tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes.npz", shapes, "arkit")
    write_meshes(tmp_path / "meshes", shapes, "vrm0")
    found = read_capture(tmp_path / "shapes.npz", keep_shapes=["all"])
    assert set(found.names) <= {"neutral", *SHAPES}
    assert found.vertices[0] == pytest.approx(shapes.actor.neutral, abs=1e-4)
    assert (tmp_path / "meshes" / "Joy.obj").is_file()


def test_an_actor_without_a_jaw_has_its_shapes_too(demo_learned: Actor, demo: DemoActor) -> None:
    still = dataclasses.replace(demo_learned, hinge=None, skin_weight=np.zeros_like(demo_learned.skin_weight))
    found = arkit_shapes(phone_actor(still, demo, None))
    assert found.hinge is None
    assert np.isfinite(found.whole()).all()
    assert [said(found, name) for name in JAW].count("captured") >= 1
