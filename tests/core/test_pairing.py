# SPDX-License-Identifier: GPL-3.0-or-later
"""What one actor's shapes are on another whose shapes are named, parted or sculpted otherwise."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from aim_blender.core.files.files import save_actor
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.closed_form import positive_factor
from aim_blender.core.retargeting.meaning import _ranges, meaning_of
from aim_blender.core.retargeting.pairing import HALF, Pairing, pair_shapes
from aim_blender.core.retargeting.retargeting import BEYOND, Retargeting
from aim_blender.core.shared.faces.expression_names import chosen_partners, chosen_targets
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.retarget_settings import RetargetSettings
from aim_blender.jobs.running.registry import TASKS
from tests.core.test_retargeting import actor_of, demo, source, target  # noqa: F401


def with_shapes(actor: Actor, shapes: dict[str, np.ndarray]) -> Actor:
    """The actor with shapes by name, offsets (V, 3) that no jaw has part in."""
    offsets = np.stack(list(shapes.values()), axis=1)  # (V, N, 3)
    return dataclasses.replace(
        actor,
        names=tuple(shapes),
        jaw=np.tile(np.eye(4), (len(shapes), 1, 1)),
        implicit_expressions=offsets.astype(np.float32),
        expression_residual=np.zeros_like(offsets, dtype=np.float32),
    )


def shapes_of(actor: Actor) -> dict[str, np.ndarray]:
    return dict(zip(actor.names, actor.offsets().transpose(1, 0, 2), strict=True))


def sides(actor: Actor) -> tuple[np.ndarray, np.ndarray]:
    """(V, 1) how much of a shape its left half does, and its right half: smooth over the middle."""
    across = actor.neutral[:, :1] - actor.neutral[:, 0].mean()
    left = 1 / (1 + np.exp(-across / 4.0))
    return left, 1 - left


@pytest.fixture(scope="module")
def parted(target: Actor) -> Actor:  # noqa: F811
    """The target with its smile and its closed eyes as two shapes each, under names that tell nothing."""
    shapes = shapes_of(target)
    for name in ("smile", "eyes_closed"):
        whole = shapes.pop(name)
        shapes |= {f"{name[0]}{k}": part * whole for k, part in enumerate(sides(target))}
    return with_shapes(target, shapes)


@pytest.fixture(scope="module")
def found(source: Actor, parted: Actor) -> Pairing:  # noqa: F811
    """What is found without any choice."""
    return pair_shapes(source, parted, None)


def row_of(pairing, name):
    return next(row for row in pairing.rows if row["name"] == name)


def test_one_shape_is_two_of_the_target(found):
    pairing = found
    for name, parts in (("smile", {"s0", "s1"}), ("eyes_closed", {"e0", "e1"})):
        row = row_of(pairing, name)
        assert row["by"] == "motion"
        assert set(list(row["parts"])[:2]) == parts
        assert row["agreement"] > 0.95
        assert row["done"] > 0.9
        assert pairing.proposed()[name].split(" + ")[:2] == list(row["parts"])[:2]
    assert row_of(pairing, "frown")["by"] == "name"


def test_two_shapes_are_each_a_side_of_one_of_the_target(parted, source):  # noqa: F811
    pairing = pair_shapes(parted, source, None)
    for name, whole, own in (("s0", "smile", 0), ("s1", "smile", 1)):
        row = row_of(pairing, name)
        assert next(iter(row["parts"])) == whole
        assert row["agreement"] > 0.9
        mixture = pairing.mixtures[parted.names.index(name)]
        weight = mixture.weights[:, list(mixture.shapes).index(source.names.index(whole))]
        moved = np.linalg.norm(shapes_of(source)[whole], axis=1)
        middle = np.abs(source.neutral[:, 0]) < 12.0
        side = (sides(source)[own][:, 0] > 0.5) & ~middle
        assert np.average(weight[side], weights=moved[side]) > 0.6
        other = ~side & ~middle
        assert np.average(weight[other], weights=moved[other]) < 0.3


def test_a_name_whose_shape_does_something_else_is_no_pair(source, target):  # noqa: F811
    shapes = shapes_of(target)
    shapes["frown"], shapes["surprise"] = shapes["surprise"], shapes["frown"]
    pairing = pair_shapes(source, with_shapes(target, shapes), None)
    assert list(row_of(pairing, "frown")["parts"]) == ["surprise"]
    assert next(iter(row_of(pairing, "surprise")["parts"])) == "frown"
    assert any("'frown' and the target's 'frown' have one name but do something else" in each for each in pairing.notes)
    insisted = pair_shapes(source, with_shapes(target, shapes), {"frown": "frown", "smile": "smile"})
    assert insisted.pairs == {"frown": "frown", "smile": "smile"}
    assert not pair_shapes(source, target, None).notes


def test_numbers_are_no_names(source, target):  # noqa: F811
    """`Key 1` of one program is not `Key 1` of another: however many do not mean the same, what they do counts."""
    own, order = shapes_of(source), np.roll(np.arange(len(source.names)), 2)
    performer = with_shapes(source, {f"Key {number}": own[name] for number, name in enumerate(source.names, 1)})
    named = {f"Key {number}": shapes_of(target)[source.names[k]] for number, k in enumerate(order, 1)}
    pairing = pair_shapes(performer, with_shapes(target, named), None)
    for number, k in enumerate(order, 1):
        assert next(iter(row_of(pairing, f"Key {k + 1}")["parts"])) == f"Key {number}"
    assert not any("have one name" in note for note in pairing.notes)
    # Where they do mean the same, they are pairs.
    alike = {f"Key {number}": shapes_of(target)[name] for number, name in enumerate(source.names, 1)}
    pairing = pair_shapes(performer, with_shapes(target, alike), None)
    assert all(row["by"] == "name" for row in pairing.rows)


def test_what_nothing_does_is_left_undone_and_said(source, target):  # noqa: F811
    shapes = {name: shapes_of(target)[name] for name in ("surprise", "eyes_closed", "anger")}
    pairing = pair_shapes(source, dataclasses.replace(with_shapes(target, shapes), hinge=None), None)
    assert row_of(pairing, "pucker")["by"] == "nothing"
    note = next(each for each in pairing.notes if "the target has no shape for" in each)
    assert "pucker (0 %)" in note
    assert "surprise" not in note


def test_it_is_said_where_a_shape_falls_short(source, target):  # noqa: F811
    shapes, own = shapes_of(source), shapes_of(target)
    performer = with_shapes(source, {"smile": shapes["smile"], "gasp": shapes["surprise"] + shapes["pucker"]})
    other = with_shapes(target, {name: own[name] for name in ("smile", "surprise")})
    pairing = pair_shapes(performer, dataclasses.replace(other, hinge=None), None)
    areas = row_of(pairing, "gasp")["areas"]
    assert areas["brows"] > 0.7
    assert areas["lips"] < HALF
    note = next(each for each in pairing.notes if "gasp (" in each)
    assert f"lips {100 * areas['lips']:.0f} %" in note
    assert "brows" not in note


def test_lips_are_measured_by_how_far_they_part():
    """One face closes its lips by more than it opens them, as over a jaw that is open."""
    assert _ranges("lip_gap", np.array([30.0, -40.0]), np.array([24.0, -2.0])) == (30.0, 24.0)
    assert _ranges("mouth_width", np.array([10.0, -30.0]), np.array([20.0, -20.0])) == (40.0, 40.0)


def test_meaning_is_in_the_targets_own_range(source, target):  # noqa: F811
    weak = with_shapes(target, {name: 0.6 * shape for name, shape in shapes_of(target).items()})
    found = meaning_of(source, weak)
    assert len(found.measures) == 7
    own = np.array([each.of(weak.offsets().transpose(1, 0, 2)) for each in found.measures]).T
    wide = np.abs(own) > 0.5 * found.ranges  # the shapes that a measure is about
    assert wide.any()
    ratio = found.wanted[wide] / own[wide]  # one for each measure, though two sculptors' shapes differ in theirs
    assert ((ratio > 0.5) & (ratio < 2.0)).all()


def test_no_point_goes_far_beyond_the_targets_own_shapes(source, target):  # noqa: F811
    """Weights of 40, as imitating without bounds once asked for."""
    count = len(source.names)
    take = Take(
        source.names,
        source.topology.digest,
        np.ones((len(source.neutral), 1), np.float32),
        np.full((2, 1, count), 40.0, np.float32) * np.array([[1.0], [-1.0]], np.float32)[..., None],
        np.tile(np.eye(4), (2, 1, 1)),
        np.tile(np.eye(4), (2, 1, 1)),
        np.arange(2, dtype=np.int32),
        24.0,
        np.zeros((2, 2), np.float32),
    )
    carrying = Retargeting(take, source, target, RetargetSettings())
    moved = carrying.moved(carrying._weights.of(slice(0, 2))).numpy()
    length = np.linalg.norm(moved, axis=-1)
    assert length.max() > 5.0
    ways = moved / length.clip(min=1e-9)[..., None]
    furthest = np.einsum("fvx,vkx->fvk", ways, target.offsets()).max(-1).clip(min=0.0)
    assert (length <= BEYOND[0] * furthest + BEYOND[1] + 1e-3).all()


def test_chosen_partners_may_be_several():
    assert chosen_partners(["smile", "x"], ["l", "r"], {"smile": "l + r"}) == {"smile": ["l", "r"]}
    assert chosen_partners(["a", "b"], ["c"], {"a": "c", "b": "c"}) == {"a": ["c"], "b": ["c"]}
    assert chosen_partners(["a"], ["b + c"], {"a": "b + c"}) == {"a": ["b + c"]}
    assert chosen_partners(["a"], ["b"], None) == {}
    for pairs, said in [({"a": "b + z"}, "'z'"), ({"q": "b"}, "'q'"), ({"a": ""}, "no expressions")]:
        with pytest.raises(InputError, match=said):
            chosen_partners(["a"], ["b"], pairs)


def test_the_others_may_be_left_to_be_found():
    names = ["smile", "frown", "x"], ["smile", "frown", "l", "r"]
    found = chosen_partners(*names, {"*": "*", "x": "l + r", "smile": ""})
    assert found == {"smile": [], "frown": ["frown"], "x": ["l", "r"]}
    assert chosen_partners(*names, {"*": "*", "frown": "*"}) == {"smile": ["smile"]}
    assert chosen_targets(*names, {"*": "*", "smile": ""}) == [True] * 4
    assert chosen_targets(*names, {"smile": "smile"}) == [True, False, False, False]
    with pytest.raises(InputError, match="stands for all others"):
        chosen_partners(*names, {"*": "smile"})


def test_one_choice_leaves_what_is_found_for_the_others(source, parted, found):  # noqa: F811
    one = pair_shapes(source, parted, {"*": "*", "frown": "s0 + s1", "pucker": "*"})
    assert set(row_of(one, "frown")["parts"]) == {"s0", "s1"}
    assert (row_of(one, "frown")["by"], row_of(one, "frown")["weak"]) == ("name", True)
    assert one.chosen.all()
    for name in source.names:
        if name not in ("frown", "smile", "pucker"):
            assert row_of(one, name)["by"] == row_of(found, name)["by"]
            assert row_of(one, name)["agreement"] == pytest.approx(row_of(found, name)["agreement"], abs=0.02)
    assert row_of(one, "pucker")["by"] == "motion"
    assert next(iter(row_of(one, "pucker")["parts"])) == "pucker"


def test_several_that_share_a_partner_share_it_by_where_they_move(parted, source):  # noqa: F811
    pairing = pair_shapes(parted, source, {"s0": "smile", "s1": "smile"})
    one, other = (pairing.mixtures[parted.names.index(name)] for name in ("s0", "s1"))
    np.testing.assert_allclose(one.weights + other.weights, 1.0, atol=1e-5)
    moved = np.linalg.norm(shapes_of(source)["smile"], axis=1)
    left = source.neutral[:, 0] > 12.0
    assert np.average(one.weights[left, 0], weights=moved[left]) > 0.7


def test_a_shape_that_does_all_of_a_shared_partner_takes_the_whole(source, parted):  # noqa: F811
    """As well as its halves do, and beside a stronger one of its kind."""
    shapes = {**shapes_of(parted), "smile": shapes_of(source)["smile"]}
    names = ("s0", "s1", "smile", "big_smile")
    pairing = pair_shapes(with_shapes(parted, shapes), source, dict.fromkeys(names, "smile"))
    one, other, whole, strong = (pairing.mixtures[list(shapes).index(name)].weights for name in names)
    np.testing.assert_allclose(whole, 1.0, atol=1e-3)
    np.testing.assert_allclose(strong, 1.0, atol=0.1)
    np.testing.assert_allclose(one + other, 1.0, atol=1e-3)


def test_the_task_writes_pairs_that_a_retarget_takes(source, parted, tmp_path):  # noqa: F811
    save_actor(source, tmp_path / "A.actor.safetensors")
    save_actor(parted, tmp_path / "B.actor.safetensors")
    arguments = {
        "source": str(tmp_path / "A.actor.safetensors"),
        "target": str(tmp_path / "B.actor.safetensors"),
        "out": str(tmp_path / "pairs.json"),
    }
    figures = TASKS["pair"](arguments, lambda _: None, None)
    written = json.loads((tmp_path / "pairs.json").read_text())
    assert {row["name"] for row in figures["shapes"]} == set(source.names)
    assert chosen_partners(source.names, parted.names, written)["frown"] == ["frown"]
    assert {"s0", "s1"} <= set(written["smile"].split(" + "))
    again = TASKS["pair"]({**arguments, "pairs": str(tmp_path / "pairs.json")}, lambda _: None, None)
    assert next(row for row in again["shapes"] if row["name"] == "smile")["by"] == "name"


def test_what_rounding_takes_off_a_matrix_is_made_up_for():
    rows = torch.randn(40, 60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    matrix = rows.T @ rows  # of rank 40
    matrix.diagonal().sub_(1e-6)
    factor = positive_factor(matrix)
    assert float((factor @ factor.T - matrix).abs().max()) < 1e-3
    assert bool((factor.diagonal() > 0).all())


def test_shapes_together_mean_what_they_mean_on_the_source(source, parted):  # noqa: F811
    """The target's pucker is weak beside its smile, and undoes half of it where the source's undoes all."""
    shapes = shapes_of(parted)
    shapes["pucker"] = 0.3 * shapes["pucker"]
    other = with_shapes(parted, shapes)
    count, weights = len(source.names), np.zeros((5, 1, len(source.names)), np.float32)
    for name, amounts in (("smile", (0.0, 1.0, 0.9, 0.6, 0.3)), ("pucker", (0.0, 0.0, 0.4, 0.7, 1.0))):
        weights[:, 0, source.names.index(name)] = amounts
    still = np.tile(np.eye(4), (5, 1, 1))
    flat = np.ones((len(source.neutral), 1), np.float32)
    error = np.zeros((5, 2), np.float32)
    frames = np.arange(5, dtype=np.int32)
    take = Take(source.names, source.topology.digest, flat, weights, still, still, frames, 24.0, error)
    carrying = Retargeting(take, source, other, RetargetSettings())
    shown = other.neutral + carrying.moved(carrying._weights.of(slice(0, 5))).numpy()
    overall = carrying._weights.overall_of(carrying._weights.of(slice(0, 5)))
    meant = carrying._meant
    before = meant._off(shown, slice(0, 5), overall)
    added = meant.missing(shown, slice(0, 5), overall)
    after = meant._off(shown + added, slice(0, 5), overall)
    assert np.abs(before).max() > 0.1
    assert (np.abs(after) < 0.6 * np.abs(before).max()).all()
    assert not added[0].any()  # rest stays rest
    assert count == len(overall[0])
    # What somebody chose is shown as it was chosen.
    chosen = Retargeting(take, source, other, RetargetSettings(pairs={"*": "*", "smile": "s0 + s1"}))
    assert chosen._meant is None
