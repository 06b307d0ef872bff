# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting a performance to an actor in closed form (MODEL.md section 3).

s_j = H_j [ LBS(s0, T_j, k) + sum_i w_ji(c) e_i(c) ] with weights w_i(c) = sum_m Φ_m(c) a_mi in smooth functions Φ of
the mesh. With head and jaw known this is linear in a, with one normal matrix for all frames.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .actor import Actor
from .devices import choose_device
from .errors import InputError
from .head import estimate_head
from .jaw_of_frame import JawOfFrame
from .model import linear_blend_skinning
from .modes import laplacian_modes
from .performances import Performance, check_performance, to_millimetres
from .rigid import angle_degrees, recentred
from .takes import Take

Report = Callable[[dict], None]

SOLVERS = ("closed-form",)
CHUNK_BYTES = 512 * 2**20  # of working memory for frames solved at once
HEADS = ("auto", "free", "still")


@dataclass(frozen=True)
class FittingSettings:
    """How to fit.

    modes: number M of smooth functions; more follow finer detail and cost more. Every vertex counts alike in them: on a
    face with finer mesh at lids and lips the error is 0.029 mm, where modes by area leave 0.061 (120 modes). ridge:
    what a weight of 1 everywhere costs, as a distance in mm: keeps weights small where the data do not tell.
    smoothness: what a weight costs that changes across the face, in mm. head: free solves the head's rigid motion for
    every frame, still takes the performance as stabilized, auto looks whether it moves.
    """

    solver: str = "closed-form"
    modes: int = 120
    ridge: float = 0.03
    smoothness: float = 0.05
    head: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise InputError(f"there is no solver called {self.solver!r}; it must be {' or '.join(SOLVERS)}")
        if self.head not in HEADS:
            raise InputError(f"head is {self.head!r}; it must be one of {', '.join(HEADS)}")
        if not 1 <= self.modes <= 2000:
            raise InputError(f"modes is {self.modes}; it must be between 1 and 2000")


class ClosedForm:
    """The linear part: weights of any number of frames from what is left of them after jaw and head.

    expressions: e (V, N, 3) mm. modes: Φ (V, M) of unit mean square. eigenvalues: (M,) of the modes in 1 / mm².
    The normal matrix of the M N unknowns is factored once.
    """

    def __init__(self, expressions: Tensor, modes: Tensor, eigenvalues: Tensor, settings: FittingSettings) -> None:
        self.expressions = expressions.contiguous()  # (V, N, 3)
        self.modes = modes.contiguous()  # (V, M)
        self.factor = torch.linalg.cholesky(self.normal_matrix(eigenvalues, settings))  # (M N, M N) float64

    def normal_matrix(self, eigenvalues: Tensor, settings: FittingSettings) -> Tensor:
        """(M N, M N) float64: sum over points of Φ_m Φ_p (e_i . e_j), and the prior; unknowns ordered mode by mode."""
        points, count = self.expressions.shape[:2]
        modes = self.modes.shape[1]
        matrix = agreement_matrix(self.modes, self.expressions).view(modes * count, modes * count)
        # A mode that goes up and down within 30 mm costs `smoothness`; a constant weight costs `ridge`.
        rough = eigenvalues.double() * (30.0 / (2 * np.pi)) ** 2
        prior = points * (settings.ridge**2 + settings.smoothness**2 * rough)  # (M,)
        matrix.diagonal().add_(prior.repeat_interleave(count))
        return matrix

    def solve(self, residual: Tensor) -> Tensor:
        """Coefficients a (F, M, N) that explain residual (F, V, 3) best."""
        frames = len(residual)
        right = seen_by_modes(self.modes, self.expressions, residual).reshape(-1, frames)  # (M N, F)
        solution = torch.cholesky_solve(right.double(), self.factor).to(residual.dtype)
        return solution.view(self.modes.shape[1], -1, frames).permute(2, 0, 1).contiguous()

    def offsets(self, coefficients: Tensor) -> Tensor:
        """sum_i w_i(c) e_i(c) (F, V, 3) of coefficients (F, M, N)."""
        return expression_offsets(self.modes, coefficients, self.expressions)


def agreement_matrix(modes: Tensor, expressions: Tensor) -> Tensor:
    """(M, N, M, N) float64: sum over points of Φ_m Φ_p (e_i . e_j). modes: (V, M). expressions: (V, N, 3)."""
    names, count = expressions.shape[1], modes.shape[1]
    matrix = torch.empty(count, names, count, names, dtype=torch.float64, device=modes.device)
    for i in range(names):
        for j in range(i, names):
            agreement = (expressions[:, i] * expressions[:, j]).sum(-1, keepdim=True)  # (V, 1)
            block = (modes.T @ (agreement * modes)).double()  # (M, M)
            matrix[:, i, :, j] = matrix[:, j, :, i] = block
    return matrix


def seen_by_modes(modes: Tensor, expressions: Tensor, offsets: Tensor) -> Tensor:
    """(M, N, F): sum over points of Φ_m (e_i . x) for offsets x (F, V, 3). modes: (V, M). expressions: (V, N, 3)."""
    # Contract e before Φ, so that the (3V, MN) matrix is never formed.
    seen = torch.matmul(offsets.transpose(0, 1), expressions.transpose(1, 2))  # (V, F, N)
    return (modes.T @ seen.reshape(len(modes), -1)).view(-1, *seen.shape[1:]).transpose(1, 2)


def expression_offsets(modes: Tensor, coefficients: Tensor, expressions: Tensor) -> Tensor:
    """sum_i w_i(c) e_i(c) with w_i(c) = sum_m Φ_m(c) a_mi.

    modes: (V, M). coefficients: (F, M, N). expressions: (V, N, 3). Returns (F, V, 3).
    """
    frames, count, names = coefficients.shape
    weights = modes @ coefficients.transpose(0, 1).reshape(count, frames * names)  # (V, F N)
    return torch.matmul(weights.view(-1, frames, names), expressions).transpose(0, 1)


def fit_performance(
    actor: Actor, performance: Performance, settings: FittingSettings | None = None, report: Report | None = None
) -> Take:
    """Fit a performance in the actor's topology.

    report is called with {"message", "done", "total", "error_mm"}. Raises InputError if the performance is not one of
    this actor's mesh.
    """
    settings = settings or FittingSettings()
    report = report or (lambda _: None)
    neutral = actor.neutral
    performance, unit_factor = to_millimetres(performance, neutral, actor.topology)
    check_performance(performance, neutral, actor.topology)
    total = len(performance.vertices)
    report({"message": "Preparing the fit", "done": 0, "total": total})
    start = time.perf_counter()
    device = choose_device(settings.device)
    count = min(settings.modes, len(neutral) - 2)
    modes, eigenvalues = laplacian_modes(neutral, actor.topology.triangles(), count, equal_vertices=True)

    def on_device(array: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32, device=device)

    # Positions about the head's middle keep their last digits in float32.
    centre = neutral.mean(0)
    solver = ClosedForm(on_device(actor.expressions), on_device(modes), on_device(eigenvalues), settings)
    jaw_of_frame = JawOfFrame(actor)
    base, skin_weight = on_device(neutral - centre), on_device(actor.skin_weight)
    setup_seconds = time.perf_counter() - start

    start = time.perf_counter()
    vertices = performance.vertices
    head = np.tile(np.eye(4), (total, 1, 1))
    jaw = np.tile(np.eye(4), (total, 1, 1))
    coefficients = np.empty((total, modes.shape[1], len(actor.names)), dtype=np.float32)
    error_mm = np.empty((total, 2), dtype=np.float32)
    p99 = np.empty(total, dtype=np.float32)
    moving = settings.head == "free" or (settings.head == "auto" and _head_moves(actor, vertices))
    per_frame = len(neutral) * (len(actor.names) * 2 + 12) * 4
    chunk = int(np.clip(CHUNK_BYTES // per_frame, 1, 64))
    for first in range(0, total, chunk):
        part = slice(first, min(first + chunk, total))
        frames = vertices[part].astype(np.float64)
        if moving:
            head[part] = estimate_head(actor, frames)
        still = (frames - head[part, None, :3, 3]) @ head[part, :3, :3] if moving else frames  # H^-1 s
        jaw[part] = jaw_of_frame.predict(still)
        skinned = linear_blend_skinning(base, on_device(recentred(jaw[part], centre)), skin_weight)  # (f, V, 3)
        residual = on_device(still - centre) - skinned
        found = solver.solve(residual)
        distance = (solver.offsets(found) - residual).norm(dim=-1)  # (f, V)
        coefficients[part] = found.cpu().numpy()
        error_mm[part, 0], error_mm[part, 1] = distance.mean(1).cpu(), distance.amax(1).cpu()
        p99[part] = distance.quantile(0.99, dim=1).cpu()
        report(
            {
                "message": "Fitting",
                "done": part.stop,
                "total": total,
                "error_mm": float(error_mm[: part.stop, 0].mean()),
            }
        )
    seconds = time.perf_counter() - start
    figures = {
        "frames": total,
        "mean_mm": float(error_mm[:, 0].mean()),
        "p99_mm": float(p99.mean()),
        "worst_mm": float(error_mm[:, 1].max()),
        "worst_frame": int(performance.frames[error_mm[:, 1].argmax()]),
        "head_moves": bool(moving),
        "unit_factor": unit_factor,
        "setup_s": setup_seconds,
        "frames_per_second": total / seconds,
    }
    return Take(
        names=actor.names,
        topology_digest=actor.topology.digest,
        modes=modes.astype(np.float32),
        coefficients=coefficients,
        jaw=jaw,
        head=head,
        frames=np.asarray(performance.frames, dtype=np.int32),
        fps=performance.fps,
        error_mm=error_mm,
        settings=dataclasses.asdict(settings),
        figures=figures,
    )


def _head_moves(actor: Actor, vertices: np.ndarray) -> bool:
    """Whether the head of a performance (F, V, 3) moves, by a sample of its frames."""
    sample = vertices[np.linspace(0, len(vertices) - 1, min(len(vertices), 32)).astype(int)].astype(np.float64)
    return moves(estimate_head(actor, sample), actor.neutral.mean(0))


def moves(head: np.ndarray, middle: np.ndarray, degrees: float = 0.3, millimetres: float = 0.5) -> bool:
    """Whether head motions (F, 4, 4) about middle (3,) are more than a stabilized performance is off."""
    moved = np.linalg.norm(head[:, :3, :3] @ middle + head[:, :3, 3] - middle, axis=1)
    return bool(angle_degrees(head).max() > degrees or moved.max() > millimetres)
