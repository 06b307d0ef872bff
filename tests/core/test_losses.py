# SPDX-License-Identifier: GPL-3.0-or-later
"""Every loss is what its symbol says, in millimetres, and its gradient is right."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from aim_blender.core.learning.losses import (
    anatomy_loss,
    distance_mm,
    jaw_share_loss,
    neutral_loss,
    shapes_loss,
    skinning_loss,
    symmetry_loss,
    thickness_loss,
)
from aim_blender.core.model.model import Anatomy

POINTS, COUNT = 6, 3
KNOWN = torch.tensor([1.0, 0, 0, 1, 1, 0], dtype=torch.float64)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def fields() -> tuple[torch.Tensor, ...]:
    """b, n, d and the logit of k of some points, to be differentiated."""
    normal = torch.nn.functional.normalize(random(POINTS, 3, seed=1), dim=1)
    parts = (random(POINTS, 3, seed=2), normal, random(POINTS, 1, seed=3).abs() + 0.1, random(POINTS, 1))
    return tuple(part.clone().requires_grad_() for part in parts)


def lengths(offsets: torch.Tensor) -> np.ndarray:
    return np.linalg.norm(offsets.detach().numpy(), axis=-1) * 100.0


def test_distance_is_in_millimetres():
    found = torch.tensor([[0.3, 0.0, 0.4]], dtype=torch.float64)
    assert distance_mm(found, torch.zeros(1, 3, dtype=torch.float64)).item() == pytest.approx(50.0)


def test_distance_is_smooth_where_points_meet():
    found = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    distance = distance_mm(found, torch.zeros(2, 3, dtype=torch.float64))
    distance.sum().backward()
    assert distance.max() < 0.0011
    assert torch.equal(found.grad, torch.zeros(2, 3, dtype=torch.float64))


def test_neutral_loss():
    wanted = random(POINTS, 3, seed=4)
    anatomy = Anatomy(*fields())
    off = anatomy.bone + anatomy.thickness * anatomy.normal - wanted
    assert neutral_loss(anatomy, wanted).item() == pytest.approx(lengths(off).mean())
    assert neutral_loss(anatomy, anatomy.neutral).item() < 0.0011
    assert gradcheck(lambda *parts: neutral_loss(Anatomy(*parts), wanted), fields())


def test_shapes_loss():
    neutral, skinned = random(POINTS, 3), random(COUNT, POINTS, 3, seed=1)
    expressions, shapes = random(POINTS, COUNT, 3, seed=2), random(COUNT + 1, POINTS, 3, seed=3)
    found = [lengths(neutral - shapes[0])]
    found += [lengths(skinned[i] + expressions[:, i] - shapes[i + 1]) for i in range(COUNT)]
    assert shapes_loss(neutral, skinned, expressions, shapes).item() == pytest.approx(np.mean(found))
    inputs = tuple(value.clone().requires_grad_() for value in (neutral, skinned, expressions))
    assert gradcheck(lambda *values: shapes_loss(*values, shapes=shapes), inputs)


def test_anatomy_loss_looks_at_known_points_only():
    bone, thickness = random(POINTS, 3, seed=5), random(POINTS, 1, seed=6).abs()
    normal = torch.nn.functional.normalize(random(POINTS, 3, seed=7), dim=1)
    anatomy = Anatomy(*fields())
    known = KNOWN.numpy() > 0
    found = (
        lengths(anatomy.bone - bone)
        + 33 * ((anatomy.normal - normal) ** 2).sum(1).detach().numpy()
        + 100 * (anatomy.thickness - thickness).abs()[:, 0].detach().numpy()
    )
    wanted = pytest.approx(found[known].sum() / POINTS)
    assert anatomy_loss(anatomy, bone, normal, thickness, KNOWN).item() == wanted
    elsewhere = torch.where(KNOWN[:, None] > 0, bone, bone + 9)
    assert anatomy_loss(anatomy, elsewhere, normal, thickness, KNOWN).item() == wanted
    assert gradcheck(lambda *parts: anatomy_loss(Anatomy(*parts), bone, normal, thickness, KNOWN), fields())


def test_anatomy_loss_weighs_ten_degrees_as_a_millimetre():
    bone, _, thickness, weight = (part.detach() for part in fields())
    normal = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64).expand(POINTS, 3)
    angle = np.deg2rad(10.0)
    turned = torch.tensor([[np.sin(angle), 0.0, np.cos(angle)]]).expand(POINTS, 3)
    loss = anatomy_loss(Anatomy(bone, turned, thickness, weight), bone, normal, thickness, torch.ones(POINTS))
    assert loss.item() == pytest.approx(1.0, rel=0.02)


def test_anatomy_loss_without_constraints_is_nothing():
    anatomy = Anatomy(*fields())
    zeros = torch.zeros(POINTS, 3, dtype=torch.float64)
    loss = anatomy_loss(anatomy, zeros, zeros, zeros[:, :1], torch.zeros(POINTS, dtype=torch.float64))
    assert loss.item() == 0.0


def test_thickness_loss_looks_at_free_points_only():
    anatomy = Anatomy(*fields())
    free = KNOWN.numpy() == 0
    wanted = anatomy.thickness[:, 0].detach().numpy()[free].mean() * 100
    assert thickness_loss(anatomy, KNOWN).item() == pytest.approx(wanted)
    assert thickness_loss(anatomy, torch.ones(POINTS)).item() == 0.0
    assert gradcheck(lambda *parts: thickness_loss(Anatomy(*parts), KNOWN), fields())


def test_skinning_loss_looks_at_still_points_only():
    anatomy = Anatomy(*fields())
    wanted = anatomy.skin_weight[:, 0].detach().numpy()[KNOWN.numpy() > 0]
    assert skinning_loss(anatomy, KNOWN).item() == pytest.approx((wanted**2).mean())
    assert skinning_loss(anatomy, torch.zeros(POINTS)).item() == 0.0
    assert gradcheck(lambda *parts: skinning_loss(Anatomy(*parts), KNOWN), fields())


def test_symmetry_loss_is_nothing_for_mirror_images():
    normal = torch.nn.functional.normalize(random(3, seed=8), dim=0)
    origin, bone = random(3, seed=9), random(POINTS, 3)
    mirror = torch.eye(3, dtype=torch.float64) - 2 * torch.outer(normal, normal)
    partner = (bone - origin) @ mirror + origin
    assert symmetry_loss(bone, partner, origin, normal).item() < 0.0011
    assert symmetry_loss(bone + 0.05 * normal, partner, origin, normal).item() == pytest.approx(5.0, rel=1e-3)
    inputs = (bone.clone().requires_grad_(), (partner + 0.1).requires_grad_())
    assert gradcheck(lambda left, right: symmetry_loss(left, right, origin, normal), inputs)


def test_jaw_share_loss_trusts_as_told():
    anatomy = Anatomy(*fields())
    share, trust = random(POINTS, seed=10).sigmoid(), random(POINTS, seed=11).sigmoid()
    found, told = anatomy.skin_weight[:, 0].detach().numpy(), share.numpy()
    apart = told * np.log(told / found) + (1 - told) * np.log((1 - told) / (1 - found))
    assert jaw_share_loss(anatomy, share, trust).item() == pytest.approx((apart * trust.numpy()).mean())
    assert jaw_share_loss(anatomy, share, torch.zeros(POINTS)).item() == 0.0
    assert jaw_share_loss(anatomy, torch.as_tensor(found), trust).item() == pytest.approx(0.0, abs=1e-12)
    assert gradcheck(lambda *parts: jaw_share_loss(Anatomy(*parts), share, trust), fields())


@pytest.mark.parametrize("logit", [-40.0, 0.0, 40.0])
def test_jaw_share_loss_pulls_however_flat_the_sigmoid(logit):
    anatomy = Anatomy(*fields()[:3], skin_logit=torch.full((POINTS, 1), logit, requires_grad=True))
    jaw_share_loss(anatomy, torch.full((POINTS,), 0.3), torch.ones(POINTS)).backward()
    wanted = (torch.sigmoid(torch.tensor(logit)) - 0.3) / POINTS
    assert torch.allclose(anatomy.skin_logit.grad, wanted.expand(POINTS, 1))
