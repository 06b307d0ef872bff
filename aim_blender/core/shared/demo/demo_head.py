# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo head's skin: contour lines of a head, with nose, lips, lids and ears sculpted onto them.

Everything is in millimetres, Z up, the face towards -Y, X to the character's left. Needs numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .demo_curves import bell, nearest_of, neighbour_mean, smooth_step, through
from .demo_topology import EYE_HEIGHT, MOUTH_HEIGHT, HeadTopology, make_head_topology

EYE_CENTRE = np.array([32.0, -71.0, 7.0])  # of the left eye
EYE_RADIUS = 12.5
LID_RADIUS = EYE_RADIUS + 0.6  # where the lids' rims glide
BROW = (24.5, 4.0)  # height of the brow's line at the middle of the eye and how much it rises outwards

# Contour lines of the head without nose, lips, eyes and ears: height, then (x, y) from the face's middle to the back.
CONTOURS = (
    (-150.0, ((0, -40), (27, -33), (48, -8), (54, 15), (48, 44), (27, 62), (0, 66))),
    (-135.0, ((0, -39), (25, -33), (44, -9), (49, 14), (44, 40), (26, 57), (0, 61))),
    (-122.0, ((0, -43), (24, -35), (42, -11), (47, 12), (43, 38), (25, 55), (0, 59))),
    (-114.0, ((0, -58), (20, -46), (34, -27), (43, -6), (46, 13), (42, 38), (25, 55), (0, 59))),
    (-108.0, ((0, -76), (14, -70), (26, -49), (37, -26), (43, -4), (46, 14), (42, 38), (25, 55), (0, 60))),
    (-103, ((0, -86), (12, -83), (26, -63), (36, -40), (43, -18), (46, 2), (46, 15), (43, 38), (25, 56), (0, 61))),
    (-94, ((0, -90.5), (13, -87.5), (27, -71), (40, -45), (47, -22), (50, -2), (47, 14), (43, 38), (26, 58), (0, 62))),
    (-85.0, ((0, -90.5), (14, -87), (29, -72), (43, -47), (51, -24), (55, -5), (49, 13), (44, 39), (26, 60), (0, 64))),
    (-74.0, ((0, -89), (16, -86), (31, -73), (45, -49), (54, -26), (58, -5), (52, 13), (46, 41), (27, 61), (0, 66))),
    (-58.0, ((0, -91), (20, -87), (36, -73), (48, -51), (57, -28), (60, -5), (56, 13), (50, 42), (28, 64), (0, 69))),
    (-40.0, ((0, -92), (20, -88), (38, -74), (52, -53), (60, -30), (63, -6), (61, 13), (56, 42), (32, 70), (0, 76))),
    (-22.0, ((0, -89), (20, -87), (40, -75), (56, -54), (64, -31), (66, -7), (65, 14), (62, 46), (38, 78), (0, 86))),
    (-8.0, ((0, -87), (20, -85), (40, -73), (56, -53), (65, -30), (68, -7), (68, 16), (67, 50), (42, 84), (0, 93))),
    (7.0, ((0, -87), (20, -84), (40, -72), (53, -53), (62, -31), (68, -7), (71, 18), (70, 52), (44, 87), (0, 96.5))),
    (24.0, ((0, -93), (20, -91), (40, -78), (53, -58.5), (62, -35), (68, -8), (73, 19), (72, 54), (45, 89), (0, 98))),
    (42.0, ((0, -93), (20, -90.5), (40, -78), (55, -59), (64, -36), (71, -8), (74, 19), (73, 54), (45, 89), (0, 97))),
    (62.0, ((0, -89), (20, -86), (39, -75), (56, -56), (66, -33), (71, -8), (74, 18), (72, 52), (45, 86), (0, 94))),
    (82.0, ((0, -78), (19, -75), (36, -66), (52, -49), (62, -30), (67, -7), (69, 17), (66, 48), (41, 78), (0, 86))),
    (100.0, ((0, -60), (15, -58), (30, -51), (44, -37), (53, -23), (57, -6), (58, 14), (54, 38), (33, 62), (0, 70))),
    (111.0, ((0, -42), (11, -41), (22, -36), (32, -27), (39, -17), (42, -4), (43, 10), (39, 27), (24, 45), (0, 51))),
    (120.0, ((0, -0.1), (0.1, 0), (0, 0.1))),
)
NOSE_RIDGE = (  # height, depth of the ridge, half width of the ridge's slopes
    (27.0, -93.0, 17.0), (15.0, -90.5, 12.5), (6.0, -93.5, 12.5), (-5.0, -99.0, 14.0), (-15.0, -105.0, 16.5),
    (-23.0, -110.0, 19.0), (-28.5, -112.0, 20.0), (-32.5, -110.5, 19.0), (-36.0, -103.0, 16.0), (-40.0, -93.0, 13.0),
)  # fmt: skip
LIP_GAP = 0.3  # mm between the rims of the closed lips
EAR_CENTRE, EAR_HALF_HEIGHT = (68.0, 4.0, -6.0), 33.0
EAR_BAND = (81.0, 90.0, 112.0)  # degrees of the grid where the ear begins, has its middle, and ends
EAR_OUTLINE = (  # direction from the ear's middle (0 back, 90 up), reach of the rim, how far the rim stands out
    (-180, 9, 5), (-150, 11, 5), (-120, 22, 3), (-95, 30, 4), (-70, 30, 7), (-40, 24, 11), (0, 20, 15), (30, 23, 17),
    (60, 28, 16), (90, 30, 12), (112, 28, 7), (135, 17, 4), (160, 10, 4), (180, 9, 5),
)  # fmt: skip
EAR_PROFILE = (  # share of the way from the ear's middle to the block's border, share of the reach, share of the height
    (0.0, 0.0, -0.15), (0.2, 0.36, -0.05), (0.34, 0.56, 0.55), (0.44, 0.66, 0.66), (0.53, 0.78, 0.5),
    (0.62, 0.92, 0.95), (0.7, 1.0, 1.0), (0.78, 0.99, 0.75), (0.87, 0.9, 0.4), (1.0, 0.86, 0.0),
)  # fmt: skip


@dataclass(frozen=True)
class DemoHead:
    """The neutral skin (V, 3) in mm and what later steps need to know about it."""

    layout: HeadTopology
    neutral: np.ndarray
    mouth_line: np.ndarray  # (V,) height of the closed lips' line at each vertex's x
    edges: np.ndarray  # (E, 2)


def contour_radius(angle: np.ndarray, height: np.ndarray) -> np.ndarray:
    """(n,) distance of the plain head's surface from the Z axis at angles from the face's middle and heights (n,)."""
    angle = np.abs(angle)
    keys = np.array([row[0] for row in CONTOURS])
    squares = np.empty((len(keys), len(angle)))
    for index, (_, points) in enumerate(CONTOURS):
        x, y = np.array(points, float).T
        turn, distance = np.arctan2(x, -y), np.hypot(x, y)
        # mirrored beyond both ends, so that the contour is level in the middle of the face and at the back
        turn = np.concatenate([-turn[2:0:-1], turn, 2 * np.pi - turn[-2:-4:-1]])
        distance = np.concatenate([distance[2:0:-1], distance, distance[-2:-4:-1]])
        order = np.argsort(turn)
        squares[index] = through(angle, turn[order], distance[order]) ** 2
    # The squares are blended: near the crown they fall linearly with height, which makes a round dome.
    return np.sqrt(np.maximum(through(height, keys, squares), 0.0))


def mouth_line(x: np.ndarray) -> np.ndarray:
    """Height of the line between the closed lips at |x|."""
    return MOUTH_HEIGHT - 1.0 + 0.9 * bell(x / 6.0) * -1 + 1.1 * bell((x - 11) / 7.0) - 0.6 * smooth_step(x, 14, 25)


def make_head() -> DemoHead:
    """The neutral skin of the demo head."""
    layout = make_head_topology()
    angle, side = np.abs(layout.angle), layout.side
    height = _open_slits(layout, angle, layout.height.copy(), side)
    distance = contour_radius(angle, height)
    x, y, z = distance * np.sin(angle), -distance * np.cos(angle), height
    front = smooth_step(np.degrees(angle), 62, 45)
    on_lips = np.where(layout.slit == 1, 0.0, z - mouth_line(x))
    depth = _face_depth(x, y, z, on_lips)
    y = y + front * (depth - y)
    skin = np.stack([x, y, z], 1)
    skin, ear = _ear(skin, angle, layout.height)
    skin[layout.angle < 0, 0] *= -1
    middle = layout.mirror == np.arange(len(angle))
    skin[middle, 0] = 0.0
    edges = layout.topology.edges()
    skin = _relax(layout, skin, edges, ear)
    skin = _nostrils(skin)
    skin[:, 2] += LIP_GAP / 2 * layout.side * (layout.slit == 1)
    skin = _outside_eyes(skin)
    skin = _rolls(layout, skin)
    return DemoHead(layout, skin, mouth_line(np.abs(skin[:, 0])), edges)


def _open_slits(layout: HeadTopology, angle: np.ndarray, height: np.ndarray, side: np.ndarray) -> np.ndarray:
    """(V,) the rows' heights, bent along the mouth's line and apart around the eyes."""
    nominal = height.copy()
    x = contour_radius(angle, nominal) * np.sin(angle)
    near = smooth_step(np.abs(nominal - MOUTH_HEIGHT), 16, 0)
    height = height + near * (mouth_line(x) - MOUTH_HEIGHT)
    rim = layout.slit >= 2
    inner, outer = x[rim].min(), x[rim].max()
    share = (x - inner) / (outer - inner)
    along = np.clip(share, 0, 1)
    upper = 4.9 * np.sin(np.pi * along**0.88) ** 0.72
    lower = -4.4 * np.sin(np.pi * along**1.25) ** 0.8
    line = 5.0 + 4.0 * along  # outer corner higher than the inner
    fade_x = smooth_step(np.abs(share - 0.5), 1.1, 0.5)
    over = (nominal > EYE_HEIGHT + 1e-6) | ((np.abs(nominal - EYE_HEIGHT) < 1e-6) & (side > 0))
    under = (nominal < EYE_HEIGHT - 1e-6) | ((np.abs(nominal - EYE_HEIGHT) < 1e-6) & (side < 0))
    away = np.abs(nominal - EYE_HEIGHT)
    fade = np.where(over, smooth_step(away, 19, 0), smooth_step(away, 17, 0))
    shift = (line - EYE_HEIGHT) * fade_x + np.where(over, upper, 0) + np.where(under, lower, 0)
    return height + fade * shift


def _face_depth(x: np.ndarray, y: np.ndarray, z: np.ndarray, on_lips: np.ndarray) -> np.ndarray:
    """(V,) depth of the face at (x, z), from the plain head's depth y."""
    cx, cy, cz = EYE_CENTRE
    # brow ridge, cheek bones, chin
    brow_line = BROW[0] + BROW[1] * smooth_step(x, 12, 45) - 3 * smooth_step(x, 44, 60)
    y = y - 3.2 * bell((z - brow_line) / 7.5) * smooth_step(x, 3, 16) * smooth_step(x, 64, 40)
    y = y - 2.6 * bell((x - 44) / 15, (z + 14) / 12)
    y = y - 2.5 * bell(x / 13, (z + 93) / 9)
    y = y + 2.2 * bell(x / 22, (z + 77) / 6)
    # eye socket, deepest at the inner corner under the brow
    y = y + 6.5 * bell((x - 30) / 15, (z - 8) / 11.5) + 5.5 * bell((x - 17) / 6.5, (z - 10) / 9)
    y = y + 1.4 * bell((x - 30) / 12, (z + 8) / 6)
    # nose
    heights, ridge, width = np.array(NOSE_RIDGE[::-1]).T
    ridge_depth, half = through(z, heights, ridge), through(z, heights, width)
    slope = smooth_step(x / half, 0.0, 1.1) ** 0.8
    inside = smooth_step(z, -41, -36) * smooth_step(z, 27, 15)
    nose = ridge_depth * (1 - slope) + y * slope
    y = y + inside * (np.minimum(nose, y) - y)
    y = nearest_of(y, _ball(x, z, (0.0, -103.5, -27.8), (9.5, 11.2, 8.2)), 4.0)
    y = nearest_of(y, _ball(x, z, (12.6, -91.0, -31.0), (5.4, 11.0, 6.4)), 3.0)
    ring = np.hypot((x - 12.2) / 8.6, (z + 30.6) / 8.4)
    y = y + 1.3 * bell((ring - 1) / 0.17) * smooth_step(x, 13, 17) * smooth_step(z, -40, -35)
    # groove under the nose, fold from the nose's wing past the mouth's corner
    y = y + 1.3 * bell(x / 2.6) * bell((z + 44) / 5) - 0.7 * bell((x - 4.5) / 2.5) * bell((z + 45) / 5)
    fold = 19.5 + (-z - 30) * 0.42
    y = y + 1.3 * bell((x - fold) / 4.5) * smooth_step(z, -66, -50) * smooth_step(z, -26, -36)
    y = y - 1.2 * bell((x - fold - 9) / 8) * smooth_step(z, -66, -48) * smooth_step(z, -20, -36)
    y = y + _lips(x, on_lips)
    # lids over the eyeball, with the crease above
    lid = _ball(x, z, (cx, cy, cz), (LID_RADIUS + 1.0,) * 3)
    y = nearest_of(y, lid, 2.2)
    crease = 16.2 - 0.011 * (x - 30) ** 2
    return y + 1.5 * bell((z - crease) / 1.7) * smooth_step(np.abs(x - 31), 17, 9)


def _lips(x: np.ndarray, over: np.ndarray) -> np.ndarray:
    """(V,) what the lips add to the depth at x, `over` mm above (below: negative) the line between them."""
    corner = 25.5
    taper = np.sqrt(np.clip(1 - (x / corner) ** 2, 0, 1))
    upper = (7.6 - 1.3 * bell(x / 2.6)) * (0.35 + 0.65 * taper)
    lower = 9.6 * (0.35 + 0.65 * taper)
    share = np.where(over >= 0, over / upper, -over / lower)
    keys = np.array([0.0, 0.12, 0.45, 0.8, 1.0, 1.35, 2.0])
    above = through(share, keys, np.array([1.2, -1.8, -4.6, -4.3, -3.9, -2.2, 0.0]))
    below = through(share, keys, np.array([1.2, -1.8, -5.0, -3.6, -2.0, -0.4, 0.0]))
    dimple = 2.4 * bell((x - 27) / 5, over / 5)
    return np.where(over >= 0, above, below) * taper + dimple


def _ball(x: np.ndarray, z: np.ndarray, centre: tuple, radii: tuple) -> np.ndarray:
    """(V,) depth of an ellipsoid's front at (x, z); beyond its outline the depth falls away steeply."""
    square = ((x - centre[0]) / radii[0]) ** 2 + ((z - centre[2]) / radii[2]) ** 2
    away = np.sqrt(square)
    inside = np.sqrt(np.clip(1 - square, 0.19, 1))  # the tangent continues from 0.9 of the radius
    bow = np.where(away < 0.9, inside, np.sqrt(0.19) - (away - 0.9) * 0.9 / np.sqrt(0.19))
    return centre[1] - radii[1] * bow


def _ear(skin: np.ndarray, angle: np.ndarray, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The skin with the grid's ear block drawn out into an ear, and (V,) bool which points that moved.

    Seen from the side, every point of the block lies in some direction from the ear's middle and at some share of the
    way to the block's border: shares up to RIM_SHARE make the ear's front, the rest its back.
    """
    begin, middle, end = EAR_BAND
    degrees = np.degrees(angle)
    across = np.where(degrees < middle, (degrees - middle) / (middle - begin), (degrees - middle) / (end - middle))
    up = (height - EAR_CENTRE[2]) / EAR_HALF_HEIGHT
    share = np.maximum(np.abs(across), np.abs(up))
    inside = share < 1.0
    # directions from a disc, not from the square, so that the columns spread evenly along the outline
    flat, tall = (np.sqrt(1 - value.clip(-1, 1) ** 2 / 2) for value in (up, across))
    turn = np.degrees(np.arctan2(up * tall, across * flat))
    keys, reach, out = np.array(EAR_OUTLINE, float).T
    reach, out = through(turn, keys, reach), through(turn, keys, out)
    shares, along, raised = np.array(EAR_PROFILE).T
    front_weight = smooth_step(np.abs(turn), 150, 110)  # in front of the canal there is no rim, only the tragus
    radius = reach * through(share, shares, along)
    lift = out * (through(share, shares, raised) * front_weight + (1 - front_weight) * bell((share - 0.62) / 0.2))
    back, rise = radius * np.cos(np.radians(turn)), radius * np.sin(np.radians(turn))
    base = EAR_CENTRE[0] + 0.06 * (back + 4)
    target = np.stack([base + lift + 0.12 * back, EAR_CENTRE[1] + back + 0.22 * rise, EAR_CENTRE[2] + rise], 1)
    amount = np.where(inside, smooth_step(share, 1.0, 0.8), 0.0)
    return skin + amount[:, None] * (target - skin), inside


def _relax(layout: HeadTopology, skin: np.ndarray, edges: np.ndarray, ear: np.ndarray) -> np.ndarray:
    """The skin, smoothed without shrinking (Taubin 1995) so that contour lines do not show; face and ears hardly."""
    free = ((layout.slit == 0) & (layout.height > -149.0)).astype(float)
    face = (skin[:, 1] < -50) & (layout.height > -50)
    amount = np.where(ear, 0.1, np.where(face, 0.15, 0.6)) * free
    for turn in range(12):
        step = amount * (1.0 if turn % 2 == 0 else -1.04)
        skin = skin + step[:, None] * (neighbour_mean(skin, edges) - skin)
    return skin


def _nostrils(skin: np.ndarray) -> np.ndarray:
    """The skin with the nose's underside pushed up into two hollows."""
    x, y, z = np.abs(skin[:, 0]), skin[:, 1], skin[:, 2]
    depth = bell((x - 6.6) / 3.2, (y + 101.0) / 5.5, (z + 36) / 4.0)
    return skin + depth[:, None] * np.array([0.0, 2.0, 6.0])


def _outside_eyes(skin: np.ndarray) -> np.ndarray:
    """The skin, pushed out of the eyeballs and of the room that the lids need."""
    skin = skin.copy()
    for flip in (1, -1):
        centre = EYE_CENTRE * [flip, 1, 1]
        away = skin - centre
        distance = np.linalg.norm(away, axis=1)
        near = distance < LID_RADIUS
        skin[near] = centre + away[near] * (LID_RADIUS / distance[near])[:, None]
    return skin


def _rolls(layout: HeadTopology, skin: np.ndarray) -> np.ndarray:
    """The skin, with the strips behind the rims laid inwards."""
    skin = skin.copy()
    roll = layout.roll
    rim_point = skin[layout.rim]
    flip = np.where(layout.angle < 0, -1.0, 1.0)
    sideways = np.abs(rim_point[:, 0])
    # lips: back between the teeth and the cheek, parting from each other
    lips = (layout.slit == 1) & (roll > 0)
    inwards = np.array([0.0, 2.0, 4.2, 6.0, 6.6])[roll]
    part = np.array([0.0, 0.1, 1.3, 4.5, 9.0])[roll]
    narrow = smooth_step(sideways, 10, 26)
    skin[lips] = (
        rim_point + np.stack([-flip * narrow * inwards * 0.25, inwards, layout.side * part * (1 - 0.5 * narrow)], 1)
    )[lips]
    # lids: along the eyeball, back and away from the opening
    for number, mirrored in ((2, 1), (3, -1)):
        lids = (layout.slit == number) & (roll > 0)
        centre = EYE_CENTRE * [mirrored, 1, 1]
        away = rim_point[lids] - centre
        step = roll[lids][:, None]
        behind = (
            away
            + np.array([0.0, 1.0, 0.0]) * 2.2 * step
            + np.array([0, 0, 1.0]) * (layout.side[lids][:, None] * 1.6 * (step - 1))
        )
        behind *= np.maximum(EYE_RADIUS + 0.35, np.linalg.norm(behind, axis=1, keepdims=True)) / np.linalg.norm(
            behind, axis=1, keepdims=True
        )
        skin[lids] = centre + behind
    return skin
