# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that is level at both ends."""

from __future__ import annotations

import numpy as np


def smoothstep(share: np.ndarray) -> np.ndarray:
    """0 up to 0, 1 from 1 on, smooth between them: 3 x^2 - 2 x^3, of any shape."""
    share = np.clip(share, 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share))
