# SPDX-License-Identifier: GPL-3.0-or-later
"""What a phone recorded, performed by actors that were captured in other expressions than ARKit's.

The recordings and their truth, what each actor would do, are made by make_cases.py (`phone`). `off`: mean distance from
the truth in mm, every sixth frame; `still`: of a face that does not move; least squares that know the truth, with
one-sided shapes, leave 0.16 on actor 3. `other side`: of what shapes of one side move, the largest share of it that is
on the other, further from the mirror plane than one side passes into the other. `lips`: of how far an open jaw parts
them, what mouthClose leaves.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from common import jaw_figures, parser, print_table
from faces import FACES, actor_of

from aim_blender.core.checks.face_measures import measures_at
from aim_blender.core.checks.face_spots import places_of
from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import stabilized_frames
from aim_blender.core.phone.fitting_phone import PhoneActor, fit_phone, guide_correspondence, phone_actor
from aim_blender.core.shared.demo.demo_actor import make_demo_actor
from aim_blender.core.shared.faces.arkit_names import SHAPES, SIDED
from aim_blender.core.shared.phone.phone_tables import PhoneRecording, read_phone_recording
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.phone_settings import PhoneFittingSettings

RATES = (24.0, 25.0, 30.0, 60.0)
EVERY = 6
FILES = ("take_iPhone.csv", "take_facecap.txt")


def main() -> None:
    asked = parser(__doc__ or "")
    asked.add_argument("--faces", nargs="+", default=["ict_3", "ict_11", "ict_118", "makehuman", "demo"])
    chosen = asked.parse_args()
    rows = [row for name in chosen.faces for row in _rows(chosen, name)]
    columns = ["actor", "recording", "off", "still", "jaw r", "slope", "degrees", "other side", "lips"]
    columns += ["captured", "imitated", "nothing", "seconds", *(f"at {rate:g}" for rate in RATES), "prepared in s"]
    print_table("A phone's recording", columns, rows)


def _rows(arguments: argparse.Namespace, name: str) -> list[list[object]]:
    face = FACES[name](arguments, name)
    actor = actor_of(arguments, face)
    seed = name.removeprefix("ict_") if name.startswith("ict_") else "3"
    folder = _case(arguments, seed)
    demo = make_demo_actor()
    correspondence = guide_correspondence(actor, demo)
    started = time.perf_counter()
    performer = phone_actor(actor, demo, correspondence)
    seconds = time.perf_counter() - started
    found: list[list[object]] = []
    for file in FILES:
        recording = read_phone_recording(folder / file)
        take = fit_phone(performer, recording)
        kinds = [row["by"] for row in performer.shapes.rows]
        lengths = []
        for rate in RATES:
            timed = fit_phone(performer, recording, PhoneFittingSettings(take_fps=rate))
            lengths.append(f"{len(timed.frames) / rate:.2f} s")
        off: list[object] = ["", "", "", "", ""]
        if name.startswith("ict_"):
            off = list(_off(actor, take, folder / "truth.npz", recording))
        found.append(
            [
                name, recording.program, *off,
                f"{100 * _other_side(performer):.1f} %", f"{100 * _lips(performer):.0f} %",
                kinds.count("captured") + kinds.count("jaw"), kinds.count("imitated"), kinds.count("nothing"),
                f"{len(take.frames) / take.fps:.2f} s", *lengths, seconds,
            ]
        )  # fmt: skip
    return found


def _case(arguments: argparse.Namespace, seed: str) -> Path:
    folder: Path = arguments.work / f"phone_{seed}"
    if not (folder / "truth.npz").exists():
        folder.mkdir(parents=True, exist_ok=True)
        tool = arguments.shared / "tools" / "make_cases.py"
        command = [sys.executable, str(tool), "phone", "--seed", seed, "--out", str(folder)]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return folder


def _off(actor: Actor, take: Take, truth: Path, recording: PhoneRecording) -> tuple[float, ...]:
    """Mean distance in mm, that of a still face, and the jaw's correlation, slope and mean error in degrees."""
    with np.load(truth) as archive:
        vertices, jaw = archive["vertices"].astype(np.float64), archive["jaw"].astype(np.float64)
    step = EVERY if recording.fps > 45 else EVERY // 2
    rows = np.arange(0, step * len(vertices), step)
    frames = np.concatenate([stabilized_frames(actor, take, slice(row, row + 1)) for row in rows])
    distance = np.linalg.norm(frames - vertices, axis=-1).mean()
    still = np.linalg.norm(actor.neutral - vertices, axis=-1).mean()
    found = angle_degrees(take.jaw[rows])
    slope, correlation, error = jaw_figures(found, angle_degrees(jaw))
    return float(distance), float(still), correlation, slope, error


def _other_side(performer: PhoneActor) -> float:
    shapes, actor = performer.shapes, performer.worked
    most = 0.0
    for motion in SIDED:
        for side in ("Left", "Right"):
            weights = shapes.modes @ shapes.coefficients[SHAPES.index(motion + side)]  # (V, K)
            moved = np.square(np.einsum("vk,vkx->vx", weights, actor.expressions)).sum(1)
            own = performer.guide.side(side)
            if moved.sum() > 0:
                most = max(most, float(np.sqrt(moved[own <= 0].sum() / moved.sum())))
    return most


def _lips(performer: PhoneActor) -> float:
    """How much of the way from lips at rest to those of an open jaw is left when mouthClose is as strong."""
    weights = np.zeros((2, len(SHAPES)))
    weights[:, SHAPES.index("jawOpen")] = 0.4
    weights[1, SHAPES.index("mouthClose")] = 0.4
    frames, missing = np.arange(1, 3, dtype=np.int32), np.zeros(2, dtype=bool)
    recording = PhoneRecording("lips", "made", weights, None, None, None, frames, missing, 60.0, None, (), ())
    take = fit_phone(performer, recording)
    actor = performer.actor
    places = places_of(actor)
    parted = None if places is None else measures_at(places)["lip_gap"]
    if parted is None:
        return float("nan")
    opened, closed = parted.of(stabilized_frames(actor, take, slice(0, 2)) - actor.neutral)
    return float(closed / opened)


if __name__ == "__main__":
    main()
