# SPDX-License-Identifier: GPL-3.0-or-later
"""Handles that pull single frames of a take: what they change comes on top of what was fitted."""

from __future__ import annotations

import numpy as np

from ..anatomy.jaw import compose_jaw, decompose_jaw
from ..baking.corrections import Correction, corrected
from ..geometry.skinning import linear_blend_skinning
from ..model.evaluation import check_belongs, placed, stabilized_frames
from ..model.head import without_head
from ..shared.results.takes import Take, index_of
from .live import LiveFit, LiveFrame


class LiveCorrection:
    """Frames of one take, as handles shape them. Raises InputError if the take is not the actor's."""

    def __init__(self, fit: LiveFit, take: Take) -> None:
        check_belongs(fit.actor, take)
        self.fit, self.take = fit, take

    def frame(self, number: int, vertices: np.ndarray, positions: np.ndarray) -> LiveFrame:
        """A frame, pulled by handles on vertices (P,) towards positions (P, 3) in mm; as it is where there are none.

        The head stays as it was performed. Raises InputError if the take has no such frame, or as LiveFit.handles.
        """
        take, actor = self.take, self.fit.actor
        part = slice(index := index_of(take, number), index + 1)
        stabilized, jaw, head = stabilized_frames(actor, take, part)[0], take.jaw[part], take.head[part]
        if len(vertices) == 0:
            none = np.zeros((1, len(actor.names)), dtype=np.float32)
            shown = placed(actor, stabilized[None], head)[0].astype(np.float32)
            return LiveFrame(shown, jaw[0], head[0], None, none, 0, 0, number)
        handles = self.fit.handles_on(vertices, positions)
        moved = without_head(positions[None], head)[0] - stabilized[vertices]  # (P, 3)
        skinned = linear_blend_skinning(actor.neutral, jaw, actor.skin_weight)[0]
        if actor.hinge is not None:
            change = decompose_jaw(handles.jaw.predict((handles.neutral + moved)[None]), actor.hinge)
            jaw = compose_jaw(decompose_jaw(jaw, actor.hinge) + change, actor.hinge)
        opened = linear_blend_skinning(actor.neutral, jaw, actor.skin_weight)[0] - skinned
        residual = moved - opened[vertices]
        trust = np.isfinite(residual).all(-1).astype(np.float64)
        coefficients, off = handles.solve_residual(residual, trust)
        shown = placed(actor, (stabilized + opened + self.fit.offsets(coefficients))[None], head)[0]
        return LiveFrame(
            shown.astype(np.float32),
            jaw[0],
            head[0],
            None,
            coefficients,
            float(off.mean()),
            float(off.max()),
            frame=number,
        )

    def kept(self, shaped: LiveFrame, blend: int) -> tuple[Take, np.ndarray]:
        """The take with a frame as shaped by handles, see corrections.corrected."""
        assert shaped.frame is not None
        assert shaped.coefficients is not None
        correction = Correction(
            np.zeros(self.take.coefficients.shape[1:]), shaped.coefficients, self._modes_of(shaped), shaped.jaw
        )
        return corrected(self.take, self.fit.actor, shaped.frame, correction, blend)

    def replaced(self, fitted: LiveFrame, number: int, blend: int) -> tuple[Take, np.ndarray]:
        """The take with a frame as it was fitted alone; the head stays as the take has it."""
        assert fitted.coefficients is not None
        own = -self.take.coefficients[index_of(self.take, number)]
        correction = Correction(own, fitted.coefficients, self._modes_of(fitted), fitted.jaw)
        return corrected(self.take, self.fit.actor, number, correction, blend)

    def _modes_of(self, frame: LiveFrame) -> np.ndarray:
        assert frame.coefficients is not None
        return self.fit.modes[:, : len(frame.coefficients)]
