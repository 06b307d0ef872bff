# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip, installed into a fresh profile."""

from __future__ import annotations

from pathlib import Path

from conftest import Inside

PROMISED = [
    "actor_add",
    "actor_learn",
    "bake_to_rig",
    "batch_retarget",
    "character_add",
    "correspondence_show",
    "demo_actor_add",
    "environment_check",
    "environment_install",
    "environment_remove",
    "job_cancel",
    "job_resume",
    "performance_fit",
    "performance_retarget",
    "take_bake",
    "video_install",
]


def test_installing_gives_the_operators_and_nothing_heavy(inside: Inside, tmp_path: Path) -> None:
    found = inside("look")
    assert set(PROMISED) <= set(found["operators"])
    assert found["scene_property"]
    assert found["heavy"] == []
    assert Path(found["file"]).is_relative_to(tmp_path)
    assert found["interpreter"] == ""


def test_switching_off_leaves_nothing_and_on_brings_all_back(inside: Inside) -> None:
    found = inside("switch_off_and_on", times=3)
    for traces in found["disabled"]:
        assert traces == {"operators": [], "classes": [], "scene_property": False, "handlers": []}
    for traces in found["enabled"]:
        assert traces == found["enabled"][0]
    assert found["enabled"][0]["classes"]


def test_uninstalling_leaves_nothing(inside: Inside) -> None:
    found = inside("uninstall")
    assert not found["folder_is_there"]
    assert found["operators"] == []
    assert not found["scene_property"]


def test_a_worker_that_cannot_work_is_one_sentence(inside: Inside, tmp_path: Path) -> None:
    found = inside("refuse_missing_worker", folder=str(tmp_path))
    none, missing, without_torch = found["sentences"]
    for sentence in found["sentences"]:
        assert sentence
        assert "Traceback" not in sentence
        assert len(sentence.splitlines()) == 1
    assert "o Python with torch was found" in none
    assert "no-such-python" in missing
    assert "lacks torch" in without_torch
    assert found["actor_file"] == ""


def test_installing_over_itself_works(inside: Inside) -> None:
    """An upgrade is an installation over the old one, in the same profile."""
    for _ in range(2):
        assert set(PROMISED) <= set(inside("look")["operators"])
