# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of a performance's mesh show: teeth give the jaw exactly, eyeballs the gaze; and how far all parts are
off in the take."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..geometry.rigid import apply_motion, rigid_registration
from ..model.actor import Actor
from ..model.evaluation import placed_frames
from ..model.head import without_head
from ..parts.parts import Parts
from ..parts.turning import measured_turns
from ..shared.captured.performances import Performance
from ..shared.results.takes import Take
from ..timing.time_smoothing import Gaps, smoothed

CHUNK_FRAMES = 32
RIGID_MM = 1.0  # how far teeth in a frame may be off a rigid motion, to give the jaw
FEWEST_POINTS = 12
OFF_MM = 1.0  # of a part, from where a note says that it does not do what it was taken for


class PartsOfFrames:
    """What the parts of frames of an actor's whole mesh show, in mm and without the head's motion."""

    def __init__(self, actor: Actor, parts: Parts) -> None:
        self.actor, self.parts = actor, parts
        self.teeth = np.flatnonzero(parts.of("jaw"))

    def has_jaw(self) -> bool:
        """Whether there are teeth to read the jaw from, and a jaw that they go with."""
        return self.actor.hinge is not None and len(self.teeth) >= FEWEST_POINTS

    def jaw(self, stabilized: np.ndarray, trust: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """T_j (f, 4, 4) of frames (f, V, 3), and of which (f,) bool it is known: where enough of the teeth is there,
        and rigid. trust: (f, V) how much each point counts."""
        return self.jaw_of_teeth(stabilized[:, self.teeth], trust[:, self.teeth])

    def jaw_of_teeth(self, stabilized: np.ndarray, trust: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As jaw, of the teeth alone (f, J, 3)."""
        rest = self.actor.neutral[self.teeth]
        there = (trust > 0).sum(1) >= FEWEST_POINTS
        weight = np.where(there[:, None], trust, 1.0)
        motion = rigid_registration(rest, np.where((weight > 0)[..., None], stabilized, rest), weight)
        off = np.linalg.norm(apply_motion(rest, motion) - stabilized, axis=-1)
        return motion, there & (np.where(trust > 0, off, 0.0).max(1) <= RIGID_MM)

    def gaze(self, stabilized: np.ndarray, trust: np.ndarray) -> np.ndarray | None:
        """(f, E, 3) how the eyes turn in frames (f, V, 3); None without eyes."""
        if len(self.parts.eyes) == 0:
            return None
        eyes = [np.flatnonzero(self.parts.eye_of == eye) for eye in range(len(self.parts.eyes))]
        turns = [
            measured_turns(self.actor.neutral[rows], stabilized[:, rows], centre, trust[:, rows])
            for rows, centre in zip(eyes, self.parts.eye_centres, strict=True)
        ]
        return np.stack(turns, axis=1)


class PartsOfPerformance(PartsOfFrames):
    """The parts in a performance of an actor's whole mesh, in the actor's axes. unit_factor: what its vertices are
    multiplied by to be in mm; set when it is known."""

    def __init__(self, actor: Actor, parts: Parts, performance: Performance) -> None:
        super().__init__(actor, parts)
        self.performance, self.unit_factor = performance, 1.0

    def jaw_of_rows(self, rows: np.ndarray, head: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As jaw, of frames (f,) of the performance with heads (f, 4, 4)."""
        frames, trust = self._seen(rows, self.teeth)
        return self.jaw_of_teeth(without_head(frames, head), trust)

    def finished(self, take: Take, temporal: float) -> Take:
        """The take with the gaze, and what is told of the parts. temporal: as the settings have it."""
        take = dataclasses.replace(take, gaze=self._gaze(take, temporal))
        rows, notes = self._errors(take)
        told = take.figures | {"parts": rows, "notes": [*take.figures.get("notes", []), *notes]}
        return dataclasses.replace(take, figures=told)

    def _gaze(self, take: Take, temporal: float) -> np.ndarray | None:
        """(F, E, 3) how the eyes turn in the take's heads, filled in and smoothed; None without eyes."""
        eyes, parts = len(self.parts.eyes), self.parts
        if eyes == 0:
            return None
        gaze = np.zeros((len(take.frames), eyes, 3))
        for eye, centre in enumerate(parts.eye_centres):
            vertices = np.flatnonzero(parts.eye_of == eye)
            for rows in _chunks(len(take.frames)):
                frames, trust = self._seen(rows, vertices)
                stabilized = without_head(frames, take.head[rows])
                gaze[rows, eye] = measured_turns(self.actor.neutral[vertices], stabilized, centre, trust)
        Gaps(take.frames, np.isin(take.frames, take.figures.get("missing_frames", []))).fill(gaze)
        return smoothed(gaze, take.frames, temporal)

    def _errors(self, take: Take) -> tuple[list[dict[str, Any]], list[str]]:
        """Of every part that is not learned: its row with mean_mm and worst_mm, and notes on those that do something
        else than they were taken for."""
        chosen = [part for part, kind in enumerate(self.parts.kinds) if kind != "bends"]
        total, worst = np.zeros(len(chosen)), np.zeros((len(chosen), len(take.frames)))
        for rows in _chunks(len(take.frames)):
            shown = placed_frames(self.actor, take, slice(rows[0], rows[-1] + 1))
            for number, part in enumerate(chosen):
                vertices = np.flatnonzero(self.parts.part_of == part)
                frames, trust = self._seen(rows, vertices)
                off = np.where(trust > 0, np.linalg.norm(shown[:, vertices] - frames, axis=-1), 0.0)
                total[number] += off.mean(1).sum()
                worst[number, rows] = off.max(1)
        found, notes, described = [], [], self.parts.rows()
        for number, part in enumerate(chosen):
            row = described[part] | {"mean_mm": total[number] / len(take.frames), "worst_mm": worst[number].max()}
            found.append({name: float(value) if name.endswith("_mm") else value for name, value in row.items()})
            if row["worst_mm"] > OFF_MM:
                frame = int(take.frames[worst[number].argmax()])
                notes.append(
                    f"the part {row['name']} is up to {row['worst_mm']:.1f} mm off what it was taken for, in frame "
                    f"{frame}; look at it, and if it should do something else, choose so in Parts and learn again"
                )
        return found, notes

    def _seen(self, rows: np.ndarray, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (n,) in frames (f,), (f, n, 3) mm, and how much each counts (f, n)."""
        frames = self.performance.vertices[rows][:, vertices].astype(np.float64) * self.unit_factor
        trust = self.performance.trust(rows)
        given = np.ones(frames.shape[:2]) if trust is None else trust[:, vertices].astype(np.float64)
        known = np.isfinite(frames).all(-1) & (given > 0)
        rest = self.actor.neutral[vertices]
        return np.where(known[..., None], frames, rest), np.where(known, given, 0.0)


def _chunks(total: int) -> list[np.ndarray]:
    """The indices of frames, as many as are looked at once."""
    return [np.arange(first, min(first + CHUNK_FRAMES, total)) for first in range(0, total, CHUNK_FRAMES)]
