# SPDX-License-Identifier: GPL-3.0-or-later
"""From install to fit by mouse in a Blender of another language, in a folder and with an actor named beyond ASCII."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Open

FRAMES = 3


@pytest.mark.parametrize("language", ["ja_JP"])
def test_the_whole_way(open_window: Open, language: str) -> None:
    with open_window("other_language", language=language) as window:
        seen = window.wait()
    if all(word == translated for word, translated in seen["words"].items()):
        pytest.skip(f"this Blender has no translation to {language}")
    assert seen["aim.actor_learn"] == seen["aim.performance_fit"] == {"state": "finished", "problem": ""}
    assert seen["actor"] == "Gesicht 顔"
    assert {"Gesicht 顔"} < set(Path(seen["file"]).parts)
    # What files, scripts and other programs know by name keeps its name.
    assert "jaw_open" in seen["names"]
    assert seen["result"]["bones"] == ["head", "jaw"]
    assert set(seen["result"]["keyframes"].values()) == {FRAMES}
    assert seen["result"]["mean_mm"] < 1.0
