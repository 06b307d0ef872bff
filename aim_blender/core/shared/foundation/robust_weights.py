# SPDX-License-Identifier: GPL-3.0-or-later
"""Robust weights ω(u): how much of its say a point keeps that is a distance e from where a fit has it.

u = (e/σ)² with σ the distance that is usual. They are the weights of iteratively reweighted least squares for the loss
σ² ρ(u), ω = dρ/du, so that ω(0) = 1. Arrays and tensors of u will both do.
"""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def geman_mcclure(squared: T) -> T:
    """ω(u) = 1/(1 + u)², of ρ = u/(1 + u): a quarter at σ, next to nothing far off (Geman and McClure 1985, Bayesian
    image analysis: an application to single photon emission tomography)."""
    return 1.0 / (1.0 + squared) ** 2  # type: ignore[operator, return-value]


def cauchy(squared: T) -> T:
    """ω(u) = 1/(1 + u), of ρ = log(1 + u): a half at σ, and what is far off keeps a little (the Lorentzian of Black and
    Anandan 1996, The robust estimation of multiple motions)."""
    return 1.0 / (1.0 + squared)  # type: ignore[operator, return-value]
