# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting the worker's environment up from Blender: what is shown and refused first, cancelled, failed, and removed.

That an environment is really made is tested in tests/core/test_environment_making.py; here pip is given a folder with
no package in it, so that everything happens but the download.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import bpy
import headless
import pytest


@pytest.fixture
def environment(scene, extension):
    """The module, with an empty user's folder and preferences as they come."""
    module = headless.extension_module("aim_blender.scene.jobs.environment")
    chosen = bpy.context.preferences.addons[extension].preferences
    module.ENVIRONMENT.look_again()
    yield module
    module.ENVIRONMENT.stop()
    module.remove_environment(module.environment_folder())
    chosen.property_unset("interpreter")
    chosen.property_unset("pip_options")
    module.ENVIRONMENT.__init__()


@pytest.fixture
def chosen(environment, extension):
    return bpy.context.preferences.addons[extension].preferences


@pytest.fixture
def online(environment):
    """Whether Blender may use the network, for the test to set."""
    system = bpy.context.preferences.system
    before = system.use_online_access
    yield system
    system.use_online_access = before


def problem(**arguments: str) -> str:
    with pytest.raises(RuntimeError) as caught:
        bpy.ops.aim.environment_install(**arguments)
    return str(caught.value).removeprefix("Error: ").strip()


def test_blender_offline_is_told_what_to_do(environment, online):
    online.use_online_access = False
    sentence = problem(base=sys.executable, build="cuda")
    assert "Blender may not go online" in sentence
    assert "Allow Online Access" in sentence
    assert not environment.is_there()


@pytest.mark.skipif(sys.platform != "linux", reason="about what pip finds on Linux")
def test_a_build_that_pip_does_not_find_by_itself_needs_options(environment, online):
    online.use_online_access = True
    assert "--index-url" in problem(base=sys.executable, build="rocm")
    assert "not for this system" in problem(base=sys.executable, build="apple")
    assert not environment.is_there()


def test_a_base_python_that_is_none(environment, online, tmp_path):
    assert "does not exist" in problem(base=str(tmp_path / "python"), build="cpu")
    assert not environment.is_there()


def test_a_plan_names_folder_commands_and_size(environment, chosen):
    plan = environment.plan_for(Path(sys.executable), "cuda", "--extra-index-url 'a b'")
    make, install = plan.commands()
    assert make[:3] == [sys.executable, "-m", "venv"]
    assert install[-3:] == ["a b", "-r", str(environment.EXTENSION_FOLDER / "requirements" / "worker.txt")]
    assert plan.folder.parent == headless.extension_module("aim_blender.scene.basics.folders").user_folder()
    assert "GB to download" in plan.size


def test_pip_that_fails_leaves_nothing_and_keeps_the_choice(environment, chosen, tmp_path):
    chosen.pip_options = f"--no-index --find-links '{tmp_path}'"  # needs no network, and finds nothing
    chosen.interpreter = sys.executable
    sentence = problem(base=sys.executable, build="cpu")
    assert "No matching distribution found for " in sentence
    assert "\n" not in sentence
    assert environment.ENVIRONMENT.state == "failed"
    assert not environment.traces(environment.environment_folder())
    assert chosen.interpreter == sys.executable
    assert (environment.making_folder() / "worker.log").read_text().count("pip install") == 1
    bpy.ops.aim.environment_remove()
    assert not environment.is_there()
    assert environment.ENVIRONMENT.state == "removed"


def test_it_can_be_cancelled_while_blender_goes_on(environment, chosen, tmp_path):
    """As in a window: polled, and cancelled in the middle."""
    plan = environment.plan_for(Path(sys.executable), "cpu", f"--no-index --find-links '{tmp_path}'")
    environment.ENVIRONMENT.start_making(plan, lambda: pytest.fail("it was cancelled"))
    limit = time.monotonic() + 60
    while not plan.unfinished.exists():
        started = time.perf_counter()
        environment.ENVIRONMENT.advance()
        assert time.perf_counter() - started < 1.0
        assert time.monotonic() < limit
        time.sleep(0.02)
    assert not bpy.ops.aim.environment_install.poll()
    bpy.ops.aim.environment_cancel()
    while environment.ENVIRONMENT.active:
        environment.ENVIRONMENT.advance()
        assert time.monotonic() < limit
        time.sleep(0.02)
    assert environment.ENVIRONMENT.state == "cancelled"
    assert not environment.is_there()


def test_what_was_set_up_is_used_and_can_be_removed(environment, chosen):
    """A real environment stands in the folder: it is found there, tried, and removed without trace."""
    folder = environment.environment_folder()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = next(folder.glob("lib/python3*/site-packages"), folder / "Lib" / "site-packages")
    (packages / "torch").mkdir()
    (packages / "torch" / "__init__.py").write_text("__version__ = '0'")
    environment.ENVIRONMENT.look_again()
    assert environment.ENVIRONMENT.missing("") == ""
    with pytest.raises(RuntimeError, match="no attribute 'cuda'"):
        bpy.ops.aim.environment_check()
    bpy.ops.aim.environment_remove()
    assert not os.path.lexists(folder)
    assert not bpy.ops.aim.environment_remove.poll()
