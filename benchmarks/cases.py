# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces and performances as people really have them: what is said of each, and how far it is off.

    python benchmarks/cases.py [--only loose,seams] [--iterations 60]

Each kind is made by the shared tools with its truth, then learned with the template's bones, fitted and evaluated by
the command line, as an artist would do it. An actor is exact on its own meshes however little was learned, so few
iterations do. performance_cases.py writes more performances of that actor. Slope is the jaw's angle against the true
one over the frames; mean and worst are distances in mm from the true frames, of the skin alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import ROOT, parser, print_table
from performance_cases import PerformanceCase, Truth, frames_at, performance_cases

from aim_blender.core.files.files import load_take
from aim_blender.core.geometry.rigid import apply_motion, rigid_registration
from aim_blender.core.shared.captured.captures import read_capture
from aim_blender.core.shared.faces.expression_names import pair_expressions

SKIN = 11248  # vertices of the skin of the shared faces
LOWER_TEETH = slice(19247, 21451)  # of the kind `parts`, with their gums
PERFORMED = ("frames", "markers")  # kinds of performances, of one actor; `frames` is learned
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A kind of make_cases.py and how it is made. capture: the folder to learn. skin: how many of the first vertices
    are compared, None for all. beside: what else is measured, of frames (F, V, 3) and the truth."""

    kind: str
    options: tuple[str, ...] = ()
    capture: str = "capture"
    skin: int | None = None
    beside: Callable[[np.ndarray, Arrays], str] = lambda _frames, _truth: ""

    @property
    def name(self) -> str:
        """As rows are called."""
        return " ".join([self.kind, *(option for option in self.options if not option.startswith("--"))])


def cracks(frames: np.ndarray, truth: Arrays) -> str:
    """How far copies of one vertex come apart."""
    order = np.argsort(truth["source"], kind="stable")
    same = np.flatnonzero(np.diff(truth["source"][order]) == 0)
    apart = np.linalg.norm(frames[:, order[same]] - frames[:, order[same + 1]], axis=-1)
    return f"copies apart by {apart.max():.5f} mm"


def stillness_of_body(frames: np.ndarray, truth: Arrays) -> str:
    """How far the body moves."""
    moved = np.linalg.norm(frames[:, SKIN:] - truth["vertices"][0, SKIN:], axis=-1)
    return f"body moves by {moved.max():.5f} mm"


def stiffness_of_teeth(frames: np.ndarray, truth: Arrays) -> str:
    """How far lower teeth and gums are from a rigid motion of theirs."""
    teeth = frames[:, LOWER_TEETH].astype(np.float64)
    found = rigid_registration(teeth[0], teeth, np.ones(teeth.shape[:2]))
    off = np.linalg.norm(apply_motion(teeth[0], found) - teeth, axis=-1)
    return f"lower teeth {off.max():.3f} mm from rigid"


CASES = (
    Case("mask"),
    Case("mask", ("--unit", "cm")),
    Case("thick_mask"),
    *(Case("body", ("--unit", unit), skin=SKIN, beside=stillness_of_body) for unit in ("m", "cm", "dm")),
    Case("loose", skin=SKIN),
    Case("seams", beside=cracks),
    Case("flat", beside=cracks),
    Case("slipped"),
    Case("axes"),
    Case("extras"),
    Case("parts", skin=SKIN, beside=stiffness_of_teeth),
    Case("strangers", capture="makehuman_head"),
    Case("strangers", capture="arkit_mask"),
)


def kinds_of(arguments: argparse.Namespace) -> Path:
    """The folder of all kinds of one actor."""
    return arguments.work / "-".join(
        ["cases", *([] if arguments.seed == "3" else [arguments.seed]), *arguments.unit.split()]
    )


def made(arguments: argparse.Namespace, kind: str, *options: str) -> Path:
    """The folder of a kind, made once."""
    chosen = [
        "--seed",
        arguments.seed,
        *([] if "--unit" in options or not arguments.unit else ["--unit", arguments.unit]),
    ]
    folder = kinds_of(arguments) / "_".join([kind, *options]).replace("--", "")
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        tool = arguments.shared / "tools" / "make_cases.py"
        command = [sys.executable, str(tool), kind, *options, *chosen, "--out", str(folder)]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return folder


def learn(arguments: argparse.Namespace, capture: Path, actor: Path) -> tuple[dict | None, str]:
    """The figures of learning a capture, None if it was refused, and what was said last."""
    few = ["--iterations", str(arguments.iterations), "--hidden", "16", "--template", "--device", "cpu"]
    return aim("learn", str(capture), "--out", str(actor), *few)


def run(arguments: argparse.Namespace, case: Case) -> list[object]:
    """The row of a case."""
    folder = made(arguments, case.kind, *case.options)
    name = case.name if case.capture == "capture" else f"{case.name}: {case.capture}"
    actor, take, frames = (
        folder / f"{case.capture}.{what}" for what in ("actor.safetensors", "take.safetensors", "npz")
    )
    learned, sentence = learn(arguments, folder / case.capture, actor)
    if learned is None:
        return [name, f"refused: {sentence}", "", "", "", ""]
    said = said_of(learned, "")
    beside = f"jaw opens by {learned['jaw_open_degrees']:.1f} degrees"
    performance = folder / "performance.npz"
    if case.capture != "capture" or not performance.exists():
        return [name, said, "", "", "", beside]
    fitted, sentence = aim("fit", str(actor), str(performance), "--out", str(take), "--device", "cpu")
    if fitted is None:
        return [name, f"{said}; fit refused: {sentence}", "", "", "", beside]
    said = said_of(fitted, said)
    aim("evaluate", str(actor), str(take), "--out", str(frames))
    return [name, said, *compared(frames, folder / "truth.npz", case, beside)]


def performed(arguments: argparse.Namespace) -> list[list[object]]:
    """The rows of performances, of one actor."""
    folder, *_ = (made(arguments, kind) for kind in PERFORMED)
    actor = folder / "capture.actor.safetensors"
    learned, sentence = learn(arguments, folder / "capture", actor)
    if learned is None:
        return [["frames", f"refused: {sentence}", "", "", "", ""]]
    with np.load(folder / "truth.npz") as stored:
        frames, jaw = stored["vertices"].astype(np.float64), stored["jaw"]
    truth = Truth(frames, read_capture(folder / "capture").topology, folder.parent)
    return [row_of_performance(actor, case, truth, jaw) for case in performance_cases(len(frames))]


def row_of_performance(actor: Path, case: PerformanceCase, truth: Truth, true_jaw: np.ndarray) -> list[object]:
    """A performance of the actor, fitted and evaluated, against the true frames at the numbers it must have."""
    folder = truth.kinds / "written"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    source = case.write(folder, truth)
    take, found = folder / "shot.take.safetensors", folder / "found.npz"
    fitted, sentence = aim("fit", str(actor), str(source), "--out", str(take), "--device", "cpu", *case.options)
    if fitted is None:
        return [case.name, f"refused: {sentence}", "", "", "", ""]
    said, numbers = said_of(fitted, ""), load_take(take).frames
    if not np.array_equal(numbers, case.numbers):
        return [case.name, said, "", "", "", f"FRAMES {numbers.tolist()} NOT {case.numbers.astype(int).tolist()}"]
    aim("evaluate", str(actor), str(take), "--out", str(found))
    with np.load(found) as stored:
        frames, jaw = stored["vertices"], stored["jaw"]
    given = ~np.isin(numbers, fitted["missing_frames"])
    distance = np.linalg.norm(frames - frames_at(truth.frames, case.rows), axis=-1)
    slope = np.polyfit(frames_at(angle(true_jaw), case.rows)[given], angle(jaw)[given], 1)[0]
    filled = f"{distance[~given].mean():.2g} mm where filled in" if not given.all() else ""
    return [case.name, said, float(slope), float(distance[given].mean()), float(distance[given].max()), filled]


def spelled(arguments: argparse.Namespace) -> list[object]:
    """The row of the spellings: any two of the lists must pair completely, each name with its own."""
    lists = json.loads((made(arguments, "schemes") / "names.json").read_text())
    whole = wrong = 0
    for one in lists.values():
        for other in lists.values():
            found = pair_expressions(one, other)
            right = dict(zip(one, other, strict=True))
            wrong += sum(right[name] != partner for name, partner in found.items())
            whole += found == right
    return ["schemes", "", "", "", "", f"{whole} of {len(lists) ** 2} pairs of lists whole, {wrong} names wrong"]


def recorded(arguments: argparse.Namespace) -> list[list[object]]:
    """The rows of a phone's recordings, which are no meshes and no points."""
    folder = made(arguments, "phone")
    rows: list[list[object]] = []
    actor = kinds_of(arguments) / "frames" / "capture.actor.safetensors"
    for name in ("take_iPhone.csv", "take_facecap.txt"):
        take = folder / f"{name}.take.safetensors"
        fitted, sentence = aim("fit", str(actor), str(folder / name), "--out", str(take), "--device", "cpu")
        said = f"refused: {sentence}" if fitted is None else said_of(fitted, "")
        rows.append([f"phone: {name}", said, "", "", "", ""])
    return rows


def said_of(figures: dict, before: str) -> str:
    """The notes among figures, after what was said before."""
    return "; ".join(text for text in (before, *figures.get("notes", [])) if text)


def compared(frames_file: Path, truth_file: Path, case: Case, beside: str) -> list[object]:
    """Slope, mean, worst, and what was measured beside them."""
    with np.load(frames_file) as found, np.load(truth_file) as stored:
        frames, jaw, truth = found["vertices"], found["jaw"], {name: stored[name] for name in stored.files}
    distance = np.linalg.norm(frames - truth["vertices"], axis=-1)[:, : case.skin]
    slope = float(np.polyfit(angle(truth["jaw"]), angle(jaw), 1)[0]) if "jaw" in truth else ""
    more = "; ".join(text for text in (beside, case.beside(frames, truth)) if text)
    return [slope, float(distance.mean()), float(distance.max()), more]


def angle(motion: np.ndarray) -> np.ndarray:
    """(F,) degrees by which rigid motions (F, 4, 4) turn."""
    return np.rad2deg(np.arccos(np.clip((np.trace(motion[:, :3, :3], axis1=1, axis2=2) - 1) / 2, -1, 1)))


def aim(*command: str) -> tuple[dict | None, str]:
    """The figures of a verb of the command line, None if it refused, and what it said last."""
    done = subprocess.run(
        [sys.executable, "-m", "aim_blender", *command, "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1:] or [""]
    return json.loads(done.stdout) if done.returncode == 0 else None, last[0]


def main() -> None:
    """Print the table."""
    found = parser(__doc__.splitlines()[0])
    found.add_argument("--only", default="", help="kinds, performances, schemes, phone; with commas between")
    found.add_argument("--iterations", type=int, default=60)
    found.add_argument("--seed", default="3", help="which actor")
    found.add_argument("--unit", default="", help="of the meshes, where a kind names none: mm, cm, dm, m, in, ft")
    arguments = found.parse_args()
    only = [name for name in arguments.only.split(",") if name]
    rows = [run(arguments, case) for case in CASES if not only or case.kind in only]
    rows += performed(arguments) if not only or "performances" in only else []
    rows += [spelled(arguments)] if not only or "schemes" in only else []
    rows += recorded(arguments) if not only or "phone" in only else []
    print_table(
        "Faces and performances as people have them",
        ["kind", "what was said", "jaw slope", "mean", "worst", "beside"],
        rows,
    )


if __name__ == "__main__":
    main()
