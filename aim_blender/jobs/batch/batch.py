# SPDX-License-Identifier: GPL-3.0-or-later
"""Many shots, each for any number of actors: fit, retarget, bake and write, whatever of it is not done yet."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ..folders.folder import write_atomically
from ..tasks.arguments import Figures, Report, check_arguments
from .batch_dask import run_on_cluster
from .batch_table import part_of, read_table
from .shots import DONE, FAILED, KEPT, run_shot, within

SUMMARY = "summary.json"


def batch(arguments: dict[str, Any], report: Report, checkpoint: Path | None) -> Figures:
    """table (.csv, .json or .toml), out (a folder), and optionally part (k/n) and scheduler (an address of Dask).

    The figures tell how many shots failed; each shot's own are in `rows`.
    """
    check_arguments("batch", arguments, required=("table", "out"), optional=("part", "scheduler"))
    part, scheduler = arguments.get("part") or "", arguments.get("scheduler") or ""
    return run_batch(Path(arguments["table"]), Path(arguments["out"]), part, scheduler, report)


def run_batch(table: Path, out: Path, part: str, scheduler: str, report: Report) -> dict[str, Any]:
    """Do what is left of the table's shots, or of part k/n of them, into the folder `out`.

    scheduler: the address of a Dask scheduler that spreads the shots over its workers; empty does them here. A shot
    that fails does not stop the others. Returns the figures: how many shots are done, were done already and failed, and
    `rows` with one object a shot; those of the whole table are written to SUMMARY in `out` as well. Raises InputError
    if the table cannot be understood, Cancelled.
    """
    shots = read_table(table)
    if part:
        shots = part_of(shots, part)
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    if scheduler:
        rows = run_on_cluster(shots, out, scheduler, report)
    else:
        rows = [run_shot(shot, out, within(report, number, len(shots), shot.name)) for number, shot in enumerate(shots)]
    count = {state: sum(row["state"] == state for row in rows) for state in (DONE, KEPT, FAILED)}
    figures = {
        "out": str(out),
        "shots": len(rows),
        "done": count[DONE],
        "already_done": count[KEPT],
        "failed": count[FAILED],
        "left_to_blender": sum("blend" in shot.write for shot in shots),
        "seconds": round(time.monotonic() - started, 2),
        "rows": rows,
    }
    if not part:
        write_atomically(out / SUMMARY, json.dumps(figures, indent=1) + "\n")
    return figures


def summary(figures: dict[str, Any]) -> str:
    """The rows of a batch as a table, what is to be known of the results, and a line that sums them up."""
    columns = ("shot", "targets", "state", "made", "kept", "worst mm", "seconds", "message")
    cells = [columns]
    for row in figures["rows"]:
        worst = "" if row["worst_mm"] is None else f"{row['worst_mm']:.3f}"
        numbers = (str(row["targets"]), row["state"], str(row["made"]), str(row["kept"]))
        cells.append((row["shot"], *numbers, worst, f"{row['seconds']:.1f}", row["message"]))
    widths = [max(len(row[column]) for row in cells) for column in range(len(columns) - 1)]
    lines = ["  ".join([*map(str.ljust, row[:-1], widths), row[-1]]).rstrip() for row in cells]
    lines.append("")
    lines += [f"note: {row['shot']}, {note}" for row in figures["rows"] for note in row["notes"]]
    lines.append(
        f"{figures['shots']} shots in {figures['seconds']:.1f} s: {figures['done']} done, "
        f"{figures['already_done']} already done, {figures['failed']} failed"
    )
    if figures["left_to_blender"]:
        lines.append(
            f"scripts/batch_retarget.py, in Blender, writes the .blend files of {figures['left_to_blender']} shots"
        )
    return "\n".join(lines)
