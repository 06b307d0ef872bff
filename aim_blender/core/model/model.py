# SPDX-License-Identifier: GPL-3.0-or-later
"""The anatomically constrained implicit face model (docs/model.md, sections 1 and 2).

roma loads PyTorch's compiler, which takes a second: it is imported where it is needed, so that fits start without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..geometry.skinning import linear_blend_skinning
from ..shared.settings.learning_settings import Activation
from .networks import NetworkStack

UNIT_MM = 100.0  # one unit of the networks' space; a head is about two


def rigid_motion(rotation: Tensor, translation: Tensor) -> Tensor:
    """Homogeneous matrices (..., 4, 4) of rotations (..., 3, 3) and translations (..., 3)."""
    import roma

    return roma.Rigid(rotation, translation).to_homogeneous()


@dataclass(frozen=True)
class Anatomy:
    """The anatomical fields at P points of the template.

    bone: b (P, 3). normal: n (P, 3) unit. thickness: d (P, 1) >= 0. skin_logit: (P, 1), what k is the sigmoid of.
    """

    bone: Tensor
    normal: Tensor
    thickness: Tensor
    skin_logit: Tensor

    @property
    def skin_weight(self) -> Tensor:
        """k (P, 1) in [0, 1]."""
        return torch.sigmoid(self.skin_logit)

    @property
    def neutral(self) -> Tensor:
        """s0 = b + d n (P, 3), docs/model.md (1)."""
        return self.bone + self.thickness * self.normal


ANATOMY = {"bone": 3, "normal": 3, "thickness": 1, "skin_weight": 1}


class FaceModel(nn.Module):
    """Five networks of a template point, and the jaw of every shape. All lengths in units of UNIT_MM.

    template_width: numbers per template point, of which the first three are its position. count: expressions N.
    positioned: whether the networks see the position, or only what follows it.
    """

    def __init__(
        self,
        template_width: int,
        count: int,
        hidden: int = 256,
        depth: int = 3,
        activation: Activation = "siren",
        frequency: float = 20.0,
        generator: torch.Generator | None = None,
        positioned: bool = True,
    ) -> None:
        super().__init__()
        self.count = count
        self.first_input = 0 if positioned else 3
        shape = (template_width - self.first_input, hidden, depth, activation)
        # Anatomy is smoother than what muscles do; and where it is rough, e_i has to learn its roughness again,
        # negated.
        self.anatomy_networks = NetworkStack(ANATOMY, *shape, frequency / 2, generator)
        self.expression_network = NetworkStack({"expressions": 3 * count}, *shape, frequency, generator)
        self.jaw_rotation = nn.Parameter(torch.eye(3)[:, :2].repeat(count, 1, 1))  # (N, 3, 2) continuous 6D
        self.jaw_slide = nn.Parameter(torch.zeros(count, 3))  # (N, 3) of the hinge's centre
        self.register_buffer("hinge_centre", torch.zeros(3))

    hinge_centre: Tensor

    def set_jaw(self, motion: np.ndarray, hinge_centre: np.ndarray) -> None:
        """Start from jaw motions T_i (N, 4, 4) with hinge_centre (3,), in units of UNIT_MM."""
        motion_tensor = torch.as_tensor(motion, dtype=self.jaw_slide.dtype)
        centre = torch.as_tensor(hinge_centre, dtype=self.jaw_slide.dtype)
        rotation = motion_tensor[:, :3, :3]
        with torch.no_grad():
            self.hinge_centre.copy_(centre)
            self.jaw_rotation.copy_(rotation[:, :, :2])
            self.jaw_slide.copy_(motion_tensor[:, :3, 3] - centre + rotation @ centre)

    def jaw(self) -> Tensor:
        """T_i (N, 4, 4), rigid: a rotation about the hinge's centre and a slide of it."""
        import roma

        rotation = roma.special_gramschmidt(self.jaw_rotation)
        return rigid_motion(rotation, self.hinge_centre - rotation @ self.hinge_centre + self.jaw_slide)

    def anatomy(self, template: Tensor, plain: bool = False) -> Anatomy:
        """b, n, d and k at template points (P, template_width); `plain` takes the networks one after the other."""
        inputs = template[:, self.first_input :]
        raw = self.anatomy_networks.forward_plain(inputs) if plain else self.anatomy_networks(inputs)
        position = template[:, :3]
        # Learned are the differences from a start that any head is near to: bone under the skin, normals outwards.
        outwards = torch.nn.functional.normalize(position, dim=1)
        return Anatomy(
            bone=position + raw["bone"],
            normal=torch.nn.functional.normalize(outwards + raw["normal"], dim=1),
            thickness=torch.nn.functional.softplus(raw["thickness"] - 3.0),  # 5 mm at the start
            skin_logit=raw["skin_weight"] - 2.0,
        )

    def expressions(self, template: Tensor) -> Tensor:
        """e_i (P, N, 3) at template points (P, template_width)."""
        return self.expression_network(template[:, self.first_input :])["expressions"].view(-1, self.count, 3)

    def shapes(self, template: Tensor) -> Tensor:
        """s0 and s_i = LBS(s0, T_i, k) + e_i (N+1, P, 3), docs/model.md (3), at template points (P, template_width)."""
        anatomy = self.anatomy(template)
        skinned = linear_blend_skinning(anatomy.neutral, self.jaw(), anatomy.skin_weight)
        return torch.cat([anatomy.neutral[None], skinned + self.expressions(template).transpose(0, 1)])
