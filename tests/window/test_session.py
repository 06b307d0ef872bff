# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way by mouse and keyboard in a real window: demo actor, learn, cancel, resume, fit, scrub, undo, redo, save
and reopen. It is gone once; each test judges a part of what was seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Open

FRAMES = 12
ADDED = ["Demo Eyes", "Demo Mandible", "Demo Neutral", "Demo Performance", "Demo Performance Eyes", "Demo Skull"]


@pytest.fixture(scope="module")
def seen(open_window: Open) -> dict[str, Any]:
    with open_window("session") as window:
        return window.wait()


def test_the_zip_is_what_runs(seen: dict[str, Any]) -> None:
    assert "extensions" in Path(seen["file"]).parts
    assert "click aim.actor_learn" in seen["presses"]


def test_a_demo_actor_is_added_undone_and_redone(seen: dict[str, Any]) -> None:
    assert seen["added"]["actors"] == ["Demo"]
    assert sorted({*seen["added"]["objects"]} - {*seen["empty"]["objects"]}) == ADDED
    assert seen["undone_actor"] == seen["empty"]
    assert seen["redone_actor"] == seen["added"]


def test_learning_leaves_the_window_alive_and_can_be_cancelled(seen: dict[str, Any]) -> None:
    assert seen["learning"]["state"] == "running"
    assert seen["learning"]["longest_pause_s"] < 3.0  # on a busy machine, which also draws without a graphics card
    assert seen["cancelled"]["state"] == "cancelled"
    assert seen["cancelled"]["share"] < 1.0
    assert seen["cancelled"]["resumable"]


def test_it_goes_on_where_it_was_cancelled(seen: dict[str, Any]) -> None:
    assert seen["cancelled"]["share"] <= seen["resumed_share"] < 1.0
    assert seen["learned"]["state"] == "finished"
    assert seen["learned"]["file"].endswith(".actor.safetensors")


def test_the_fit_is_an_animated_mesh_on_the_performance(seen: dict[str, Any]) -> None:
    assert (seen["fitted"]["state"], seen["fitted"]["problem"]) == ("finished", "")
    assert seen["fitted"]["takes"] == ["Demo Performance"]
    assert {*seen["added"]["objects"]} < {*seen["fitted"]["objects"]}
    found = seen["result"]
    assert set(found["keyframes"].values()) == {FRAMES}
    assert found["bones"] == ["head", "jaw"]
    assert found["moved_mm"] > 1.0
    assert found["mean_mm"] < 0.1


def test_the_worker_that_learned_fits_too_and_stays_for_the_next_job(seen: dict[str, Any]) -> None:
    learned_by, fitted_by = seen["workers_left"]
    assert learned_by == fitted_by


def test_dragging_along_the_timeline_shows_the_frames_between(seen: dict[str, Any]) -> None:
    assert seen["scrubbed"] == sorted(seen["scrubbed"])
    assert len(set(seen["scrubbed"])) > 3
    assert seen["scrubbed"][-1] == seen["result"]["frame"]


def test_the_result_is_one_undo_step(seen: dict[str, Any]) -> None:
    assert seen["undone_take"] == seen["added"]
    assert seen["redone_take"]["takes"] == ["Demo Performance"]
    assert seen["redone_result"] == seen["result"]


def test_the_file_is_the_same_when_it_is_opened_again(seen: dict[str, Any]) -> None:
    assert seen["reopened"] == seen["redone_take"]
    assert seen["reopened_result"] == seen["result"]
    assert not seen["reopened_active"]
