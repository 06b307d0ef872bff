# SPDX-License-Identifier: GPL-3.0-or-later
"""A capture so small that a worker learns it in a second."""

from pathlib import Path

import numpy as np

SIDE = 15
POINTS = SIDE * SIDE
NAMES = ("neutral", "smile", "frown", "pout")


def grid() -> tuple[np.ndarray, np.ndarray]:
    """A curved sheet: vertices (V, 3) in mm and quads (P, 4)."""
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    vertices = np.stack([across * 9.0 - 63, -np.cos((across - 7) / 5) * 60, down * 12.0], axis=-1).reshape(-1, 3)
    index = np.arange(POINTS).reshape(SIDE, SIDE)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
    return vertices, quads


def shapes() -> np.ndarray:
    """(4, V, 3) in mm, the neutral first."""
    neutral, _ = grid()
    x, _, z = neutral.T
    waves = [np.cos(z / 40) * x / 20, np.sin(z / 30) * 3, np.cos(x / 30) * np.cos(z / 50) * 4]
    moved = [neutral + np.stack([wave * 0.3, wave * 0.5, wave], axis=1) for wave in waves]
    return np.stack([neutral, *moved])


def write_capture(path: Path) -> Path:
    """A capture.npz, as Blender writes it."""
    _, quads = grid()
    np.savez(
        path,
        vertices=shapes().astype(np.float32),
        names=np.array(NAMES),
        corners=quads.ravel().astype(np.int32),
        sizes=np.full(len(quads), 4, np.int32),
    )
    return path


def write_performance(path: Path, frames: int = 6, strength: float = 1.0) -> Path:
    """A performance.npz that blends from one shape to the next, as strong as it is told."""
    _, quads = grid()
    blend = np.linspace(0, 1, frames)[:, None, None]
    vertices = (1 - blend) * shapes()[1] + blend * shapes()[2]
    vertices = grid()[0] + strength * (vertices - grid()[0])
    np.savez(
        path,
        vertices=vertices.astype(np.float32),
        frames=np.arange(1, frames + 1, dtype=np.int32),
        fps=np.float64(24),
        corners=quads.ravel().astype(np.int32),
        sizes=np.full(len(quads), 4, np.int32),
    )
    return path


def learn_step(capture: Path, out: Path, iterations: int) -> dict:
    arguments = {"capture": str(capture), "out": str(out), "iterations": iterations, "hidden": 16, "device": "cpu"}
    return {"task": "learn", "arguments": arguments}
