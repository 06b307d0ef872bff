# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender's window, opened by the program that `python build.py test --window TOOL` names: see launching.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from launching import Window

SCENARIOS = Path(__file__).with_name("scenarios.py")
LONGEST_S = 900

Open = Callable[..., Window]


@pytest.fixture(scope="session")
def open_window() -> Open:
    """Opens a window that plays one of scenarios.py with the zip that `build.py test` has just built."""
    tool, zip_file = os.environ.get("AIM_WINDOW_TOOL"), os.environ.get("AIM_EXTENSION_ZIP")
    if not tool or not zip_file:
        pytest.skip("no window is asked for; run python build.py test --window TOOL")

    def call(play: str, **arguments: object) -> Window:
        return Window(Path(tool), SCENARIOS, play, LONGEST_S, zip_file=zip_file, **arguments)

    return call
