# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo actor's bones and eyes: a skull, a mandible with ramus and condyle, both with teeth, inside the skin.

Every part is a closed mesh whose triangles face outwards. Millimetres, Z up, face towards -Y. Needs numpy only.
"""

from __future__ import annotations

import numpy as np

from .demo_curves import bell, smooth_step, through
from .demo_head import EYE_CENTRE, EYE_RADIUS, NOSE_RIDGE, contour_radius

Mesh = tuple[np.ndarray, np.ndarray]  # vertices (V, 3), triangles (T, 3)

HINGE_CENTRE = np.array([0.0, -2.0, -7.0])  # between the condyles
HINGE_AXIS = np.array([1.0, 0.0, 0.0])  # to the character's left; a positive turn opens the jaw
CROWN_DEPTH = 5.0
# Half the mandible from the chin to the top of the ramus: upper or front edge, lower or back edge, half thickness.
MANDIBLE = (
    ((0, -74, -75), (0, -75, -98), 6.0),
    ((9, -72.5, -75), (10, -73, -98), 6.0),
    ((17, -66, -74), (19, -63, -96.5), 5.8),
    ((24, -54, -72), (26, -51, -93.5), 5.5),
    ((29, -42, -69), (32, -38, -89.5), 5.2),
    ((35, -31, -61), (39, -22, -82), 4.6),
    ((40, -29, -49), (44, -8, -71), 4.0),
    ((43, -30, -37), (47, 0, -54), 3.8),
    ((45, -30, -27), (48, 1, -37), 3.6),
    ((46, -28, -23), (49, 1, -25), 3.2),
)

# share of the crown's length, share of the tooth's width, share of its thickness
TOOTH_PROFILE = ((-0.5, 0.7, 0.8), (0.0, 0.86, 1.0), (0.5, 0.98, 0.95), (0.9, 0.94, 0.6), (1.0, 0.8, 0.4))


def sphere(centre: np.ndarray, radii: tuple, rings: int = 10, columns: int = 16) -> Mesh:
    """A closed ellipsoid with its poles on its Y axis; the first vertex is the front pole, then ring after ring."""
    turn = np.pi * np.arange(1, rings) / rings
    around = 2 * np.pi * np.arange(columns) / columns
    ring = np.stack(
        [
            np.sin(turn)[:, None] * np.cos(around), -np.cos(turn)[:, None] * np.ones(columns),
            np.sin(turn)[:, None] * np.sin(around),
        ], -1,
    )  # fmt: skip
    vertices = np.concatenate([[[0, -1, 0]], ring.reshape(-1, 3), [[0, 1, 0]]]) * np.array(radii) + centre
    return vertices, _outwards(vertices, _tube_triangles(rings - 1, columns))


def join(parts: list[Mesh]) -> Mesh:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in parts[:-1])])
    triangles = [faces + start for (_, faces), start in zip(parts, starts, strict=True)]
    return np.concatenate([vertices for vertices, _ in parts]), np.concatenate(triangles).astype(np.int32)


def mirrored(part: Mesh) -> Mesh:
    """A mesh on the other side, still facing outwards."""
    return part[0] * [-1, 1, 1], part[1][:, ::-1]


def _tube_triangles(rings: int, columns: int) -> np.ndarray:
    """Triangles of: a pole, `rings` rings of `columns` vertices, a pole; which way they face is not known."""
    ids = 1 + np.arange(rings * columns).reshape(rings, columns)
    following = np.roll(ids, -1, 1)
    end = 1 + rings * columns
    a, b, c, d = ids[:-1].ravel(), following[:-1].ravel(), following[1:].ravel(), ids[1:].ravel()
    first = np.stack([np.zeros(columns, int), following[0], ids[0]], 1)
    last = np.stack([ids[-1], following[-1], np.full(columns, end)], 1)
    return np.concatenate([first, np.stack([a, b, c], 1), np.stack([a, c, d], 1), last])


def _tube(rings: np.ndarray) -> Mesh:
    """A closed tube through rings (R, C, 3), its ends closed by a fan; turned to face outwards."""
    vertices = np.concatenate([[rings[0].mean(0)], rings.reshape(-1, 3), [rings[-1].mean(0)]])
    return vertices, _outwards(vertices, _tube_triangles(len(rings), rings.shape[1]))


def _outwards(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The triangles of a closed mesh, turned about if they face inwards."""
    a, b, c = (vertices[triangles[:, k]] - vertices[0] for k in range(3))
    volume = np.einsum("ij,ij->", a, np.cross(b, c))
    return triangles if volume > 0 else triangles[:, ::-1]


def _rod(points: list[tuple], radii: list[tuple], columns: int = 10) -> Mesh:
    """A closed rod through points, with half widths (left-right, front-back or up-down) at each of them."""
    middle, half = np.array(points, float), np.array(radii, float)
    way = np.gradient(middle, axis=0)
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    first = np.cross(way, [0.0, 1.0, 0.3])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(way, first)
    around = 2 * np.pi * np.arange(columns) / columns
    rings = (
        middle[:, None] + (half[:, :1] * np.cos(around))[..., None] * first[:, None]
        + (half[:, 1:] * np.sin(around))[..., None] * second[:, None]
    )  # fmt: skip
    return _tube(rings)


def _rounded_square(count: int, power: float) -> np.ndarray:
    """(2, count) points around a circle (power 1), or, with a smaller power, around something squarer."""
    around = 2 * np.pi * np.arange(count) / count
    circle = np.stack([np.cos(around), np.sin(around)])
    return np.sign(circle) * np.abs(circle) ** power


def _teeth(height: float, length: float, front: float, back: float, half_width: float) -> list[Mesh]:
    """A row of teeth from the middle to both sides along an arch, crowns from `height` over `length` mm (signed)."""
    parts = []
    widths = np.array([8.0, 6.6, 7.6, 7.0, 6.8, 10.0, 10.0]) * (1.0 if length < 0 else 0.86)
    places = np.cumsum(widths) - widths / 2
    turn = np.linspace(0, np.pi / 2, 200)
    arch = np.stack([half_width * np.sin(turn), back - (back - front) * np.cos(turn)], 1)
    travelled = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(arch, axis=0), axis=1))])
    for number, (place, width) in enumerate(zip(places, widths, strict=True)):
        x, y = (np.interp(place, travelled, arch[:, k]) for k in range(2))
        ahead = np.array([np.interp(place + 1, travelled, arch[:, k]) for k in range(2)]) - [x, y]
        along = np.array([*ahead / np.linalg.norm(ahead), 0.0])
        outwards = np.array([along[1], -along[0], 0.0])
        thick = 2.6 if number < 3 else 4.2
        square = _rounded_square(12, 0.6)
        rings = []
        for share, grown, thin in TOOTH_PROFILE:
            thin = thin if number < 3 else max(thin, 0.75)
            rings.append(
                np.array([x, y, height + share * length]) + grown * (width / 2) * square[0][:, None] * along
                + thin * thick * square[1][:, None] * outwards
            )  # fmt: skip
        tooth = _tube(np.array(rings))
        parts += [tooth, mirrored(tooth)]
    return parts


def make_mandible() -> Mesh:
    """The mandible: body, chin, rami, condyles, coronoids, lower teeth."""
    stations = np.array([(*upper, *lower, thick) for upper, lower, thick in MANDIBLE], float)
    fine = np.linspace(0, len(stations) - 1, 3 * (len(stations) - 1) + 1)
    stations = np.stack([through(fine, np.arange(len(stations)), column) for column in stations.T], 1)
    stations = np.concatenate([stations[:0:-1] * [-1, 1, 1, -1, 1, 1, 1], stations])
    upper, lower, thick = stations[:, :3], stations[:, 3:6], stations[:, 6:]
    middle, half = (upper + lower) / 2, (upper - lower) / 2
    way = np.gradient(middle, axis=0)
    across = np.cross(way, half)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    tall, wide = _rounded_square(16, 0.75)
    rings = middle[:, None] + tall[:, None] * half[:, None] + wide[:, None] * (thick * across)[:, None]
    condyle = [
        _rod(
            [(48.5, -5, -30), (49, -4, -20), (49.5, -3, -11), (49.5, -2.5, -8)],
            [(4, 5.5), (3.4, 4.5), (4, 3.4), (4, 3)],
        ),
        sphere(np.array([49.5, HINGE_CENTRE[1], HINGE_CENTRE[2]]), (8.5, 4.2, 4.5)),
        _rod(
            [(45.5, -23, -28), (45.8, -25, -19), (46, -27, -13), (46, -28, -11)],
            [(3, 7), (2.6, 4.5), (2, 2.5), (1, 1)],
        ),
    ]
    parts = [_tube(rings), *condyle, *(mirrored(part) for part in condyle)]
    return join(parts + _teeth(-69.5, 8.2, -78.5, -34.0, 26.0))


def make_skull() -> Mesh:
    """The skull: cranium, sockets, nose opening, cheek bones with their arches, upper jaw and teeth."""
    half_columns, rows = 36, 44
    turn = np.linspace(0, np.pi, half_columns + 1)
    turn = turn - 0.25 * np.sin(2 * turn) * 0.6  # denser in front
    degrees = np.degrees(turn)
    lowest = through(degrees, np.array([0, 40, 62, 75, 110, 180]), np.array([-48.0, -47, -30, -22, -26, -34]))
    share = np.sin(np.linspace(0, np.pi / 2, rows))
    z = lowest + (120.0 - CROWN_DEPTH - 0.4 - lowest) * share[:, None]  # (rows, half_columns + 1)
    shape = z.shape
    angle = np.broadcast_to(turn, shape).ravel()
    z = z.ravel()
    on_skin = np.where(z > 40, 40 + (z - 40) * 80 / (80 - CROWN_DEPTH), z)
    depth = 6.3 + 2.5 * bell((np.degrees(angle) - 70) / 25, (z - 10) / 40) + 2.0 * smooth_step(z, 10, -10)
    depth += 2.0 * smooth_step(np.degrees(angle), 120, 160) * smooth_step(z, 20, -20)
    radius = contour_radius(angle, on_skin) - depth * smooth_step(120 - on_skin, 0, 25)
    # the upper jaw and the hollow under the cheek bones
    at, reach = np.array([(0, 78), (12, 77), (30, 68), (50, 52), (70, 40), (95, 37), (130, 50), (180, 66)], float).T
    jaw_radius = through(np.degrees(angle), at, reach)
    radius += (np.minimum(jaw_radius, radius) - radius) * smooth_step(z, -20, -34)
    hollow = bell((np.degrees(angle) - 80) / 17) * smooth_step(z, 22, -6)
    radius -= 15 * hollow
    x, y = radius * np.sin(angle), -radius * np.cos(angle)
    front = smooth_step(np.degrees(angle), 60, 45)
    y -= front * 1.0 * bell((z - 26) / 7) * smooth_step(x, 3, 14) * smooth_step(x, 55, 40)
    # room for the thin skin of the sockets' inner corners, which the brow draws up
    y += front * 4.0 * bell((x - 16) / 9, (z - 18) / 9)
    heights, ridge, _ = np.array(NOSE_RIDGE[::-1]).T
    nasal = through(z, heights, ridge) + 6.5
    y += front * smooth_step(x, 9, 1) * smooth_step(z, -10, -5) * smooth_step(z, 24, 14) * np.minimum(nasal - y, 0)
    socket = np.hypot((x - 32.5) / 19.5, (z - 7.5 - 0.08 * (32 - x)) / 17.0)
    y += front * 27 * smooth_step(socket, 1.05, 0.55) * smooth_step(x, 8, 14)
    opening = np.hypot(x / (7.5 + 5 * smooth_step(z, -10, -28)), (z + 22) / 15.5)
    y += front * 16 * smooth_step(opening, 1.1, 0.65)
    grid = np.stack([x, y, z], -1).reshape(*shape, 3)
    grid[:, 0, 0] = grid[:, -1, 0] = 0
    ring = np.concatenate([grid, grid[:, -2:0:-1] * [-1, 1, 1]], 1)
    vertices, triangles = _tube(ring)
    vertices[0] = (0, 10, -22)
    vertices[-1] = (0, 0, 120 - CROWN_DEPTH)
    arch = _rod(
        [(49, -52, -13), (54, -44, -14), (58, -33, -13), (59.5, -20, -11), (58, -8, -7), (54, 2, -4)],
        [(6, 7), (4.5, 5.5), (2.6, 3.6), (2.4, 3.2), (2.6, 3.4), (4, 5)],
    )
    return join([(vertices, triangles), arch, mirrored(arch), *_teeth(-49.5, -9.8, -80.5, -32.0, 28.0)])


def make_eyes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both eyeballs for display: vertices (E, 3), triangles (T, 3), linear colours (E, 3)."""
    rings, columns = 40, 32
    ball = sphere(EYE_CENTRE, (EYE_RADIUS,) * 3, rings, columns)
    turn = np.concatenate([[0.0], np.repeat(np.pi * np.arange(1, rings) / rings, columns), [np.pi]]) * EYE_RADIUS
    white, iris, pupil = np.array([0.82, 0.80, 0.77]), np.array([0.09, 0.15, 0.17]), np.array([0.004, 0.004, 0.004])
    colours = white + (iris - white) * smooth_step(turn, 6.2, 5.3)[:, None]
    colours = colours * (1 - 0.6 * bell((turn - 5.6) / 0.7))[:, None]  # the dark ring around the iris
    colours = colours + (pupil - colours) * smooth_step(turn, 2.5, 1.9)[:, None]
    vertices, triangles = join([ball, mirrored(ball)])
    return vertices, triangles, np.concatenate([colours, colours])
