# SPDX-License-Identifier: GPL-3.0-or-later
"""The environments below .env/: which there are, and making them."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from .basics import ENVIRONMENTS, PYTHON, ROOT, BuildError, clean_environment, say
from .side_by_side import Job, run_beside_each_other
from .steps import Output, Step, run_step


@dataclass(frozen=True)
class Environment:
    """A virtual environment under .env/ and the requirement files it is made from."""

    name: str
    requirements: tuple[str, ...]
    probe: str  # a statement that works once the environment is complete
    advice: str = ""  # what to do when it does not
    version: str = PYTHON  # of its Python

    @property
    def folder(self) -> Path:
        """Where the environment is."""
        return ENVIRONMENTS / f"{self.name}-py{self.version}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def stamp(self) -> Path:
        """The file with the hash of what it was made from."""
        return self.folder / "build-stamp"

    def wanted_stamp(self) -> str:
        """The hash of everything that the environment depends on."""
        digest = hashlib.sha256(f"{self.version} {sys.platform}\n".encode())
        for name in self.requirements:
            digest.update((ROOT / "requirements" / name).read_bytes())
        return digest.hexdigest()

    def is_current(self) -> bool:
        """Whether it is there, and made from what is asked for now."""
        try:
            return self.python.exists() and self.stamp.read_text().strip() == self.wanted_stamp()
        except OSError:
            return False


WORKER = Environment(
    "worker", ("worker.txt", "video.txt", "batch.txt", "tests.txt"), "import torch, scipy, trimesh, roma, safetensors"
)
BLENDER = Environment(
    "blender",
    ("blender.txt", "tests.txt"),
    "import bpy",
    "Blender needs a few system libraries; on Debian: apt-get install libx11-6 libxrender1 libxfixes3 libxi6 "
    "libxkbcommon0 libsm6 libice6 libgl1",
)
CHECK = Environment("check", ("check.txt",), "import mypy")
# The Blenders that the tests can run in. BLENDER is the last one of the Python that runs this file.
BLENDERS = {
    "4.2": replace(BLENDER, name="blender-4.2", requirements=("blender-4.2.txt", "tests.txt"), version="3.11"),
    "4.5": replace(BLENDER, version="3.11"),
    "5.0": replace(BLENDER, name="blender-5.0", requirements=("blender-5.0.txt", "tests.txt"), version="3.11"),
    "5.2": replace(BLENDER, version="3.13"),
}


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Hold .env/lock, so that two runs do not make the same environment together. The lock ends with the process."""
    ENVIRONMENTS.mkdir(exist_ok=True)
    with open(ENVIRONMENTS / "lock", "w") as lock:
        if sys.platform == "win32":
            import msvcrt

            while True:
                try:
                    msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)  # gives up after ten seconds
                    break
                except OSError:
                    continue
        else:
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                say("Waiting for another build.py that is making the environments.")
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_environments(*environments: Environment) -> None:
    """Make or update what is not current, several at a time: unpacking keeps one processor busy.

    Raises BuildError when pip fails or when the finished environment does not work.
    """
    if all(environment.is_current() for environment in environments):
        return
    with only_one_at_a_time():
        lacking = [environment for environment in environments if not environment.is_current()]
        jobs = [Job(str(each.folder.relative_to(ROOT)), functools.partial(make_environment, each)) for each in lacking]
        if jobs and not all(step.passed for step in run_beside_each_other(jobs)):
            raise BuildError("Not all environments could be made; why not is above.")


def make_environment(environment: Environment, output: Output) -> list[Step]:
    """Make it, or finish or update the one that is there; one that then does not work is made anew, once."""
    folder = environment.folder.relative_to(ROOT)
    started = time.monotonic()
    mended = works(environment.python, "import pip._internal.cli.main")
    if mended:
        environment.stamp.unlink(missing_ok=True)
    else:
        make_empty_environment(environment)
    files = [part for name in environment.requirements for part in ("-r", str(ROOT / "requirements" / name))]
    say(f"Installing requirements/{' and '.join(environment.requirements)} into {folder}")
    command: list[object] = [
        environment.python,
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
        "--quiet",
    ]
    if not sys.dont_write_bytecode:
        command.append("--no-compile")  # of ten thousand files that are there, few are ever imported
    installed = run_step(f"pip, {folder}", [*command, *files], output)
    if not installed.passed:
        raise BuildError(
            f"pip could not install the requirements of {folder}, its own words are above; where it reached no package "
            "index, connect to one and run this again: what is already installed is kept."
        )
    if not works(environment.python, environment.probe, show=not mended):
        if mended:
            shutil.rmtree(environment.folder)  # something in it was damaged
            return make_environment(environment, output)
        raise BuildError(f"{folder} was installed but `{environment.probe}` fails. {environment.advice}".strip())
    environment.stamp.write_text(environment.wanted_stamp() + "\n")
    say(f"{folder} is ready after {time.monotonic() - started:.0f} s")
    return [installed]


def make_empty_environment(environment: Environment) -> None:
    """Make an environment without packages. Raises BuildError if there is no Python for it."""
    folder = environment.folder.relative_to(ROOT)
    say(f"Making {folder}")
    if environment.folder.exists():
        shutil.rmtree(environment.folder)  # its Python is gone, or its making was interrupted
    python = find_python(environment.version)
    if python is None:
        raise BuildError(
            f"{folder} could not be made: no Python {environment.version} with a working venv module was found; "
            f"on Debian: apt-get install python{environment.version}-venv"
        )
    if subprocess.run([str(python), "-m", "venv", str(environment.folder)], env=clean_environment()).returncode:
        raise BuildError(f"{folder} could not be made: what Python's venv module says is above.")


def find_python(version: str) -> Path | None:
    """A Python of that version which can make environments: this one, one on the search path, or one of pyenv's."""
    named = shutil.which(f"python{version}")
    candidates = [Path(sys.executable), *([Path(named)] if named else [])]
    candidates += sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python"))
    probe = f"import ensurepip, sys, venv; assert sys.version_info[:2] == ({version.replace('.', ', ')})"
    return next((python for python in candidates if works(python, probe)), None)


def works(python: Path, statement: str, show: bool = False) -> bool:
    """Whether the interpreter runs the statement; `show` lets its error through."""
    if not python.exists():
        return False
    quiet = None if show else subprocess.DEVNULL
    with tempfile.TemporaryDirectory(prefix="aim-profile-") as profile:
        variables = clean_environment(BLENDER_USER_RESOURCES=profile)
        try:
            done = subprocess.run([str(python), "-c", statement], env=variables, stdout=quiet, stderr=quiet)
        except OSError:  # a file that cannot be started, such as an interrupted copy
            return False
        return done.returncode == 0
