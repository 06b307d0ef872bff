# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the tests inside bpy: user settings in a temporary folder, the extension loaded from the checkout."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_user_resources = tempfile.TemporaryDirectory(prefix="aim_blender_user_")
os.environ["BLENDER_USER_RESOURCES"] = _user_resources.name  # before bpy is imported

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(Path(__file__).parent)]

bpy = pytest.importorskip("bpy", reason="these tests run under a Python with the bpy wheel")
import headless  # noqa: E402
import scenes  # noqa: E402

_ends_badly = False
_status = 0


def pytest_sessionfinish(exitstatus: int) -> None:
    """Remember how it went, for pytest_unconfigure."""
    global _status
    _status = int(exitstatus)


def pytest_unconfigure() -> None:
    """End with that status where this bpy would crash at the end of Python, or hang.

    A traceback that holds what describes a class (bl_rna) hangs Blender 4.5 there, and the failure would not be seen.
    """
    if _ends_badly or _status:
        _user_resources.cleanup()
        headless.leave_at_once(_status)


@pytest.fixture(scope="session")
def extension() -> Iterator[str]:
    """The loaded extension's package name."""
    package = headless.load_extension()
    headless.extension_module("ops.basics.base").reraise_unexpected = True
    global _ends_badly
    _ends_badly = headless.extension_module("aim_blender.scene.basics.versions").ends_badly()
    yield package
    headless.unload_checkout()


@pytest.fixture
def scene(extension: str) -> Any:
    """The scene of a new, empty file."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    headless.extension_module("aim_blender.scene.jobs.jobs").stop_all()
    return bpy.context.scene


@pytest.fixture
def saved(scene: Any, tmp_path: Path) -> Path:
    """The folder of the present file, which is saved there."""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return tmp_path


@pytest.fixture
def shape_alone(extension: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No face detector is there to be asked where landmarks are, which takes seconds."""
    environment = headless.extension_module("aim_blender.scene.jobs.environment")
    monkeypatch.setattr(environment, "has_video", lambda python: False)


@pytest.fixture(scope="session")
def worker(extension: str) -> str:
    """The interpreter that the extension finds, or a skip that says why there is none."""
    base = headless.extension_module("ops.basics.base")
    interpreter = headless.extension_module("aim_blender.jobs.supervision.interpreter")
    try:
        return str(base.worker_interpreter(bpy.context))
    except interpreter.InterpreterError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def learned_once(extension: str, worker: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with learned.blend and its jobs' files: two tiny actors with lower teeth, learned by a real worker."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    made = tmp_path_factory.mktemp("learned") / "made"
    made.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(made / "learned.blend"))
    scenes.add_capture_with_teeth()
    bpy.ops.aim.actor_add(name="Actor")
    bpy.context.scene.aim.actors[0].jaw = bpy.data.objects["teeth"]
    bpy.ops.aim.actor_learn(iterations=40, hidden=16)
    items = scenes.add_capture_with_teeth(wider=scenes.WIDER)
    teeth = bpy.data.objects["teeth.001"]
    for item in [*items, teeth]:
        item.location.x = scenes.OTHER_AT
    scenes.select(items)
    bpy.ops.aim.actor_add(name="Other")
    other = bpy.context.scene.aim.actors[1]
    other.jaw = teeth
    for number, shape in enumerate(other.shapes, start=1):
        shape.name = f"shape {number}"
    bpy.ops.aim.actor_learn(iterations=40, hidden=16)
    bpy.context.scene.aim.active_actor = 0
    bpy.ops.wm.save_mainfile()
    # The paths that the file recorded lead nowhere from now on, as in a project that was moved.
    return made.rename(made.with_name("kept"))


@pytest.fixture
def learned(scene: Any, learned_once: Path, tmp_path: Path) -> Path:
    """The folder of the present file, which is a copy of learned_once."""
    folder = tmp_path / "project"
    shutil.copytree(learned_once, folder)
    bpy.ops.wm.open_mainfile(filepath=str(folder / "learned.blend"))
    return folder


@pytest.fixture(scope="session")
def fitted_once(learned_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with take.blend: the first actor's take of opening its mouth wide while the head turns."""
    bpy.ops.wm.open_mainfile(filepath=str(learned_once / "learned.blend"))
    folder = tmp_path_factory.mktemp("fitted")
    scene = bpy.context.scene
    actor = scene.aim.actors[0]
    neutral, open_mouth = (
        np.array([vertex.co for vertex in item.data.vertices]) for item in (actor.neutral, actor.shapes[0].object)
    )
    item = scenes.add_mesh("wide", neutral, *scenes.face()[1:])
    item.location.x = 1.0
    item.shape_key_add(name="Basis")
    key = item.shape_key_add(name="open")
    key.points.foreach_set("co", open_mouth.astype(np.float32).ravel())
    for frame, value in ((1, 0.0), (scenes.TAKE_FRAMES, 1.0)):
        key.value = value
        key.keyframe_insert("value", frame=frame)
        item.rotation_euler.z = 0.2 * value
        item.keyframe_insert("rotation_euler", frame=frame)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "take.blend"))
    making = headless.extension_module("aim_blender.scene.jobs.job_making")
    for each in scene.aim.actors:  # the learned files stay where they are
        each.file_path = str(learned_once / Path(each.file_path).relative_to(learned_once.with_name("made")))
        making.learned_file(each)
    bpy.ops.aim.performance_fit(object_name="wide", frame_start=1, frame_end=scenes.TAKE_FRAMES)
    bpy.ops.wm.save_mainfile()
    return folder


@pytest.fixture
def take(scene: Any, fitted_once: Path) -> Any:
    """The take, in a file that is just opened."""
    bpy.ops.wm.open_mainfile(filepath=str(fitted_once / "take.blend"))
    return bpy.context.scene.aim.takes[0]


@pytest.fixture(scope="session")
def rig_take_once(extension: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with an actor and a take that the rigs of rigs.py can follow; to find its face takes a second."""
    import rigs
    from test_baked import bring_in

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    folder = tmp_path_factory.mktemp("rig_take")
    scenes.add_capture()
    bpy.ops.aim.actor_add(name="Actor")
    bring_in(folder / "fit_001", rigs.take_arrays(), 1000)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "rig_take.blend"))
    return folder / "rig_take.blend"


@pytest.fixture
def rig_take(scene: Any, rig_take_once: Path) -> dict[str, np.ndarray]:
    """The arrays of that take's bake, in a file that is just opened."""
    import rigs

    bpy.ops.wm.open_mainfile(filepath=str(rig_take_once))
    return rigs.take_arrays()
