# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning an actor from a capture (MODEL.md section 2): prepare, optimise, and store what the networks miss."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .actor import Actor, skin
from .anatomy import Constraints, Hinge, find_hinge, mirror_partners, trace_constraints
from .captures import Capture
from .devices import choose_device, choose_threads
from .errors import Cancelled, InputError
from .jaw import JawEstimate, estimate_jaw, rest_jaw
from .losses import (
    LossWeights,
    anatomy_loss,
    jaw_share_loss,
    neutral_loss,
    shapes_loss,
    skinning_loss,
    symmetry_loss,
    thickness_loss,
)
from .model import MILLIMETRES, Anatomy, FaceModel, linear_blend_skinning
from .modes import laplacian_modes
from .networks import Activation

Report = Callable[[dict], None]

SWITCHES = {"anatomy": "anatomy", "thickness": "thickness", "skinning": "skinning", "symmetry": "symmetry"}
SEPARATING_MODES = 8  # of the mesh, beside the mean shape: where lips or lids touch in space, these differ
SEPARATING_HEIGHT = 0.3
# Shares of the iterations. Learned all together from the start, every unrest of s0 and k is a moving target for e_i,
# which then needs many times the steps; and a step of the expressions alone costs a fifth.
PHASES = {"anatomy": 0.25, "expressions": 0.65, "joint": 0.1}
JOINT_RATE = 0.03  # of the learning rate, when everything learns together at the end
JAW_RATE = 0.05  # of that, for the jaw, which has been held until then
JAW_HOLD = 1e2  # pull towards the jaw as estimated
CHECKPOINT_SECONDS = 5.0
REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class LearningSettings:
    """How to learn.

    iterations: optimiser steps. batch_points: skin points a step. without: losses to leave out, of anatomy, thickness,
    skinning, symmetry. threads: of the CPU; 0 measures which count is fastest now. One seed, device and thread count
    give one result.
    """

    iterations: int = 2000
    batch_points: int = 2048
    hidden: int = 256
    depth: int = 3
    activation: Activation = "siren"
    frequency: float = 20.0
    learning_rate: float = 2e-3
    weights: LossWeights = field(default_factory=LossWeights)
    without: tuple[str, ...] = ()
    seed: int = 0
    device: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        unknown = [name for name in self.without if name not in SWITCHES]
        if unknown:
            raise InputError(f"there is no loss called {unknown[0]!r} to leave out; there are {', '.join(SWITCHES)}")
        for name, least in (("iterations", 1), ("batch_points", 16), ("hidden", 4), ("depth", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least {least}")

    @property
    def active_weights(self) -> LossWeights:
        """The weights with what is left out set to 0."""
        return dataclasses.replace(self.weights, **{SWITCHES[name]: 0.0 for name in self.without})


@dataclass(frozen=True)
class Preparation:
    """What is known before the networks learn. Lengths in mm; arrays over the V skin points.

    template: (V, I) network input in units of MILLIMETRES about centre (3,). still: (V,) bool, where the jaw never
    moves the skin. mirror: (V,) index of each point's mirror partner, about mirror_origin (3,) with mirror_normal (3,).
    """

    centre: np.ndarray
    template: np.ndarray
    constraints: Constraints
    hinge: Hinge | None
    jaw: JawEstimate
    still: np.ndarray
    mirror: np.ndarray
    mirror_origin: np.ndarray
    mirror_normal: np.ndarray


def prepare(capture: Capture, without: tuple[str, ...] = ()) -> Preparation:
    """Trace the constraints, estimate the jaw, and build the template: the mean shape with what parts lips and lids."""
    vertices, triangles = capture.vertices, capture.topology.triangles()
    mean_shape = vertices.mean(0)
    centre = mean_shape.mean(0)
    count = min(SEPARATING_MODES + 1, len(mean_shape) - 2)
    modes, _ = laplacian_modes(mean_shape, triangles, count)
    heights = modes[:, 1:] / np.abs(modes[:, 1:]).max(0) * SEPARATING_HEIGHT
    template = np.concatenate([(mean_shape - centre) / MILLIMETRES, heights], axis=1)

    constraints, hinge = Constraints.none(), None
    jaw = rest_jaw(len(vertices) - 1, len(mean_shape))
    if capture.bones:
        constraints = trace_constraints(capture.neutral, triangles, capture.bones)
        if constraints.on_mandible.any():
            hinge = find_hinge(capture.bones, capture.neutral)
            jaw = estimate_jaw(capture.neutral, vertices[1:], capture.topology.edges(), constraints, hinge)
        if "anatomy" in without:
            constraints = Constraints.none()
    still = (jaw.skin_weight < 0.02) & (jaw.trust > 0.0)
    origin, normal, partner = mirror_partners(capture.neutral)
    return Preparation(centre, template, constraints, hinge, jaw, still, partner, origin, normal)


class Learner:
    """The optimisation of one actor's model: a step at a time, saved and restored exactly."""

    def __init__(self, capture: Capture, settings: LearningSettings, preparation: Preparation) -> None:
        self.settings = settings
        self.device = choose_device(settings.device)
        self.iteration = 0
        self.generator = torch.Generator().manual_seed(settings.seed)
        vertex_count, shape_count = len(capture.neutral), len(capture.vertices)
        centre = preparation.centre
        self.model = FaceModel(
            preparation.template.shape[1],
            shape_count - 1,
            settings.hidden,
            settings.depth,
            settings.activation,
            settings.frequency,
            self.generator,
        )
        hinge_centre = np.zeros(3) if preparation.hinge is None else (preparation.hinge.centre - centre) / MILLIMETRES
        self.model.set_jaw(_recentred(preparation.jaw.jaw, centre), hinge_centre)
        self.model.to(self.device)
        self.first_jaw = self.model.jaw().detach().clone()

        def on_device(array: np.ndarray) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32, device=self.device)

        self.template = on_device(preparation.template)  # (V, I)
        self.shapes = on_device((capture.vertices - centre) / MILLIMETRES)  # (N+1, V, 3)
        self.share, self.trust = on_device(preparation.jaw.skin_weight), on_device(preparation.jaw.trust)  # (V,)
        self.still = on_device(preparation.still)  # (V,)
        self.mirror = torch.as_tensor(preparation.mirror, device=self.device)  # (V,)
        self.mirror_origin = on_device((preparation.mirror_origin - centre) / MILLIMETRES)
        self.mirror_normal = on_device(preparation.mirror_normal)
        found = preparation.constraints
        known, bone, normal = np.zeros(vertex_count), np.zeros((vertex_count, 3)), np.zeros((vertex_count, 3))
        thickness = np.zeros((vertex_count, 1))
        known[found.points], bone[found.points] = 1.0, (found.bone - centre) / MILLIMETRES
        normal[found.points], thickness[found.points, 0] = found.normal, found.thickness / MILLIMETRES
        self.known, self.bone, self.normal = on_device(known), on_device(bone), on_device(normal)
        self.thickness = on_device(thickness)
        if not capture.bones:
            self.still = torch.ones_like(self.still)  # no mandible, so no jaw: k is 0 everywhere

        model = self.model
        self.parameters = {
            "anatomy": list(model.anatomy_networks.parameters()),
            "expressions": list(model.expression_network.parameters()),
            "jaw": [model.jaw_rotation, model.jaw_slide],
        }
        self.optimiser = torch.optim.Adam(
            [{"params": parameters} for parameters in self.parameters.values()], lr=settings.learning_rate
        )
        self.threads = 0
        self._settled: tuple[Tensor, Tensor] | None = None

    @property
    def phase(self) -> str:
        """What learns now: anatomy, then expressions over it, then everything and the jaw together."""
        done = self.iteration / self.settings.iterations
        shares = np.cumsum(list(PHASES.values()))
        return list(PHASES)[min(int((done >= shares).sum()), len(PHASES) - 1)]

    def step(self) -> Tensor:
        """One step of Adam on a batch of points. Returns the distance from the meshes in mm."""
        self._set_learning_rates()
        half = min(self.settings.batch_points // 2, len(self.template))
        loss, distance = self.loss(torch.randperm(len(self.template), generator=self.generator)[:half].to(self.device))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.iteration += 1
        return distance.detach()

    def loss(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The losses of the present phase over points (P/2,) and their mirror partners, and the distance in mm."""
        points = torch.cat([points, self.mirror[points]])  # (P,)
        template, shapes = self.template[points], self.shapes[:, points]
        if self.phase == "expressions":
            neutral, skinned = self._settled_anatomy()
            distance = shapes_loss(neutral[points], skinned[:, points], self.model.expressions(template), shapes)
            return distance, distance
        anatomy = self.model.anatomy(template)
        if self.phase == "anatomy":
            distance = neutral_loss(anatomy, shapes[0])
            return distance + self._anatomical_losses(anatomy, points), distance
        jaw = self.model.jaw()
        skinned = linear_blend_skinning(anatomy.neutral, jaw, anatomy.skin_weight)
        distance = shapes_loss(anatomy.neutral, skinned, self.model.expressions(template), shapes)
        hold = JAW_HOLD * (jaw - self.first_jaw).square().sum()
        return self.settings.active_weights.shapes * distance + self._anatomical_losses(
            anatomy, points
        ) + hold, distance

    def _anatomical_losses(self, anatomy: Anatomy, points: Tensor) -> Tensor:
        weights, known, half = self.settings.active_weights, self.known[points], len(points) // 2
        loss = weights.jaw_share * jaw_share_loss(anatomy, self.share[points], self.trust[points])
        if weights.anatomy:
            loss = loss + weights.anatomy * anatomy_loss(
                anatomy, self.bone[points], self.normal[points], self.thickness[points], known
            )
        if weights.thickness:
            loss = loss + weights.thickness * thickness_loss(anatomy, known)
        if weights.skinning:
            loss = loss + weights.skinning * skinning_loss(anatomy, self.still[points])
        if weights.symmetry:
            loss = loss + weights.symmetry * symmetry_loss(
                anatomy.bone[:half], anatomy.bone[half:], self.mirror_origin, self.mirror_normal
            )
        return loss

    @torch.no_grad()
    def _settled_anatomy(self) -> tuple[Tensor, Tensor]:
        """s0 (V, 3) and LBS(s0, T_i, k) (N, V, 3), which do not change while the expressions learn."""
        if self._settled is None:
            anatomy = self.model.anatomy(self.template)
            skinned = linear_blend_skinning(anatomy.neutral, self.model.jaw(), anatomy.skin_weight)
            self._settled = anatomy.neutral, skinned
        return self._settled

    def set_threads(self) -> None:
        """Use the settings' thread count, or the one a resumed run had, or the fastest now."""
        self.threads = self.settings.threads or self.threads
        if self.threads:
            torch.set_num_threads(self.threads)
            return
        points = torch.arange(min(self.settings.batch_points // 2, len(self.template)))
        self.threads = choose_threads(lambda: self.loss(points)[0].backward())

    def _set_learning_rates(self) -> None:
        """Each phase starts fast and settles: a short rise, then a cosine."""
        phase, start = self.phase, 0.0
        for name, share in PHASES.items():
            if name == phase:
                break
            start += share
        first = start * self.settings.iterations
        done = (self.iteration - first) / max(PHASES[phase] * self.settings.iterations, 1.0)
        rate = self.settings.learning_rate * min(1.0, (self.iteration - first + 1) / 20)
        rate *= 0.02 + 0.98 * 0.5 * (1.0 + np.cos(np.pi * min(done, 1.0)))
        if phase == "joint":
            rate *= JOINT_RATE
        for group, name in zip(self.optimiser.param_groups, self.parameters, strict=True):
            group["lr"] = rate * (JAW_RATE if name == "jaw" else 1.0)

    def save(self, path: Path) -> None:
        """Write everything that step() depends on, whole or not at all."""
        tensors = {f"model.{name}": value.contiguous() for name, value in self.model.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value.contiguous() for name, value in state.items()}
        tensors["generator"] = self.generator.get_state()
        tensors["iteration"], tensors["threads"] = torch.tensor(self.iteration), torch.tensor(self.threads)
        temporary = path.with_name(path.name + ".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, metadata={"settings": repr(self.settings)})
        os.replace(temporary, path)

    def restore(self, path: Path) -> bool:
        """Continue from what save() wrote. False if there is nothing or it belongs to other settings."""
        if not path.is_file():
            return False
        try:
            with safe_open(path, framework="pt") as file:
                if (file.metadata() or {}).get("settings") != repr(self.settings):
                    return False
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError):
            return False
        model = self.model.state_dict()
        stored = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
        if {n: v.shape for n, v in stored.items()} != {n: v.shape for n, v in model.items()}:
            return False
        self.model.load_state_dict(stored)
        optimiser = self.optimiser.state_dict()
        optimiser["state"] = {}
        for name, value in tensors.items():
            if name.startswith("optimiser."):
                _, index, key = name.split(".")
                optimiser["state"].setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict(optimiser)
        self.generator.set_state(tensors["generator"])
        self.iteration, self.threads = int(tensors["iteration"]), int(tensors["threads"])
        return True


def learn_actor(
    capture: Capture,
    settings: LearningSettings | None = None,
    report: Report | None = None,
    checkpoint_folder: Path | None = None,
) -> Actor:
    """Learn an actor.

    report is called with {"message", "done", "total", "error_mm"}; if it raises Cancelled, a checkpoint is saved first.
    With a checkpoint_folder, learning continues from the checkpoint there, if it is of the same settings.
    """
    settings = settings or LearningSettings()
    report = report or (lambda _: None)
    report({"message": "Tracing bones and jaw", "done": 0, "total": settings.iterations})
    preparation = prepare(capture, settings.without)
    learner = Learner(capture, settings, preparation)
    checkpoint = checkpoint_folder / "learning.safetensors" if checkpoint_folder else None
    if checkpoint:
        learner.restore(checkpoint)
    if learner.device.type == "cpu":
        learner.set_threads()
    start = time.monotonic()
    last_report = last_checkpoint = start
    first_iteration = learner.iteration
    error = torch.zeros((), device=learner.device)
    count = 0
    while learner.iteration < settings.iterations:
        error += learner.step()
        count += 1
        now = time.monotonic()
        if now - last_report >= REPORT_SECONDS or learner.iteration == settings.iterations:
            per_step = (now - start) / (learner.iteration - first_iteration)
            line = {
                "message": "Learning",
                "done": learner.iteration,
                "total": settings.iterations,
                "error_mm": float(error) / count,
                "remaining_s": per_step * (settings.iterations - learner.iteration),
            }
            last_report, count = now, 0
            error.zero_()
            try:
                report(line)
            except Cancelled:
                if checkpoint:
                    learner.save(checkpoint)
                raise
        if checkpoint and now - last_checkpoint >= CHECKPOINT_SECONDS:
            learner.save(checkpoint)
            last_checkpoint = now
    seconds = time.monotonic() - start
    actor = _finish(capture, settings, preparation, learner)
    actor.figures["learning_s"] = seconds
    return actor


@torch.no_grad()
def _finish(capture: Capture, settings: LearningSettings, preparation: Preparation, learner: Learner) -> Actor:
    """Evaluate the fields at the mesh points and store what they miss."""
    model, centre = learner.model.cpu().eval(), preparation.centre
    anatomy = model.anatomy(learner.template.cpu())
    scale = np.float64(MILLIMETRES)

    def millimetres(tensor: Tensor, offset: np.ndarray | float = 0.0) -> np.ndarray:
        return (tensor.double().numpy() * scale + offset).astype(np.float32)

    bone, thickness = millimetres(anatomy.bone, centre), millimetres(anatomy.thickness)
    normal, skin_weight = anatomy.normal.numpy(), anatomy.skin_weight.numpy()
    expressions = millimetres(model.expressions(learner.template.cpu()))
    jaw = _recentred(model.jaw().double().numpy(), centre, back=True)
    implicit_neutral = bone + thickness * normal
    neutral_residual = (capture.neutral - implicit_neutral.astype(np.float64)).astype(np.float32)
    exact_neutral = implicit_neutral.astype(np.float64) + neutral_residual
    wanted = capture.vertices[1:] - skin(exact_neutral, jaw, skin_weight)  # (N, V, 3)
    expression_residual = (wanted.transpose(1, 0, 2) - expressions.astype(np.float64)).astype(np.float32)
    actor = Actor(
        names=capture.names[1:],
        topology=capture.topology,
        template=learner.template.cpu().numpy(),
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
        settings=dataclasses.asdict(settings) | {"centre_mm": centre.tolist()},
    )
    implicit = np.concatenate([implicit_neutral[None], skin(implicit_neutral, jaw, skin_weight)])
    implicit[1:] += expressions.transpose(1, 0, 2)
    error = np.linalg.norm(implicit - capture.vertices, axis=-1)
    exact = np.linalg.norm(actor.shapes() - capture.vertices, axis=-1)
    actor.figures.update(
        implicit_mean_mm=float(error.mean()),
        implicit_worst_mm=float(error.max()),
        exact_worst_mm=float(exact.max()),
        constrained_points=len(preparation.constraints),
        jaw_open_degrees=float(
            np.rad2deg(np.arccos(np.clip((np.trace(jaw[:, :3, :3], axis1=1, axis2=2) - 1) / 2, -1, 1))).max()
        ),
    )
    return actor


def _recentred(motion: np.ndarray, centre: np.ndarray, back: bool = False) -> np.ndarray:
    """Rigid motions (N, 4, 4) in mm as motions in units of MILLIMETRES about centre (3,), or `back`."""
    out = motion.copy()
    rotated = motion[:, :3, :3] @ centre
    if back:
        out[:, :3, 3] = motion[:, :3, 3] * MILLIMETRES + centre - rotated
    else:
        out[:, :3, 3] = (motion[:, :3, 3] + rotated - centre) / MILLIMETRES
    return out
