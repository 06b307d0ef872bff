# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning: prepared well, exact on its meshes, the same every time, and stopped and resumed without a trace."""

import dataclasses
import itertools
import json
import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from aim_blender.core.learning import optimising, preparation
from aim_blender.core.learning.learning import PHASE_MESSAGES, Learner, learn_actor, total_loss
from aim_blender.core.learning.preparation import SEPARATING_HEIGHT, SEPARATING_MODES, build_template, prepare
from aim_blender.core.learning.schedule import PHASES
from aim_blender.core.shared.captured.captures import Capture, read_capture
from aim_blender.core.shared.foundation.errors import Cancelled, InputError
from aim_blender.core.shared.settings.learning_settings import SPACES, LearningSettings, LossWeights
from tests.core.geometry import degrees_between
from tests.core.tiny_capture import NAMES, POINTS, write_capture

SETTINGS = LearningSettings(iterations=40, hidden=12, depth=2, batch_points=64, device="cpu", threads=1)
ARRAYS = ("bone", "normal", "thickness", "skin_weight", "jaw", "implicit_expressions", "expression_residual")


@pytest.fixture(scope="module")
def capture(tmp_path_factory) -> Capture:
    return read_capture(write_capture(tmp_path_factory.mktemp("tiny") / "capture.npz"))


@pytest.fixture(scope="module")
def uninterrupted(capture):
    return learn_actor(capture, SETTINGS)


def same(first, second) -> bool:
    """Whether two actors are equal bit by bit."""
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ARRAYS) and all(
        np.array_equal(first.networks[name], second.networks[name]) for name in first.networks
    )


# -- preparation ------------------------------------------------------------------------------------------------------


def test_preparation_of_the_demo_actor(demo, demo_preparation):
    points = len(demo.neutral)
    template = demo_preparation.template
    assert template.shape == (points, 3 + SEPARATING_MODES)
    mean = demo.shapes.mean(0)
    assert np.allclose(template[:, :3] * 100 + demo_preparation.centre, mean)
    assert np.abs(template[:, 3:]).max() == pytest.approx(SEPARATING_HEIGHT)
    assert 0.05 < len(demo_preparation.constraints) / points < 0.8
    jaw_free = demo_preparation.jaw_free
    assert jaw_free[demo.neutral[:, 2] > 20].mean() > 0.95
    assert demo.skin_weight[jaw_free].max() < 0.1
    assert abs(demo_preparation.mirror_plane[1, 0]) == pytest.approx(1.0, abs=1e-4)
    assert degrees_between(demo_preparation.jaw.jaw, np.eye(4)).max() > 15


@pytest.mark.parametrize(("kind", "width"), [("separated", 19), ("mean", 3), ("neutral", 3), ("intrinsic", 27)])
def test_templates(capture, kind, width):
    template, centre = build_template(capture.vertices, capture.topology.triangles(), kind)
    assert template.shape == (POINTS, width)
    shape = capture.neutral if kind == "neutral" else capture.vertices.mean(0)
    assert np.allclose(template[:, :3] * 100 + centre, shape)
    if kind == "intrinsic":
        assert np.abs(template[:, 3:]).max() == pytest.approx(1.0)


def test_the_heights_of_big_meshes_follow_from_few_places(capture, monkeypatch):
    triangles = capture.topology.triangles()
    exact = build_template(capture.vertices, triangles, "separated")[0][:, 3:]
    monkeypatch.setattr(preparation, "COARSE_FROM", 1)
    found = build_template(capture.vertices, triangles, "separated")[0][:, 3:]
    assert not np.array_equal(found, exact)
    assert np.abs(found).max() == pytest.approx(SEPARATING_HEIGHT)
    assert np.linalg.svd(np.linalg.qr(found)[0].T @ np.linalg.qr(exact)[0])[1].min() > 0.9


@pytest.mark.parametrize("kind", SPACES)
def test_every_space_learns_and_is_exact(capture, kind):
    actor = learn_actor(capture, dataclasses.replace(SETTINGS, iterations=10, space=kind))
    assert actor.figures["exact_worst_mm"] < 0.001


def test_constraints_are_left_out_on_demand_but_the_jaw_stays(demo_capture, demo_preparation):
    prepared = prepare(demo_capture, ("anatomy",))
    assert len(prepared.constraints) == 0
    assert np.array_equal(prepared.jaw.jaw, demo_preparation.jaw.jaw)


def test_preparation_without_bones(capture):
    prepared = prepare(capture)
    assert prepared.hinge is None
    assert len(prepared.constraints) == 0
    assert np.array_equal(prepared.jaw.jaw, np.tile(np.eye(4), (len(NAMES) - 1, 1, 1)))


# -- what comes out ---------------------------------------------------------------------------------------------------


def test_demo_actor_is_exact_on_its_meshes(demo, demo_learned):
    assert np.linalg.norm(demo_learned.shapes() - demo.shapes, axis=-1).max() < 0.001
    assert np.linalg.norm(demo_learned.neutral - demo.neutral, axis=-1).max() < 0.001
    assert demo_learned.figures["exact_worst_mm"] < 0.001
    assert demo_learned.names == tuple(demo.names[1:])
    assert demo_learned.topology.digest == demo.topology.digest


def test_demo_actor_has_sound_fields(demo, demo_learned):
    assert np.allclose(np.linalg.norm(demo_learned.normal, axis=1), 1.0, atol=1e-5)
    assert demo_learned.thickness.min() >= 0
    assert demo_learned.skin_weight.min() >= 0
    assert demo_learned.skin_weight.max() <= 1
    turn = demo_learned.jaw[:, :3, :3]
    assert np.allclose(turn @ turn.transpose(0, 2, 1), np.eye(3), atol=1e-5)
    opened = demo_learned.jaw[demo.names.index("jaw_open") - 1]
    assert degrees_between(opened, np.eye(4)) == pytest.approx(20.0, rel=0.15)


def test_figures_are_what_the_fields_say(demo, demo_learned):
    skinned = np.einsum("nxy,vy->nvx", demo_learned.jaw[:, :3, :3], demo_learned.implicit_neutral.astype(np.float64))
    skinned += demo_learned.jaw[:, None, :3, 3]
    k = demo_learned.skin_weight
    implicit = (1 - k) * demo_learned.implicit_neutral + k * skinned
    implicit = implicit + demo_learned.implicit_expressions.transpose(1, 0, 2)
    error = np.linalg.norm(np.concatenate([demo_learned.implicit_neutral[None], implicit]) - demo.shapes, axis=-1)
    assert demo_learned.figures["implicit_mean_mm"] == pytest.approx(error.mean(), rel=1e-4)
    assert demo_learned.figures["implicit_worst_mm"] == pytest.approx(error.max(), rel=1e-4)
    assert demo_learned.figures["constrained_points"] == len(demo_learned.constraints)


def test_learning_learns(capture):
    """The networks alone come near the meshes, and nearer with more steps."""
    errors = [
        learn_actor(capture, dataclasses.replace(SETTINGS, iterations=steps, hidden=32)).figures["implicit_mean_mm"]
        for steps in (10, 400)
    ]
    assert errors[1] < 0.25 * errors[0]
    assert errors[1] < 1.0


def test_without_bones_the_jaw_rests(uninterrupted):
    assert uninterrupted.hinge is None
    assert degrees_between(uninterrupted.jaw, np.eye(4)).max() < 0.5
    assert uninterrupted.figures["exact_worst_mm"] < 0.001


def test_network_values_are_kept_for_any_point(uninterrupted):
    """The stored networks evaluated at the stored template are the stored fields."""
    from aim_blender.core.model.model import UNIT_MM, FaceModel

    template = torch.as_tensor(uninterrupted.template)
    model = FaceModel(template.shape[1], len(uninterrupted.names), SETTINGS.hidden, SETTINGS.depth)
    model.load_state_dict({name: torch.as_tensor(value) for name, value in uninterrupted.networks.items()})
    with torch.no_grad():
        anatomy, expressions = model.anatomy(template), model.expressions(template)
    centre = np.array(uninterrupted.settings["centre_mm"])
    assert np.allclose(anatomy.bone.numpy() * UNIT_MM + centre, uninterrupted.bone, atol=1e-4)
    assert np.allclose(anatomy.skin_weight, uninterrupted.skin_weight, atol=1e-6)
    assert np.allclose(expressions.numpy() * UNIT_MM, uninterrupted.implicit_expressions, atol=1e-4)


# -- reproducible -----------------------------------------------------------------------------------------------------


def test_a_seed_gives_one_actor(capture, uninterrupted):
    assert same(learn_actor(capture, SETTINGS), uninterrupted)
    assert not same(learn_actor(capture, dataclasses.replace(SETTINGS, seed=1)), uninterrupted)


def test_reports_do_not_change_the_result(capture, uninterrupted, monkeypatch):
    monkeypatch.setattr(optimising, "REPORT_SECONDS", 0.0)
    lines = []
    assert same(learn_actor(capture, SETTINGS, lines.append), uninterrupted)
    learned = [line for line in lines if line["message"] in PHASE_MESSAGES.values()]
    assert [line["done"] for line in learned] == list(range(1, SETTINGS.iterations + 1))
    assert all(line["total"] == SETTINGS.iterations and line["error_mm"] > 0 for line in learned)
    assert learned[-1]["remaining_s"] == 0
    assert learned[-1]["error_mm"] < learned[0]["error_mm"]


def test_history_is_the_learning_curve(capture, monkeypatch):
    monkeypatch.setattr(optimising, "REPORT_SECONDS", 1e9)
    history = []
    learn_actor(capture, SETTINGS, history=history)
    ends = np.cumsum(list(PHASES.values())) * SETTINGS.iterations
    assert [line["iteration"] for line in history] == [round(end) for end in ends]
    assert [line["phase"] for line in history] == list(PHASES)
    assert all(line["error_mm"] > 0 and line["jaw_open_degrees"] >= 0 for line in history)
    json.dumps(history, allow_nan=False)


# -- stopped and resumed ----------------------------------------------------------------------------------------------


def cancelled_at(capture, settings, step, folder) -> None:
    def report(line):
        if line["message"] in PHASE_MESSAGES.values() and line["done"] == step:
            raise Cancelled

    with pytest.raises(Cancelled):
        learn_actor(capture, settings, report, folder)


def steps_of_phases() -> list[int]:
    """One step within each phase, its first step, and the very last step."""
    borders = np.concatenate([[0], np.cumsum(list(PHASES.values()))]) * SETTINGS.iterations
    middles = [int((start + end) / 2) for start, end in itertools.pairwise(borders)]
    return sorted({1, *middles, *(round(border) for border in borders[1:])})


@pytest.mark.parametrize("step", steps_of_phases())
def test_cancelled_and_resumed_is_as_if_never_stopped(capture, uninterrupted, step, tmp_path, monkeypatch):
    monkeypatch.setattr(optimising, "REPORT_SECONDS", 0.0)
    cancelled_at(capture, SETTINGS, step, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["learning.safetensors"]
    lines, history = [], []
    assert same(learn_actor(capture, SETTINGS, lines.append, tmp_path, history), uninterrupted)
    assert [line["iteration"] for line in history] == list(range(1, SETTINGS.iterations + 1))
    if step < SETTINGS.iterations:
        assert min(line["done"] for line in lines if line["message"] in PHASE_MESSAGES.values()) == step + 1


def test_cancelled_many_times(capture, uninterrupted, tmp_path, monkeypatch):
    monkeypatch.setattr(optimising, "REPORT_SECONDS", 0.0)
    for step in range(13, SETTINGS.iterations, 13):
        cancelled_at(capture, SETTINGS, step, tmp_path)
    assert same(learn_actor(capture, SETTINGS, checkpoint_folder=tmp_path), uninterrupted)


def test_killed_between_two_checkpoints(capture, uninterrupted, tmp_path, monkeypatch):
    """A worker that is killed resumes at the last checkpoint, which was written by the clock."""
    monkeypatch.setattr(optimising, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(optimising, "CHECKPOINT_SECONDS", 0.0)

    def report(line):
        if line["message"] in PHASE_MESSAGES.values() and line["done"] == 23:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_actor(capture, SETTINGS, report, tmp_path)
    with safe_open(tmp_path / "learning.safetensors", framework="np") as file:
        assert json.loads(file.metadata()["schedule"])["iteration"] == 22
    assert same(learn_actor(capture, SETTINGS, checkpoint_folder=tmp_path), uninterrupted)


@pytest.mark.parametrize("phase", PHASES)
def test_demo_actor_with_its_jaw_is_resumed_exactly(demo_capture, demo_preparation, phase, tmp_path):
    torch.set_num_threads(1)
    settings = dataclasses.replace(SETTINGS, iterations=60)

    def run(steps, learner):
        for _ in range(steps):
            learner.step()
        return learner

    before = sum(list(PHASES.values())[: list(PHASES).index(phase)])
    first = round(before * settings.iterations) + 2
    straight = run(first, Learner(demo_capture, settings, demo_preparation))
    assert straight.phase == phase
    straight.save(tmp_path / "c.safetensors")
    run(4, straight)
    resumed = Learner(demo_capture, settings, demo_preparation)
    assert resumed.restore(tmp_path / "c.safetensors")
    assert resumed.iteration == first
    run(4, resumed)
    for (name, one), other in zip(
        straight.model.state_dict().items(), resumed.model.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name


def test_only_the_present_phase_learns(demo_capture, demo_preparation):
    learner = Learner(demo_capture, SETTINGS, demo_preparation)
    changed = {}
    while learner.iteration < SETTINGS.iterations:
        phase, before = learner.phase, {n: v.clone() for n, v in learner.model.state_dict().items()}
        learner.step()
        for name, value in learner.model.state_dict().items():
            if not torch.equal(value, before[name]):
                changed.setdefault(phase, set()).add(name.split(".")[0])
    assert list(changed) == list(PHASES)
    assert changed["anatomy"] == {"anatomy_networks"}
    assert changed["expressions"] == {"expression_network"}
    assert changed["joint"] == {"anatomy_networks", "expression_network", "jaw_rotation", "jaw_slide"}


# -- checkpoints that are of no use -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint_once(capture, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimising, "REPORT_SECONDS", 0.0)
        cancelled_at(capture, SETTINGS, 20, folder)
    return folder / "learning.safetensors"


@pytest.fixture
def checkpoint(checkpoint_once, tmp_path, monkeypatch):
    monkeypatch.setattr(optimising, "REPORT_SECONDS", 0.0)
    return Path(shutil.copy(checkpoint_once, tmp_path))


@pytest.fixture(scope="module")
def tiny_preparation(capture):
    return prepare(capture)


def restored(capture, settings, path, preparation=None) -> bool:
    learner = Learner(capture, settings, preparation or prepare(capture))
    found = learner.restore(path)
    assert (learner.iteration > 0) is found
    return found


def test_checkpoint_of_other_settings_is_not_used(capture, checkpoint, tiny_preparation):
    preparation = tiny_preparation
    assert restored(capture, SETTINGS, checkpoint, preparation)
    changes = (
        {"seed": 1},
        {"hidden": 16},
        {"iterations": 41},
        {"activation": "relu"},
        {"without": ("symmetry",)},
        {"weights": LossWeights(symmetry=0.5)},
    )
    for change in changes:
        assert not restored(capture, dataclasses.replace(SETTINGS, **change), checkpoint, preparation), change


def test_checkpoint_of_another_capture_is_not_used(capture, checkpoint):
    assert not restored(dataclasses.replace(capture, vertices=capture.vertices * 1.01), SETTINGS, checkpoint)
    fewer = dataclasses.replace(capture, vertices=capture.vertices[:3], names=capture.names[:3])
    assert not restored(fewer, SETTINGS, checkpoint)


@pytest.mark.parametrize("damage", ["empty", "header", "truncated", "garbage", "other file", "without generator"])
def test_damaged_checkpoint_is_not_used(capture, uninterrupted, checkpoint, damage, tiny_preparation):
    data = checkpoint.read_bytes()
    if damage == "without generator":
        from safetensors import safe_open

        with safe_open(checkpoint, framework="np") as file:
            metadata = file.metadata()
        tensors = {name: value for name, value in load_file(checkpoint).items() if name != "generator"}
        save_file(tensors, checkpoint, metadata)
    elif damage == "other file":
        save_file({"a": np.zeros(3)}, checkpoint)
    else:
        cut = {"empty": b"", "header": data[:50], "truncated": data[:-100], "garbage": data[::-1]}[damage]
        checkpoint.write_bytes(cut)
    assert not restored(capture, SETTINGS, checkpoint, tiny_preparation)
    anew = learn_actor(capture, SETTINGS, checkpoint_folder=checkpoint.parent)
    assert same(anew, uninterrupted)
    assert any(f"the checkpoint {checkpoint} is damaged" in note for note in anew.settings["notes"])


def test_a_changed_byte_and_a_missing_key_are_noticed_and_said(capture, checkpoint):
    from safetensors import safe_open

    data, preparation = bytearray(checkpoint.read_bytes()), prepare(capture)
    told: list[str] = []
    data[-100] ^= 1
    checkpoint.write_bytes(data)
    assert not Learner(capture, SETTINGS, preparation).restore(checkpoint, told.append)
    data[-100] ^= 1
    at = data.index(b'"capture":"') + 12  # what it is a checkpoint of
    checkpoint.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    assert not Learner(capture, SETTINGS, preparation).restore(checkpoint, told.append)
    checkpoint.write_bytes(data)
    with safe_open(checkpoint, framework="np") as file:
        metadata = {name: value for name, value in file.metadata().items() if name != "history"}
    save_file(load_file(checkpoint), checkpoint, metadata)
    assert not Learner(capture, SETTINGS, preparation).restore(checkpoint, told.append)
    assert [f"the checkpoint {checkpoint} is damaged" in each and "starts anew" in each for each in told] == [True] * 3


def test_there_need_be_no_checkpoint(capture, tmp_path):
    assert not restored(capture, SETTINGS, tmp_path / "learning.safetensors")


# -- settings ---------------------------------------------------------------------------------------------------------


def test_losses_are_left_out_by_name(demo_capture, demo_preparation):
    chosen = LearningSettings(without=("anatomy", "symmetry"))
    assert chosen.active_weights.anatomy == chosen.active_weights.symmetry == 0.0
    assert chosen.active_weights.skinning == LearningSettings().weights.skinning
    points = torch.arange(0, len(demo_preparation.template), 40)
    losses = {
        left_out: total_loss(
            Learner(demo_capture, dataclasses.replace(SETTINGS, without=left_out), demo_preparation).losses(points)[0]
        ).item()
        for left_out in ((), ("anatomy",), ("thickness",), ("skinning",), ("symmetry",))
    }
    assert all(losses[left_out] < losses[()] for left_out in losses if left_out)


@pytest.mark.parametrize(
    ("choices", "part"),
    [
        ({"without": ("hair",)}, "no loss called 'hair' to leave out; there are anatomy, thickness"),
        ({"space": "mask"}, "no space called 'mask'"),
        ({"iterations": 0}, "iterations is 0; it must be at least 1"),
        ({"batch_points": 2}, "batch_points is 2; it must be at least 16"),
        ({"hidden": 1}, "hidden is 1; it must be at least 4"),
        ({"depth": 0}, "depth is 0; it must be at least 1"),
    ],
)
def test_wrong_settings(choices, part):
    with pytest.raises(InputError) as caught:
        LearningSettings(**choices)
    assert part in str(caught.value)


def test_wrong_activation_is_named(capture):
    with pytest.raises(InputError, match="'tanh' does not exist"):
        learn_actor(capture, dataclasses.replace(SETTINGS, activation=cast("Any", "tanh")))


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_every_activation_learns_and_is_exact(capture, activation):
    actor = learn_actor(capture, dataclasses.replace(SETTINGS, activation=activation))
    assert actor.figures["exact_worst_mm"] < 0.001
    assert actor.bone.shape == (POINTS, 3)
