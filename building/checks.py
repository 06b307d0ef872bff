# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the code that do not run it."""

from __future__ import annotations

import shutil

from .basics import ENVIRONMENTS, ROOT
from .environments import CHECK, WORKER
from .extension_zip import stage
from .steps import Output, Step, run_step


def run_checks(output: Output) -> list[Step]:
    """Everything that is known about the code without running it."""
    return [
        run_step("ruff check", [CHECK.python, "-m", "ruff", "check", "."], output),
        run_step("ruff format", [CHECK.python, "-m", "ruff", "format", "--check", "."], output),
        *run_type_checks(output),
    ]


def run_type_checks(output: Output) -> list[Step]:
    """mypy, twice: the core and the jobs where torch is, Blender's side where the description of bpy is.

    The extension imports itself relatively, as a package below `bl_ext`, so mypy is shown a staged copy as a package.
    The second run also proves that Blender's side is complete without torch.
    """
    shown = ENVIRONMENTS / "shown-to-mypy"
    shutil.rmtree(shown, ignore_errors=True)
    stage(shown / "aim_extension")
    storeys = (
        ("mypy, core and jobs", WORKER, ("aim_blender.core", "aim_blender.jobs"), ("aim_blender.__main__",)),
        ("mypy, Blender's side", CHECK, ("aim_blender.scene", "ops", "addon_manifest"), ()),
    )
    steps = []
    for name, environment, packages, modules in storeys:
        command: list[object] = [CHECK.python, "-m", "mypy", "--config-file", ROOT / "pyproject.toml"]
        command += ["--cache-dir", ROOT / ".mypy_cache" / environment.name, "--python-executable", environment.python]
        command += ["--follow-imports", "silent"]
        for package in packages:
            command += ["-p", f"aim_extension.{package}"]
        for module in modules:
            command += ["-m", f"aim_extension.{module}"]
        steps.append(run_step(name, command, output, folder=shown))
    command = [CHECK.python, "-m", "mypy", "--config-file", ROOT / "pyproject.toml"]
    command += ["--cache-dir", ROOT / ".mypy_cache" / "build", "build.py", "building"]
    steps.append(run_step("mypy, build.py and building", command, output))
    return steps
