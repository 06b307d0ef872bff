# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: the whole job inside bpy."""

from __future__ import annotations

import subprocess
import tempfile
import time

from .basics import ROOT, clean_environment, say
from .environments import BLENDER, WORKER, make_environments
from .template_bones import template_bones_if_possible


def run_demo(arguments: list[str]) -> int:
    """The whole job inside bpy; `arguments` go to scripts/demo.py. Returns the exit status."""
    started = time.monotonic()
    make_environments(WORKER, BLENDER)
    template_bones_if_possible()
    ready = time.monotonic() - started
    with tempfile.TemporaryDirectory(prefix="aim-demo-") as profile:
        command = [str(BLENDER.python), str(ROOT / "scripts" / "demo.py"), *arguments]
        done = subprocess.run(command, env=clean_environment(BLENDER_USER_RESOURCES=profile))
    say(f"The environments took {ready:.0f} s, everything {time.monotonic() - started:.0f} s.")
    return done.returncode
