# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens a real Blender's window, lets a script play something in it, and brings its answer back.

The window is opened by a program of the user's, TOOL: `TOOL ui SCRIPT.py OUT.png SECONDS` runs a script in a window of
1600 x 1000 pixels, photographs it and ends Blender when the script makes the file named by $SHOT_READY, or after so
many seconds. Blender sees the checkout, the environments in it and xdotool at their places.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "AIM_WINDOW"  # in which the script finds its arguments


class Window:
    """A Blender window that is open, with a profile and a folder of its own.

    folder: where it works; it lies in the checkout, which the tool shows to Blender, and is removed by close().
    """

    def __init__(self, tool: Path, script: Path, play: str, seconds: float, **arguments: Any) -> None:
        """play: which of the script's functions. arguments: what it is given, beside `folder` and `worker`."""
        (ROOT / ".env").mkdir(exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(prefix="window-", dir=ROOT / ".env", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.picture = self.folder / "window.png"
        self.answer = self.folder / "answer.json"
        self.log = self.folder / "log.txt"
        arguments = {**arguments, "folder": str(self.folder), "worker": sys.executable}
        variables = {
            **os.environ,
            VARIABLE: json.dumps({"play": play, "answer": str(self.answer), "arguments": arguments}),
            "BLENDER_USER_RESOURCES": str(self.folder / "profile"),
        }
        for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"):
            variables.pop(name, None)
        with open(self.log, "w") as log:
            self._process = subprocess.Popen(
                [str(tool), "ui", str(script), str(self.picture), str(round(seconds))],
                cwd=ROOT,
                env=variables,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> dict[str, Any]:
        """What the script answered, once the window is closed. Raises RuntimeError if it failed."""
        self._process.wait()
        if not self.answer.exists():
            raise RuntimeError(f"Blender's window gave no answer:\n{self.log.read_text(errors='replace')}")
        found = json.loads(self.answer.read_text())
        if "error" in found:
            raise RuntimeError(f"{found['error']}\n{self.log.read_text(errors='replace')}")
        return found

    def wait_for(self, name: str, seconds: float) -> dict[str, Any]:
        """What the script wrote to a file of its folder while it goes on. Raises RuntimeError if it does not come."""
        limit = time.monotonic() + seconds
        while not (self.folder / name).exists():
            if time.monotonic() > limit or self._process.poll() is not None:
                raise RuntimeError(f"no {name} came from Blender's window:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.05)
        return json.loads((self.folder / name).read_text())

    def close(self) -> None:
        """Wait for the window's end and remove its folder."""
        self._process.wait()
        self._folder.cleanup()

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
