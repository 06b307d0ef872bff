# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the tests: three storeys of them and the zip, in several Blenders, and in a real Blender's window."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from .basics import ROOT, BuildError, say
from .checks import run_checks
from .choosing import FIRST_TESTS, chosen_storeys, options_and_paths, other_blenders
from .environments import BLENDER, CHECK, WORKER, Environment, make_environments
from .extension_zip import build_zip
from .face_model import face_model_if_possible
from .progress import VARIABLE, PytestProgress
from .side_by_side import Job, run_beside_each_other
from .steps import Output, Step, run_step, summarise
from .template_bones import template_bones_if_possible


def run_tests(arguments: list[str], blenders: dict[str, Environment]) -> int:
    """The code checks, the three storeys of tests and the zip; returns the exit status.

    `arguments` go to pytest. Where they name files or folders, only those storeys run, without the code checks. With
    `blenders`, Blender's side alone is tested, in each of them.
    """
    options, paths = options_and_paths(arguments)
    storeys = chosen_storeys(options, paths)
    everything = not blenders and not paths
    if not storeys.keys() & ({"blender", "package"} if blenders else {"core", "blender", "package"}):
        raise BuildError("Nothing of that runs: tests/core needs no Blender, and tests/window needs --window TOOL.")
    others = other_blenders() if everything else {}
    make_environments(WORKER, BLENDER, *blenders.values(), *others.values(), *([CHECK] if everything else []))
    template_bones_if_possible()
    face_model_if_possible()
    jobs: list[Job] = []  # the longest first
    built: list[Step] = []
    zip_variable: dict[str, str] = {}
    if "package" in storeys:
        built.append(Step("zip built and validated"))
        started = time.monotonic()
        try:
            zip_variable = {"AIM_EXTENSION_ZIP": str(build_zip())}
            built[0].passed = True
        except BuildError as error:
            say(str(error))
        built[0].seconds = time.monotonic() - started
    for version, environment in (blenders or {"": BLENDER}).items():
        if "blender" in storeys:
            jobs.append(pytest_job("blender", environment, storeys["blender"], version))
        if zip_variable:
            jobs.append(pytest_job("package", environment, storeys["package"], version, **zip_variable))
    if "core" in storeys and not blenders:
        jobs.insert(1, pytest_job("core", WORKER, storeys["core"]))
    for version, environment in others.items():
        first = [*options, *(str(ROOT / "tests" / "blender" / name) for name in FIRST_TESTS)]
        jobs.append(pytest_job("blender", environment, first, version))
    if everything:
        jobs.append(Job("the code checks", run_checks))
    steps = run_beside_each_other(jobs) if jobs else []
    if "window" in storeys:
        say("\n=== tests/window is left out: it needs a program that opens Blender's window, --window TOOL")
    status = summarise([*built, *steps])
    if status == 0 and selects(options) and not any(sum(step.counts.values()) for step in steps):
        say("No test was chosen by these arguments.")
        return 1
    return status


def run_window_tests(arguments: list[str], tool: Path) -> int:
    """The tests of tests/window with the zip, in windows that `tool` opens; returns the exit status."""
    options, paths = options_and_paths(arguments)
    chosen = chosen_storeys(options, paths or [str(ROOT / "tests" / "window")])
    if list(chosen) != ["window"]:
        raise BuildError("--window runs the tests of tests/window alone: name none of another folder beside it.")
    make_environments(WORKER, BLENDER)
    template_bones_if_possible()
    variables = {"AIM_WINDOW_TOOL": str(tool), "AIM_EXTENSION_ZIP": str(build_zip())}
    return summarise([run_pytest("window", WORKER, chosen["window"], "", Output(), **variables)])


def pytest_job(storey: str, environment: Environment, arguments: list[str], blender: str = "", **variables: str) -> Job:
    """run_pytest with these arguments, to be done later."""
    return Job(
        named(storey, blender),
        lambda output: [run_pytest(storey, environment, arguments, blender, output, **variables)],
    )


def named(storey: str, blender: str) -> str:
    """What the summary calls a storey, in a Blender if one was chosen."""
    return f"tests/{storey}" + (f" in {blender}" if blender else "")


def run_pytest(
    storey: str, environment: Environment, arguments: list[str], blender: str, output: Output, **variables: str
) -> Step:
    """One storey's tests, with a Blender profile of their own, and the counts that pytest reports.

    They compute little and wait much: with one thread each, other work on the machine hardly delays them.

    blender: the version, for the summary, where it was chosen.
    """
    name = named(storey, blender)
    with tempfile.TemporaryDirectory(prefix="aim-tests-") as folder:
        progress = PytestProgress(name, Path(folder, "progress"))
        command: list[object] = [environment.python, "-m", "pytest", "-p", "no:cacheprovider"]
        command += ["-p", "building.pytest_progress", *arguments]
        variables |= {"BLENDER_USER_RESOURCES": str(Path(folder, "profile")), "OMP_NUM_THREADS": "1"}
        variables[VARIABLE] = str(progress.file)
        step = run_step(name, command, output, ROOT, progress, **variables)
        step.counts = progress.counts()
    if selects(arguments) and progress.collected == 0 and not any(step.counts.values()):
        step.passed = True  # a selection that picks nothing here picks something in another storey
    return step


def selects(arguments: list[str]) -> bool:
    """Whether pytest's arguments pick tests by their names or marks."""
    return any(argument.startswith(("-k", "-m")) for argument in arguments)
