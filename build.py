#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build, test and show AIM for Blender. Only the standard library is needed; run it with Python 3.11 or 3.13.

What it does is in building/. The environments are made under .env/ when they are missing or when a file of
requirements/ changed. pip's own settings (PIP_* variables, pip.conf) are respected.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

if sys.version_info[:2] not in ((3, 11), (3, 13)):
    this = f"{sys.version_info[0]}.{sys.version_info[1]}"
    sys.exit(f"build.py needs Python 3.11 or 3.13, the ones Blender is tied to, and this is Python {this}.")
sys.path.insert(0, str(Path(__file__).resolve().parent))  # python -I and -P leave it out

from building.basics import DISTRIBUTION, ROOT, BuildError, say
from building.checks import CHECKS, run_checks
from building.choosing import chosen_blenders
from building.demo import run_demo
from building.environments import BLENDER, BLENDERS, CHECK, WORKER, make_environments
from building.extension_zip import build_zip
from building.face_model import install_face_model
from building.repository import build_repository
from building.steps import Output, summarise
from building.template_bones import make_template_bones
from building.testing import run_tests, run_window_tests
from scripts import demo_arguments

TEST_WORDS = f"""\
Without arguments: the code checks, then every test, the zip installed and tested, and the first tests of Blender's
side in the oldest and the newest Blender. All other arguments go to pytest; files and folders choose what runs:

    python build.py test tests/core                      what needs no Blender
    python build.py test tests/blender -k placing -x     Blender's side, tests of that name, up to the first failure
    python build.py test --blenders 4.2 5.0              all tests of Blender's side, in each of these Blenders

What pytest takes: {WORKER.python.relative_to(ROOT)} -m pytest --help
"""


def command_line() -> argparse.ArgumentParser:
    """The commands and what each takes."""
    parser = argparse.ArgumentParser(
        prog="build.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", metavar="command", title="commands (without one: zip)")

    def add(name: str, words: str, more: str = "") -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=words,
            description=f"{words[0].upper()}{words[1:]}.\n\n{more}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    add("zip", "write dist/aim_blender-VERSION.zip, built and validated by Blender's own extension command line")
    check = add("check", "check the code without running it: ruff and mypy")
    check.add_argument("part", nargs="?", choices=CHECKS, help="only this part of it")
    test = add("test", "check the code and run the tests", TEST_WORDS)
    test.usage = "build.py test [--blenders VERSION ... | --window TOOL] [pytest arguments]"
    where = test.add_mutually_exclusive_group()
    where.add_argument("--blenders", nargs="+", default=[], metavar="VERSION", help=f"some of {', '.join(BLENDERS)}")
    where.add_argument(
        "--window",
        type=program,
        metavar="TOOL",
        help="run the tests of tests/window alone, in a real Blender's window that TOOL opens: see "
        "tests/window/launching.py",
    )
    repository = add("repository", "make a repository from which Blender installs and updates the extension")
    repository.add_argument("--out", type=Path, default=DISTRIBUTION / "repository", help="default: dist/repository")
    demo_arguments.add_arguments(add("demo", "learn a demo actor, fit a performance, render a picture, print figures"))
    add("environments", "only make the environments")
    return parser


def program(path: str) -> Path:
    """The program at a path, for argparse. Raises ArgumentTypeError if there is none."""
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"{path} is no program that opens Blender's window.")
    return Path(path).absolute()


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit status. Raises BuildError with a sentence when it cannot go on."""
    parser = command_line()
    chosen, rest = parser.parse_known_args(arguments)
    if rest and chosen.command != "test":
        parser.error(f"{chosen.command or 'build.py'} does not know {' '.join(rest)}; see build.py --help")
    if chosen.command == "test":
        if chosen.window:
            return run_window_tests(rest, chosen.window)
        blenders, paths = chosen_blenders(chosen.blenders)
        return run_tests([*rest, *paths], blenders)
    if chosen.command == "check":
        make_environments(WORKER, CHECK)
        return summarise(run_checks(Output(), chosen.part))
    if chosen.command == "demo":
        return run_demo(arguments[1:])
    if chosen.command == "repository":
        build_repository(chosen.out)
    elif chosen.command == "environments":
        make_environments(WORKER, BLENDER, CHECK)
        make_template_bones()
        install_face_model()
    else:
        build_zip()
    return 0


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status, and says in a sentence why it could not be done."""
    try:
        return run(arguments)
    except BuildError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # nobody reads what is said any more, as in `build.py test | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def leave(number: int, _: object) -> None:
    """End, after what runs has been ended, when this process is told to."""
    signal.signal(number, signal.SIG_IGN)  # some tell it twice
    sys.exit(128 + number)


if __name__ == "__main__":
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_DFL:  # not with nohup
            signal.signal(getattr(signal, name), leave)
    sys.exit(main(sys.argv[1:]))
