# SPDX-License-Identifier: GPL-3.0-or-later
"""A learned actor: the model's fields at the mesh points, exact on the actor's own meshes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..anatomy.anatomy import Hinge, mirror_plane
from ..anatomy.jaw import decompose_jaw
from ..anatomy.mandible_frame import find_mandible_frame
from ..geometry.rigid import apply_motion
from ..geometry.skinning import linear_blend_skinning
from ..geometry.working_mesh import WorkingMesh, working_mesh
from ..parts.parts import Parts
from ..shared.bones.constraints import Constraints
from ..shared.foundation.topology import Topology


@dataclass(frozen=True)
class Actor:
    """What is learned of one actor. All lengths in millimetres; arrays are numpy float32 unless said.

    names: N expression names. topology: the mesh. template: (V, I) the networks' input.
    bone: b (V, 3). normal: n (V, 3). thickness: d (V, 1). skin_weight: k (V, 1). jaw: T_i (N, 4, 4) float64.
    implicit_expressions: e_i of the networks (V, N, 3). neutral_residual (V, 3) and expression_residual (V, N, 3): what
    the networks miss on the actor's own meshes.
    hinge: the condylar hinge, None without bones. constraints: what was known of the anatomy. kept_mirror: (2, 3) the
    mirror_plane of the neutral, None where nobody has looked for it. parts: of the mesh beside the skin, None where all
    is skin; rigid ones have no expressions, and k is 1 where they go with the jaw, else 0.
    networks: the networks' parameters by name. settings: how it was learned. figures: what was measured then.
    """

    names: tuple[str, ...]
    topology: Topology
    template: np.ndarray
    bone: np.ndarray
    normal: np.ndarray
    thickness: np.ndarray
    skin_weight: np.ndarray
    jaw: np.ndarray
    implicit_expressions: np.ndarray
    neutral_residual: np.ndarray
    expression_residual: np.ndarray
    hinge: Hinge | None
    constraints: Constraints
    networks: dict[str, np.ndarray] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    kept_mirror: np.ndarray | None = None
    parts: Parts | None = None

    @property
    def implicit_neutral(self) -> np.ndarray:
        """(V, 3) s0 = b + d n, docs/model.md (1), as the networks alone have it."""
        return self.bone + self.thickness * self.normal

    @cached_property
    def neutral(self) -> np.ndarray:
        """(V, 3) float64 s0 with its residual: the registered neutral."""
        return self.implicit_neutral.astype(np.float64) + self.neutral_residual

    @cached_property
    def expressions(self) -> np.ndarray:
        """(V, N, 3) float64 e_i with their residual."""
        return self.implicit_expressions.astype(np.float64) + self.expression_residual

    @cached_property
    def mirror(self) -> np.ndarray:
        """(2, 3) float64 a point of the face's mirror plane, and its unit normal; it takes a second if not kept."""
        return mirror_plane(self.neutral, self.topology.triangles()) if self.kept_mirror is None else self.kept_mirror

    @cached_property
    def working(self) -> WorkingMesh:
        """The part of the mesh that is worked on: without copies of vertices, loose ones, a body that is still, and
        parts that move by themselves."""
        return working_mesh(self.shapes(), self.topology, None if self.parts is None else self.parts.apart)

    @cached_property
    def made(self) -> dict[str, Any]:
        """What others made of this actor and may want again, by names of theirs. It lasts as long as the actor."""
        return {}

    @property
    def incisors(self) -> np.ndarray | None:
        """(3,) float64 the lower incisors at rest: the mandible's or, where they were not kept, about where they are by
        the bone that is known. None without both."""
        if "lower_incisors_mm" in self.settings:
            return np.array(self.settings["lower_incisors_mm"], dtype=np.float64)
        bone = self.constraints.bone[self.constraints.on_mandible]
        return None if self.hinge is None or len(bone) == 0 else find_mandible_frame(self.hinge, bone).incisors

    def shapes(self) -> np.ndarray:
        """(N+1, V, 3) float64: the neutral and s_i = LBS(s0, T_i, k) + e_i, docs/model.md (3): the registered meshes,
        exactly."""
        skinned = linear_blend_skinning(self.neutral, self.jaw, self.skin_weight)
        return np.concatenate([self.neutral[None], skinned + self.expressions.transpose(1, 0, 2)])

    def offsets(self) -> np.ndarray:
        """(V, N, 3) float64 the whole shapes δ_i = s_i - s0 of docs/model.md (29), the jaw's motion included."""
        return (self.shapes()[1:] - self.neutral).transpose(1, 0, 2)


def jaw_movements(actor: Actor) -> list[dict[str, Any]]:
    """What the jaw does in each shape: open_degrees about the hinge, the hinge's slide forward_mm and aside_mm, and how
    far the lower incisors go, incisors_mm, where it is known where they are."""
    if actor.hinge is None:
        return []
    hinge, travel = actor.hinge, incisors_travel(actor, actor.jaw)
    rows = []
    for index, (name, pose) in enumerate(zip(actor.names, decompose_jaw(actor.jaw, hinge), strict=True)):
        rows.append(
            {
                "name": name,
                "open_degrees": float(np.rad2deg(pose[:3] @ hinge.axis)),
                "turned_degrees": float(np.rad2deg(np.linalg.norm(pose[:3]))),
                "forward_mm": float(pose[3:] @ hinge.forward),
                "aside_mm": float(pose[3:] @ hinge.axis),
                **({} if travel is None else {"incisors_mm": float(travel[index])}),
            }
        )
    return rows


def incisors_travel(actor: Actor, jaw: np.ndarray) -> np.ndarray | None:
    """How far in mm (F,) the lower incisors go from rest in jaws (F, 4, 4); None where nobody knows where they are."""
    incisors = actor.incisors
    if incisors is None:
        return None
    return np.linalg.norm(apply_motion(incisors[None], jaw)[:, 0] - incisors, axis=1)


def jaw_figures(actor: Actor, jaw: np.ndarray) -> dict[str, float]:
    """Of the jaws (F, 4, 4) of a take: incisors_mm, how far the lower incisors go at most, where they are known."""
    travel = incisors_travel(actor, jaw)
    return {} if travel is None or len(travel) == 0 else {"incisors_mm": float(travel.max())}
