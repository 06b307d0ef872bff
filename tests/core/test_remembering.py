# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that are kept for arrays seen before."""

import numpy as np
import pytest

from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.remembering import MOST, remembered


def test_the_same_arrays_are_asked_about_once():
    asked = []

    @remembered
    def summed(points, moving=None):
        asked.append(points)
        if moving is not None and not moving.any():
            raise InputError("nothing moves")
        return points.sum(axis=0)

    points = np.arange(12.0).reshape(4, 3)
    assert summed(points) is summed(points.copy())
    assert len(asked) == 1
    turned = summed(np.ascontiguousarray(points.T))  # the same numbers in another shape
    np.testing.assert_array_equal(turned, points.T.sum(axis=0))
    changed = points.copy()
    changed[0, 0] = 1e-9
    assert summed(changed)[0] != summed(points)[0]
    assert len(asked) == 3
    for _ in range(2):
        with pytest.raises(InputError, match="nothing moves"):
            summed(points, moving=np.zeros(4, bool))
    assert len(asked) == 4
    for number in range(MOST):
        summed(points + number + 1)
    summed(points)
    assert len(asked) == 5 + MOST  # it had been forgotten
