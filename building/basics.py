# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are, what is said to the user, and the variables that subprocesses get."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
ENVIRONMENTS = ROOT / ".env"
DISTRIBUTION = ROOT / "dist"

# What would mix another Python's packages in, or keep the checkout out.
UNWANTED_VARIABLES = ("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "VIRTUAL_ENV")

_saying = threading.Lock()


class BuildError(Exception):
    """The build cannot go on. Its text is the one sentence that the user reads."""


def say(text: str) -> None:
    """Print it in one piece, in step with what subprocesses print."""
    with _saying:
        print(text, flush=True)


def clean_environment(**more: str) -> dict[str, str]:
    """The variables that subprocesses get: ours, without UNWANTED_VARIABLES."""
    variables = {name: value for name, value in os.environ.items() if name not in UNWANTED_VARIABLES}
    variables["OMP_WAIT_POLICY"] = "passive"  # threads that wait must not take a core from Blender or the worker
    variables["OPENBLAS_NUM_THREADS"] = "1"  # as in the worker
    variables["PYTHONUNBUFFERED"] = "1"
    variables.update(more)
    return variables
