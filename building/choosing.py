# SPDX-License-Identifier: GPL-3.0-or-later
"""What the arguments of `build.py test` choose: the Blenders, the storeys, and what goes to pytest in each."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from .basics import ROOT, BuildError, say
from .environments import BLENDER, BLENDERS, Environment, find_python

STOREYS = ("core", "blender", "package", "window")
# What every run also tests in the oldest and the newest Blender: what they differ in, in about a minute each.
FIRST_TESTS = ("test_registration.py", "test_baked.py", "test_exporting.py", "test_scripts.py")
VALUED = ("-c", "-k", "-m", "-o", "-p", "-r", "-W")  # pytest's short options that have a value behind them


def chosen_blenders(words: list[str]) -> tuple[dict[str, Environment], list[str]]:
    """The environments of the versions that stand first in `words`, and the other words, which are paths.

    Raises BuildError for a version that is not known.
    """
    versions = list(itertools.takewhile(re.compile(r"\d+\.\d+").fullmatch, words))
    known = ", ".join(BLENDERS)
    if words and not versions:
        raise BuildError(f"--blenders needs versions behind it: some of {known}.")
    for version in versions:
        if version not in BLENDERS:
            raise BuildError(f"Blender {version} is none that the tests know; there are {known}.")
    return {version: BLENDERS[version] for version in versions}, words[len(versions) :]


def other_blenders() -> dict[str, Environment]:
    """The oldest and the newest Blender, as far as they are not BLENDER and their Python is on this machine."""
    chosen = {}
    for version in (min(BLENDERS), max(BLENDERS)):
        environment = BLENDERS[version]
        if environment == BLENDER:
            continue
        if environment.is_current() or find_python(environment.version):
            chosen[version] = environment
        else:
            say(f"Blender {version} is left out: it needs Python {environment.version}, which is not here.")
    return chosen


def options_and_paths(arguments: list[str]) -> tuple[list[str], list[str]]:
    """pytest's arguments apart: its options with their values, and the files and folders, as absolute paths.

    Raises BuildError for a file or folder that is not there.
    """
    options, paths = [], []
    for before, argument in zip(["", *arguments], arguments):
        file, mark, test = argument.partition("::")
        behind_option = before.startswith("-") and "=" not in before
        if argument.startswith("-") or before in VALUED:
            options.append(argument)
        elif Path(file).exists():
            paths.append(f"{Path(file).resolve()}{mark}{test}")
        elif behind_option and not mark and not file.endswith(".py"):
            options.append(argument)  # its value
        else:
            raise BuildError(f"{file} is not there: tests are chosen by files or folders, or by words behind -k.")
    return options, paths


def chosen_storeys(options: list[str], paths: list[str]) -> dict[str, list[str]]:
    """Which storeys run, and each one's pytest arguments: the options, with the paths that are its own.

    Raises BuildError for a path in none of them.
    """
    storeys: dict[str, list[str]] = {}
    for storey in STOREYS:
        folder = ROOT / "tests" / storey
        own = [path for path in paths if Path(path.partition("::")[0]).is_relative_to(folder)]
        if own or not paths:
            storeys[storey] = options + (own or [str(folder)])
    for path in paths:
        if not any(path in chosen for chosen in storeys.values()):
            raise BuildError(f"{path} is in none of tests/core, tests/blender, tests/package and tests/window.")
    return storeys
