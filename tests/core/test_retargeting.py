# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting: the demo actor's performance on a second face that is shaped otherwise and moves otherwise."""

import dataclasses
import json

import numpy as np
import pytest

from aim_blender.core.anatomy.anatomy import Hinge
from aim_blender.core.anatomy.jaw import compose_jaw, decompose_jaw
from aim_blender.core.files.files import load_take, save_actor, save_take
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.geometry.skinning import linear_blend_skinning
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.retargeting import retargeting
from aim_blender.core.shared.bones.constraints import Constraints
from aim_blender.core.shared.captured.performances import Performance
from aim_blender.core.shared.demo.demo_actor import make_demo_actor
from aim_blender.core.shared.faces.expression_names import pair_expressions
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.retarget_settings import RetargetSettings
from aim_blender.jobs.running.registry import TASKS

OPENING, STRENGTH, SIZE = 0.7, 0.6, 1.15  # of the second actor, measured by the first


def retarget_take(take: Take, source: Actor, target: Actor, settings: RetargetSettings | None = None) -> Take:
    """Without contact, which test_contact.py looks at: what is compared here is what it adds to."""
    plain = dataclasses.replace(settings or RetargetSettings(), contact=0.0)
    return retargeting.retarget_take(take, source, target, plain)


def actor_of(neutral: np.ndarray, offsets: np.ndarray, jaw: np.ndarray, hinge: Hinge | None, demo) -> Actor:
    """An actor that knows its fields exactly: e_i = offsets (N, V, 3)."""
    points, count = len(neutral), len(offsets)
    return Actor(
        names=tuple(demo.names[1:]),
        topology=demo.topology,
        template=neutral.astype(np.float32),
        bone=neutral.astype(np.float32),
        normal=np.zeros((points, 3), np.float32),
        thickness=np.zeros((points, 1), np.float32),
        skin_weight=demo.skin_weight[:, None].astype(np.float32),
        jaw=jaw,
        implicit_expressions=offsets.transpose(1, 0, 2).astype(np.float32),
        neutral_residual=np.zeros((points, 3), np.float32),
        expression_residual=np.zeros((points, count, 3), np.float32),
        hinge=hinge,
        constraints=Constraints.none(),
    )


@pytest.fixture(scope="module")
def demo():
    return make_demo_actor()


@pytest.fixture(scope="module")
def source(demo) -> Actor:
    axis = np.asarray(demo.hinge_axis, float)
    up = np.array([0.0, 0.0, 1.0]) - axis[2] * axis
    up /= np.linalg.norm(up)
    hinge = Hinge(np.asarray(demo.hinge_centre, float), axis, up)
    jaw = demo.jaw[1:].astype(np.float64)
    turns = decompose_jaw(jaw, hinge)[:, :3] @ axis
    if turns[np.abs(turns).argmax()] < 0:
        hinge = Hinge(hinge.centre, -axis, up)
    neutral = demo.neutral.astype(np.float64)
    share = demo.skin_weight[:, None]
    offsets = demo.shapes[1:] - linear_blend_skinning(neutral, jaw, share)
    return actor_of(neutral, offsets, jaw, hinge, demo)


@pytest.fixture(scope="module")
def target(source, demo) -> Actor:
    """A larger head whose jaw opens less and whose muscles do less."""
    hinge = dataclasses.replace(source.hinge, centre=source.hinge.centre * SIZE)
    pose = decompose_jaw(source.jaw, source.hinge) * OPENING
    offsets = source.expressions.transpose(1, 0, 2) * STRENGTH
    return actor_of(source.neutral * SIZE, offsets, compose_jaw(pose, hinge), hinge, demo)


@pytest.fixture(scope="module")
def take(source, demo):
    played = demo.performance(frames=24)
    performance = Performance(
        vertices=played.vertices.astype(np.float32),
        frames=np.arange(24, dtype=np.int32),
        fps=24.0,
        topology=None,
        source="demo",
    )
    return fit_performance(source, performance, FittingSettings(modes=40))


@pytest.fixture(scope="module")
def retargeted(source, target, take):
    return retarget_take(take, source, target)


def opening(jaw: np.ndarray, actor: Actor) -> np.ndarray:
    return decompose_jaw(jaw, actor.hinge)[:, :3] @ actor.hinge.axis


def stabilized(actor: Actor, take) -> np.ndarray:
    still = dataclasses.replace(take, head=np.tile(np.eye(4), (len(take.frames), 1, 1)))
    return evaluate_take(actor, still)["vertices"].astype(np.float64)


# -- what moves over --------------------------------------------------------------------------------------------------


def test_an_actor_retargeted_to_itself_stays_as_it_is(source, take):
    again = retarget_take(take, source, source)
    difference = np.linalg.norm(stabilized(source, again) - stabilized(source, take), axis=-1)
    assert difference.mean() < 0.05
    np.testing.assert_allclose(again.head, take.head)
    assert np.abs(opening(again.jaw, source) - opening(take.jaw, source)).max() < np.deg2rad(0.3)


def test_the_target_moves_in_its_own_way(source, target, take, retargeted):
    carried = retargeted
    assert carried.names == target.names
    assert carried.topology_digest == target.topology.digest
    wide = opening(take.jaw, source) > np.deg2rad(4)
    assert wide.any()
    np.testing.assert_allclose(opening(carried.jaw, target)[wide], OPENING * opening(take.jaw, source)[wide], rtol=0.05)
    # Truth: the same weights on the target's fields, with the jaw turned by its share.
    pose = decompose_jaw(take.jaw, source.hinge) * OPENING
    true_jaw = compose_jaw(pose, target.hinge)
    moved = stabilized(source, take) - linear_blend_skinning(source.neutral, take.jaw, source.skin_weight)
    truth = linear_blend_skinning(target.neutral, true_jaw, target.skin_weight) + STRENGTH * moved
    error = np.linalg.norm(stabilized(target, carried) - truth, axis=-1).mean()
    unmoved = np.linalg.norm(truth - target.neutral, axis=-1).mean()
    copied = np.linalg.norm(stabilized(source, take) - source.neutral - (truth - target.neutral), axis=-1).mean()
    assert error < 0.15 * copied
    assert error < 0.1 * unmoved


def test_strength_of_all_and_of_the_jaw(source, target, take, retargeted):
    nothing = retarget_take(take, source, target, RetargetSettings(strength=0.0))
    np.testing.assert_allclose(stabilized(target, nothing)[3], target.neutral, atol=1e-3)
    np.testing.assert_array_equal(nothing.head, take.head)
    shut = retarget_take(take, source, target, RetargetSettings(jaw_strength=0.0))
    assert np.abs(shut.jaw - np.eye(4)).max() < 1e-9
    full = retargeted
    # The modes of a symmetric head may come out turned among themselves, so surfaces are compared.
    with_shut_jaw = dataclasses.replace(full, jaw=shut.jaw)
    np.testing.assert_allclose(stabilized(target, shut), stabilized(target, with_shut_jaw), atol=0.05)
    half = retarget_take(take, source, target, RetargetSettings(strength=0.5))
    np.testing.assert_allclose(opening(half.jaw, target), 0.5 * opening(full.jaw, target), atol=1e-3)
    half_of_full = dataclasses.replace(full, coefficients=0.5 * full.coefficients, jaw=half.jaw)
    np.testing.assert_allclose(stabilized(target, half), stabilized(target, half_of_full), atol=0.05)


def test_the_target_rests_in_the_frame_that_is_said_to_be_neutral(source, target, take, retargeted):
    number = int(take.frames[5])
    offset = retarget_take(take, source, target, RetargetSettings(neutral_frame=number))
    shown = stabilized(target, offset)
    np.testing.assert_allclose(shown[5], target.neutral, atol=1e-3)
    plain = stabilized(target, retargeted)
    np.testing.assert_allclose(
        (shown - shown[0])[:, target.skin_weight[:, 0] < 0.01],  # where the jaw has no part, one offset for all frames
        (plain - plain[0])[:, target.skin_weight[:, 0] < 0.01],
        atol=0.05,
    )
    assert np.abs(plain[5] - target.neutral).max() > 1.0  # which did not rest before
    opened = opening(retargeted.jaw, target)
    np.testing.assert_allclose(opening(offset.jaw, target), opened - opened[5], atol=1e-3)
    with pytest.raises(InputError, match=f"has no frame {number + 1000} for the neutral offset"):
        retarget_take(take, source, target, RetargetSettings(neutral_frame=number + 1000))


def test_a_region_can_be_quietened(source, target, take):
    region = np.where(target.neutral[:, 2] > np.median(target.neutral[:, 2]), 0.0, 1.0)
    settings = RetargetSettings(region_strength=region, jaw_strength=0.0)
    quiet = stabilized(target, retarget_take(take, source, target, settings))
    loud = stabilized(target, retarget_take(take, source, target, RetargetSettings(jaw_strength=0.0)))
    np.testing.assert_allclose(quiet[:, region == 0], np.tile(target.neutral[region == 0], (24, 1, 1)), atol=1e-3)
    np.testing.assert_allclose(quiet[:, region == 1], loud[:, region == 1], atol=0.05)
    for wrong in (region[:-1], -region, np.full(len(region), np.nan)):
        with pytest.raises(InputError, match="one for each vertex"):
            retarget_take(take, source, target, RetargetSettings(region_strength=wrong))


def test_the_head_turns_where_the_target_stands(source, target, take, demo):
    turned = np.eye(4)
    turned[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    turned[:3, 3] = [900.0, -50.0, 20.0]

    def put(points: np.ndarray) -> np.ndarray:
        return points @ turned[:3, :3].T + turned[:3, 3]

    hinge = Hinge(put(source.hinge.centre), turned[:3, :3] @ source.hinge.axis, turned[:3, :3] @ source.hinge.up)
    jaw = turned @ source.jaw @ np.linalg.inv(turned)
    offsets = source.expressions.transpose(1, 0, 2) @ turned[:3, :3].T
    elsewhere = actor_of(put(source.neutral), offsets, jaw, hinge, demo)
    head = np.tile(np.eye(4), (24, 1, 1))
    angle = np.linspace(0, 0.5, 24)
    head[:, 0, 0] = head[:, 1, 1] = np.cos(angle)
    head[:, 1, 0], head[:, 0, 1] = np.sin(angle), -np.sin(angle)
    moving = dataclasses.replace(take, head=head)
    frames = evaluate_take(elsewhere, retarget_take(moving, source, elsewhere))["vertices"]
    wanted = put(evaluate_take(source, retarget_take(moving, source, source))["vertices"].astype(float))
    assert np.abs(frames - wanted).max() < 0.02
    held = retarget_take(moving, source, elsewhere, RetargetSettings(head=False))
    np.testing.assert_array_equal(held.head, np.tile(np.eye(4), (24, 1, 1)))


def test_actors_without_a_mandible(source, target, take, retargeted):
    """Their expressions hold the jaw's motion; the surface must come out much as with a mandible."""

    def without(actor: Actor) -> Actor:
        still = np.tile(np.eye(4), (len(actor.names), 1, 1))
        offsets = actor.shapes()[1:] - actor.neutral
        return dataclasses.replace(
            actor,
            hinge=None,
            jaw=still,
            skin_weight=np.zeros_like(actor.skin_weight),
            implicit_expressions=offsets.transpose(1, 0, 2).astype(np.float32),
        )

    wanted = stabilized(target, retargeted)
    moved = np.linalg.norm(wanted - target.neutral, axis=-1).mean()
    plain_target = without(target)
    carried = retarget_take(take, source, plain_target)
    np.testing.assert_array_equal(carried.jaw, np.tile(np.eye(4), (24, 1, 1)))
    assert np.linalg.norm(stabilized(plain_target, carried) - wanted, axis=-1).mean() < 0.25 * moved

    plain_source = without(source)
    performance = Performance(
        vertices=stabilized(source, take).astype(np.float32), frames=take.frames, fps=24.0, topology=None, source="demo"
    )
    plain_take = fit_performance(plain_source, performance, FittingSettings(modes=40))
    carried = retarget_take(plain_take, plain_source, target)
    assert np.linalg.norm(stabilized(target, carried) - wanted, axis=-1).mean() < 0.25 * moved


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("jaw_open", "jawOpen"),
        ("mouthSmile_L", "MouthSmileLeft"),
        ("mouthSmileLeft", "left mouth-smile"),
        ("browInnerUp.R", "r_brow_inner_up"),
        ("AU12", "mouthSmile"),
        ("AU01_L", "browInnerUpLeft"),
        ("AU12_LipCornerPuller.L", "mouthSmileLeft"),
        ("eyes_closed", "eyeBlink"),
        ("lip_pucker", "AU18"),
        ("jawDrop", "Jaw_Open"),
        ("07_pucker", "mouthPucker"),
    ],
)
def test_names_that_mean_the_same(one, other):
    assert pair_expressions([one, "zzz"], ["yyy", other]) == {one: other}
    assert pair_expressions([other, "zzz"], ["yyy", one]) == {other: one}


def test_names_that_do_not_pair():
    for one, other in [
        ("smile_left", "smile_right"),
        ("mouthSmileLeft", "smile"),
        ("AU1", "AU12"),
        ("AU25", "jawOpen"),
    ]:
        with pytest.raises(InputError, match="no expression of the source"):
            pair_expressions([one], [other])
    # Two names that mean one thing leave no way to tell which; an equal name still pairs.
    assert pair_expressions(["jawDrop", "jaw_open"], ["AU26", "smile", "jaw_open"]) == {
        "jawDrop": "AU26",
        "jaw_open": "jaw_open",
    }
    with pytest.raises(InputError):
        pair_expressions(["jawDrop", "AU26"], ["jawOpen"])


def test_chosen_pairs():
    assert pair_expressions(["a", "b", "c"], ["x", "b"], {"c": "x"}) == {"c": "x"}
    for pairs, said in [
        ({"q": "x"}, "'q'"),
        ({"a": "q"}, "'q'"),
        ({"a": "x", "b": "x"}, "give it one"),
        ({}, "no exp"),
    ]:
        with pytest.raises(InputError, match=said):
            pair_expressions(["a", "b", "c"], ["x", "b"], pairs)


def test_what_does_not_pair_is_said_and_the_jaw_moves_all_the_same(source, target, take, retargeted):
    names = list(target.names)
    opens = [name for name, angle in zip(names, opening(source.jaw, source), strict=True) if angle > np.deg2rad(1)]
    assert opens
    left = next(name for name in names[1:] if name not in opens)
    other = dataclasses.replace(
        target, names=tuple("something else" if name == left else name.upper() for name in names)
    )
    pairs = {name: name.upper() for name in names if name not in (left, *opens)}
    carried = retarget_take(take, source, other, RetargetSettings(pairs=pairs))
    assert set(carried.figures["unpaired_source"]) == {left, *opens}
    assert "something else" in carried.figures["unpaired_target"]
    assert carried.figures["renamed"] == [f"{one} -> {two}" for one, two in pairs.items()]
    for index, name in enumerate(names):
        assert carried.coefficients[:, :, index].any() == (name in pairs)
    wide = opening(take.jaw, source) > np.deg2rad(4)
    np.testing.assert_allclose(opening(carried.jaw, target)[wide], OPENING * opening(take.jaw, source)[wide], rtol=0.08)
    whole = stabilized(target, retargeted)
    wanted = np.linalg.norm(whole - target.neutral, axis=-1).mean()
    # What does not pair is done within the bounds of what does.
    assert np.linalg.norm(stabilized(other, carried) - whole, axis=-1).mean() < 0.65 * wanted
    assert left in {row["name"] for row in carried.figures["imitated"]}


def test_nothing_shows_of_a_shape_left_out_on_purpose(source, target, take):
    """The source performs whole shapes; the truth is the target with two of them not performed."""
    names, opens = list(source.names), opening(source.jaw, source)
    wide = names[int(opens.argmax())]
    moved = np.linalg.norm(source.expressions, axis=-1).sum(0) * (opens < np.deg2rad(1))
    gone, strong = {wide, names[int(moved.argmax())]}, np.eye(len(names)) + 0.5 * np.eye(len(names))[::-1]

    def performing(actor, weights):
        shapes = actor.shapes()
        return shapes[0] + np.tensordot(weights, shapes[1:] - shapes[0], 1)

    frames = np.arange(len(strong), dtype=np.int32)
    performance = Performance(performing(source, strong).astype(np.float32), frames, 24.0, None, "shapes")
    performed = fit_performance(source, performance, FittingSettings(modes=40, head="still"))
    kept = strong * [name not in gone for name in names]
    truth = performing(target, kept)

    def off(pairs):
        carried = retarget_take(performed, source, target, RetargetSettings(pairs=pairs))
        assert set(carried.figures["left_out" if "" in pairs.values() else "unpaired_source"]) == gone
        assert not carried.coefficients[:, :, [names.index(name) for name in gone]].any()
        return np.linalg.norm(evaluate_take(target, carried)["vertices"] - truth, axis=-1).mean(), carried

    imitated, _ = off({name: name for name in names if name not in gone})
    quiet, carried = off({name: "" if name in gone else name for name in names})
    assert quiet < 0.55 * imitated
    assert opening(carried.jaw, target)[names.index(wide)] < 0.2 * opening(target.jaw, target)[names.index(wide)]


def test_shapes_that_pair_show_what_they_can_of_one_that_does_not(source, target, take, retargeted):
    """Half of what a shape does is performed by its twin, which the target has not."""
    moved = np.linalg.norm(source.expressions, axis=-1).sum(0)
    index = int(np.where(opening(source.jaw, source) > np.deg2rad(1), 0.0, moved).argmax())
    twice = dataclasses.replace(
        source,
        names=(*source.names, "twin"),
        jaw=np.concatenate([source.jaw, source.jaw[index : index + 1]]),
        implicit_expressions=np.concatenate(
            [source.implicit_expressions, source.implicit_expressions[:, index : index + 1]], axis=1
        ),
        expression_residual=np.concatenate(
            [source.expression_residual, source.expression_residual[:, index : index + 1]], axis=1
        ),
    )
    shared = np.concatenate([take.coefficients, 0.5 * take.coefficients[:, :, index : index + 1]], axis=2)
    shared[:, :, index] *= 0.5
    carried = retarget_take(dataclasses.replace(take, names=twice.names, coefficients=shared), twice, target)
    assert carried.figures["unpaired_source"] == ["twin"]
    whole = stabilized(target, retargeted)
    moved = np.linalg.norm(whole - target.neutral, axis=-1).mean()
    assert np.linalg.norm(stabilized(target, carried) - whole, axis=-1).mean() < 0.02 * moved


# -- what is refused, and files ---------------------------------------------------------------------------------------


def test_other_topologies_are_refused(source, target, take):
    faces = target.topology
    fewer = Topology(faces.corners[: -faces.sizes[-1]], faces.sizes[:-1], faces.vertex_count)
    flipped = Topology(np.roll(faces.corners, 5), faces.sizes, faces.vertex_count)
    with pytest.raises(InputError, match="needs their correspondence"):
        retarget_take(take, source, dataclasses.replace(target, topology=flipped))
    with pytest.raises(InputError, match="another mesh"):
        retarget_take(take, dataclasses.replace(source, topology=fewer), target)
    with pytest.raises(InputError):
        RetargetSettings(strength=-1.0)
    with pytest.raises(InputError):
        RetargetSettings(jaw_strength=float("nan"))


def test_the_task_writes_a_take_of_the_target(source, target, take, tmp_path):
    save_actor(source, tmp_path / "A.actor.safetensors")
    save_actor(target, tmp_path / "B.actor.safetensors")
    save_take(take, tmp_path / "T.take.safetensors")
    (tmp_path / "pairs.json").write_text(json.dumps({name: name for name in source.names[:5]}))
    np.savez(tmp_path / "regions.npz", strength=np.full(len(target.bone), 0.5))
    arguments = {
        "take": str(tmp_path / "T.take.safetensors"),
        "source": str(tmp_path / "A.actor.safetensors"),
        "target": str(tmp_path / "B.actor.safetensors"),
        "out": str(tmp_path / "U.take.safetensors"),
        "pairs": str(tmp_path / "pairs.json"),
        "regions": str(tmp_path / "regions.npz"),
        "head": "off",
    }
    figures = TASKS["retarget"](arguments, lambda _: None, None)
    assert figures["paired"] == 5
    assert not (tmp_path / "B.fitting.safetensors").exists()  # it is for all shapes of B
    written = load_take(tmp_path / "U.take.safetensors")
    evaluate_take(target, written)
    assert np.abs(written.modes).mean() < 0.5  # whole ones have a mean square of 1
    (tmp_path / "pairs.json").write_text("[1]")
    with pytest.raises(InputError, match=r"pairs\.json"):
        TASKS["retarget"](arguments, lambda _: None, None)
