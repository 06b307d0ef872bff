# SPDX-License-Identifier: GPL-3.0-or-later
"""Robust weights, docs/model.md (19) and (20): how much a point counts that a fit is off from.

Both take u = (r/σ)², an array or a tensor, with r the distance and σ the one that is usual, and give ρ/t, the share of
its trust t that a point keeps: the weight of iteratively reweighted least squares, which is 1 where r is 0.
"""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def geman_mcclure(squared: T) -> T:
    """ρ/t = 1/(1 + u)² of docs/model.md (19), for the loss σ² u/(1 + u): a quarter at σ, next to nothing far off.

    Geman and McClure 1985, Bayesian image analysis: an application to single photon emission tomography.
    """
    return 1.0 / (1.0 + squared) ** 2  # type: ignore[operator, return-value]


def cauchy(squared: T) -> T:
    """ρ/t = 1/(1 + u) of docs/model.md (20), for the loss σ² log(1 + u): a half at σ, and far off still a little.

    It is the Lorentzian of Black and Anandan 1996, The robust estimation of multiple motions.
    """
    return 1.0 / (1.0 + squared)  # type: ignore[operator, return-value]
