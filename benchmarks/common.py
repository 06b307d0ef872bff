# SPDX-License-Identifier: GPL-3.0-or-later
"""What all benchmarks share: the real data of ../shared, learned actors, and one table with commit, device and date."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as aim_blender.__main__ does for the worker
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from figures import TABLES, keep_table  # noqa: E402

from aim_blender.core.files.files import load_actor, save_actor  # noqa: E402
from aim_blender.core.model.actor import Actor  # noqa: E402
from aim_blender.core.shared.captured.captures import Capture, read_capture  # noqa: E402


class KeepTables(argparse.Action):
    """Lets print_table keep what it prints."""

    wanted = False

    def __call__(self, *_: object) -> None:
        KeepTables.wanted = True


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with the arguments that all benchmarks take."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="the folder with data/ and tools/")
    found.add_argument(
        "--work", type=Path, default=ROOT / ".env" / "benchmarks", help="captures and actors are kept here"
    )
    found.add_argument(
        "--figures",
        nargs=0,
        action=KeepTables,
        help="keep the tables in docs/figures, from which benchmarks/figures.py makes docs/figures.md",
    )
    return found


def make(arguments: argparse.Namespace, what: str, name: str, *options: str) -> Path:
    """A capture (`actor`) or a `performance` of make_capture.py, made once."""
    out = arguments.work / (name if what == "actor" else f"{name}.npz")
    if not out.exists():
        arguments.work.mkdir(parents=True, exist_ok=True)
        tool = arguments.shared / "tools" / "make_capture.py"
        subprocess.run([sys.executable, str(tool), what, *options, "--out", str(out)], check=True, stdout=sys.stderr)
    return out


def capture_of(arguments: argparse.Namespace, seed: int) -> tuple[Capture, dict[str, np.ndarray]]:
    """The capture of an actor and its truth: jaw (N, 4, 4), skin_weight (V,)."""
    folder = make(arguments, "actor", f"actor_{seed}", "--seed", str(seed))
    with np.load(folder / "truth.npz") as truth:
        return read_capture(folder), {"jaw": truth["jaw"], "skin_weight": truth["skin_weight"]}


def learned(arguments: argparse.Namespace, seed: int) -> tuple[Path, Actor]:
    """The actor learned with default settings, learned once and kept."""
    path = arguments.work / f"actor_{seed}.actor.safetensors"
    if not path.exists():
        from aim_blender.core.learning.learning import learn_actor

        print(f"learning actor {seed}", file=sys.stderr)
        save_actor(learn_actor(capture_of(arguments, seed)[0]), path)
    return path, load_actor(path)


def jaw_figures(found: np.ndarray, true: np.ndarray) -> tuple[float, float, float]:
    """Slope, correlation and mean error in degrees of the jaw's angles (F,) against the true ones (F,)."""
    slope, correlation = np.polyfit(true, found, 1)[0], np.corrcoef(true, found)[0, 1]
    return float(slope), float(correlation), float(np.abs(found - true).mean())


def print_table(title: str, columns: list[str], rows: Sequence[Sequence[object]]) -> None:
    """One table as Markdown, with what it was measured on."""
    text = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [columns, *text]) for i in range(len(columns))]
    lines = [f"## {title}", "", measured_on(), ""]
    for row in [columns, ["-" * width for width in widths], *text]:
        lines.append("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
    table = "\n".join(lines) + "\n"
    print(table)
    if KeepTables.wanted:
        keep_table(TABLES / f"{Path(sys.argv[0]).stem}.md", table)


def _git(*asked: str) -> str:
    return subprocess.run(["git", *asked], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def measured_on() -> str:
    """Commit, device and date, as a line."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    commit = ""
    if shutil.which("git"):
        commit = _git("describe", "--always")
        # What a benchmark itself writes there does not count.
        if _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/figures*", ":!docs/pictures"):
            commit += "-dirty"
    day = datetime.datetime.now(tz=datetime.UTC).date()
    return f"commit {commit or 'unknown'}, {device} ({platform.machine()}), torch {torch.__version__}, {day}"
