# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way through the installed extension's operators: demo actor, learn, fit, animated mesh."""

from __future__ import annotations

from pathlib import Path

from conftest import Inside


def test_from_meshes_to_keyframes(inside: Inside, worker_python: Path, tmp_path: Path) -> None:
    found = inside("pipeline", worker=str(worker_python), folder=str(tmp_path), iterations=60, hidden=32)
    # The environment was tried: which torch, and how fast it learns.
    state, text = found["environment"]
    assert state == "ready"
    assert "torch" in text and "ms a step" in text
    # What Blender shows is what was fitted, at every frame.
    assert found["frames"] == 24
    assert found["largest_mm"] <= found["tolerance_mm"]
    assert found["moves_mm"] > 1.0, "the result stands still"
    # It is what an artist can work with.
    assert found["shape_keys"][1 : 1 + len(found["shapes"])] == found["shapes"]
    assert {"head", "jaw"} <= set(found["bones"])
    assert {"head", "jaw"} <= set(found["vertex_groups"])
    # The user's meshes stay as they were, the files lie beside the .blend, and Blender stayed light.
    assert found["unchanged"]
    assert found["heavy"] == []
    for name in ("actor_file", "take_file"):
        assert Path(found[name]).is_relative_to(tmp_path)
        assert Path(found[name]).is_file()
