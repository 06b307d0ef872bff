# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces as people really have them, learned and fitted as they are: what is said of each, and how far it is off.

    python benchmarks/cases.py [--only loose,seams] [--iterations 60]

Each kind is made by the shared tools with its truth, then learned with the template's bones, fitted and evaluated by
the command line, as an artist would do it. An actor is exact on its own meshes however little was learned, so few
iterations do. Slope is the jaw's angle against the true one over the frames; mean and worst are distances in mm from
the true frames, of the skin alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import ROOT, parser, print_table

SKIN = 11248  # vertices of the skin of the shared faces
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
    Case("strangers", capture="makehuman_head"),
    Case("strangers", capture="arkit_mask"),
)


def run(arguments: argparse.Namespace, case: Case) -> list[object]:
    """The row of a case."""
    folder = arguments.work / "cases" / "_".join([case.kind, *case.options]).replace("--", "")
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        tool = arguments.shared / "tools" / "make_cases.py"
        command = [sys.executable, str(tool), case.kind, *case.options, "--out", str(folder)]
        subprocess.run(command, check=True, stdout=sys.stderr)
    name = case.name if case.capture == "capture" else f"{case.name}: {case.capture}"
    actor, take, frames = (
        folder / f"{case.capture}.{what}" for what in ("actor.safetensors", "take.safetensors", "npz")
    )
    few = ["--iterations", str(arguments.iterations), "--hidden", "16", "--template", "--device", "cpu"]
    learned, sentence = aim("learn", str(folder / case.capture), "--out", str(actor), *few)
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
    found.add_argument("--only", default="", help="kinds, with commas between them")
    found.add_argument("--iterations", type=int, default=60)
    arguments = found.parse_args()
    only = [name for name in arguments.only.split(",") if name]
    rows = [run(arguments, case) for case in CASES if not only or case.kind in only]
    print_table("Faces as people have them", ["kind", "what was said", "jaw slope", "mean", "worst", "beside"], rows)


if __name__ == "__main__":
    main()
