# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting a phone's recording: weights of ARKit's shapes become weights per point of the actor's own expressions, its
jaw and its head. There are no points to come near to, so a take made so has no error."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..contact.fitted import in_contact
from ..correspondence.correspondence import Correspondence, make_correspondence
from ..model.actor import Actor, jaw_figures
from ..model.working_actor import whole_take, working_actor
from ..shared.captured.performances import in_range
from ..shared.demo.demo_actor import DemoActor
from ..shared.faces.arkit_names import ANGLES, JAW, SHAPES, read_gains
from ..shared.foundation.errors import InputError
from ..shared.foundation.topology import same_surface
from ..shared.foundation.wording import listed
from ..shared.phone.phone_tables import PhoneRecording
from ..shared.results.takes import Take
from ..shared.settings.phone_settings import PhoneFittingSettings
from ..timing.time_smoothing import smoothed
from .phone_contact import gaps_by_weights
from .phone_gaze import phone_gaze
from .phone_guide import Guide, guide_of
from .phone_shapes import IMITATED, NOTHING, PhoneShapes, phone_shapes

Report = Callable[[dict], None]

PERFORMED = 0.1  # of a weight: a shape that reaches less is not missed
REST_SECONDS = 0.2  # on both sides of a frame, in which a face at rest is still
LARGEST_REST = 0.7  # of a weight; more is no face at rest


def guide_correspondence(actor: Actor, demo: DemoActor, report: Report | None = None) -> Correspondence | None:
    """Of the demo actor's mesh to the actor's; None where the mesh is the demo's own, or no face was found."""
    if same_surface(demo.topology, actor.topology):
        return None
    try:
        return make_correspondence(demo.neutral, demo.topology, actor.neutral, actor.topology, None, report)
    except InputError:
        return None


@dataclass(frozen=True)
class PhoneActor:
    """An actor that can do what phones record. worked: of its working mesh alone. guide, shapes: at that mesh."""

    actor: Actor
    worked: Actor
    guide: Guide
    shapes: PhoneShapes


def phone_actor(actor: Actor, demo: DemoActor, correspondence: Correspondence | None) -> PhoneActor:
    """What ARKit's shapes are on an actor.

    demo: the demo actor, correspondence: of its mesh to the actor's, as guide_correspondence gives it. Raises
    InputError if nothing is known of any of the shapes.
    """
    guide, worked = guide_of(actor, demo, correspondence), actor
    if not actor.working.is_whole:
        chosen, worked = actor.working.chosen, working_actor(actor)
        guide = dataclasses.replace(
            guide,
            motions={motion: moved[chosen] for motion, moved in guide.motions.items()},
            trust=guide.trust[chosen],
            left=guide.left[chosen],
            neutral=guide.neutral[chosen],
            closing=guide.closing[chosen],
        )
    shapes = phone_shapes(worked, guide)
    if all(row["by"] == NOTHING for row in shapes.rows):
        raise InputError(
            f"none of the actor's expressions, {listed(list(actor.names))}, does what a phone's shapes do, and no face "
            "was found on its mesh; give its expressions names such as smile or jaw_open, and learn it again"
        )
    return PhoneActor(actor, worked, guide, shapes)


def fit_phone(performer: PhoneActor, recording: PhoneRecording, settings: PhoneFittingSettings | None = None) -> Take:
    """A take of the actor that does what a recording says. Raises InputError if the recording has no frame that is
    wanted."""
    started = time.perf_counter()
    performed = Performed(recording, settings or PhoneFittingSettings())
    take = _fit(performer, performed)
    if performer.worked is not performer.actor:
        take = whole_take(take, performer.actor)
    gaze = phone_gaze(performed.weights, performed.eyes, performer.actor.parts)
    take = dataclasses.replace(take, gaze=gaze, shape_weights=performed.weights)
    take.figures["notes"] = [*performed.notes, *performer.shapes.notes, *_notes(performer, performed)]
    opened = performer.shapes.jaw.motions(np.eye(len(SHAPES))[[SHAPES.index("jawOpen")]])
    meant = gaps_by_weights(performer.guide, performer.worked.neutral, opened, performed.weights)
    take = in_contact(performer.actor, take, performed.settings.contact, meant=meant)
    take.figures["frames_per_second"] = len(performed.frames) / (time.perf_counter() - started)
    return take


class Performed:
    """A recording as it is to be performed: calibrated, on the frames of the take, filled and smoothed.

    weights: (F, 52). head: (F, 3) radians, position (F, 3) mm, eyes (F, 4) degrees, None where nothing is known.
    frames: (F,) int32. filled: numbers of frames that were missing. rest: the frame of the recording that was taken for
    rest. notes: what to say.
    """

    def __init__(self, recording: PhoneRecording, settings: PhoneFittingSettings) -> None:
        self.recording, self.settings = recording, settings
        self.notes = list(recording.notes)
        self.gains = read_gains(settings.gains)
        known = {name: getattr(recording, name) for name in ("weights", "head", "position", "eyes")}
        values = {name: value.astype(np.float64).copy() for name, value in known.items() if value is not None}
        self.rest = self._calibrate(values)
        gains = np.array([self.gains.get(shape, 1.0) for shape in SHAPES])
        values["weights"] *= gains
        if "head" in values:
            values["head"] *= [self.gains.get(angle, 1.0) for angle in ANGLES]
        self._retime(values)
        self.weights, self.head = values["weights"], values.get("head")
        self.position, self.eyes = values.get("position"), values.get("eyes")

    def _calibrate(self, values: dict[str, np.ndarray]) -> int | None:
        """Take off what a frame at rest shows, in place. Returns its number."""
        if self.settings.rest_frame == "off":
            return None
        frames, weights = self.recording.frames, values["weights"]
        if self.settings.rest_frame == "auto":
            at = _calmest(weights, self.recording.missing, self.recording.fps)
        else:
            found = np.flatnonzero(frames == self.settings.rest_frame)
            if len(found) == 0:
                raise InputError(
                    f"{self.recording.source} has no frame {self.settings.rest_frame} to calibrate by; choose one from "
                    f"{frames[0]} to {frames[-1]}"
                )
            at = int(found[0])
        rest = weights[at].clip(0.0, LARGEST_REST)
        values["weights"][:] = (weights - rest) / (1.0 - rest)
        for name in ("head", "position"):
            if name in values:
                values[name] -= values[name][at]
        most = SHAPES[int(rest.argmax())]
        found_by = "found to be at rest" if self.settings.rest_frame == "auto" else "taken for rest"
        self.notes.append(
            f"frame {frames[at]} was {found_by}, and its weights taken off, {most} {rest.max():.2f} at most"
        )
        return int(frames[at])

    def _retime(self, values: dict[str, np.ndarray]) -> None:
        """Bring everything onto the frames of the take, in place."""
        recording, fps = self.recording, self.settings.take_fps
        frames, missing = recording.frames, recording.missing
        self.fps = recording.fps
        if fps is not None and not np.isclose(fps, recording.fps, rtol=1e-6):
            seconds = (frames - frames[0]) / recording.fps
            numbers = np.arange(int(np.floor(seconds[-1] * fps + 1e-6)) + 1)
            place = np.interp(numbers / fps, seconds, np.arange(len(frames)))
            for name, value in values.items():
                values[name] = np.stack(
                    [np.interp(place, np.arange(len(frames)), column) for column in value.T], axis=1
                )
            near = np.stack([np.floor(place + 1e-9), np.ceil(place - 1e-9)]).astype(int).clip(max=len(frames) - 1)
            missing = missing[near].any(0)
            # A timecode's frame is a time of day, and stays one.
            first = frames[0] if frames[0] <= 1 else round(frames[0] / recording.fps * fps)
            frames, self.fps = (first + numbers).astype(np.int32), float(fps)
        chosen = np.flatnonzero(in_range(frames, self.settings.start, self.settings.end, recording.source))
        self.frames, self.missing = frames[chosen], missing[chosen]
        for name, value in values.items():
            values[name] = smoothed(value[chosen], self.frames, self.settings.temporal)


def _calmest(weights: np.ndarray, missing: np.ndarray, fps: float) -> int:
    """The frame about which least is done and least changes, of weights (F, 52)."""
    from scipy.ndimage import uniform_filter1d

    width = max(1, round(2 * REST_SECONDS * fps))
    change = np.abs(np.gradient(weights, axis=0)).sum(1) * fps if len(weights) > 1 else np.zeros(1)
    unrest = uniform_filter1d(np.abs(weights).sum(1) + REST_SECONDS * change, width, mode="nearest")
    return int(np.where(missing, np.inf, unrest).argmin())


def _fit(performer: PhoneActor, performed: Performed) -> Take:
    """The take of the working mesh."""
    actor, shapes = performer.worked, performer.shapes
    weights, total = performed.weights, len(performed.frames)
    flat = weights.astype(np.float32) @ shapes.coefficients.reshape(len(SHAPES), -1)
    jaw = shapes.jaw.motions(weights)
    head = _heads(performer.guide, performed)
    shown = [row | {"parts": row["parts"][:4]} for row in shapes.rows]
    eyes = {} if performed.eyes is None else {"eye_degrees": _eye_curves(performed.eyes)}
    settings = dataclasses.asdict(performed.settings) | {"gains": performed.gains}
    recording = performed.recording
    return Take(
        names=actor.names,
        topology_digest=actor.topology.digest,
        modes=shapes.modes,
        coefficients=flat.reshape(total, -1, len(actor.names)),
        jaw=jaw,
        head=head,
        frames=performed.frames,
        fps=performed.fps,
        error_mm=np.zeros((total, 2), dtype=np.float32),
        settings=settings,
        figures={
            "source": recording.program,
            "frames": total,
            "seconds": total / performed.fps,
            "recorded_fps": recording.fps,
            **({} if recording.first_second is None else {"first_second": recording.first_second}),
            "missing_frames": performed.frames[performed.missing].tolist(),
            **({} if performed.rest is None else {"rest_frame": performed.rest}),
            **jaw_figures(actor, jaw),
            "shapes": shown,
            **eyes,
        },
    )


def _heads(guide: Guide, performed: Performed) -> np.ndarray:
    """H_j (F, 4, 4): yaw about the head's up, then pitch about its left, then roll about its front; about ARKit's
    origin in the head where the recording tells where that goes, else about the neck."""
    head = np.tile(np.eye(4), (len(performed.frames), 1, 1))
    if performed.head is None or performed.settings.head == "still":
        return head
    pitch, yaw, roll = performed.head.T
    turn = Rotation.from_euler("YXZ", np.stack([yaw, pitch, roll], axis=1)).as_matrix()
    head[:, :3, :3] = guide.axes.T @ turn @ guide.axes
    pivot, shift = guide.neck, np.zeros((len(head), 3))
    if performed.position is not None and np.ptp(performed.position, axis=0).max() > 0:
        pivot = guide.anchor
        shift = (performed.position - performed.position[0] * (performed.rest is None)) @ guide.axes
    head[:, :3, 3] = pivot - head[:, :3, :3] @ pivot + shift
    return head


def _eye_curves(eyes: np.ndarray) -> dict[str, list[float]]:
    names = ("left_yaw", "left_pitch", "right_yaw", "right_pitch")
    return {name: np.round(column, 2).tolist() for name, column in zip(names, eyes.T, strict=True)}


def _notes(performer: PhoneActor, performed: Performed) -> list[str]:
    """What an artist should know before trusting the take."""
    notes = []
    gaps = performed.frames[performed.missing]
    if len(gaps):
        shown = ", ".join(map(str, gaps[:20].tolist())) + (", ..." if len(gaps) > 20 else "")
        notes.append(f"{len(gaps)} of {len(performed.frames)} frames are missing and were filled in: {shown}")
    most = dict(zip(SHAPES, np.abs(performed.weights).max(0).tolist(), strict=True))
    asked = [row for row in performer.shapes.rows if most[row["name"]] > PERFORMED]
    imitated = [f"{row['name']} ({100 * row['share']:.0f} %)" for row in asked if row["by"] == IMITATED]
    # Eyes that look aside move next to no skin.
    seen = [row for row in asked if not row["name"].startswith(("eyeLookIn", "eyeLookOut"))]
    nothing = [row["name"] for row in seen if row["by"] == NOTHING and row["name"] not in JAW]
    if imitated:
        notes.append(
            f"the actor was not captured in {listed(imitated, len(imitated))}, which its other expressions imitate to "
            "these shares"
        )
    if nothing:
        notes.append(
            f"nothing shows of {listed(nothing, len(nothing))}: no expression of the actor does anything like it"
        )
    unmoved = [row["name"] for row in asked if row["by"] == NOTHING and row["name"] in JAW]
    if unmoved:
        notes.append(f"the jaw does not move for {listed(unmoved)}: it moves so in none of the actor's expressions")
    if not performer.guide.known:
        notes.append(
            "no face was found on the actor's mesh to compare with the demo head, so its expressions were taken by "
            "their names alone"
        )
    return notes
