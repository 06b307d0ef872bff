# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's environment before it is made: which build of torch, from which Python, by which commands.

Needs the standard library only, because Blender asks it too, and a Python that has no packages yet.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.shared.foundation.errors import InputError
from ..supervision.interpreter import OLDEST_PYTHON, InterpreterError, window_options, worker_environment

REQUIREMENTS = Path("requirements", "worker.txt")  # in the extension's folder
NEWEST_PYTHON = (3, 14)  # for which all of the packages are to be had
UNFINISHED = ".unfinished"
PROBE_S = 10.0
PROBE = "import ensurepip, sys, venv; print(sys.version_info[0], sys.version_info[1])"
PIP_OPTIONS = ("--no-input", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off")


@dataclass(frozen=True)
class Build:
    """A build of torch.

    download_gb, disk_gb: about how much is downloaded, and how much disk the environment takes, all packages included.
    plain_on: the systems (sys.platform) on which pip takes this build without being told where to look.
    """

    label: str
    description: str
    download_gb: float
    disk_gb: float
    plain_on: tuple[str, ...]

    def is_plain(self, system: str = sys.platform) -> bool:
        """Whether pip finds this build on a system by itself."""
        return system in self.plain_on


BUILDS = {
    "cuda": Build("NVIDIA (CUDA)", "For NVIDIA graphics cards", 3.5, 8.0, ("linux",)),
    "rocm": Build("AMD (ROCm)", "For AMD graphics cards, on Linux", 5.0, 20.0, ()),
    "apple": Build("Apple (MPS)", "For Macs; AIM learns on their graphics where that is faster", 0.2, 1.0, ("darwin",)),
    "cpu": Build("Processor", "Needs no graphics card, and is the smallest", 0.4, 1.4, ("win32", "darwin")),
}


def detect_build() -> str:
    """Which of BUILDS suits this computer, by what its drivers have installed. Nothing is run."""
    if sys.platform == "darwin":
        return "apple"
    if shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists():
        return "cuda"
    if sys.platform == "linux" and (shutil.which("rocminfo") or Path("/opt/rocm/bin/rocminfo").exists()):
        return "rocm"
    return "cpu"


# -- the Python to start from -----------------------------------------------------------------------------------------


def find_base_python(chosen: str | None, others: Sequence[str | Path] = ()) -> Path:
    """A Python that can make an environment: the chosen one, else the first that suits of PATH's and the others.

    others: tried last, such as Blender's own, which goes when that Blender is removed.
    Raises InterpreterError with one sentence if there is none.
    """
    if chosen and chosen.strip():
        path = Path(chosen.strip()).expanduser()
        if problem := _unsuited(path):
            raise InterpreterError(f"{path} {problem}")
        return path
    names = [f"python{OLDEST_PYTHON[0]}.{minor}" for minor in range(NEWEST_PYTHON[1], OLDEST_PYTHON[1] - 1, -1)]
    found = [shutil.which(name) for name in (*names, "python3", "python")]
    for each in [*filter(None, found), *others]:
        if not _unsuited(Path(each)):
            return Path(each)
    raise InterpreterError(
        f"no Python from {_dotted(OLDEST_PYTHON)} to {_dotted(NEWEST_PYTHON)} with its venv module was found; install "
        "one (on Debian and Ubuntu with its package python3-venv), or name one as Base Python"
    )


def _unsuited(python: Path) -> str:
    """Why no environment can be made with it, as the end of a sentence; empty if one can."""
    if not python.is_file():
        return "does not exist; name a Python interpreter"
    command = [str(python), "-c", PROBE]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_S, env=worker_environment(), **window_options()
        )
        version = tuple(map(int, run.stdout.split()))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return "is not a Python interpreter; name one"
    if run.returncode or len(version) != 2:
        if "ensurepip" in run.stderr or "venv" in run.stderr:
            return "lacks the venv module; install it (on Debian and Ubuntu the package python3-venv), or name another"
        return "is not a Python interpreter; name one"
    if not OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        suited = f"{_dotted(OLDEST_PYTHON)} to {_dotted(NEWEST_PYTHON)}"
        return f"is Python {_dotted(version)}; name one from {suited}"
    return ""


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


# -- what will be done ------------------------------------------------------------------------------------------------


def split_options(options: str) -> list[str]:
    """Options of pip, one by one. Raises InputError if they cannot be told apart."""
    try:
        return shlex.split(options, posix=sys.platform != "win32")
    except ValueError as error:
        raise InputError(f"the pip options {options!r} cannot be read: {error}; close every quote") from error


@dataclass(frozen=True)
class Plan:
    """An environment to be made: in `folder`, with the Python `base`, of the torch called `build` in BUILDS.

    options: more options for pip, such as where to look for a build. requirements: the file that lists the packages.
    """

    folder: Path
    base: Path
    build: str
    requirements: Path
    options: str = ""

    @property
    def unfinished(self) -> Path:
        """Where it is made."""
        return self.folder.with_name(self.folder.name + UNFINISHED)

    def commands(self) -> list[list[str]]:
        """What is run, one list of arguments a command."""
        inside = Path("Scripts", "python.exe") if sys.platform == "win32" else Path("bin", "python")
        install = [str(self.unfinished / inside), "-m", "pip", "install", *PIP_OPTIONS, *self.more_options()]
        return [
            [str(self.base), "-m", "venv", str(self.unfinished)],
            [*install, "-r", str(self.requirements)],
        ]

    def more_options(self) -> list[str]:
        """Raises InputError if they cannot be told apart."""
        return split_options(self.options)

    @property
    def needs_network(self) -> bool:
        """Whether pip will download anything."""
        return "--no-index" not in self.more_options()

    @property
    def expected(self) -> Build:
        """What will really come."""
        return BUILDS["cuda"] if self.takes_cuda_instead else BUILDS[self.build]

    @property
    def size(self) -> str:
        """How much it is, as part of a sentence."""
        return f"about {self.expected.download_gb:g} GB to download, {self.expected.disk_gb:g} GB on the disk when done"

    @property
    def takes_cuda_instead(self) -> bool:
        """Whether pip will take the CUDA build, which does the processor's work too, for want of options."""
        return self.build == "cpu" and sys.platform == "linux" and not self.options.strip()

    def check(self) -> None:
        """Raises InputError if this build cannot be had like this on this system."""
        build = BUILDS[self.build]
        self.more_options()
        possible = {"cuda": ("linux", "win32"), "rocm": ("linux",), "apple": ("darwin",)}.get(self.build)
        if possible is not None and sys.platform not in possible:
            raise InputError(f"the build {build.label} is not for this system; choose another")
        if not build.is_plain() and not self.takes_cuda_instead and not self.options.strip():
            raise InputError(
                f"on this system pip finds the build {build.label} only where PyTorch keeps it; copy the option "
                "--index-url or --extra-index-url from PyTorch's own page Get Started into Pip Options"
            )


def steps_for(plan: Plan) -> list[dict[str, Any]]:
    """The steps of the job that makes it."""
    plan.check()
    arguments = {
        "folder": str(plan.folder),
        "base": str(plan.base),
        "build": plan.build,
        "requirements": str(plan.requirements),
        "options": plan.options,
    }
    return [{"task": "environment", "arguments": arguments}]
