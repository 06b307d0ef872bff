# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the environment that learning needs, and installing what videos need into it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ...core.shared.foundation.errors import InputError
from .arguments import Figures, Report, check_arguments


def environment(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """folder, base (a Python), build, and optionally requirements (a file), options (of pip, in one string) and trial
    (on or off)."""
    optional = ("requirements", "options", "trial")
    check_arguments("environment", arguments, required=("folder", "base", "build"), optional=optional)
    from ..environment.environment_making import make_environment
    from ..environment.environment_plan import BUILDS, REQUIREMENTS, Plan, find_base_python

    if arguments["build"] not in BUILDS:
        raise InputError(f"there is no build {arguments['build']!r}; there are {', '.join(BUILDS)}")
    plan = Plan(
        Path(arguments["folder"]),
        find_base_python(arguments["base"]),
        arguments["build"],
        Path(arguments.get("requirements") or Path(__file__).absolute().parents[3] / REQUIREMENTS),
        arguments.get("options", ""),
    )
    return make_environment(plan, report, arguments.get("trial", True))


def install_video(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """Optionally requirements (a file) and options (of pip, in one string). Installs into the Python that does this."""
    check_arguments("install-video", arguments, required=(), optional=("requirements", "options"))
    from ..environment import video_installing
    from ..environment.video_plan import REQUIREMENTS, VideoPlan

    requirements = arguments.get("requirements") or Path(__file__).absolute().parents[3] / REQUIREMENTS
    plan = VideoPlan(Path(sys.executable), Path(requirements), arguments.get("options", ""))
    return video_installing.install_video(plan, report)
