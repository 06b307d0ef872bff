# SPDX-License-Identifier: GPL-3.0-or-later
"""Which shapes of a capture show an expression of their own: not copies of others, weaker ones, empty ones, or keys
that hide the head. Needs numpy only: Blender and the worker ask the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from ..foundation.errors import InputError
from ..foundation.wording import listed
from .capture_checks import FLAT, SQUASHED, depth, same_as_neutral

HIDING_MOVE = 0.3  # of the mesh's size: further than this no skin goes
HIDING_SHARE = 0.2  # of the vertices that go so far, or else they are a few that went astray
SHRUNK = 0.1  # what is left of the size of what was made to vanish
VANISHED = 1e-4  # likewise, of a head as a whole
AS_ONE = 0.02  # of how far a head was moved away, by which its points may differ
SAME_DIRECTION = 0.01  # of a shape's movement: what differs by less from a multiple of another's shows the same
NAMED = 6  # of many shapes
ALL = "all"  # of the shapes that would be left out are to be kept


def hiding_shapes(names: Sequence[str], vertices: Sequence[np.ndarray] | np.ndarray) -> dict[str, str]:
    """The shapes (V, 3), the first of which is the neutral, that hide the head: what each of them does to it."""
    neutral = np.asarray(vertices[0])
    size = float(np.ptp(neutral, axis=0).max())
    if len(neutral) < 3 or not size > 0 or depth(neutral) < FLAT:
        return {}
    found = {}
    for name, points in zip(names[1:], vertices[1:], strict=True):
        if np.shape(points) != neutral.shape or not np.isfinite(points).all():
            continue
        moved = np.asarray(points) - neutral
        far = np.linalg.norm(moved, axis=1) > HIDING_MOVE * size
        whole = np.ptp(points, axis=0).max()
        if whole < VANISHED * size:
            found[name] = "draws the head together"
        elif depth(points) < SQUASHED:
            found[name] = "flattens the head"
        elif not whole > SHRUNK * size:
            continue  # small as a whole: a mesh in another unit, which is refused
        elif far.mean() > HIDING_SHARE:
            mean = moved[far].mean(0)
            if np.ptp(points[far], axis=0).max() < SHRUNK * np.ptp(neutral[far], axis=0).max():
                found[name] = "draws the head together"
            elif np.abs(moved[far] - mean).max() < AS_ONE * np.linalg.norm(mean):
                found[name] = "moves the head away"
    return found


def repeated_shapes(names: Sequence[str], vertices: np.ndarray) -> dict[str, tuple[str, float]]:
    """The shapes of vertices (N+1, V, 3), the neutral first, that are a multiple of another: the other, and how much of
    it they are.

    Of those that show the same the strongest stays, and of equally strong ones that with the shortest name.
    """
    offsets = (vertices[1:] - vertices[0]).reshape(len(vertices) - 1, -1)
    products = offsets @ offsets.T
    strength = np.sqrt(products.diagonal())
    found: dict[str, tuple[str, float]] = {}
    kept: list[int] = []
    order = [
        (-round(float(value / strength.max()), 3), len(names[index + 1]), index) for index, value in enumerate(strength)
    ]
    for _, _, index in sorted(order):
        if strength[index] == 0:
            continue
        for other in kept:
            cosine = products[index, other] / (strength[index] * strength[other])
            if cosine > 0 and np.sqrt(max(1.0 - cosine**2, 0.0)) < SAME_DIRECTION:
                share = products[index, other] / products[other, other]
                found[names[index + 1]] = names[other + 1], float(share)
                break
        else:
            kept.append(index)
    return found


def useful_shapes(
    names: Sequence[str], vertices: np.ndarray, keep: Collection[str] = ()
) -> tuple[list[int], list[str]]:
    """Which of the shapes (N+1, V, 3), the neutral first, are to be learned, by number, and what to say of the others.

    keep: shapes that stay though they show nothing of their own, or ALL; but none that hides the head. Where no shape
    shows anything, all stay: who checks them says so. Raises InputError for a shape to keep that is not there, or hides
    the head.
    """
    hidden = hiding_shapes(names, vertices)
    _check_kept(names, hidden, keep)
    empty = [name for name in same_as_neutral(names, vertices) if name not in hidden]
    rest = [index for index, name in enumerate(names) if name not in hidden and name not in empty]
    repeated = repeated_shapes([names[index] for index in rest], vertices[rest]) if len(rest) > 1 else {}
    asked = [name for name in (*repeated, *empty) if name in keep or ALL in keep]
    repeated = {name: found for name, found in repeated.items() if name not in asked}
    empty = [name for name in empty if name not in asked]
    kept = [i for i, name in enumerate(names) if not (name in hidden or name in empty or name in repeated)]
    if len(kept) < 2:
        return list(range(len(names))), []
    notes = []
    if asked:
        notes.append(
            f"{_shapes(len(asked))} kept, as was asked, though others show the same, or nothing is shown: weights are "
            f"shared between them, and no figure gets better ({listed(asked, NAMED)})"
        )
    if hidden:
        told = listed([f"{name} {what}" for name, what in hidden.items()], NAMED)
        notes.append(f"{_shapes(len(hidden))} no expression and left out: {told}")
    copies = [f"{name} (of {other})" for name, (other, share) in repeated.items() if abs(share - 1.0) < SAME_DIRECTION]
    weaker = [
        f"{name} ({share:.2g} of {other})"
        for name, (other, share) in repeated.items()
        if abs(share - 1.0) >= SAME_DIRECTION
    ]
    if copies:
        what = "a copy of another" if len(copies) == 1 else "copies of others"
        notes.append(f"{_shapes(len(copies))} {what} and left out: {listed(copies, NAMED)}")
    if weaker:
        what = "another" if len(weaker) == 1 else "others"
        notes.append(f"{_shapes(len(weaker))} {what} at less strength and left out: {listed(weaker, NAMED)}")
    if empty:
        notes.append(
            f"{_shapes(len(empty))} the same as the neutral, showing nothing, and left out: {listed(empty, NAMED)}"
        )
    return kept, notes


def _check_kept(names: Sequence[str], hidden: dict[str, str], keep: Collection[str]) -> None:
    """Raise InputError unless the shapes to keep are there and show a head."""
    for name in keep:
        if name in hidden:
            raise InputError(f"{name!r} cannot be kept as an expression: it {hidden[name]}")
        if name != ALL and name not in names:
            raise InputError(f"there is no shape {name!r} to keep; there are {listed([*names[1:]], NAMED)}")


def _shapes(count: int) -> str:
    return "1 shape is" if count == 1 else f"{count} shapes are"
