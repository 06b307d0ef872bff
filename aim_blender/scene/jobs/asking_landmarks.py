# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks suggested by the worker, whose face detector is asked first; by this process, and the shape alone, where no
worker has one."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...core.shared.captured.meshes import write_mesh
from ...core.shared.faces.face_landmarks import suggest_landmarks
from ...core.shared.foundation.errors import UNREADABLE
from ...core.shared.foundation.topology import Topology
from ...jobs.supervision.interpreter import start_worker
from ..actors import actors
from ..basics.records import ActorRecord

PATIENCE_S = 300.0
Suggested = tuple[dict[str, int], list[str]]


def read_for_suggestion(actor: ActorRecord, detecting: Path | None) -> Callable[[], Suggested]:
    """Read what suggesting landmarks takes. Returns what finds their vertices by name and what to say of them, without
    touching Blender's data.

    detecting: an interpreter whose environment has the face detector; None tells by the shape alone. Raises InputError
    if the neutral cannot be read; what it returns does so if no face is found.
    """
    found = actors.read_neutral(actor)
    neutral, topology = found.vertices[0] * actor.millimetres_per_unit, found.topology

    def suggest() -> Suggested:
        problem = ""
        if detecting is not None:
            try:
                return _asked(detecting, neutral, topology)
            except (*UNREADABLE, subprocess.SubprocessError) as error:
                problem = str(error) or type(error).__name__
        landmarks = suggest_landmarks(neutral, topology.triangles())
        return landmarks, [f"the face detector could not be asked, so that shape alone told: {problem}"] * bool(problem)

    return suggest


def _asked(interpreter: Path, neutral: np.ndarray, topology: Topology) -> Suggested:
    """What the worker's task `landmarks` finds. Raises RuntimeError with what it says if it finds nothing."""
    with tempfile.TemporaryDirectory(prefix="aim_landmarks_") as folder:
        mesh, out = Path(folder) / "neutral.obj", Path(folder) / "landmarks.json"
        write_mesh(mesh, neutral, topology)
        words = ("landmarks", str(mesh), "--out", str(out), "--json")
        process = start_worker(interpreter, words, subprocess.PIPE, subprocess.PIPE)
        try:
            said, wrong = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
        if process.returncode != 0:
            lines = wrong.decode(errors="replace").strip().splitlines()
            raise RuntimeError(lines[-1] if lines else f"the worker ended with status {process.returncode}")
        landmarks = json.loads(out.read_text(encoding="utf-8"))
        notes = json.loads(said).get("notes", [])
        return {str(name): int(vertex) for name, vertex in landmarks.items()}, [str(note) for note in notes]
