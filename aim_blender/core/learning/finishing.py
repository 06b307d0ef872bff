# SPDX-License-Identifier: GPL-3.0-or-later
"""From a learned model to an actor that is exact on its own meshes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..geometry.rigid import recentred
from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor, jaw_movements
from ..model.model import UNIT_MM, FaceModel
from ..shared.captured.captures import Capture
from .preparation import Preparation


@torch.no_grad()
def finish_actor(capture: Capture, model: FaceModel, preparation: Preparation, settings: dict[str, Any]) -> Actor:
    """Evaluate the fields of a learned model at the mesh points, and store what they miss of the capture, the
    residuals r0 and r_i of docs/model.md (13) and (14)."""
    centre = preparation.centre
    template = torch.as_tensor(preparation.template, dtype=torch.float32)
    anatomy = model.anatomy(template)
    scale = np.float64(UNIT_MM)

    def millimetres(tensor: Tensor, offset: np.ndarray | float = 0.0) -> np.ndarray:
        return (tensor.double().numpy() * scale + offset).astype(np.float32)

    bone, thickness = millimetres(anatomy.bone, centre), millimetres(anatomy.thickness)
    normal, skin_weight = anatomy.normal.numpy(), anatomy.skin_weight.numpy()
    expressions = millimetres(model.expressions(template))
    jaw = in_millimetres(model.jaw().double().numpy(), centre)
    implicit_neutral = bone + thickness * normal
    neutral_residual = (capture.neutral - implicit_neutral.astype(np.float64)).astype(np.float32)
    exact_neutral = implicit_neutral.astype(np.float64) + neutral_residual
    wanted = capture.vertices[1:] - linear_blend_skinning(exact_neutral, jaw, skin_weight)  # (N, V, 3)
    expression_residual = (wanted.transpose(1, 0, 2) - expressions.astype(np.float64)).astype(np.float32)
    incisors = {} if preparation.incisors is None else {"lower_incisors_mm": preparation.incisors.tolist()}
    actor = Actor(
        names=capture.names[1:],
        topology=capture.topology,
        template=template.numpy(),
        bone=bone,
        normal=normal,
        thickness=thickness,
        skin_weight=skin_weight,
        jaw=jaw,
        implicit_expressions=expressions,
        neutral_residual=neutral_residual,
        expression_residual=expression_residual,
        hinge=preparation.hinge,
        constraints=preparation.constraints,
        networks={name: value.numpy() for name, value in model.state_dict().items()},
        kept_mirror=preparation.mirror_plane,
        settings=settings | {"centre_mm": centre.tolist(), "notes": list(preparation.notes)} | incisors,
    )
    implicit = np.concatenate([implicit_neutral[None], linear_blend_skinning(implicit_neutral, jaw, skin_weight)])
    implicit[1:] += expressions.transpose(1, 0, 2)
    error = np.linalg.norm(implicit - capture.vertices, axis=-1)
    exact = np.linalg.norm(actor.shapes() - capture.vertices, axis=-1)
    actor.figures.update(
        implicit_mean_mm=float(error.mean()),
        implicit_worst_mm=float(error.max()),
        exact_worst_mm=float(exact.max()),
        constrained_points=len(preparation.constraints),
        jaw_open_degrees=max((row["open_degrees"] for row in jaw_movements(actor)), default=0.0),
    )
    return actor


def in_units(motion: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Rigid motions (N, 4, 4) in mm as motions in units of UNIT_MM about centre (3,)."""
    out = recentred(motion, centre)
    out[:, :3, 3] /= UNIT_MM
    return out


def in_millimetres(motion: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Rigid motions (N, 4, 4) in units of UNIT_MM about centre (3,) as motions in mm: the inverse of in_units."""
    out = motion.copy()
    out[:, :3, 3] *= UNIT_MM
    return recentred(out, -centre)
