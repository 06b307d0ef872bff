# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker that stays up can do: each kind of request, and what of it is kept ready for the next."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.shared.foundation.errors import InputError
from ..folders.plain_values import plain
from ..tasks.arguments import Report, picture_beside
from ..tasks.retargeting import correspond, correspondence_if_needed, retarget_settings

if TYPE_CHECKING:
    from ...core.live.live import LiveFit, LiveFrame
    from ...core.live.live_correction import LiveCorrection
    from ...core.live.live_retargeting import LiveRetarget

Request = tuple[dict[str, Any], bytes]


class LiveAnswers:
    """Answers for the actor in a file. What a kind of request needs is made when the first of them comes."""

    def __init__(self, path: Path, chosen: dict[str, Any]) -> None:
        """chosen: of FittingSettings. Raises InputError if the file is no actor."""
        from ...core.files.files import load_actor
        from ...core.shared.settings.fitting_settings import FittingSettings

        self.path, self.actor = path, load_actor(path)
        self.settings = FittingSettings(**chosen)
        self._fitted: LiveFrame | None = None  # the latest frame that could be kept
        self._correction: tuple[str, LiveCorrection] | None = None
        self._retarget: tuple[tuple[Any, ...], LiveRetarget] | None = None

    @cached_property
    def fit(self) -> LiveFit:
        """Fits single frames of the actor."""
        from ...core.fitting.fitting_cache import cache_beside
        from ...core.live.live import LiveFit

        return LiveFit(self.actor, self.settings, cache_beside(self.path))

    def answer(self, header: dict[str, Any], payload: bytes, report: Report) -> Request:
        """The answer to a request. report: is told while it takes long. Raises InputError, OSError, and ValueError,
        TypeError or KeyError for a header that is not as live_messages.py has it."""
        kinds = {
            "mesh": self._mesh,
            "handles": self._handles,
            "correct": self._correct,
            "keep": self._keep,
            "retarget": self._retargeted,
        }
        kind = header.get("kind")
        if kind not in kinds:
            raise InputError(f"a request is of the kind {kind!r}; it must be {', '.join(kinds)}")
        if len(payload) % 4:
            raise InputError(f"a request brings {len(payload)} bytes; 4 for each number are needed")
        if kind in ("mesh", "handles", "correct") and "fit" not in self.__dict__:
            report({"message": "preparing the fit"})
        return kinds[kind](header, np.frombuffer(payload, "<f4"), report)

    def _mesh(self, header: dict[str, Any], numbers: np.ndarray, report: Report) -> Request:
        return self._fit_shown(self.fit.mesh(_positions(numbers), **_head(header)))

    def _handles(self, header: dict[str, Any], numbers: np.ndarray, report: Report) -> Request:
        vertices = np.asarray(header["vertices"], dtype=np.int64)
        return self._fit_shown(self.fit.handles(vertices, _positions(numbers), **_head(header)))

    def _correct(self, header: dict[str, Any], numbers: np.ndarray, report: Report) -> Request:
        vertices = np.asarray(header["vertices"], dtype=np.int64)
        found = self._correction_of(header["take"]).frame(int(header["frame"]), vertices, _positions(numbers))
        return self._fit_shown(found)

    def _correction_of(self, take: str) -> LiveCorrection:
        from ...core.files.files import load_take
        from ...core.live.live_correction import LiveCorrection

        if self._correction is None or self._correction[0] != take:
            self._correction = take, LiveCorrection(self.fit, load_take(Path(take)))
        return self._correction[1]

    def _keep(self, header: dict[str, Any], numbers: np.ndarray, report: Report) -> Request:
        from ...core.baking.corrections import correct_bake
        from ...core.files.files import save_take
        from ...core.pictures.curves import save_error_curve

        if self._fitted is None:
            raise InputError("nothing is fitted yet that could be kept")
        number, blend = int(header["frame"]), int(header["blend"])
        correction = self._correction_of(header["take"])
        if self._fitted.frame is None:
            take, shapes = correction.replaced(self._fitted, number, blend)
        elif self._fitted.frame == number:
            take, shapes = correction.kept(self._fitted, blend)
        else:
            raise InputError(f"frame {self._fitted.frame} is shaped and not {number}; wait until it is shown")
        bake, bake_out = Path(header["bake"]), Path(header["bake_out"])
        name, key = correct_bake(bake, bake_out, correction.take, number, shapes, blend)
        out = Path(header["out"])
        save_take(take, out)
        save_error_curve(take, picture_beside(out, "error"))
        return {"key": name}, key.astype("<f4").tobytes()

    def _retargeted(self, header: dict[str, Any], numbers: np.ndarray, report: Report) -> Request:
        import dataclasses

        settings = retarget_settings(header["choices"])
        if len(numbers):
            settings = dataclasses.replace(settings, region_strength=numbers)
        prepared = self._retarget_of(header, report)
        if not prepared.ready_for(settings):
            report({"message": "preparing the retarget"})
        return _shown(prepared.frame(int(header["frame"]), settings))

    def _retarget_of(self, header: dict[str, Any], report: Report) -> LiveRetarget:
        from ...core.files.files import load_actor, load_take
        from ...core.fitting.fitting_cache import cache_beside
        from ...core.live.live_retargeting import LiveRetarget
        from ...core.shared.foundation.topology import same_surface

        key = tuple(header.get(name) for name in ("take", "source", "correspondence"))
        if self._retarget is None or self._retarget[0] != key:
            report({"message": "reading the take"})
            take, source = load_take(Path(header["take"])), load_actor(Path(header["source"]))
            if header.get("correspond") and not same_surface(source.topology, self.actor.topology):
                correspond(header["correspond"], report, None)
            arguments = {"target": str(self.path), "correspondence": header.get("correspondence")}
            correspondence, _ = correspondence_if_needed(arguments, source, self.actor, report)
            made = LiveRetarget(take, source, self.actor, correspondence, cache_beside(self.path))
            self._retarget = key, made
        return self._retarget[1]

    def _fit_shown(self, frame: LiveFrame) -> Request:
        self._fitted = frame
        return _shown(frame)


def _shown(frame: LiveFrame) -> Request:
    """The frame's figures and its vertices."""
    names = ("frame", "mean_mm", "worst_mm", "weights", "jaw", "head")
    figures = {name: value for name in names if (value := getattr(frame, name)) is not None}
    return plain(figures), frame.vertices.astype("<f4").tobytes()


def _positions(numbers: np.ndarray) -> np.ndarray:
    if len(numbers) % 3:
        raise InputError(f"a request brings {len(numbers)} numbers; 3 for each position are needed")
    return numbers.reshape(-1, 3)


def _head(header: dict[str, Any]) -> dict[str, Any]:
    return {"head": header["head"]} if "head" in header else {}
