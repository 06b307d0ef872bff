# SPDX-License-Identifier: GPL-3.0-or-later
"""What is learned of the detector's answers to an actor, kept beside the actor's file for its next video."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import fields
from pathlib import Path

import numpy as np

from ..model.actor import Actor
from ..shared.foundation.archives import open_archive, save_arrays
from ..shared.foundation.errors import UNREADABLE
from ..shared.results.kept_files import ACTOR_SUFFIX
from .answers import Answers
from .face_detector import IMPRESSIONS, LANDMARKS, WEIGHT_NAMES
from .face_renders import Renders
from .kept_faces import digest_of

VERSION = 5
SUFFIX, BEGUN_SUFFIX = ".answers.npz", ".renders.npz"


class KeptAnswers:
    """Of an actor's file and a detector's, both known by their content, and a number of renders."""

    def __init__(self, actor_file: Path, model: Path, renders: int) -> None:
        stem = actor_file.name.removesuffix(ACTOR_SUFFIX)
        known = f"{VERSION} {digest_of(actor_file)} {digest_of(model)} {renders}"
        digest = hashlib.sha256(known.encode()).hexdigest()
        self.path = actor_file.with_name(f"{stem}.told-{digest[:12]}{SUFFIX}")
        self.begun = self.path.with_name(self.path.name.removesuffix(SUFFIX) + BEGUN_SUFFIX)

    def read(self, actor: Actor) -> Answers | None:
        """What was kept; None where nothing is, or not what it should be."""
        if not self.path.is_file():
            return None
        try:
            with open_archive(self.path) as archive:
                arrays = {each.name: archive[each.name].astype(np.float64) for each in fields(Answers)}
            found = Answers(**arrays)
            return found if found.fits(len(actor.names)) else None
        except UNREADABLE:
            return None

    def read_begun(self, actor: Actor) -> Renders | None:
        """The renders that were made before the work was ended; None as in read."""
        if not self.begun.is_file():
            return None
        try:
            with open_archive(self.begun) as archive:
                found = Renders(**{each.name: archive[each.name] for each in fields(Renders)})
        except UNREADABLE:
            return None
        count, shapes = len(found.look), len(actor.names)
        wanted = {"left": (shapes,), "right": (shapes,), "jaw": (6,), "turn": (3, 3), "distance": (), "look": ()}
        wanted |= {"landmarks": (LANDMARKS, 3), "weights": (len(WEIGHT_NAMES),), "impressions": (IMPRESSIONS,)}
        right = all(getattr(found, name).shape == (count, *shape) for name, shape in wanted.items())
        return found if right and count else None

    def write_begun(self, renders: Renders) -> None:
        """Keep those that are made so far, until the answers are learned; as write does."""
        with contextlib.suppress(OSError):
            save_arrays(self.begun, {each.name: getattr(renders, each.name) for each in fields(Renders)})

    def write(self, answers: Answers) -> None:
        """Keep it; where nothing can be written, it is not kept."""
        with contextlib.suppress(OSError):
            self.begun.unlink(missing_ok=True)
            save_arrays(
                self.path, {each.name: getattr(answers, each.name).astype(np.float32) for each in fields(Answers)}
            )
