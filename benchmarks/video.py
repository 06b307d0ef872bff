# SPDX-License-Identifier: GPL-3.0-or-later
"""How near a take comes to what an actor did, when all that is known of it is a video.

The videos and their truth are made by performed_videos.py: 90 frames from all over a recorded take, in which much is
done, and 60 that follow each other, in which little is. `off`: mean distance of the front of the face in mm; `frozen`:
of a face that does not move; `worse`: frames in which a frozen one would be nearer. `jaw`, `lips`, `lids`: correlation
and slope of the jaw's angle and the gaps, with the angle's mean error in degrees. `head`: degrees, from the frame of
rest. `trembling`: how far a frame is in mm from the middle of its two neighbours, less what the face does itself,
smoothed as takes of videos are. The focal length that the fit is told is 1.5 widths of the picture; the camera's is 1.5
to 1.9. `frames a second`: from the movie to the take, once the detector has been shown the actor, which takes `shown
in` seconds.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np
from common import jaw_figures, learned, parser, print_table
from performed_videos import LIVELY, QUIET, Performed, front_of, perform
from scipy.spatial.transform import Rotation

from aim_blender.core.checks.face_measures import Measure, measures_at
from aim_blender.core.checks.face_spots import places_of
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import stabilized_frames
from aim_blender.core.shared.results.takes import Take, index_of
from aim_blender.core.shared.settings.video_settings import VideoFittingSettings
from aim_blender.core.video.answers import Answers, learn_answers
from aim_blender.core.video.detection import see_faces
from aim_blender.core.video.face_detector import FaceDetector
from aim_blender.core.video.face_renders import make_renders
from aim_blender.core.video.kept_answers import KeptAnswers
from aim_blender.core.video.movies import Movie
from aim_blender.core.video.seen_faces import steady
from aim_blender.core.video.skin_following import Filmed
from aim_blender.core.video.video_fit import fit_video
from aim_blender.core.video.video_source import model_file

FOCAL_MM = 1.5 * 36.0
AT_ONCE = 30


def main() -> None:
    asked = parser(__doc__ or "")
    asked.add_argument("--seeds", type=int, nargs="+", default=[3, 11, 23], help="actors; 118, 7 and 40 chose settings")
    asked.add_argument("--renders", type=int, default=VideoFittingSettings().renders)
    asked.add_argument("--model", default="", help="face_landmarker.task, instead of the one that was installed")
    chosen = asked.parse_args()
    rows = [row for seed in chosen.seeds for row in _rows(chosen, seed)]
    for name in ("lively", "quiet"):
        of_name = [row[2:] for row in rows if row[1] == name]
        rows.append(["median", name, *(_median([row[i] for row in of_name]) for i in range(len(of_name[0])))])
    columns = ["actor", "frames", "off", "frozen", "worse", "jaw r", "slope", "degrees", "lips r", "slope", "lids r"]
    print_table("Videos", [*columns, "slope", "head", "trembling", "frames a second", "shown in"], rows)


def _median(values: list[object]) -> object:
    known = [value for value in values if isinstance(value, float)]
    return float(np.median(known)) if known else ""


def _rows(arguments: argparse.Namespace, seed: int) -> list[list[object]]:
    path, actor = learned(arguments, seed)
    model = model_file(arguments.model)
    detector = FaceDetector(model)
    answers, seconds = _shown(actor, detector, KeptAnswers(path, model, arguments.renders), arguments.renders)
    found: list[list[object]] = []
    for name, what in (("lively", LIVELY), ("quiet", QUIET)):
        performed = perform(arguments.shared, seed, what, arguments.work / "videos" / f"{seed}_{name}.mp4")
        # Frames that do not follow each other are not to be smoothed.
        settings = VideoFittingSettings(focal_length=FOCAL_MM, renders=arguments.renders)
        if name == "lively":
            settings = dataclasses.replace(settings, temporal=0.0)
        started = time.perf_counter()
        movie = Movie(performed.path)
        seen = see_faces(movie, detector)
        take = fit_video(actor, steady(seen), answers, settings, None, Filmed(movie, seen.times))
        rate = len(take.frames) / (time.perf_counter() - started)
        found.append([seed, name, *_measured(actor, take, performed, name == "quiet"), rate, seconds])
    return found


def _shown(actor: Actor, detector: FaceDetector, kept: KeptAnswers, renders: int) -> tuple[Answers, object]:
    """What the detector answers to the actor, and the seconds that it took to learn it; none if it was kept."""
    answers = kept.read(actor)
    if answers is not None:
        return answers, ""
    started = time.perf_counter()
    answers = learn_answers(make_renders(actor, detector, renders))
    kept.write(answers)
    return answers, time.perf_counter() - started


def _measured(actor: Actor, take: Take, performed: Performed, quiet: bool) -> list[object]:
    front, total = front_of(actor), len(take.frames)
    frames = np.concatenate([stabilized_frames(actor, take, slice(i, i + AT_ONCE)) for i in range(0, total, AT_ONCE)])
    missing = (frames - performed.stabilized)[:, front]
    off = np.linalg.norm(missing, axis=2).mean(1)
    frozen = np.linalg.norm(performed.stabilized[:, front] - actor.neutral[front], axis=2).mean(1)
    slope, correlation, degrees = jaw_figures(_opening(actor, take.jaw), _opening(actor, performed.jaw))
    row: list[object] = [float(off.mean()), float(frozen.mean()), f"{100 * (off > frozen).mean():.0f} %"]
    # Where little is done, there is nothing to correlate.
    row += ["", "", degrees] if quiet else [correlation, slope, degrees]
    places = places_of(actor)
    measures = measures_at(places) if places is not None else {}
    for names in (("lip_gap",), ("lid_gap_left", "lid_gap_right")):
        known = [each for name in names if (each := measures.get(name)) is not None]
        row += ["", ""] if quiet or not known else _gaps(known, actor.neutral, frames, performed.stabilized)
    rest = index_of(take, take.figures["rest_frame"])
    turned = np.linalg.inv(performed.head[rest])[:3, :3] @ performed.head[:, :3, :3]
    apart = Rotation.from_matrix(take.head[:, :3, :3] @ turned.transpose(0, 2, 1)).magnitude()
    trembling = np.linalg.norm(missing[1:-1] - (missing[:-2] + missing[2:]) / 2, axis=2).mean()
    return [*row, float(np.degrees(apart).mean()), float(trembling) if quiet else ""]


def _gaps(measures: list[Measure], neutral: np.ndarray, found: np.ndarray, true: np.ndarray) -> list[object]:
    """Correlation and slope of gaps, their mean, by the vertices (F, V, 3) of what was found and of the truth. Lids and
    lips that have gone through each other, as sums of shapes do, are closed."""
    one, other = (
        np.mean([np.maximum(each.of(frames - neutral), -each.of(neutral)) for each in measures], axis=0)
        for frames in (found, true)
    )
    return [float(np.corrcoef(one, other)[0, 1]), float(np.polyfit(other, one, 1)[0])]


def _opening(actor: Actor, jaw: np.ndarray) -> np.ndarray:
    """(F,) degrees about the actor's hinge."""
    assert actor.hinge is not None
    return np.degrees(Rotation.from_matrix(jaw[:, :3, :3]).as_rotvec() @ actor.hinge.axis)


if __name__ == "__main__":
    main()
