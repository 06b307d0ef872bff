# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the code that do not run it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .basics import ENVIRONMENTS, ROOT
from .environments import CHECK, WORKER, Environment
from .extension_zip import stage
from .steps import Output, Step, run_step

# What the description of bpy does not know, as pyproject.toml says for Blender's side of the extension.
AS_BLENDERS_SIDE = (
    "attr-defined",
    "func-returns-value",
    "misc",
    "override",
    "union-attr",
    "valid-type",
    "var-annotated",
)
LIKE_BLENDERS_SIDE = ("--no-strict-optional", *(f"--disable-error-code={code}" for code in AS_BLENDERS_SIDE))
FIXTURES_UNTYPED = ("--allow-untyped-defs", "--allow-incomplete-defs")


@dataclass(frozen=True)
class Checked:
    """Files that mypy is shown at once: what imports each other by the same names.

    path: where they find each other. files: patterns below the root. but: of these, those that others check.
    """

    name: str
    environment: Environment
    path: tuple[str, ...]
    files: tuple[str, ...]
    but: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


IN_BLENDER = ("benchmarks/*_in_blender.py", "benchmarks/window_clocks.py", "tests/package/inside_blender.py")
CHECKED = (
    Checked(
        "core, jobs, tests, benchmarks",
        WORKER,
        (".", "benchmarks", "tests/window"),
        (
            *(f"aim_blender/{files}.py" for files in ("core/**/*", "jobs/**/*", "__main__")),
            *("tests/*.py", "tests/core/*.py", "benchmarks/*.py"),
        ),
        IN_BLENDER,
    ),
    Checked(
        "scripts, docs, window",
        CHECK,
        (".", "scripts", "tests/window", "benchmarks", "docs", "tests/blender"),
        ("scripts/*.py", "docs/*.py", "tests/window/*.py", *IN_BLENDER),
        options=LIKE_BLENDERS_SIDE,
    ),
    Checked(
        "Blender's tests",
        CHECK,
        (".", "scripts", "tests/blender"),
        ("tests/blender/*.py",),
        options=(*LIKE_BLENDERS_SIDE, *FIXTURES_UNTYPED),
    ),
    Checked(
        "build.py, the zip's tests",
        CHECK,
        (".", "tests/package"),
        ("build.py", "building/*.py", "tests/package/*.py"),
        IN_BLENDER,
    ),
)


def run_checks(output: Output, part: str | None = None) -> list[Step]:
    """Everything that is known about the code without running it, or one of CHECKS."""
    return [step for name in ([part] if part else CHECKS) for step in CHECKS[name](output)]


def run_style_checks(output: Output) -> list[Step]:
    """ruff: rules and format."""
    return [
        run_step("ruff check", [CHECK.python, "-m", "ruff", "check", "."], output),
        run_step("ruff format", [CHECK.python, "-m", "ruff", "format", "--check", "."], output),
    ]


def run_type_checks(output: Output) -> list[Step]:
    """mypy: the core and the jobs where torch is, Blender's side where the description of bpy is, and what is around.

    Blender's side imports itself relatively, as a package below `bl_ext`, so mypy is shown a staged copy as a package.
    That run also proves that Blender's side is complete without torch.
    """
    shown = ENVIRONMENTS / "shown-to-mypy"
    shutil.rmtree(shown, ignore_errors=True)
    stage(shown / "aim_extension")
    command = mypy(CHECK.name, CHECK)
    for package in ("aim_blender.scene", "ops", "addon_manifest"):
        command += ["-p", f"aim_extension.{package}"]
    steps = [run_step("mypy, Blender's side", command, output, folder=shown)]
    for number, checked in enumerate(CHECKED):
        command = [*mypy(f"around-{number}", checked.environment), *checked.options, *files_of(checked)]
        path = os.pathsep.join(str(ROOT / folder) for folder in checked.path)
        steps.append(run_step(f"mypy, {checked.name}", command, output, MYPYPATH=path))
    return steps


def mypy(cache: str, environment: Environment) -> list[object]:
    """How mypy is called, with a cache of its own, for code that runs in an environment."""
    command: list[object] = [CHECK.python, "-m", "mypy", "--config-file", ROOT / "pyproject.toml"]
    command += ["--cache-dir", ROOT / ".mypy_cache" / cache]
    return [*command, "--python-executable", environment.python, "--follow-imports", "silent"]


def files_of(checked: Checked) -> list[Path]:
    """The files that are shown to mypy, relative to the root."""

    def found(patterns: Iterable[str]) -> set[Path]:
        return {path.relative_to(ROOT) for pattern in patterns for path in ROOT.glob(pattern)}

    return sorted(found(checked.files) - found(checked.but))


CHECKS: dict[str, Callable[[Output], list[Step]]] = {"ruff": run_style_checks, "mypy": run_type_checks}
