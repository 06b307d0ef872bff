# SPDX-License-Identifier: GPL-3.0-or-later
"""Single frames of a take on another actor, while an artist changes how it is retargeted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..correspondence.correspondence import Correspondence
from ..model.actor import Actor
from ..model.evaluation import evaluate_take
from ..retargeting.retargeting import Retargeting
from ..shared.results.takes import Take
from ..shared.settings.retarget_settings import RetargetSettings
from .live import LiveFrame


class LiveRetarget:
    """A take of the source on the target. What a frame's weights are is found once; how strong they are costs little.

    correspondence, cache: as retarget_take has them.
    """

    def __init__(
        self,
        take: Take,
        source: Actor,
        target: Actor,
        correspondence: Correspondence | None = None,
        cache: Path | None = None,
    ) -> None:
        self.take, self.source, self.target = take, source, target
        self._correspondence, self._cache = correspondence, cache
        self._carrying: Retargeting | None = None
        self._prepared: RetargetSettings | None = None
        self._carried: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def ready_for(self, settings: RetargetSettings) -> bool:
        """Whether a frame with these settings takes milliseconds; else seconds of preparation come first."""
        prepared = self._prepared
        return prepared is not None and (prepared.pairs, prepared.settling) == (settings.pairs, settings.settling)

    def frame(self, number: int, settings: RetargetSettings) -> LiveFrame:
        """The target in the take's frame that is nearest to this number. Raises InputError as retarget_take does."""
        if self._carrying is None or not self.ready_for(settings):
            carrying = Retargeting(self.take, self.source, self.target, settings, self._correspondence, self._cache)
            carrying.prepare_for_single_frames()
            self._carrying, self._prepared, self._carried = carrying, settings, {}
        index = int(np.abs(self.take.frames.astype(np.int64) - number).argmin())
        part = slice(index, index + 1)
        if index not in self._carried:
            self._carried[index] = self._carrying.carried(part)
        coefficients, jaw = self._carried[index]
        shown = self._carrying.finished(coefficients, jaw, part, settings)
        vertices = evaluate_take(self.target, shown)["vertices"][0]
        return LiveFrame(vertices, shown.jaw[0], shown.head[0], frame=int(shown.frames[0]))
