# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting (docs/model.md section 4): s = H [ LBS(s0', T', k') + sum_i w_i(c) e'_i(c) ] with the target's fields.

Weights per point move over between whole shapes, jaw included: s_j = s0 + sum_i w_i(c) (s_i - s0) on the source, and
the same w on the target's s'_i. What the target then shows is fitted by the target's own model, so that its jaw T' and
its weights are what they would be if it had performed, in its own range. Where the two meshes differ, the source is
first carried along a correspondence onto the target's.

What each of the source's shapes is on the target, pairing says: its partner, or a mixture of the target's shapes within
bounds, and what the target's jaw does beyond these. So the target never leaves what its own shapes and its jaw can do.
A shape that is left out on purpose is told apart from the others, and nothing is shown of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..anatomy.jaw import compose_jaw, decompose_jaw
from ..checks.self_checks import LARGEST_WEIGHT
from ..contact.contact import Contact, without_contact
from ..contact.reach import Reach
from ..contact.resting import States
from ..correspondence.correspondence import Correspondence
from ..fitting.driving.kept_frames import SOON_DONE_S, KeptFrames
from ..fitting.driving.side_by_side import side_by_side, threads_for
from ..fitting.fitting_session import FittingSession
from ..geometry.rigid import angle_degrees
from ..model.actor import Actor
from ..model.closed_form import weights_of_parts
from ..model.evaluation import check_belongs, stabilized_frames
from ..parts.turning import carry_gaze
from ..shared.faces.expression_names import FOUND, chosen_targets
from ..shared.foundation.errors import InputError
from ..shared.foundation.topology import same_surface
from ..shared.results.takes import Take, index_of
from ..shared.settings.fitting_settings import FittingSettings
from ..shared.settings.retarget_settings import RetargetSettings
from .carrying import carry_head
from .meaning_of_frames import MeaningOfFrames
from .pairing import pair_shapes
from .regions import checked_region
from .whole_weights import WholeWeights

Report = Callable[[dict], None]

CHUNK_FRAMES = 64  # at most; a chunk is what is kept of long work
LEAST = -0.25  # of a shape of which mixtures may take something away
BEYOND = 1.5, 0.3  # how far a point may go in any direction: this share of its furthest in a shape, and mm more
UNSETTLED = 0.9, 250.0  # agreement below which a shape settles more strongly, and by how much where there is none


def retarget_take(
    take: Take,
    source: Actor,
    target: Actor,
    settings: RetargetSettings | None = None,
    report: Report | None = None,
    correspondence: Correspondence | None = None,
    cache: Path | None = None,
    checkpoint_folder: Path | None = None,
) -> Take:
    """The performance of a take of the source as a take of the target.

    correspondence: of the source's mesh to the target's; needed where they are not of one topology, and else not used.
    Of what unpaired shapes do, a bounded mixture of the target's shapes and its jaw show what they can. cache: a file
    for what the next fit of the target can use again. checkpoint_folder: where long work is kept, and goes on. Its
    error_mm stays that of the source's fit: on the target there is nothing to compare with. Raises InputError if the
    take is not the source's, the meshes differ and the correspondence is not theirs, or no expressions pair.
    """
    settings = settings or RetargetSettings()
    report = report or (lambda _: None)
    total = len(take.frames)
    report({"message": "Retargeting", "done": 0, "total": total})
    carrying = Retargeting(take, source, target, settings, correspondence, cache)
    coefficients = np.zeros((total, carrying.modes.shape[1], len(target.names)), dtype=np.float32)
    jaw = np.empty((total, 4, 4))
    kept = KeptFrames(checkpoint_folder, *carrying.origin(settings), SOON_DONE_S)

    def carried(rows: np.ndarray) -> dict[str, np.ndarray]:
        first = int(rows[0])
        found = kept.find(first, {"rows": rows})
        if found is None:
            part = slice(first, first + len(rows))
            found = dict(zip(("coefficients", "jaw"), carrying.carried(part), strict=True))
            kept.keep(first, {"rows": rows}, found)
        return found

    threads = threads_for(total, carrying.session.device)
    at_once = max(1, min(CHUNK_FRAMES, -(-total // threads)))
    chunks = (np.arange(first, min(first + at_once, total)) for first in range(0, total, at_once))
    for rows, found in side_by_side(carried, chunks, threads):
        coefficients[rows], jaw[rows] = found["coefficients"], found["jaw"]
        report({"message": "Retargeting", "done": int(rows[-1]) + 1, "total": total})
    return carrying.finished(coefficients, jaw, slice(None), settings, report)


class Retargeting:
    """What carries the frames of one take to one target, made once: then a frame takes milliseconds.

    Of the settings pairs and settling count; what carried() gives is as strong as it was performed. pairing: what each
    of the source's shapes is on the target. modes: (V, M) of the target. across: whether the meshes differ. Raises
    InputError as retarget_take does.
    """

    def __init__(
        self,
        take: Take,
        source: Actor,
        target: Actor,
        settings: RetargetSettings,
        correspondence: Correspondence | None = None,
        cache: Path | None = None,
    ) -> None:
        check_belongs(source, take)
        self._performed = take, source
        take = without_contact(take)
        checked_region(settings.region_strength, len(target.bone))
        self.across = not same_surface(source.topology, target.topology)
        if not self.across:
            correspondence = None
        elif correspondence is None:
            raise InputError(
                f"the source's mesh has {len(source.bone)} vertices and the target's {len(target.bone)}, "
                "or their faces differ; retargeting across topologies needs their correspondence"
            )
        else:
            correspondence.check(source.topology, target.topology)
            take = dataclasses.replace(take, modes=correspondence.carry(take.modes))
        fitting = FittingSettings(modes=take.modes.shape[1], outlier_mm=0.0, head="still")
        chosen = np.array(chosen_targets(source.names, target.names, settings.pairs))
        # The target's own fits would find another factor in their file, if it were not for all its shapes.
        self._to = np.flatnonzero(chosen)  # (k,) of the target's shapes
        performer = target if chosen.all() else _with_expressions(target, self._to)
        self.session = FittingSession(performer, fitting, cache if chosen.all() else None)
        self.modes = self.session.modes
        modes = self.modes, self.session.eigenvalues
        self.pairing = pair_shapes(source, target, settings.pairs, correspondence, modes)
        if self.across or not all(each.paired for each in self.pairing.mixtures):
            # What shapes of another face do is no sum of the target's: nearest to it may be large ones that cancel.
            self.session.bound_weights(LARGEST_WEIGHT)
        self.take, self.source, self.target = take, self.pairing.source, target
        own = target.offsets()
        self._shown = torch.as_tensor(own).float()  # (V, K, 3) δ'
        self._mixed = [
            (torch.as_tensor(each.shapes), torch.as_tensor(np.ascontiguousarray(each.weights)))
            for each in self.pairing.mixtures
        ]
        self._undone = torch.as_tensor(self.pairing.undone())
        self._order = self._order_of_pairs()
        # What means much the same on both is determined by the source; the less it does, the more it settles.
        unlike = np.array(
            [
                0.0 if name in self.pairing.left_out else max(UNSETTLED[0] - each.agreement**2, 0.0)
                for name, each in zip(source.names, self.pairing.mixtures, strict=True)
            ]
        )
        settling = settings.settling * (1.0 + UNSETTLED[1] * unlike)
        self._weights = WholeWeights(take, self.source, self._energies(own), settling)
        self._meant = self._meaning_of_frames(settings)
        self._gaze = carry_gaze(take.gaze, source.parts, target.parts)
        self._at_rest: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def _meaning_of_frames(self, settings: RetargetSettings) -> MeaningOfFrames | None:
        """What keeps the frames' meaning, None where all shapes have partners, or somebody chose them."""
        meaning = self.pairing.meaning
        chosen = set((settings.pairs or {}).values()) - {"", FOUND}
        if chosen or meaning is None or not meaning.measures:
            return None
        return MeaningOfFrames(self.pairing, without_contact(self._performed[0]), self._performed[1], self.target)

    def _energies(self, own: np.ndarray) -> Tensor:
        """(V, N) |δ'|^2 of what the target, with shapes own (V, K, 3), shows of each of the source's; of one that is
        left out, what the source shows."""
        own, moved = own.transpose(1, 0, 2), self.source.offsets()
        found = [
            np.square(moved[:, i] if name in self.pairing.left_out else mixture.of(own)).sum(-1)
            for i, (name, mixture) in enumerate(zip(self.source.names, self.pairing.mixtures, strict=True))
        ]
        return torch.as_tensor(np.stack(found, axis=1)).float()

    def origin(self, settings: RetargetSettings) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain values that carried() follows from. settings: those it was prepared with."""
        take, actors = self.take, {"source": self.source, "target": self.target}
        arrays = {"coefficients": take.coefficients, "head": take.head, "jaw": take.jaw, "modes": take.modes}
        for who, actor in actors.items():
            arrays |= {f"{who}.neutral": actor.neutral, f"{who}.expressions": actor.expressions}
            arrays |= {f"{who}.skin": actor.skin_weight, f"{who}.jaw": actor.jaw}
        for number, each in enumerate(self.pairing.mixtures):
            arrays |= {f"{number}.shapes": np.asarray(each.shapes), f"{number}.weights": each.weights}
        pairs = None if settings.pairs is None else dict(settings.pairs)
        bones = [each.bone for each in self.pairing.mixtures]
        return arrays, {"bones": bones, "pairs": pairs, "settling": settings.settling}

    def prepare_for_single_frames(self) -> None:
        """Make a frame alone several times as fast, for a second now: factors are quick for many frames at once."""
        self._weights.inverse = torch.cholesky_inverse(self._weights.factor)

    def _order_of_pairs(self) -> Tensor | None:
        """(K,) which of the source's shapes each of the target's is; None unless each is one, as it is."""
        shapes = [each.shapes.tolist() for each in self.pairing.mixtures]
        as_it_is = all(bool((each.weights == 1.0).all()) for each in self.pairing.mixtures)
        if not as_it_is or sorted(shapes) != [[k] for k in range(self._shown.shape[1])]:
            return None
        return torch.as_tensor(shapes)[:, 0].argsort()

    def moved(self, coefficients: Tensor) -> Tensor:
        """(f, V, 3) mm s'_j - s0', by which the target with coefficients (f, M, N) of the weights of the source's
        shapes moves.

        No point goes further in any direction than BEYOND says of what the target's own shapes do there, whatever the
        weights: a point of a limited frame keeps its direction, and its neighbours are limited alike.
        """
        count, names = self._shown.shape[:2]
        found = coefficients.new_empty(count, 3, len(coefficients))  # frames last, as sums over points want them
        for rows, weights in weights_of_parts(self._weights.modes, coefficients, names):
            own = self._shown[rows]  # (v, K, 3)
            if self._order is not None:
                mixed = weights[:, self._order]  # (v, K, f)
            else:
                mixed = torch.zeros(len(own), names, len(coefficients))
                for i, (shapes, parts) in enumerate(self._mixed):
                    mixed[:, shapes] += parts.expand(count, -1)[rows, :, None] * weights[:, i, None]
                mixed[:, self._undone] = mixed[:, self._undone].clamp(min=LEAST)
            moved = torch.bmm(own.transpose(1, 2), mixed, out=found[rows])  # (v, 3, f)
            length = moved.square().sum(1, keepdim=True).sqrt_()
            far = length.amax((1, 2)) > BEYOND[1]  # others are within any limit
            if bool(far.any()):
                own, length, some = own[far], length[far].clamp_(min=1e-6), moved[far]
                furthest = torch.bmm(own, some / length).amax(1, keepdim=True).clamp_(min=0.0)
                moved[far] = some * ((BEYOND[0] * furthest + BEYOND[1]) / length).clamp_(max=1.0)
        return found.permute(2, 0, 1)

    def carried(self, part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (f, M, N) float32 of the target's shapes and its jaw (f, 4, 4), as docs/model.md (32) has them,
        in a part of the take."""
        weights = self._weights.of(part)
        moved = self.moved(weights)
        if self._meant is not None:
            overall = self._weights.overall_of(weights)
            missing = self._meant.missing(self.target.neutral + moved.numpy(), part, overall)
            moved += torch.as_tensor(missing).float()
        found, jaw = self.session.explained(moved)
        shares = np.array([each.bone for each in self.pairing.mixtures])
        if self.pairing.jaw is not None and shares.any():
            assert self.source.hinge is not None
            assert self.target.hinge is not None
            poses = decompose_jaw(self.take.jaw[part], self.source.hinge)
            more = self.pairing.jaw.beyond(shares, self._weights.overall_of(weights), poses)
            jaw = compose_jaw(decompose_jaw(jaw, self.target.hinge) + more, self.target.hinge)
        carried = np.zeros((len(found), self.modes.shape[1], len(self.target.names)), dtype=np.float32)
        carried[:, :, self._to] = found.cpu().numpy()
        return carried, jaw

    def finished(
        self,
        coefficients: np.ndarray,
        jaw: np.ndarray,
        part: slice,
        settings: RetargetSettings,
        report: Report = lambda _: None,
    ) -> Take:
        """The take of these frames of the target, as strong as the settings say; of them pairs and settling are those
        it was prepared with.

        coefficients: (f, M, N) and jaw: (f, 4, 4) as carried gives them. report is called with {"message", "done",
        "total"}.
        """
        take, source, target, pairs = self.take, self.source, self.target, self.pairing.pairs
        left_out = list(self.pairing.left_out)
        region = checked_region(settings.region_strength, len(target.bone))
        resting = None if settings.neutral_frame is None else self._resting(settings.neutral_frame)
        if resting is not None:
            coefficients = coefficients - resting[0]
        if target.hinge is not None:
            pose = decompose_jaw(jaw, target.hinge)
            if resting is not None:
                pose = pose - decompose_jaw(resting[1], target.hinge)
            jaw = compose_jaw(pose * settings.strength * settings.jaw_strength, target.hinge)
        frames = take.frames[part]
        modes = self.modes if region is None else (self.modes * region[:, None]).astype(np.float32)
        head = self._head[part] if settings.head else np.tile(np.eye(4), (len(frames), 1, 1))
        found = Take(
            names=target.names,
            topology_digest=target.topology.digest,
            modes=modes,
            coefficients=coefficients if settings.strength == 1 else coefficients * np.float32(settings.strength),
            jaw=jaw,
            head=head,
            frames=frames,
            fps=take.fps,
            error_mm=take.error_mm[part],
            gaze=None if self._gaze is None else self._gaze[part],
            settings={
                "strength": settings.strength,
                "jaw_strength": settings.jaw_strength,
                "head": settings.head,
                "regions": settings.region_strength is not None,
                "neutral_frame": settings.neutral_frame,
                "settling": settings.settling,
                "contact": settings.contact,
                "pairs": pairs | dict.fromkeys(left_out, ""),
            },
            figures={
                "frames": len(frames),
                "paired": len(pairs),
                "across_topologies": self.across,
                "renamed": [f"{one} -> {other}" for one, other in pairs.items() if one != other],
                "left_out": left_out,
                "unpaired_source": [name for name in source.names if name not in (*pairs, *left_out)],
                "unpaired_target": [name for name in target.names if name not in pairs.values()],
                "imitated": [row for row in self.pairing.rows if row["by"] == "motion"],
                "notes": self.pairing.notes,
                "source_jaw_degrees": float(angle_degrees(take.jaw[part]).max(initial=0.0)),
                "target_jaw_degrees": float(angle_degrees(jaw).max(initial=0.0)),
            },
        )
        return self._in_contact(found, part, settings, report)

    def _in_contact(self, found: Take, part: slice, settings: RetargetSettings, report: Report) -> Take:
        """The target's take of these frames, whose lips and lids touch where the source's do, and do not cross."""
        if settings.contact == 0:
            return found
        source, target = self._contacts
        notes = [*found.figures["notes"], *source.note("the performer"), *target.note("the target")]
        performed, amounts = self._performed, []
        # Of one frame, as they are shown live, nobody reads what is said.
        watched = (States(source, target), Reach(self.target, target)) if len(found.frames) > 1 else None
        strength = settings.contact * min(settings.strength, 1.0)
        for first in range(0, len(found.frames), CHUNK_FRAMES):
            some = slice(first, min(first + CHUNK_FRAMES, len(found.frames)))
            here = np.arange(len(performed[0].frames))[part][some]
            shown = stabilized_frames(performed[1], performed[0], slice(here[0], here[-1] + 1), source.rows)
            own = stabilized_frames(self.target, found, some, target.rows)
            gaps = source.measured(shown)
            amounts.append(target.amounts(own, gaps, strength))
            if watched is not None:
                moved = target.displacement(amounts[-1])
                watched[0].look(gaps, target.measured(own + moved))
                watched[1].look(own, moved)
            report({"message": "Closing lips and lids", "done": some.stop, "total": len(found.frames)})
        if watched is not None:
            notes += watched[0].said(found.frames, settings.neutral_frame is not None) + watched[1].said(found.frames)
        found = dataclasses.replace(found, figures=found.figures | {"notes": notes})
        return target.added(found, np.concatenate(amounts))

    @cached_property
    def _contacts(self) -> tuple[Contact, Contact]:
        """Of the source as it was performed, and of the target."""
        return Contact.of(self._performed[1]), Contact.of(self.target)

    def _resting(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """What the target does in one frame of the take, as carried() gives it. Raises InputError if it has none."""
        if frame not in self._at_rest:
            index = index_of(self.take, frame, " for the neutral offset")
            self._at_rest[frame] = self.carried(slice(index, index + 1))
        return self._at_rest[frame]

    @cached_property
    def _head(self) -> np.ndarray:
        """H'_j (F, 4, 4) of the target."""
        return carry_head(self.take.head, self.source, self.target)


def _with_expressions(actor: Actor, chosen: np.ndarray) -> Actor:
    """The actor with only the expressions chosen (P,)."""
    return dataclasses.replace(
        actor,
        names=tuple(actor.names[i] for i in chosen),
        jaw=actor.jaw[chosen],
        implicit_expressions=actor.implicit_expressions[:, chosen],
        expression_residual=actor.expression_residual[:, chosen],
    )
