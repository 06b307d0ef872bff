# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames that were solved, kept in the folder of a job: long work that is killed goes on by the same command.

Each stretch of frames is a file with a checksum, and says what it was solved from; one that is damaged or of anything
else is passed over, and its frames are solved again.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...shared.foundation.errors import UNREADABLE
from ...shared.foundation.tensor_files import checksum, read_tensors, write_tensors

FORMULA = 1  # grows when frames are solved otherwise
SOON_DONE_S = 5.0  # work that takes no longer keeps nothing


class KeptFrames:
    """What is kept in a folder of work that follows from arrays and plain values, by their names. folder: None keeps
    nothing. Where nothing can be written the work just goes on."""

    def __init__(
        self, folder: Path | None, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any], patience_s: float
    ) -> None:
        self.folder, self.patience_s = folder, patience_s
        self._start = time.perf_counter()
        if folder is not None:
            told = json.dumps(values, sort_keys=True, default=str)
            self._origin = checksum(arrays, {"values": told, "formula": str(FORMULA)})

    def find(self, first: int, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
        """The arrays that were kept of the stretch that begins with frame `first` and was solved from such inputs."""
        if self.folder is None or not self._path(first).is_file():
            return None
        with contextlib.suppress(*UNREADABLE):
            arrays, texts = read_tensors(self._path(first), checked=True)
            if texts.get("of") == self._of(inputs):
                return arrays
        return None

    def keep(self, first: int, inputs: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]) -> None:
        """Keep the arrays for find, if the work takes long enough by now."""
        if self.folder is None or time.perf_counter() - self._start < self.patience_s:
            return
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_tensors(self._path(first), arrays, {"of": self._of(inputs)})

    def _path(self, first: int) -> Path:
        assert self.folder is not None
        return self.folder / f"frames_{first:06d}.safetensors"

    def _of(self, inputs: Mapping[str, np.ndarray]) -> str:
        return checksum(inputs, {"origin": self._origin})
