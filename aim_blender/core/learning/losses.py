# SPDX-License-Identifier: GPL-3.0-or-later
"""The losses of docs/model.md section 2, by their symbols. Lengths inside are millimetres; weights stand in
LossWeights."""

from __future__ import annotations

import torch
from torch import Tensor

from ..model.model import UNIT_MM, Anatomy


def distance_mm(found: Tensor, wanted: Tensor) -> Tensor:
    """Distances (...) in mm of points (..., 3) in units of UNIT_MM; smooth where they meet."""
    return ((found - wanted).square().sum(-1) + 1e-10).sqrt() * UNIT_MM


def neutral_loss(anatomy: Anatomy, neutral: Tensor) -> Tensor:
    """L_S, docs/model.md (6), of the neutral alone: the mean distance in mm of s0 from neutral (P, 3)."""
    return distance_mm(anatomy.neutral, neutral).mean()


def shapes_loss(neutral: Tensor, skinned: Tensor, expressions: Tensor, shapes: Tensor) -> Tensor:
    """L_S, docs/model.md (6): the mean distance in mm of the neutral and the expressions from the registered meshes.

    neutral: s0 (P, 3). skinned: LBS(s0, T_i, k) (N, P, 3). expressions: e_i (P, N, 3). shapes: (N+1, P, 3), shape 0 the
    neutral. Distances, not their squares: it converges to a quarter of the error in the same number of steps, because
    few points in few shapes hold most of the squared error.
    """
    found = torch.cat([neutral[None], skinned + expressions.transpose(0, 1)])
    return distance_mm(found, shapes).mean()


def anatomy_loss(anatomy: Anatomy, bone: Tensor, normal: Tensor, thickness: Tensor, known: Tensor) -> Tensor:
    """L_A, docs/model.md (7): b, n and d against the sparse constraints, in mm; 10 degrees of the normal count as 1 mm.

    bone: (P, 3). normal: (P, 3). thickness: (P, 1). known: (P,) 1 where there is a constraint, else 0. The mean is over
    all points, so that a millimetre counts as much as in L_S: taken over the known ones alone, where constraints of
    neighbours disagree they moved the skin between them by up to 16 mm.
    """
    off = distance_mm(anatomy.bone, bone)
    turned = (anatomy.normal - normal).square().sum(-1) * 33.0  # (10 degrees)² is 0.03
    thick = (anatomy.thickness - thickness).abs().squeeze(-1) * UNIT_MM
    return ((off + turned + thick) * known).mean()


def thickness_loss(anatomy: Anatomy, known: Tensor) -> Tensor:
    """L_D, docs/model.md (8): the mean thickness d in mm where there is no constraint (known (P,) is 0)."""
    free = 1.0 - known
    return (anatomy.thickness.squeeze(-1) * free).sum() / free.sum().clamp(min=1.0) * UNIT_MM


def skinning_loss(anatomy: Anatomy, jaw_free: Tensor) -> Tensor:
    """L_K, docs/model.md (9): k towards 0 where the jaw never moves the skin. jaw_free: (P,) 1 there, else 0."""
    return (anatomy.skin_weight.squeeze(-1).square() * jaw_free).sum() / jaw_free.sum().clamp(min=1.0)


def symmetry_loss(bone: Tensor, partner: Tensor, origin: Tensor, normal: Tensor) -> Tensor:
    """L_Sym, docs/model.md (10): the mean distance in mm of b from the mirror image of its partner's b.

    bone, partner: (P, 3) at points and at their mirror partners. origin, normal: (3,) the mirror plane.
    """
    mirrored = partner - 2.0 * ((partner - origin) @ normal)[:, None] * normal
    return distance_mm(bone, mirrored).mean()


def jaw_share_loss(anatomy: Anatomy, share: Tensor, trust: Tensor) -> Tensor:
    """L_J, docs/model.md (11): k against the share of the jaw's motion that the shapes show, as their relative entropy,
    which is 0 where they agree.

    share, trust: (P,). What it pulls with is the difference of the two. The pull of a distance |k - share| fades where
    the sigmoid is flat, and most k belong there: relu and gelu, whose features all have one sign, carried every k along
    within 20 steps, and none came back.
    """
    crossed = torch.nn.functional.binary_cross_entropy_with_logits(
        anatomy.skin_logit.squeeze(-1), share, reduction="none"
    )
    entropy = torch.special.entr(share) + torch.special.entr(1.0 - share)
    return ((crossed - entropy) * trust).mean()
