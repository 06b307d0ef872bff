# SPDX-License-Identifier: GPL-3.0-or-later
"""A video of a performer, as a source of performances."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from ..contact.fitted import in_contact
from ..fitting.driving.request import FitRequest, Fitted
from ..model.actor import Actor
from ..shared.captured.performances import check_given_fps, in_range
from ..shared.foundation.errors import InputError
from .answers import Answers, learn_answers
from .detection import see_faces
from .face_detector import FaceDetector, installed_model
from .face_renders import make_renders
from .kept_answers import KeptAnswers
from .kept_faces import KeptFaces
from .movies import Movie
from .seen_faces import SeenFaces, check_seen, steady
from .skin_following import Filmed
from .video_fit import fit_video
from .video_notes import notes_of
from .video_pictures import save_face_curves, save_video_sheet


def fit_file(actor: Actor, request: FitRequest) -> Fitted:
    """Fit a video. What was seen in it is kept beside the actor's file, and what was learned of the detector.

    Raises InputError as model_file, Movie, check_seen, make_renders and fit_video do, and for a unit, which pictures
    have not.
    """
    if request.millimetres_per_unit is not None:
        raise InputError(f"{request.path} is a video, which has no unit; leave it out")
    check_given_fps(request.fps)
    settings = request.settings
    model = model_file(settings.face_model)
    detector, movie = FaceDetector(model), Movie(request.path)
    seen = _seen(movie, detector, request, KeptFaces(request.actor_path, request.path, model))
    if request.fps is not None:
        seen = dataclasses.replace(seen, fps=request.fps, times=np.arange(len(seen.times)) / request.fps)
    check_seen(seen)
    filmed = Filmed(movie, seen.times)
    seen = steady(seen, settings.take_fps)
    seen = seen.only(in_range(seen.frames, settings.start, settings.end, str(request.path)))
    check_seen(seen)
    answers = _answers(actor, detector, request, KeptAnswers(request.actor_path, model, settings.renders))
    take = fit_video(actor, seen, answers, settings, request.report, filmed)
    take = dataclasses.replace(take, settings=dataclasses.asdict(settings))
    take.figures["notes"] = [*notes_of(seen), *take.figures.get("notes", [])]
    take.figures["movie_fps"] = round(movie.fps, 4)
    take = in_contact(actor, take, settings.contact, report=request.report)

    def sheet(picture: Path) -> None:
        save_video_sheet(actor, take, movie, seen, picture)

    def curves(picture: Path) -> None:
        save_face_curves(actor, take, picture)

    return Fitted(take, only_in_take=("camera",), pictures={"sheet": sheet, "face": curves})


def describe_file(path: Path) -> dict[str, Any]:
    """What a video holds, as JSON values. Raises InputError."""
    found = Movie(path)
    return {
        "kind": "video",
        "frames": found.expected or sum(1 for _ in found.frames()),
        "fps": round(found.fps, 4),
        "width": found.size[0],
        "height": found.size[1],
    }


def model_file(chosen: str) -> Path:
    """The face detector's model: the chosen file, or the one in the worker's environment. Raises InputError if it is
    not there."""
    if chosen:
        path = Path(chosen)
        if not path.is_file():
            raise InputError(f"there is no face model {path}; choose MediaPipe's file face_landmarker.task")
        return path
    installed = installed_model()
    if installed is None:
        raise InputError(
            "the face detector is not installed, which finds the face in a video; press Install Video in the "
            "extension's preferences, or run the command install-video"
        )
    return installed


def _seen(movie: Movie, detector: FaceDetector, request: FitRequest, kept: KeptFaces) -> SeenFaces:
    """What is seen in the movie, or was before."""
    found = kept.read()
    if found is not None and found[1]:
        return found[0]
    begun = found[0] if found is not None else None
    seen = see_faces(movie, detector, request.report, begun, lambda so_far: kept.write(so_far, whole=False))
    kept.write(seen, whole=True)
    return seen


def _answers(actor: Actor, detector: FaceDetector, request: FitRequest, kept: KeptAnswers) -> Answers:
    """What the detector answers to the actor, learned now or before."""
    found = kept.read(actor)
    if found is not None:
        return found

    def tell(done: int, total: int) -> None:
        request.report({"message": "Showing the actor to the face detector", "done": done, "total": total})

    count, begun = request.settings.renders, kept.read_begun(actor)
    answers = learn_answers(make_renders(actor, detector, count, tell, begun, kept.write_begun))
    kept.write(answers)
    return answers
