# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures of meshes, lit and shaded, drawn by numpy alone: for picture sheets, and for icons in Blender."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .normals import vertex_normals

LIGHT = np.array([-0.35, 0.45, 0.82])  # where the light comes from: right, up, towards the viewer
DARKEST = 0.42  # of a colour, where no light reaches
INSIDE = 0.3  # of a colour, on faces that are seen from behind
MARGIN = 0.03  # of a picture, on each side
Seen = tuple[np.ndarray, np.ndarray, np.ndarray]
EDGE = -1e-9  # as far as this outside a triangle counts as inside, so that neighbours leave no gap


def seen_from(points: np.ndarray, up: np.ndarray, forward: np.ndarray, turned_degrees: float = 0.0) -> np.ndarray:
    """Points (..., 3) as right, up, towards the viewer, who looks at a face or, turned, at a side of it as well.

    up, forward: (3,) unit and perpendicular, of the face.
    """
    turn = np.deg2rad(turned_degrees)
    right = np.cross(up, forward)
    towards = np.cos(turn) * forward + np.sin(turn) * right
    return points @ np.stack([np.cross(up, towards), up, towards]).T


def filling(points: np.ndarray, width: int, height: int) -> tuple[np.ndarray, float]:
    """What brings points (..., 3) to the middle of a picture of so many pixels, as large as may be: an offset (3,) to
    add first, then a factor. Points that are not numbers do not count."""
    flat = points.reshape(-1, 3)
    low, high = np.nanmin(flat, axis=0), np.nanmax(flat, axis=0)
    across, tall = (high - low)[:2].clip(1e-12)
    factor = (1.0 - 2.0 * MARGIN) * min(width / across, height / tall)
    middle = np.array([width, height, 0.0]) / 2
    return middle / factor - (low + high) / 2, float(factor)


def draw(
    points: np.ndarray, triangles: np.ndarray, colours: np.ndarray, width: int, height: int, finer: int = 2
) -> np.ndarray:
    """A picture (height, width, 4) in [0, 1], its lowest row first, clear where nothing is.

    points: (V, 3) right, up from the lower left corner in pixels, and towards the viewer; triangles with a point that
    is not a number are left out. triangles: (T, 3). colours: (V, 3) in [0, 1] or (3,). finer: pixels are drawn so many
    times finer across, then averaged.
    """
    return draw_in_each(points, triangles, [colours], width, height, finer)[0]


def draw_in_each(
    points: np.ndarray, triangles: np.ndarray, colours: Sequence[np.ndarray], width: int, height: int, finer: int = 2
) -> list[np.ndarray]:
    """As draw, a picture for each of several colours: what is seen where is found once."""
    triangles = triangles[np.isfinite(points).all(1)[triangles].all(1)]
    corners = points[triangles] * finer
    size = width * finer, height * finer
    own = [np.broadcast_to(each, points.shape)[triangles] for each in colours]  # (T, 3, 3) each
    normals = vertex_normals(np.nan_to_num(points), triangles)
    light = DARKEST + (1.0 - DARKEST) * (normals @ (LIGHT / np.linalg.norm(LIGHT))).clip(0.0)
    pictures = [np.zeros((size[0] * size[1], 4), dtype=np.float32) for _ in colours]
    front = _doubled_area(corners) > 0.0
    lit = light[triangles[front]][..., None]
    seen = _seen(np.ones(len(pictures[0]), dtype=bool), corners[front], size)
    for picture, each in zip(pictures, own, strict=True):
        _paint(picture, seen, each[front] * lit)
    # What is seen from behind only shows through holes, such as an open mouth.
    seen = _seen(pictures[0][:, 3] == 0.0, corners[~front], size)
    for picture, each in zip(pictures, own, strict=True):
        _paint(picture, seen, INSIDE * each[~front])
    return [_averaged(picture.reshape(height, finer, width, finer, 4)) for picture in pictures]


def _averaged(parts: np.ndarray) -> np.ndarray:
    """A picture (height, width, 4) of one that is finer (height, finer, width, finer, 4)."""
    height, finer, width, _, _ = parts.shape
    mean = np.zeros((height, width, 4))
    for part in np.ndindex(finer, finer):
        mean += parts[:, part[0], :, part[1]]
    mean[..., :3] /= mean[..., 3:].clip(1.0)
    mean[..., 3] /= finer**2
    return mean.clip(0.0, 1.0)


def fill_clear(picture: np.ndarray, corners: np.ndarray, colours: np.ndarray, size: tuple[int, int]) -> None:
    """Draw triangles (T, 3, 3) with a colour at each corner, (T, 3, 3), into the pixels (P, 4) that are still clear:
    the nearest is seen."""
    _paint(picture, _seen(picture[:, 3] == 0.0, corners, size), colours)


def _seen(clear: np.ndarray, corners: np.ndarray, size: tuple[int, int]) -> Seen:
    """The pixels (P,) that are clear, (all pixels,) bool, where triangles (T, 3, 3) are seen, which triangle is the
    nearest there (P,), and its corners' shares (P, 3)."""
    pixels, owners, shares = _covered(corners[..., :2], *size)
    free = clear[pixels]
    pixels, owners, shares = pixels[free], owners[free], shares[free]
    order = np.argsort(np.einsum("pc,pc->p", shares, corners[owners, :, 2]))
    pixels, owners, shares = pixels[order], owners[order], shares[order]
    nearest = np.zeros(len(clear), dtype=np.int32)
    nearest[pixels] = np.arange(len(pixels), dtype=np.int32)  # the last one written stays
    seen = nearest[pixels] == np.arange(len(pixels))
    return pixels[seen], owners[seen], shares[seen]


def _paint(picture: np.ndarray, seen: Seen, colours: np.ndarray) -> None:
    """Give the pixels (P, 4) the triangles' colours (T, 3, 3)."""
    pixels, owners, shares = seen
    picture[pixels, :3] = np.einsum("pc,pcx->px", shares, colours[owners])
    picture[pixels, 3] = 1.0


def _covered(corners: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pixels (P,) whose middles lie in triangles (T, 3, 2), which triangle (P,), and the corners' shares (P, 3)."""
    area = _doubled_area(corners)
    whole = np.flatnonzero(np.abs(area) > 1e-12)
    corners, area = corners[whole], area[whole]
    # A corner's share is linear in the place: slope * x + rise * y + start.
    second, third = np.roll(corners, -1, axis=1), np.roll(corners, -2, axis=1)
    slope = (second[..., 1] - third[..., 1]) / area[:, None]
    rise = (third[..., 0] - second[..., 0]) / area[:, None]
    start = (second[..., 0] * third[..., 1] - second[..., 1] * third[..., 0]) / area[:, None]
    low = np.ceil(corners[..., 1].min(1) - 0.5).clip(0, None).astype(np.int64)
    high = np.floor(corners[..., 1].max(1) - 0.5).clip(None, height - 1).astype(np.int64)
    of_row, row = _spans(low, high)
    along = rise[of_row] * (row[:, None] + 0.5) + start[of_row]  # (R, 3) the shares at x = 0
    steep = slope[of_row]
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.where(steep != 0.0, (EDGE - along) / steep, np.where(along < EDGE, np.inf, -np.inf))
    left = np.where(steep < 0.0, -np.inf, ends).max(1)
    right = np.where(steep < 0.0, ends, np.inf).min(1)
    first = np.ceil(left.clip(0, width + 1) - 0.5).clip(0, None).astype(np.int64)
    last = np.floor(right.clip(-1, width) - 0.5).clip(None, width - 1).astype(np.int64)
    of_pixel, column = _spans(first, last)
    shares = steep[of_pixel] * (column[:, None] + 0.5) + along[of_pixel]
    return row[of_pixel] * width + column, whole[of_row[of_pixel]], shares


def _spans(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All whole numbers from first to last (N,): whose they are (S,), and the numbers (S,)."""
    count = (last - first + 1).clip(0)
    whose = np.repeat(np.arange(len(first)), count)
    return whose, first[whose] + np.arange(len(whose)) - (np.cumsum(count) - count)[whose]


def _doubled_area(corners: np.ndarray) -> np.ndarray:
    """(T,) twice the area of triangles (T, 3, 2 or 3) as they are seen, negative from behind."""
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
