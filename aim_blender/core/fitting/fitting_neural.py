# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting a performance with small networks, as the paper does (docs/model.md section 3).

A code z_j a frame; F_T(z_j) gives jaw and head, F_W(c, z_j) the weights of all expressions at a template point c.

F_W is factorised: w_i(c, z) = sum_m φ_m(c) a_mi(z), φ a siren of the point with M outputs, a a network of the code. A
network's last layer is such a sum anyway; here its features know the point alone. So a take holds F_W exactly, and the
weights of all points in all frames are one product, not a network evaluated F V times. Nothing is lost by it: M = 120
features, of a siren that has not learned anything yet, leave 0.03 mm of a performance of real faces, and as many
Laplacian modes 0.029.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..geometry.rigid import recentred
from ..geometry.skinning import linear_blend_skinning
from ..learning.checkpoints import restore_training, save_training
from ..learning.optimising import optimise
from ..model.actor import Actor
from ..model.closed_form import ClosedForm, expression_offsets, weights_at
from ..model.devices import choose_device
from ..model.model import rigid_motion
from ..model.networks import NetworkStack
from ..shared.captured.performances import Performance
from ..shared.results.takes import Take
from ..shared.settings.fitting_settings import FittingSettings
from ..timing.timeline import Timeline
from .driving.error_figures import FitErrors
from .driving.one_fit import fit_target
from .driving.target import SolvedFrames, Target

Report = Callable[[dict], None]
Notes = Callable[[Timeline, FitErrors], list[str]]

HIDDEN = 256  # width of all networks; each has DEPTH layers before its last
DEPTH = 3
CODE = 64  # numbers in the code z of a frame
FREQUENCY = 6.0  # of the siren φ: weights are smoother than expressions
FRAME_BATCH, POINT_BATCH = 128, 1024
LEARNING_RATE = 2e-3
WARM_RATE = 0.05  # of the learning rate, after a warm start
WIDE_RATE = 0.1  # of that, for layers that add up HIDDEN features
POINT_RATE = 0.1  # of that, for φ, which begins as smooth functions of the mesh already
TURN, SLIDE_MM = 0.1, 3.0  # what an output of 1 of F_T means
ITERATIONS = {False: 400, True: 200}  # passes over all frames, without and with a warm start
EVALUATED_FRAMES = 32
SMOOTH_MM = 1e-3  # the distance is smooth below this, where its square root would have a kink
LAYER_RIDGE = 1e-6  # of the features' mean square


@dataclass(frozen=True)
class NeuralLossWeights:
    """The weight of each loss; the position's is the mean distance in mm, so the others are mm a unit.

    weights, temporal: 0.75 and 0.05 in the paper, times 0.002 mm: there they stand beside squared units of its space.
    jaw_hold: of the mm² by which F_T moves the jaw away from the closed form's, after a warm start.
    """

    position: float = 1.0
    weights: float = 0.75 * 0.002
    temporal: float = 0.05 * 0.002
    jaw_hold: float = 0.1


class NeuralFit(nn.Module):
    """The codes z_j (F, CODE), F_T and F_W of a performance of F frames.

    template_width: numbers per template point. names: expressions N. features: M. jaw_moves, head_moves: what F_T may
    move; the other stays where it starts. Motions are about one centre, in mm.
    """

    def __init__(
        self,
        frames: int,
        template_width: int,
        names: int,
        features: int,
        jaw_moves: bool,
        head_moves: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.names, self.count = names, features
        self.codes = nn.Parameter(torch.randn(frames, CODE, generator=generator) * 0.1)
        self.point_network = NetworkStack(
            {"features": features}, template_width, HIDDEN, DEPTH, "siren", FREQUENCY, generator
        )
        # F_T and the part of F_W that looks at the code: two networks of one input, as one batched product.
        self.code_networks = NetworkStack(
            {"weights": features * names, "motion": 18}, CODE, HIDDEN, DEPTH, "gelu", generator=generator
        )
        self.register_buffer("first", torch.eye(4).repeat(frames, 2, 1, 1))
        self.register_buffer("moves", torch.tensor([jaw_moves, head_moves]).float()[:, None, None])

    first: Tensor  # (F, 2, 4, 4) jaw and head that F_T starts from
    moves: Tensor  # (2, 1, 1)

    def features(self, template: Tensor) -> Tensor:
        """φ (P, M) at template points (P, I)."""
        return self.point_network(template)["features"]

    def of_code(self, frames: Tensor | slice) -> tuple[Tensor, Tensor]:
        """a (F, M, N) of F_W, docs/model.md (27), and of F_T the jaw T_j and the head H_j (F, 2, 4, 4), of some
        frames."""
        import roma

        found = self.code_networks(self.codes[frames])
        turn, slide = found["motion"].view(-1, 2, 3, 3).split((2, 1), dim=-1)
        rest = torch.eye(3, dtype=turn.dtype, device=turn.device)[:, :2]
        rotation = roma.special_gramschmidt(rest + TURN * self.moves * turn)  # continuous 6D
        motion = rigid_motion(rotation, SLIDE_MM * (self.moves * slide)[..., 0])
        return found["weights"].view(-1, self.count, self.names), motion @ self.first[frames]


class NeuralFitter:
    """The optimisation of one performance: a step at a time, saved and restored exactly.

    performance: in mm. closed: the same performance fitted in closed form, whose head it takes, and after a warm start
    its jaw and weights too.
    """

    phase = "networks"

    def __init__(self, actor: Actor, performance: Performance, closed: Take, settings: FittingSettings) -> None:
        self.actor, self.settings = actor, settings
        self.iterations = settings.iterations or ITERATIONS[settings.warm_start]
        self.loss_weights = NeuralLossWeights()
        known = b"".join(array.tobytes() for array in (closed.coefficients, closed.jaw, closed.head))
        # The closed form tells one actor and performance from another.
        self.origin = {"settings": repr(settings), "closed_form": hashlib.sha256(known).hexdigest()}
        self.device = choose_device(settings.device)
        self.dtype = torch.float32
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.step_count = 0
        self._gathered: list[Tensor] = []  # errors since progress()
        self.performance = performance
        # Motions about the hinge turn the jaw without moving it away; and positions keep their last digits in float32.
        self.centre = actor.neutral.mean(0) if actor.hinge is None else actor.hinge.centre

        self.template = self.tensor(actor.template)  # (V, I)
        self.expressions = self.tensor(actor.expressions)  # (V, N, 3)
        self.neutral = self.tensor(actor.neutral - self.centre)  # (V, 3)
        self.skin_weight = self.tensor(actor.skin_weight)  # (V, 1)
        self.model = NeuralFit(
            len(performance.vertices),
            actor.template.shape[1],
            len(actor.names),
            min(closed.modes.shape[1], HIDDEN),
            actor.hinge is not None,
            bool(closed.figures["head_moves"]),
            self.generator,
        ).to(self.device)
        with torch.no_grad():
            self._start_features(closed.modes)
            self.model.first[:, 1] = self.tensor(recentred(closed.head, self.centre))
            if settings.warm_start:
                self.model.first[:, 0] = self.tensor(recentred(closed.jaw, self.centre))
                self._start_weights(closed)
        groups: dict[float, list[nn.Parameter]] = {}
        for name, value in self.model.named_parameters():
            groups.setdefault(rate_of_layer(name), []).append(value)
        self.optimiser = torch.optim.Adam([{"params": values, "rate": rate} for rate, values in groups.items()])
        self.steps = self.iterations * -(-len(performance.vertices) // FRAME_BATCH)

    def tensor(self, array: np.ndarray) -> Tensor:
        """The array on the fitter's device."""
        return torch.as_tensor(np.ascontiguousarray(array), dtype=self.dtype, device=self.device)

    def _start_features(self, modes: np.ndarray) -> None:
        """Let the last layer of φ begin at the smooth functions (V, M) of the mesh, as far as its features reach."""
        network = self.model.point_network
        hidden = network.hidden_features(self.template)[0]  # (V, H)
        solve_last_layer(network, "features", hidden, torch.as_tensor(modes[:, : self.model.count]))

    def _start_weights(self, closed: Take) -> None:
        """Let the codes be the principal components of the closed form's weights, and the last layer of a(z) yield
        these from them: both are linear, so nothing need be learned."""
        model = self.model
        features = model.features(self.template)
        prior = torch.full((model.count,), self.settings.ridge**2, device=self.device)
        solver = ClosedForm(self.expressions, features, prior)
        modes = torch.as_tensor(closed.modes, device=self.device)
        found = []
        for first in range(0, len(self.performance.vertices), EVALUATED_FRAMES):
            part = torch.as_tensor(closed.coefficients[first : first + EVALUATED_FRAMES], device=self.device)
            found.append(solver.solve(expression_offsets(modes, part, self.expressions)).flatten(1))
        weights = torch.cat(found)  # (F, M N)
        count = min(CODE, *weights.shape)
        components = torch.linalg.svd(weights - weights.mean(0), full_matrices=False)[0][:, :count]
        model.codes[:, :count] = components * len(weights) ** 0.5
        model.codes[:, count:] = 0.0
        network = model.code_networks
        solve_last_layer(network, "weights", network.hidden_features(model.codes)[0], weights)
        network.output_weights["motion"].zero_()

    def step(self) -> dict[str, Tensor]:
        """One step of Adam on a batch of frames and points. Returns the losses by name and `error_mm`."""
        total = len(self.performance.vertices)
        frames = torch.arange(min(total, FRAME_BATCH))
        if total > FRAME_BATCH:  # neighbours from anywhere, round from the last to the first
            frames = (frames + torch.randint(total, (1,), generator=self.generator)) % total
        points = torch.randperm(len(self.template), generator=self.generator)[:POINT_BATCH]
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate() * group["rate"]
        losses, distance = self.losses(frames, points)
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        self.optimiser.step()
        self.step_count += 1
        self._gathered.append(distance.detach())
        return {"error_mm": distance.detach(), **{name: loss.detach() for name, loss in losses.items()}}

    @property
    def finished(self) -> bool:
        """Whether no step is left."""
        return self.step_count >= self.steps

    def cost_left(self) -> float:
        """The steps to come."""
        return float(self.steps - self.step_count)

    def progress(self, phase: str) -> list[dict[str, Any]]:
        """What to report of the steps since it was last asked; there is one phase."""
        error_mm = float(torch.stack(self._gathered).mean())
        self._gathered.clear()
        done, total = self.step_count, self.steps
        return [{"message": "Fitting the networks", "done": done, "total": total, "error_mm": error_mm}]

    def losses(self, frames: Tensor, points: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The weighted losses of docs/model.md (28) over frames (f,) and points (P,), and the mean distance in mm."""
        cost, at = self.loss_weights, points.to(self.device)
        chosen = np.ix_(frames.numpy(), points.numpy())
        wanted = self.tensor(self.performance.vertices[chosen] - self.centre)  # (f, P, 3)
        present = torch.isfinite(wanted).all(-1).to(wanted.dtype)  # (f, P): what is missing does not pull
        if self.performance.confidence is not None:
            present *= self.tensor(self.performance.confidence[chosen])
        frames = frames.to(self.device)
        features = self.model.features(self.template[at])
        coefficients, motion = self.model.of_code(frames)
        weights = weights_at(features, coefficients)  # (P, f, N)
        found = self.posed(motion, weights, at)
        distance = ((found - wanted.nan_to_num()).square().sum(-1) + SMOOTH_MM**2).sqrt()
        distance = (distance * present).sum() / present.sum().clamp(min=1.0)
        followed = frames[1:] == frames[:-1] + 1  # (f - 1,)
        change = (weights[:, 1:] - weights[:, :-1]).square().sum(-1).mean(0)  # (f - 1,)
        losses = {
            "position": cost.position * distance,
            "weights": cost.weights * weights.square().sum(-1).mean(),
            "temporal": cost.temporal * (change * followed).sum() / max(len(frames) - 1, 1),
        }
        if self.settings.warm_start:
            off = self._moved_by(motion[:, 0], at) - self._moved_by(self.model.first[frames, 0], at)
            losses["jaw_hold"] = cost.jaw_hold * off.square().sum(-1).mean()
        return losses, distance

    def posed(self, motion: Tensor, weights: Tensor, at: Tensor | slice) -> Tensor:
        """H_j [LBS(s0, T_j, k) + sum_i w_i e_i] (f, P, 3) for motion (f, 2, 4, 4), weights (P, f, N), some points."""
        offsets = torch.matmul(weights, self.expressions[at]).transpose(0, 1)
        shaped = self._moved_by(motion[:, 0], at) + offsets
        return shaped @ motion[:, 1, :3, :3].transpose(1, 2) + motion[:, 1, None, :3, 3]

    def _moved_by(self, jaw: Tensor, at: Tensor | slice) -> Tensor:
        """LBS(s0, T_j, k) (f, P, 3) for the jaw (f, 4, 4) at some points."""
        return linear_blend_skinning(self.neutral[at], jaw, self.skin_weight[at])

    def _learning_rate(self) -> float:
        """A short rise, then a cosine."""
        rate = LEARNING_RATE * (WARM_RATE if self.settings.warm_start else 1.0) * min(1.0, (self.step_count + 1) / 20)
        return rate * (0.02 + 0.98 * 0.5 * (1.0 + np.cos(np.pi * self.step_count / self.steps)))

    def save(self, path: Path) -> None:
        """Write everything that step() depends on, whole or not at all."""
        numbers = {"step_count": self.step_count}
        save_training(path, self.model, self.optimiser, self.generator, numbers, self.origin)

    def restore(self, path: Path, tell: Callable[[str], None] = lambda _: None) -> bool:
        """Continue from what save() wrote. False if there is nothing, it is damaged, which `tell` is told, or of
        another fit."""
        numbers = ("step_count",)
        found = restore_training(path, self.model, self.optimiser, self.generator, numbers, self.origin, tell)
        if found is not None:
            self.step_count = found[0]["step_count"]
        return found is not None


def rate_of_layer(name: str) -> float:
    """How fast a parameter learns. Where all features of a wide layer add up, a step of Adam changes the sum by as much
    as there are of them; with one rate for all, the first steps threw the face about by 30 mm."""
    wide = "hidden_weights" in name or name.endswith(("output_weights.weights", "output_weights.features"))
    return (WIDE_RATE if wide else 1.0) * (POINT_RATE if name.startswith("point_network") else 1.0)


def solve_last_layer(network: NetworkStack, name: str, hidden: Tensor, wanted: Tensor) -> None:
    """Set the last layer of a network by least squares, so that hidden (P, H) comes out nearest to wanted (P, W)."""
    rows = torch.cat([hidden, torch.ones_like(hidden[:, :1])], dim=1).double()  # (P, H + 1)
    normal = rows.T @ rows
    normal.diagonal().add_(LAYER_RIDGE * normal.diagonal().mean())
    solution = torch.linalg.solve(normal, rows.T @ wanted.to(rows)).to(hidden.dtype)
    network.output_weights[name].copy_(solution[:-1])
    network.output_biases[name].copy_(solution[-1])


class NeuralTarget(Target):
    """What the networks of a fitter have found, for the driver to bring into a take: nothing is left to solve.

    closed: the fit that they began with. notes: what to say of the performance, with what has been left out.
    """

    at_once = EVALUATED_FRAMES
    temporal = 0.0  # the networks have seen to it

    @torch.no_grad()
    def __init__(self, fitter: NeuralFitter, closed: Take, notes: Notes) -> None:
        self.fitter, self.closed, self.told = fitter, closed, notes
        self.settings, self.frames, self.fps = fitter.settings, closed.frames, closed.fps
        self.missing = np.isin(closed.frames, closed.figures["missing_frames"])
        self.features = fitter.model.features(fitter.template)  # (V, M)
        self.coefficients, self.motion = fitter.model.of_code(slice(None))
        self.points, self.modes = len(self.features), self.features.cpu().numpy()

    def motions(self) -> tuple[np.ndarray, np.ndarray]:
        """The networks' head and jaw."""
        motion = self.motion.double().cpu().numpy()
        centre = self.fitter.centre
        return recentred(motion[:, 1], -centre), recentred(motion[:, 0], -centre)

    def solve(self, rows: np.ndarray, head: np.ndarray, jaw: np.ndarray) -> SolvedFrames:
        coefficients = self.coefficients[torch.as_tensor(rows, device=self.fitter.device)].cpu().numpy()
        return SolvedFrames(coefficients, head, jaw, self.distance(rows, head, jaw, coefficients), None)

    @torch.no_grad()
    def distance(self, rows: np.ndarray, head: np.ndarray, jaw: np.ndarray, coefficients: np.ndarray) -> Tensor:
        fitter, at = self.fitter, torch.as_tensor(rows, device=self.fitter.device)
        posed = fitter.posed(self.motion[at], weights_at(self.features, self.coefficients[at]), slice(None))
        distance = (posed - fitter.tensor(fitter.performance.vertices[rows] - fitter.centre)).norm(dim=-1)  # (f, V)
        trust = fitter.performance.trust(rows)
        if trust is not None:
            distance[fitter.tensor(trust) == 0] = torch.nan
        return distance

    def figures(self) -> dict[str, Any]:
        kept = ("head_moves", "unit_factor", "missing_points")
        return {"iterations": self.fitter.iterations, **{name: self.closed.figures[name] for name in kept}}

    def notes(self, timeline: Timeline, errors: FitErrors) -> list[str]:
        return self.told(timeline, errors)


def fit_neural(
    actor: Actor,
    performance: Performance,
    closed: Take,
    settings: FittingSettings,
    report: Report,
    checkpoint_folder: Path | None,
    notes: Notes,
) -> Take:
    """Fit a performance, in mm, whose fit in closed form is at hand. notes: as NeuralTarget takes them.

    report is called with {"message", "done", "total", "error_mm", "remaining_s"}; if it raises Cancelled, a checkpoint
    is saved first. With a checkpoint_folder, it continues from the checkpoint there, if that is of the same fit; the
    take's notes say if it is damaged, and nothing else.
    """
    start = time.monotonic()
    fitter = NeuralFitter(actor, performance, closed, settings)
    checkpoint = checkpoint_folder / "fitting.safetensors" if checkpoint_folder else None
    told: list[str] = []
    if checkpoint:
        fitter.restore(checkpoint, told.append)
    for text in told:
        report({"message": text, "done": 0, "total": fitter.steps})
    prepared = optimise(fitter, report, checkpoint)
    take = fit_target(actor, lambda: NeuralTarget(fitter, closed, notes), fitter.steps, lambda _: None)
    ended = time.monotonic()
    take.figures["notes"] = [*told, *take.figures["notes"]]
    total, figures = len(closed.frames), closed.figures
    take.figures["setup_s"] = figures["setup_s"] + total / figures["frames_per_second"] + prepared - start
    take.figures["frames_per_second"] = total / (ended - prepared)
    return take
