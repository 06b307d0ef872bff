# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning an actor from a capture (docs/model.md section 2): prepare, optimise, and store what the networks miss."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from torch import Tensor

from ..geometry.skinning import linear_blend_skinning
from ..geometry.working_mesh import working_mesh
from ..model.actor import Actor
from ..model.devices import choose_device, choose_threads, tensor_float_32, threads_kept
from ..model.model import UNIT_MM, Anatomy, FaceModel
from ..model.working_actor import whole_actor, working_capture
from ..shared.captured.captures import Capture
from ..shared.settings.learning_settings import LearningSettings
from .capture_parts import parts_of_capture
from .checkpoints import restore_training, save_training
from .finishing import finish_actor, in_units
from .graphed_step import GraphedStep
from .losses import (
    anatomy_loss,
    jaw_share_loss,
    neutral_loss,
    shapes_loss,
    skinning_loss,
    symmetry_loss,
    thickness_loss,
)
from .optimising import optimise
from .orthogonal_steps import LearningOptimiser, steps_orthogonally
from .preparation import Preparation, prepare
from .schedule import PHASES, WINDOW, Schedule
from .stabilizing import stabilized
from .trusted_device import trusted_learner

Report = Callable[[dict], None]

PHASE_MESSAGES = {
    "anatomy": "Learning the anatomy",
    "expressions": "Learning the expressions",
    "joint": "Learning all together",
}
JOINT_RATE = 0.03  # of the learning rate, when everything learns together at the end
JAW_RATE = 0.05  # of that, for the jaw, which has been held until then
JAW_HOLD = 1e2  # weight of L_T, the pull towards the jaw as estimated


class Learner:
    """The optimisation of one actor's model: a step at a time, saved and restored exactly."""

    def __init__(
        self, capture: Capture, settings: LearningSettings, preparation: Preparation, device: torch.device | None = None
    ) -> None:
        """device: None for the one that the settings name."""
        self.settings = settings
        # what a checkpoint is of
        self.origin = {"version": "4", "settings": repr(settings), "capture": capture.digest}
        self.device = device or choose_device(settings.device)
        self.schedule = Schedule(settings.iterations)
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
            positioned=settings.space != "intrinsic",
        )
        hinge_centre = np.zeros(3) if preparation.hinge is None else (preparation.hinge.centre - centre) / UNIT_MM
        self.model.set_jaw(in_units(preparation.jaw.jaw, centre), hinge_centre)
        self.model.to(self.device)
        self.first_jaw = self.model.jaw().detach().clone()

        def on_device(array: np.ndarray) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32, device=self.device)

        self.template = on_device(preparation.template)  # (V, I)
        self.shapes = on_device((capture.vertices - centre) / UNIT_MM)  # (N+1, V, 3)
        self.share, self.trust = on_device(preparation.jaw.skin_weight), on_device(preparation.jaw.trust)  # (V,)
        self.jaw_free = on_device(preparation.jaw_free)  # (V,)
        self.mirror = torch.as_tensor(preparation.mirror, device=self.device)  # (V,)
        origin, normal = preparation.mirror_plane
        self.mirror_origin = on_device((origin - centre) / UNIT_MM)
        self.mirror_normal = on_device(normal)
        found = preparation.constraints
        known, bone, normal = np.zeros(vertex_count), np.zeros((vertex_count, 3)), np.zeros((vertex_count, 3))
        thickness = np.zeros((vertex_count, 1))
        known[found.points], bone[found.points] = 1.0, (found.bone - centre) / UNIT_MM
        normal[found.points], thickness[found.points, 0] = found.normal, found.thickness / UNIT_MM
        self.known, self.bone, self.normal = on_device(known), on_device(bone), on_device(normal)
        self.thickness = on_device(thickness)
        if preparation.hinge is None:
            self.jaw_free = torch.ones_like(self.jaw_free)  # no mandible, so no jaw: k is 0 everywhere

        model = self.model
        self.parameters = {
            "anatomy": list(model.anatomy_networks.parameters()),
            "expressions": list(model.expression_network.parameters()),
            "jaw": [model.jaw_rotation, model.jaw_slide],
        }
        graphed = self.device.type not in ("cpu", "mps") and settings.graphed
        rate = settings.learning_rate
        hidden: list[torch.nn.Parameter] = []
        if steps_orthogonally(settings):
            hidden += [*model.anatomy_networks.hidden_weights, *model.expression_network.hidden_weights]
        first_rate = torch.tensor(rate, device=self.device) if graphed else rate
        self.optimiser = LearningOptimiser(self.parameters, hidden, first_rate, graphed)
        self.threads = 0
        self.history: list[dict[str, Any]] = []
        self._settled: tuple[Tensor, Tensor] | None = None
        # What a step reads and adds to stays in one place, so that a graph of it can be replayed.
        self.points = torch.zeros(min(settings.batch_points // 2, vertex_count), dtype=torch.long, device=self.device)
        self.window_sum = torch.zeros((), device=self.device)  # of the error since schedule.observe()
        # of every loss of each phase since read_curve()
        self.sums: dict[str, dict[str, Tensor]] = {name: {} for name in PHASES}
        self.summed_steps = 0
        self._told = ""  # of what is to be said once
        self._graphed_steps = {name: GraphedStep(self._step) for name in PHASES} if graphed else {}

    @property
    def iteration(self) -> int:
        """Steps done."""
        return self.schedule.iteration

    @property
    def phase(self) -> str:
        """What learns now."""
        return self.schedule.phase

    @property
    def finished(self) -> bool:
        """Whether no step is left."""
        return self.schedule.finished

    def cost_left(self) -> float:
        """What the steps to come cost at most."""
        return self.schedule.cost_left()

    @property
    def ungraphed(self) -> str:
        """Why steps are not replayed as a CUDA graph, though they should be, as a sentence; empty if nothing failed."""
        failures = [step.failure for step in self._graphed_steps.values() if step.failure]
        return f"learning ran without a CUDA graph, so it took longer, because {failures[0]}" if failures else ""

    def step(self) -> None:
        """One step of the optimiser on a batch of points."""
        phase = self.phase
        self._set_learning_rates()
        self.points.copy_(torch.randperm(len(self.template), generator=self.generator)[: len(self.points)])
        graphed = self._graphed_steps.get(phase)
        (graphed or self._step)()
        self.summed_steps += 1
        self.schedule.advance()
        if self.schedule.window_is_full:
            self.schedule.observe(float(self.window_sum) / WINDOW)
            self.window_sum.zero_()
        if self.phase != phase:
            self.window_sum.zero_()
            if graphed:
                graphed.release()

    def _step(self) -> None:
        """What a graph captures: losses, their gradients, the optimiser, and the sums."""
        mixed = self.settings.mixed_precision and self.phase == "expressions"
        with tensor_float_32(mixed):  # the gradients too
            losses, distance = self.losses(self.points)
            self.optimiser.zero_grad(set_to_none=True)
            total_loss(losses).backward()
        self.optimiser.step()
        with torch.no_grad():
            sums = self.sums[self.phase]
            for name, value in {"error_mm": distance, **losses}.items():
                if name not in sums:
                    sums[name] = torch.zeros_like(value)
                sums[name].add_(value)
            self.window_sum.add_(distance)

    def read_curve(self, phase: str) -> dict[str, float]:
        """The mean of `error_mm`, the distance, and of every loss of a phase by name, since it was last read."""
        means = {name: float(value) / self.summed_steps for name, value in self.sums[phase].items()}
        for value in self.sums[phase].values():
            value.zero_()
        self.summed_steps = 0
        return means

    def progress(self, phase: str) -> list[dict[str, Any]]:
        """What to report of the steps of a phase since it was last asked, which goes into the history; first, once, why
        the steps are not replayed as a graph."""
        curve, done = self.read_curve(phase), self.iteration
        point = {"iteration": done, "phase": phase, **curve, "jaw_open_degrees": self.jaw_open_degrees()}
        self.history.append(point)
        total = done + self.schedule.steps_left()
        line = {"message": PHASE_MESSAGES[phase], "done": done, "total": total, "error_mm": curve["error_mm"]}
        if self.ungraphed == self._told:
            return [line]
        self._told = self.ungraphed
        return [{"message": self._told}, line]

    def losses(self, points: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The weighted losses of the present phase over points (P/2,) and their mirror partners; the distance in mm."""
        points = torch.cat([points, self.mirror[points]])  # (P,)
        template, shapes = self.template[points], self.shapes[:, points]
        weight = self.settings.active_weights.shapes
        if self.phase == "expressions":
            neutral, skinned = self._settled_anatomy()
            distance = shapes_loss(neutral[points], skinned[:, points], self.model.expressions(template), shapes)
            return {"shapes": weight * distance}, distance
        anatomy = self.model.anatomy(template)
        if self.phase == "anatomy":
            distance = neutral_loss(anatomy, shapes[0])
            return {"shapes": weight * distance, **self._anatomical_losses(anatomy, points)}, distance
        jaw = self.model.jaw()
        skinned = linear_blend_skinning(anatomy.neutral, jaw, anatomy.skin_weight)
        distance = shapes_loss(anatomy.neutral, skinned, self.model.expressions(template), shapes)
        # L_T, docs/model.md (12)
        hold = JAW_HOLD * (jaw - self.first_jaw).square().sum()
        return {"shapes": weight * distance, **self._anatomical_losses(anatomy, points), "jaw_hold": hold}, distance

    def _anatomical_losses(self, anatomy: Anatomy, points: Tensor) -> dict[str, Tensor]:
        weights, known, half = self.settings.active_weights, self.known[points], len(points) // 2
        losses = {"jaw_share": weights.jaw_share * jaw_share_loss(anatomy, self.share[points], self.trust[points])}
        if weights.anatomy:
            bone, normal, thickness = self.bone[points], self.normal[points], self.thickness[points]
            losses["anatomy"] = weights.anatomy * anatomy_loss(anatomy, bone, normal, thickness, known)
        if weights.thickness:
            losses["thickness"] = weights.thickness * thickness_loss(anatomy, known)
        if weights.skinning:
            losses["skinning"] = weights.skinning * skinning_loss(anatomy, self.jaw_free[points])
        if weights.symmetry:
            losses["symmetry"] = weights.symmetry * symmetry_loss(
                anatomy.bone[:half], anatomy.bone[half:], self.mirror_origin, self.mirror_normal
            )
        return losses

    @torch.no_grad()
    def _settled_anatomy(self) -> tuple[Tensor, Tensor]:
        """s0 (V, 3) and LBS(s0, T_i, k) (N, V, 3), which do not change while the expressions learn."""
        if self._settled is None:
            with tensor_float_32(False):  # they are positions, whatever the expressions may round
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
        self.threads = choose_threads(lambda: total_loss(self.losses(points)[0]).backward())

    def jaw_open_degrees(self) -> float:
        """The largest angle by which the jaw turns in any shape, at present."""
        return float(torch.rad2deg(roma.rotmat_geodesic_distance(*_pairs(self.model.jaw().detach()))).max())

    def _set_learning_rates(self) -> None:
        rate = self.settings.learning_rate * self.schedule.rate * (JOINT_RATE if self.phase == "joint" else 1.0)
        self.optimiser.set_rate({name: rate * (JAW_RATE if name == "jaw" else 1.0) for name in self.parameters})

    def save(self, path: Path) -> None:
        """Write everything that step() depends on, whole or not at all."""
        numbers = {"threads": self.threads}
        schedule = self.schedule.state() | {"window_sum": float(self.window_sum)}
        metadata = self.origin | {"history": json.dumps(self.history), "schedule": json.dumps(schedule)}
        save_training(path, self.model, self.optimiser, self.generator, numbers, metadata)

    def restore(self, path: Path, tell: Callable[[str], None] = lambda _: None) -> bool:
        """Continue from what save() wrote. False if there is nothing, it is damaged, which `tell` is told, or of other
        settings or meshes."""
        found = restore_training(path, self.model, self.optimiser, self.generator, ("threads",), self.origin, tell)
        if found is None:
            return False
        numbers, metadata = found
        self.threads = numbers["threads"]
        self.history = json.loads(metadata["history"])
        schedule = json.loads(metadata["schedule"])
        self.window_sum.fill_(schedule.pop("window_sum"))
        self.schedule.restore(schedule)
        return True


def _pairs(jaw: Tensor) -> tuple[Tensor, Tensor]:
    """The rotations (N, 3, 3) of jaw motions, and as many that stay at rest."""
    rotation = jaw[:, :3, :3]
    return rotation, torch.eye(3, device=jaw.device).expand_as(rotation)


def total_loss(losses: dict[str, Tensor]) -> Tensor:
    """The sum of weighted losses."""
    return torch.stack(list(losses.values())).sum()


@threads_kept()
def learn_actor(
    capture: Capture,
    settings: LearningSettings | None = None,
    report: Report | None = None,
    checkpoint_folder: Path | None = None,
    history: list[dict[str, Any]] | None = None,
) -> Actor:
    """Learn an actor, for all vertices of the capture's mesh, from those that are worked on (working_mesh.py).

    report is called with {"message", "done", "total", "error_mm", "remaining_s"}; if it raises Cancelled, a checkpoint
    is saved first. If a GPU's steps cannot be captured as a graph, that is reported once and stands in the notes.
    With a checkpoint_folder, learning continues from the checkpoint there, if it is of the same settings. history is
    filled with the learning curve: a dict a report with the iteration, the phase, error_mm, every loss by name, and how
    far the jaw opens.
    """
    settings = settings or LearningSettings()
    report = report or (lambda _: None)
    report({"message": "Tracing bones and jaw", "done": 0, "total": settings.iterations})
    capture, parts = parts_of_capture(capture, settings.parts)
    work = working_mesh(capture.vertices, capture.topology, None if parts is None else parts.apart)
    whole, capture = capture, stabilized(working_capture(capture, work))
    preparation = prepare(capture, settings.without, settings.space)
    learner, fell_back = trusted_learner(
        lambda device: Learner(capture, settings, preparation, device), choose_device(settings.device, apple=True)
    )
    checkpoint = checkpoint_folder / "learning.safetensors" if checkpoint_folder else None
    notes = [fell_back] if fell_back else []  # beside those of the preparation
    if checkpoint:
        learner.restore(checkpoint, notes.append)
    for text in notes:
        report({"message": text, "done": 0, "total": settings.iterations})
    if learner.device.type == "cpu":
        learner.set_threads()
    start = optimise(learner, report, checkpoint)
    seconds = time.monotonic() - start
    notes += [learner.ungraphed] if learner.ungraphed else []
    preparation = dataclasses.replace(preparation, notes=(*preparation.notes, *notes))
    if history is not None:
        history.extend(learner.history)
    actor = finish_actor(capture, learner.model.cpu().eval(), preparation, dataclasses.asdict(settings))
    actor.figures.update(learning_s=seconds, iterations=learner.iteration)
    return whole_actor(actor, whole, work, parts)
