# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs that are proposed by what shapes do: found by a real worker, changed by an artist, used by what retargets."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import bpy
import headless
import pytest
from scenes import problem
from test_manners import advance_to_end

RENAME = """
import dataclasses, sys
from pathlib import Path
from aim_blender.core.files.files import load_actor, save_actor
actor = load_actor(Path(sys.argv[1]))
save_actor(dataclasses.replace(actor, names=tuple(sys.argv[3:])), Path(sys.argv[2]))
"""
ROW = {"by": "motion", "agreement": 0.9, "done": 0.4, "parts": {}, "bone": 0.0}


def module(name):
    return headless.extension_module(f"aim_blender.scene.{name}")


def lists():
    return bpy.context.scene.aim.retarget


@pytest.fixture
def stranger(take, worker, tmp_path):
    """The second actor with names of its own for two of its shapes."""
    target = bpy.context.scene.aim.actors[1]
    names = ["shape 1", "broad", "shape 3", "narrow"]
    file = tmp_path / "Other.actor.safetensors"
    command = [worker, "-c", RENAME, target.file_path, str(file), *names]
    subprocess.run(command, cwd=headless.ROOT, check=True, capture_output=True)
    for shape, name in zip(target.shapes, names, strict=True):
        shape.name = name
    target.file_path = str(file)
    return target


def propose_by_hand(*rows, source=0, target=1, names=("a", "b", "c")):
    """A list as a worker's figures make it."""
    actors = bpy.context.scene.aim.actors
    figures = {"shapes": [{**ROW, **row} for row in rows], "target_shapes": list(names), "notes": []}
    module("retargeting.retarget_lists").list_proposals(lists(), actors[source], actors[target], figures, {})


def last_figures():
    state = bpy.context.scene.aim
    return json.loads(state.takes[state.active_take].figures)


def test_what_was_proposed_and_changed_is_retargeted(stranger, take, tmp_path):
    bpy.ops.aim.retarget_pairs_propose()
    state, rows = lists(), module("retargeting.pair_rows")
    assert state.proposed
    assert [pair.name for pair in state.pairs] == ["shape 1", "shape 2", "shape 3", "shape 4"]
    assert rows.summary(state.pairs["shape 1"]) == "shape 1"
    assert rows.found_of(state.pairs["shape 1"])["by"] == "name"
    assert rows.found_of(state.pairs["shape 2"])["by"] == "motion"
    assert rows.partners(state.pairs["shape 2"])[0] == "broad"
    choices = module("retargeting.retarget_lists").scene_choices
    actors = bpy.context.scene.aim.actors
    # As long as nothing is changed it is what is found without a list.
    assert "pairs" not in choices(bpy.context.scene.aim, actors[0], actors[1])
    state.active_pair = 0
    bpy.ops.aim.retarget_pair_add(shape="narrow")
    state.pairs["shape 4"].left_out = True
    assert "has no shape 'zzz'" in problem(bpy.ops.aim.retarget_pair_add, shape="zzz")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "again.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "again.blend"))
    bpy.ops.aim.performance_retarget(target="Other")
    figures = last_figures()
    assert figures["retarget_renamed"] == ["shape 1 -> shape 1 + narrow"]
    assert figures["retarget_left_out"] == ["shape 4"]
    assert "shape 2" in [row["name"] for row in figures["retarget_imitated"]]
    # Proposed again, what was changed stays, and says what it is worth.
    bpy.ops.aim.retarget_pairs_propose()
    changed = lists().pairs["shape 1"]
    assert (changed.target, changed.compared) == ("shape 1 + narrow", "shape 1 + narrow")
    assert 0.3 < changed.likeness < 1.0
    assert lists().pairs["shape 4"].left_out
    bpy.ops.aim.retarget_pair_reset(every=True)
    assert not any(module("retargeting.pair_rows").is_changed(pair) for pair in lists().pairs)


def test_in_a_window_it_goes_on_by_itself_and_can_be_cancelled(stranger, worker):
    jobs, pairing = module("jobs.jobs"), module("jobs.pairing_jobs")
    deliver = headless.extension_module("ops.basics.results").deliver
    actors = bpy.context.scene.aim.actors

    def started():
        run = jobs.Run(actors[0].identifier, "pair", Path(worker), deliver)
        run.start(pairing.prepare_pairing(lists(), actors[0], actors[1]))
        jobs.RUNS[run.actor] = run
        return run

    run = started()
    assert "A job of this actor is running" in problem(bpy.ops.aim.retarget_pairs_propose)
    bpy.ops.aim.job_cancel()
    advance_to_end(run)
    assert run.status.state == "cancelled"
    assert len(lists().pairs) == 0
    run = started()
    advance_to_end(run)
    assert (run.status.error, len(lists().pairs)) == ("", 4)
    pairing = module("retargeting.retarget_lists")
    assert not pairing.is_outdated(lists(), actors[0], actors[1])
    actors[1].file_path = str(Path(actors[1].file_path).with_name("learned_again.actor.safetensors"))
    assert pairing.is_outdated(lists(), actors[0], actors[1])


def test_what_is_accepted_stays_until_it_is_something_else(take):
    doubtful = module("retargeting.pair_rows").is_doubtful
    propose_by_hand({"name": "smile", "parts": {"a": 0.5}, "weak": True}, {"name": "frown", "parts": {"b": 1.0}})
    assert [doubtful(pair) for pair in lists().pairs] == [True, False]
    bpy.ops.aim.retarget_pair_accept()
    assert [pair.accepted for pair in lists().pairs] == [True, False]
    propose_by_hand({"name": "smile", "parts": {"a": 0.6}, "weak": True}, {"name": "frown", "parts": {"b": 1.0}})
    assert not doubtful(lists().pairs["smile"])
    propose_by_hand({"name": "smile", "parts": {"c": 0.6}, "weak": True}, {"name": "frown", "parts": {"b": 1.0}})
    assert doubtful(lists().pairs["smile"])
    bpy.ops.aim.retarget_pairs_clear()
    assert (len(lists().pairs), lists().proposed, lists().target_shapes) == (0, False, "")
    assert "press Propose Pairs first" in problem(bpy.ops.aim.retarget_pair_accept, every=True)


def test_shapes_are_added_to_what_was_found_and_taken_out(take):
    state, offered = lists(), module("retargeting.retarget_lists").suggested
    propose_by_hand({"name": "smile", "parts": {"a": 1.0, "b": 0.5, "c": 0.2}})
    bpy.ops.aim.retarget_pair_remove(shape="a")
    assert state.pairs[0].target == "b"
    assert "would have no partner left" in problem(bpy.ops.aim.retarget_pair_remove, shape="b")
    bpy.ops.aim.retarget_pair_add(shape="c")
    assert state.pairs[0].target == "b + c"
    scene = bpy.context.scene
    assert offered(scene, state.pairs[0], "") == ["a", "b", "c"]
    assert offered(scene, state.pairs[0], "b + ") == ["b + a", "b + c"]
    assert offered(scene, state.pairs[0], "b + c") == ["a", "b", "c", "b + c + a"]
    state.pairs[0].target = "b + d"
    assert module("retargeting.retarget_lists").unknown_partners(scene, state.pairs[0]) == ["d"]


def test_every_target_has_a_list_of_its_own(take, tmp_path):
    """It comes back when the target is chosen again, and a batch takes each for its target."""
    state = bpy.context.scene.aim
    third = state.actors.add()
    third.identifier, third.name, third.neutral = "third", "Third", state.actors[1].neutral
    third.file_path = str(tmp_path / "Third.actor.safetensors")
    state.retarget_target = "Other"
    propose_by_hand({"name": "shape 1", "parts": {"a": 1.0}}, {"name": "shape 2"})
    lists().pairs["shape 1"].target = "b"
    state.retarget_target = "Third"
    assert len(lists().pairs) == 0
    propose_by_hand({"name": "shape 1", "parts": {"a": 1.0}}, target=2)
    lists().pairs["shape 1"].left_out = True
    bpy.ops.aim.batch_shot_add()
    row = module("jobs.batch").rows_of(state.batch)["shots"][0]
    assert {Path(each["actor"]).name: each["pairs"] for each in row["targets"]} == {
        "Other.actor.safetensors": {"*": "*", "shape 1": "b"},
        "Third.actor.safetensors": {"*": "*", "shape 1": ""},
    }
    bpy.ops.aim.batch_export(filepath=str(tmp_path / "shots.json"))
    state.retarget_target = "Other"
    assert [(pair.name, pair.target) for pair in lists().pairs] == [("shape 1", "b"), ("shape 2", "")]
    state.active_actor = 1
    state.retarget_target = "Actor"
    assert len(lists().pairs) == 0
    state.active_actor, state.retarget_target = 0, "Third"
    assert [pair.left_out for pair in lists().pairs] == [True]
    assert len(lists().kept) == 1
    state.active_actor = 1
    bpy.ops.aim.actor_remove()  # the lists of who is gone go with it
    state.active_actor = 0
    assert [kept.name for kept in lists().kept] == []
    assert [pair.left_out for pair in lists().pairs] == [True]


def row(target="", left_out=False, accepted=False, found=None, compared="", likeness=0.0):
    values = {"name": "smile", "target": target, "left_out": left_out, "accepted": accepted}
    return SimpleNamespace(**values, found=json.dumps(found) if found else "", compared=compared, likeness=likeness)


def test_rows_read_as_they_are_meant(extension):
    rows = module("retargeting.pair_rows")
    funnel = {**ROW, "parts": {"pucker": 0.5, "chin": -0.8, "brow": 0.2}, "bone": 0.9}
    assert rows.summary(row(found=funnel)) == "-chin + pucker + jaw bone"
    assert rows.parts(row(found=funnel)) == [
        ("pucker", "50 %"),
        ("chin", "-80 %"),
        ("brow", "20 %"),
        ("jaw bone", "90 %"),
    ]
    assert rows.figures(row(found=funnel)) == ("0.90", "40 %")
    assert rows.explained(row(found=funnel)) == "found by motion: 40 % of it is done; the motions agree by 0.90"
    nothing = {**ROW, "by": "nothing", "done": 0.0, "agreement": 0.0, "weak": True}
    assert (rows.summary(row(found=nothing)), rows.figures(row(found=nothing))) == ("nothing alike", ("", "0 %"))
    assert rows.is_doubtful(row(found=nothing))
    assert not rows.is_doubtful(row(found=nothing, left_out=True))
    assert rows.figures(row("a", found=funnel)) == ("", "")
    assert rows.figures(row("a", found=funnel, compared="a", likeness=0.5)) == ("0.50", "100 %")
    assert rows.chosen([row("a"), row(left_out=True)], proposed=False) == {"smile": ""}
    assert rows.chosen([row()], proposed=True) is None
    assert rows.chosen([], proposed=False) is None
