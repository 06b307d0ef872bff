# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as JSON has them, for whatever a job writes or prints."""

from __future__ import annotations

import math
from typing import Any


def plain(value: Any) -> Any:
    """The value in JSON's own types: numpy's and torch's scalars become numbers, what is not a finite number null."""
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)
