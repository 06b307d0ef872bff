# SPDX-License-Identifier: GPL-3.0-or-later
"""The faces of the demo head: a ring grid from neck to crown, cut open along the mouth and the eyes.

A row of the grid runs around the head, a column from the neck to the crown. Along a slit the row exists twice, once for
the faces above and once for those below, so that lips and lids can part; from the slit's rim short strips roll inwards.
Needs numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..foundation.topology import Topology

MOUTH_HEIGHT = -57.0  # mm; nominal height of the row that the mouth is cut along
EYE_HEIGHT = 7.0
MOUTH_ROLLS = 4  # strips that the lips roll inwards with
EYE_ROLLS = 2
# (height in mm where the band ends, rows in the band), from the neck up; rows are dense around mouth, nostrils and eyes
ROW_BANDS = (
    (-122.0, 3), (-105.0, 5), (-72.0, 8), (MOUTH_HEIGHT, 9), (-46.0, 7), (-40.0, 2), (-33.5, 5), (-6.0, 8),
    (EYE_HEIGHT, 8), (22.0, 9), (34.0, 3), (78.0, 7),
)  # fmt: skip
NECK_END, CROWN = -150.0, 120.0
CROWN_ROWS = 7
# (angle in degrees where the band ends, columns in the band), from the middle of the face to the back of the head
COLUMN_BANDS = ((16.5, 11), (36.0, 13), (79.0, 8), (113.0, 14), (180.0, 6))
MOUTH_CORNER_COLUMN = 11
EYE_CORNER_COLUMNS = (8, 22)


@dataclass(frozen=True)
class HeadTopology:
    """The demo head's faces and what each vertex is; V vertices.

    topology: the faces, all quads but the crown's. row, angle, height (V,): where in the grid, angle in radians from
    the face's middle, positive to the character's left, height nominal in mm. side (V,): +1 on an upper rim, -1 on a
    lower rim and on the strips behind it, 0 elsewhere and in the corners. slit (V,): 0 none, 1 mouth, 2 left eye,
    3 right eye, on rims and strips. roll (V,): 0 on the skin, else the number of the strip. rim (V,): the rim vertex a
    strip's vertex belongs to, else itself. mirror (V,): the vertex on the other side.
    """

    topology: Topology
    angle: np.ndarray
    height: np.ndarray
    side: np.ndarray
    slit: np.ndarray
    roll: np.ndarray
    rim: np.ndarray
    mirror: np.ndarray
    rim_loops: tuple[np.ndarray, np.ndarray, np.ndarray]


def _bands(start: float, bands: tuple[tuple[float, int], ...]) -> np.ndarray:
    values = [start]
    for end, count in bands:
        values.extend(np.linspace(values[-1], end, count + 1)[1:])
    return np.array(values)


def row_heights() -> np.ndarray:
    """(R,) nominal heights of the rows in mm, from the neck's end to just below the crown."""
    rows = _bands(NECK_END, ROW_BANDS)
    turn = np.linspace(0.0, np.pi / 2, CROWN_ROWS + 1)[1:-1]
    rows = np.concatenate([rows, rows[-1] + (CROWN - rows[-1]) * np.sin(turn)])
    keep = np.isin(rows, (MOUTH_HEIGHT, EYE_HEIGHT)) | (np.arange(len(rows)) == 0)
    for _ in range(3):  # soften the jumps in row distance between bands, but keep the slits where they are
        rows[1:-1] = np.where(keep[1:-1], rows[1:-1], 0.25 * rows[:-2] + 0.5 * rows[1:-1] + 0.25 * rows[2:])
    return rows


def column_angles() -> np.ndarray:
    """(C+1,) angles of half the columns in radians, 0 in the middle of the face to pi at the back of the head."""
    angles = np.radians(_bands(0.0, COLUMN_BANDS))
    for _ in range(2):
        angles[1:-1] = 0.25 * angles[:-2] + 0.5 * angles[1:-1] + 0.25 * angles[2:]
    return angles


def make_head_topology() -> HeadTopology:
    """The head's faces, with the vertices' places in the grid."""
    rows, half = row_heights(), column_angles()
    last = len(half) - 1
    ring = np.concatenate([half, -half[last - 1 : 0 : -1]])  # (2 C,) once around, to the character's left first
    columns, count = len(ring), len(rows) * len(ring)
    above = np.arange(count).reshape(len(rows), columns)  # the vertices that the faces above a row use
    below = above.copy()
    angle: list[float] = np.tile(ring, len(rows)).tolist()
    height: list[float] = np.repeat(rows, columns).tolist()
    side, slit = [0] * count, [0] * count
    mirror: list[int] = above[:, -np.arange(columns) % columns].ravel().tolist()

    mouth_row, eye_row = (int(np.argmin(abs(rows - z))) for z in (MOUTH_HEIGHT, EYE_HEIGHT))
    first, end = EYE_CORNER_COLUMNS
    cuts = (
        (mouth_row, np.arange(-MOUTH_CORNER_COLUMN, MOUTH_CORNER_COLUMN + 1)),
        (eye_row, np.arange(first, end + 1)),
        (eye_row, np.arange(-end, -first + 1)),
    )
    loops = []
    for number, (row, span) in enumerate(cuts, 1):
        for column in span:
            slit[above[row, column]] = number
        for column in span[1:-1]:
            side[above[row, column]] = 1
            below[row, column] = len(angle)
            angle.append(ring[column])
            height.append(rows[row])
            side.append(-1)
            slit.append(number)
            mirror.append(-1)
        # Round the opening the way its faces leave open: along the lower rim to the left, back along the upper.
        loops.append(np.concatenate([below[row, span], above[row, span[-2:0:-1]]]))
    for row, span in cuts:
        for column in span[1:-1]:
            mirror[below[row, column]] = int(below[row, -column])

    faces = [
        np.stack([above[:-1], np.roll(above[:-1], -1, 1), np.roll(below[1:], -1, 1), below[1:]], -1).reshape(-1, 4)
    ]
    roll, rim = [0] * len(angle), list(range(len(angle)))
    for loop, strips in zip(loops, (MOUTH_ROLLS, EYE_ROLLS, EYE_ROLLS), strict=True):
        edge = loop
        for strip in range(1, strips + 1):
            inner = np.arange(len(angle), len(angle) + len(loop))
            angle.extend([angle[v] for v in loop])
            height.extend([height[v] for v in loop])
            side.extend([side[v] for v in loop])
            slit.extend([slit[v] for v in loop])
            roll.extend([strip] * len(loop))
            rim.extend(int(v) for v in loop)
            mirror.extend([-1] * len(loop))
            faces.append(np.stack([edge, np.roll(edge, -1), np.roll(inner, -1), inner], -1))
            edge = inner
    strip_vertex = {(rim[v], roll[v]): v for v in range(len(angle)) if roll[v]}
    for (owner, strip), vertex in strip_vertex.items():
        mirror[vertex] = strip_vertex[mirror[owner], strip]
    pole = len(angle)
    angle.append(0.0)
    height.append(CROWN)
    for numbers, value in ((side, 0), (slit, 0), (roll, 0), (rim, pole), (mirror, pole)):
        numbers.append(value)
    top = above[-1]
    faces.append(np.stack([top, np.roll(top, -1), np.full(columns, pole), np.full(columns, -1)], -1))
    return HeadTopology(
        Topology.from_padded(np.concatenate(faces), len(angle)),
        np.array(angle), np.array(height), np.array(side), np.array(slit), np.array(roll), np.array(rim),
        np.array(mirror), (loops[0], loops[1], loops[2]),
    )  # fmt: skip
