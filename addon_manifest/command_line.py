# SPDX-License-Identifier: GPL-3.0-or-later
"""`blender --command aim VERB ...`: the commands of `python -m aim_blender`, under the worker's interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy

from ..aim_blender.jobs.supervision.interpreter import InterpreterError, window_options, worker_environment
from ..ops.basics.base import worker_interpreter

STATUS_INPUT = 2

_handle: Any = None


def run(arguments: list[str]) -> int:
    """Run a command and return its exit status. What it prints goes where Blender's output goes."""
    try:
        interpreter = worker_interpreter(bpy.context)
    except InterpreterError as error:
        print(f"blender --command aim: {error}", file=sys.stderr)
        return STATUS_INPUT
    root = Path(__file__).absolute().parents[1]
    command = [str(interpreter), "-m", "aim_blender", *arguments]
    return subprocess.call(command, env=worker_environment(root), **window_options())


def register() -> None:
    """Make the command known to Blender."""
    global _handle
    _handle = bpy.utils.register_cli_command("aim", run)


def unregister() -> None:
    """Take the command back."""
    global _handle
    if _handle is not None:
        bpy.utils.unregister_cli_command(_handle)
        _handle = None
