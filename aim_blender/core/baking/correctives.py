# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrective keys: the directions in which a take leaves its named keys, as few as a tolerance needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

Report = Callable[[dict], None]

LONG_FRAMES = 1500  # more are not compared with each other: that takes the square of their number of memory
SAMPLED_FRAMES = 600  # of a long take, which give directions
AT_ONCE = 64  # frames
NEGLIGIBLE = 1e-5  # of the largest singular value: directions below are noise of float32


def fewest_correctives(
    residual: np.ndarray, tolerance_mm: float, report: Report = lambda _: None
) -> tuple[np.ndarray, np.ndarray]:
    """Correctives: the first singular vectors of residual (F, 3V), as few as bring every point of every frame within
    tolerance_mm; of a take of more than LONG_FRAMES, those of some of its frames, in bounded memory.

    Returns keys (C, 3V) float32 and their weights (F, C) float64, scaled so that the largest weight of a key is 1.
    report is called with {"message", "done", "total"}.
    """
    if len(residual) > LONG_FRAMES:
        return correctives_of_long(residual, tolerance_mm, report)
    report({"message": "Finding correctives", "done": 0, "total": len(residual)})
    rest = residual.astype(np.float32)
    if distances(rest).max(initial=0.0) <= tolerance_mm:
        return np.zeros((0, residual.shape[1]), dtype=np.float32), np.zeros((len(residual), 0))
    values, vectors = np.linalg.eigh((rest @ rest.T).astype(np.float64))  # (F, F): far fewer frames than coordinates
    keys, weights = [], []
    for index in np.argsort(values)[::-1]:
        weight = vectors[:, index]
        weight = weight / weight[np.abs(weight).argmax()]
        key = (weight @ rest / (weight @ weight)).astype(np.float32)
        rest = rest - np.outer(weight, key).astype(np.float32)
        keys.append(key)
        weights.append(weight)
        if distances(rest).max() <= tolerance_mm:
            break
    return np.stack(keys), np.stack(weights, axis=1)


def correctives_of_long(
    residual: np.ndarray, tolerance_mm: float, report: Report = lambda _: None
) -> tuple[np.ndarray, np.ndarray]:
    """As fewest_correctives, from the directions of SAMPLED_FRAMES of the frames and, where these do not suffice, of
    those that are left over, until nothing is. residual may be mapped from a file; some frames at a time are read."""
    basis = np.zeros((0, residual.shape[1]), dtype=np.float32)  # orthonormal rows
    needed, beyond = _needed(residual, basis, 0, tolerance_mm, report)
    chosen = np.linspace(0, len(residual) - 1, SAMPLED_FRAMES).astype(int)
    while len(beyond) and len(basis) < len(residual):
        left = _without(residual[chosen].astype(np.float32), basis)
        values, vectors = np.linalg.eigh((left @ left.T).astype(np.float64))
        order = np.argsort(values)[::-1]
        order = order[values[order] > NEGLIGIBLE**2 * values[order[0]]]
        directions = (vectors[:, order] / np.sqrt(values[order])).T @ left
        basis = np.concatenate([basis, directions.astype(np.float32)])
        before = -1
        while before != needed:  # a frame may leave the tolerance again where others gain
            before = needed
            needed, beyond = _needed(residual, basis, needed, tolerance_mm, report)
        chosen = beyond[np.linspace(0, len(beyond) - 1, min(len(beyond), SAMPLED_FRAMES)).astype(int)]
    keys = basis[:needed]
    told = {"message": "Weighting the correctives"}
    weights = np.concatenate([part @ keys.T for part in _parts(residual, report, told)]).astype(np.float64)
    largest = weights[np.abs(weights).argmax(0), np.arange(needed)]
    return keys * largest[:, None].astype(np.float32), weights / largest


def distances(offsets: np.ndarray) -> np.ndarray:
    """(F, V) lengths of flat offsets (F, 3V)."""
    return np.linalg.norm(offsets.reshape(len(offsets), -1, 3), axis=-1)


def _needed(
    residual: np.ndarray, basis: np.ndarray, count: int, tolerance_mm: float, report: Report
) -> tuple[int, np.ndarray]:
    """How many of the rows of basis, `count` or more, bring the frames of residual within the tolerance, and the
    numbers of those frames that not even all of them do."""
    beyond, told = [], {"message": f"Trying {len(basis)} correctives"}
    for index, part in enumerate(_parts(residual, report, told)):
        left = _without(part, basis[:count])
        rows = np.flatnonzero(distances(left).max(1) > tolerance_mm)
        left = left[rows]
        while len(rows) and count < len(basis):
            direction = basis[count]
            left -= np.outer(left @ direction, direction)
            count += 1
            kept = distances(left).max(1) > tolerance_mm
            left, rows = left[kept], rows[kept]
        beyond.append(index * AT_ONCE + rows)
    return count, np.concatenate(beyond)


def _without(frames: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """What orthonormal directions (C, X) leave of frames (f, X) float32."""
    return np.asarray(frames - (frames @ basis.T) @ basis)


def _parts(residual: np.ndarray, report: Report, told: dict) -> Iterator[np.ndarray]:
    """Some frames after the other, float32. told: what report is called with, beside how far it is."""
    for first in range(0, len(residual), AT_ONCE):
        yield residual[first : first + AT_ONCE].astype(np.float32)
        report({**told, "done": min(first + AT_ONCE, len(residual)), "total": len(residual)})
