# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing goes on when Blender is gone, whether it was closed or killed, and whatever its worker was doing."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from conftest import Open

AT_WORK_S, GONE_S = 240.0, 20.0


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
@pytest.mark.parametrize("kind", ["learn", "fit", "live"])
@pytest.mark.parametrize("quits", [True, False], ids=["closed", "killed"])
def test_the_worker_ends_with_its_blender(open_window: Open, kind: str, quits: bool) -> None:
    with open_window("at_work", kind=kind, quits=quits) as window:
        found = window.wait_for("at_work.json", AT_WORK_S)
        if not quits:
            assert lives(found["worker"])
            os.kill(found["blender"], signal.SIGKILL)
        wait_for_end(found["blender"])
        wait_for_end(found["worker"])


def wait_for_end(process: int) -> None:
    limit = time.monotonic() + GONE_S
    while lives(process):
        assert time.monotonic() < limit, f"process {process} goes on"
        time.sleep(0.05)


def lives(process: int) -> bool:
    """Whether the process runs: one that only waits to be asked how it ended does not."""
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
