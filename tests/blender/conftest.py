# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the tests inside bpy: user settings in a temporary folder, the extension loaded from the checkout."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_user_resources = tempfile.TemporaryDirectory(prefix="aim_blender_user_")
os.environ["BLENDER_USER_RESOURCES"] = _user_resources.name  # before bpy is imported

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(Path(__file__).parent)]

bpy = pytest.importorskip("bpy", reason="these tests run under a Python with the bpy wheel")
import headless  # noqa: E402


@pytest.fixture(scope="session")
def extension() -> Iterator[str]:
    """The loaded extension's package name."""
    package = headless.load_extension()
    headless.extension_module("ops.base").reraise_unexpected = True
    yield package
    headless.unload_checkout()


@pytest.fixture
def scene(extension: str) -> bpy.types.Scene:
    """The scene of a new, empty file."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    headless.extension_module("aim_blender.scene.jobs").stop_all()
    return bpy.context.scene


@pytest.fixture
def saved(scene: bpy.types.Scene, tmp_path: Path) -> Path:
    """The folder of the present file, which is saved there."""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return tmp_path
