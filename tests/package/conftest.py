# SPDX-License-Identifier: GPL-3.0-or-later
"""The built zip, installed into fresh Blender profiles. What runs inside Blender is inside_blender.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSIDE = Path(__file__).with_name("inside_blender.py")
MARK = "INSIDE-BLENDER "

Inside = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def zip_file() -> Path:
    """The zip that `build.py test` has just built; run by itself, pytest builds it."""
    if built := os.environ.get("AIM_EXTENSION_ZIP"):
        return Path(built)
    subprocess.run([sys.executable, str(ROOT / "build.py")], check=True)
    (found,) = (ROOT / "dist").glob("aim_blender-*.zip")
    return found


@pytest.fixture(scope="session")
def worker_python() -> Path:
    """The interpreter of the worker's environment that build.py makes; any one with torch will do."""
    name = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    mine = f"worker-py{sys.version_info.major}.{sys.version_info.minor}"
    found = [path for path in (ROOT / ".env" / mine / name, *ROOT.glob(f".env/worker-py3.*/{name}")) if path.exists()]
    assert found, "python build.py environments has not made the worker's environment"
    return found[0]


@pytest.fixture
def inside(zip_file: Path, worker_python: Path, tmp_path: Path) -> Inside:
    """Calls a function of inside_blender.py in a Blender with a profile of its own that knows nothing of the checkout.

    The keyword arguments go to the function as JSON; what it returns comes back.
    """

    def call(function: str, **arguments: Any) -> dict[str, Any]:
        variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        variables["BLENDER_USER_RESOURCES"] = str(tmp_path / "profile")
        arguments = {"zip_file": str(zip_file), **arguments}
        done = subprocess.run(
            [sys.executable, str(INSIDE), function, json.dumps(arguments)],
            env=variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=900,
        )
        answers = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
        assert done.returncode == 0, f"{function} failed in Blender:\n{done.stdout}\n{done.stderr}"
        assert answers, f"{function} gave no answer:\n{done.stdout}\n{done.stderr}"
        return json.loads(answers[-1].removeprefix(MARK))

    return call
