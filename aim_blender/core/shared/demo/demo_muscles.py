# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo actor's muscles, after Waters, "A muscle model for animating three-dimensional facial expression" (1987).

A linear muscle draws the skin in a cone towards the place where it is fixed to the bone; ring muscles close lips and
lids. Each moves the skin by millimetres at full activation, whatever the jaw does. Needs numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .demo_curves import bell, neighbour_mean, smooth_step
from .demo_head import EYE_CENTRE, DemoHead

# name: (fixed to the bone at, draws the skin at, mm, half angle of its cone in degrees, which lip: +1 upper, -1 lower)
LINEAR_MUSCLES = {
    "zygomatic_major": ((57, -46, -8), (26, -82, -58), 17.0, 44, 0),
    "risorius": ((62, -22, -56), (26, -82, -58), 9.0, 34, 0),
    "buccinator": ((50, -34, -58), (25, -83, -58), 6.0, 24, 0),
    "levator_labii": ((22, -80, 8), (11, -93, -50), 8.5, 30, 1),
    "levator_nasi": ((15, -80, 26), (14, -97, -36), 5.5, 19, 0),
    "depressor_anguli": ((32, -62, -104), (25, -83, -58), 10.0, 34, 0),
    "depressor_labii": ((16, -76, -102), (10, -92, -65), 8.0, 36, -1),
    "frontalis_inner": ((14, -66, 102), (15, -93, 27), 10.0, 26, 0),
    "frontalis_outer": ((42, -46, 98), (40, -79, 28), 9.0, 28, 0),
    "corrugator": ((3, -94, 19), (26, -90, 28), 6.0, 40, 0),
    "depressor_brow": ((20, -86, -6), (24, -92, 27), 7.0, 44, 0),
}
SIDES, LIDS = ("left", "right"), ("lid_upper", "lid_lower")
PAIRED = (*LINEAR_MUSCLES, "cheek_raiser", *LIDS, "pucker", "cheek_puff")
SINGLE = ("funnel", "lips_in", "lips_press", "mentalis", "mouth_shift")
MUSCLES = tuple(f"{name}_{side}" for name in PAIRED for side in SIDES) + SINGLE
LID_CLOSE = 0.72  # where between the rims the closed lids meet: 0 at the upper rim, 1 at the lower


@dataclass(frozen=True)
class Muscles:
    """What each muscle does to the neutral skin.

    moves (M, V, 3): mm at full activation, in the order of MUSCLES; zero for the lids, which turn about the eyes'
    corners. lids: for each eye its vertices, their angle about the corners' axis, and how far (radians) upper and lower
    lid turn to close.
    """

    head: DemoHead
    moves: np.ndarray
    lids: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]

    def offsets(self, activations: np.ndarray) -> np.ndarray:
        """(F, V, 3) mm: what the muscles add to the skin, for activations (F, M) in the order of MUSCLES."""
        activations = np.asarray(activations, float)
        moved = np.tensordot(activations, self.moves, 1)
        for eye, side in zip(self.lids, SIDES, strict=True):
            upper, lower = (activations[:, MUSCLES.index(f"{lid}_{side}")][:, None] for lid in LIDS)
            angle = upper * eye["upper"] + lower * eye["lower"]  # (F, n)
            moved[:, eye["vertices"]] += _turned(eye["away"], eye["axis"], angle) - eye["away"]
        return moved


def activation_vector(amounts: dict[str, float]) -> np.ndarray:
    """(M,) activations from {muscle: amount}; a paired muscle's name without its side means both sides."""
    vector = np.zeros(len(MUSCLES))
    for name, amount in amounts.items():
        for full in (name, *(f"{name}_{side}" for side in SIDES)):
            if full in MUSCLES:
                vector[MUSCLES.index(full)] += amount
    return vector


def make_muscles(head: DemoHead) -> Muscles:
    """The muscles of a head."""
    layout = head.layout
    skin = head.neutral[layout.rim]  # a strip behind a rim moves as its rim does
    # "Outwards" is away from the head's axis, not the normal: both lips must go the same way.
    outwards = skin * [1.0, 1.0, 0.0] / np.maximum(np.hypot(skin[:, 0], skin[:, 1]), 1e-9)[:, None]
    lip = lip_share(head)
    clear_of_lids = _away_from_lids(skin)
    moves = []
    for name in PAIRED:
        for flip in (1.0, -1.0):
            mirrored = np.array([flip, 1.0, 1.0])
            moves.append(_paired(name, skin * mirrored, outwards * mirrored, lip, clear_of_lids) * mirrored)
    for name in SINGLE:
        moves.append(_single(name, head, skin, lip))
    return Muscles(head, np.stack(moves)[:, layout.rim], (_lids(head, 1.0), _lids(head, -1.0)))


def lip_share(head: DemoHead) -> np.ndarray:
    """(V,) 1 on the upper lip and above, 0 on the lower lip and below, blending around the mouth's corners."""
    layout, skin = head.layout, head.neutral
    over = np.where(layout.slit == 1, layout.side * 1.0, skin[:, 2] - head.mouth_line)
    lips = (np.abs(skin[:, 0]) < 21) & (np.abs(over) < 14) & (skin[:, 1] < -60)
    share = smooth_step(over, -6, 6)
    wanted = np.where(over > 0, 1.0, 0.0)
    return spread(np.where(lips, wanted, share), lips, head.edges, 40)


def spread(values: np.ndarray, pinned: np.ndarray, edges: np.ndarray, rounds: int) -> np.ndarray:
    """Values (V,), smoothed along the mesh where not pinned (V,) bool: slits part what lies on their two sides."""
    start = values
    for _ in range(rounds):
        values = np.where(pinned, start, 0.3 * values + 0.7 * neighbour_mean(values, edges))
    return values


def _away_from_lids(skin: np.ndarray) -> np.ndarray:
    """(V,) 0 on the lids, which only the lid muscles may move, 1 away from them."""
    x, z = np.abs(skin[:, 0]) - EYE_CENTRE[0], skin[:, 2] - EYE_CENTRE[2]
    ratio = np.hypot(x / 15.5, z / np.where(z > 0.0, 11.0, 10.5))
    return np.where(skin[:, 1] < -40, smooth_step(ratio, 0.95, 1.8), 1.0)


def _linear(skin: np.ndarray, fixed: tuple, drawn: tuple, amount: float, half_angle: float) -> np.ndarray:
    """(V, 3) Waters' linear muscle: nothing at its fixed end, most at its drawn end, fading beyond and sideways."""
    way = np.subtract(drawn, fixed).astype(float)
    away = skin - np.array(fixed, float)
    distance = np.linalg.norm(away, axis=1)
    length = float(np.linalg.norm(way))
    cosine = away @ way / np.maximum(distance * length, 1e-9)
    sideways = smooth_step(np.degrees(np.arccos(np.clip(cosine, -1, 1))), half_angle, 0) ** 1.3
    inner = smooth_step(distance, 0.0, length)
    along = np.where(distance < length, inner, smooth_step(distance, length + min(0.75 * length, 24.0), length))
    return -amount * (sideways * along / np.maximum(distance, 1e-9))[:, None] * away


def _paired(
    name: str, skin: np.ndarray, outwards: np.ndarray, lip: np.ndarray, clear_of_lids: np.ndarray
) -> np.ndarray:
    """(V, 3) what the left one of a pair of muscles does."""
    x, y, z = skin.T
    front = smooth_step(y, -20, -45)
    if name in LINEAR_MUSCLES:
        fixed, drawn, amount, half_angle, which = LINEAR_MUSCLES[name]
        share = {0: 1.0, 1: lip, -1: 1.0 - lip}[which]
        if name == "levator_labii":  # lips and cheeks, not the nose
            share = share * (1 - bell(x / 15) ** 0.5 * smooth_step(z, -47, -37) * smooth_step(z, 5, -20))
        if name == "levator_nasi":  # the nose's wings, not its tip
            share = share * smooth_step(np.abs(x), 2, 13)
        move = (share * clear_of_lids)[:, None] * _linear(skin, fixed, drawn, amount, half_angle)
        if name == "zygomatic_major":  # the cheek's flesh gathers in front of the cheek bone
            move += (3.5 * clear_of_lids * front * bell((x - 39) / 12, (z + 29) / 11))[:, None] * outwards
            move[:, 2] += 3.0 * clear_of_lids * front * bell((x - 36) / 14, (z + 28) / 14)
        return move
    if name == "cheek_raiser":
        bump = clear_of_lids * front * bell((x - 38) / 15, (z + 12) / 11)
        return bump[:, None] * (np.array([0.0, 0.0, 5.0]) + 2.0 * outwards)
    if name == "cheek_puff":
        bump = front * bell((x - 42) / 17, (z + 56) / 20) + 0.35 * front * bell((x - 14) / 12, (z + 57) / 18)
        return 12.0 * bump[:, None] * outwards
    if name == "pucker":
        half = smooth_step(x, -9, 9)
        reach = front * half * bell(x / 33, (z + 58) / 20)
        inwards = -0.56 * x * smooth_step(np.abs(x), 46, 20)
        return reach[:, None] * np.stack([inwards, -9.0 * bell(x / 24), (z + 58) * 0.1], 1)
    return np.zeros_like(skin)  # the lids turn, see _lids


def _single(name: str, head: DemoHead, skin: np.ndarray, lip: np.ndarray) -> np.ndarray:
    """(V, 3) what an unpaired muscle does."""
    x, y, z = skin.T
    front = smooth_step(y, -20, -45)
    over = z - head.mouth_line[head.layout.rim]
    mouth = front * bell(x / 24, (z + 58) / 17)
    if name == "funnel":
        parting = (2 * lip - 1) * smooth_step(np.abs(x), 27, 4) * bell(over / 13)
        return np.stack([-0.6 * x * mouth, -8.0 * mouth, 6.5 * front * parting], 1)
    if name == "lips_in":
        rolled = front * bell(x / 22, over / 9.5) * smooth_step(np.abs(x), 28, 12)
        return np.stack([0 * x, 7.5 * rolled, -0.55 * over * rolled], 1)
    if name == "lips_press":
        pressed = front * bell(x / 22, over / 8.0) * smooth_step(np.abs(x), 30, 14)
        return np.stack([0 * x, 1.5 * pressed, -0.3 * over * pressed], 1)
    if name == "mentalis":
        chin = front * bell(x / 17, (z + 82) / 17)
        return np.stack([0 * x, -2.2 * front * bell(x / 15, (z + 69) / 8), 5.0 * chin], 1)
    aside = front * bell(x / 30, (z + 60) / 21)
    return np.stack([10.0 * aside, 1.2 * aside * x / 25, -0.06 * x * aside], 1)  # mouth_shift, to the left


def _turned(away: np.ndarray, axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points away (n, 3) from an axis' origin turned about the unit axis by angles (F, n): (F, n, 3)."""
    along = (away @ axis)[:, None] * axis
    across = away - along
    side = np.cross(axis, across)
    return along + np.cos(angle)[..., None] * across + np.sin(angle)[..., None] * side


def _lids(head: DemoHead, flip: float) -> dict[str, np.ndarray]:
    """One eye's lids: they turn about the axis through the eye's centre, in the direction from corner to corner."""
    layout = head.layout
    mirrored = np.array([flip, 1.0, 1.0])
    skin = head.neutral * mirrored  # as if it were the left eye
    number = 2 if flip > 0 else 3
    rim = (layout.slit == number) & (layout.roll == 0)
    corners = skin[rim & (layout.side == 0)]
    inner, outer = corners[np.argsort(corners[:, 0])]
    axis = np.array([outer[0] - inner[0], 0.0, outer[2] - inner[2]])
    axis /= np.linalg.norm(axis)
    upward = np.cross(axis, [0.0, 1.0, 0.0])
    upward = upward * np.sign(upward[2])
    away = skin - EYE_CENTRE
    along, turn = away @ axis, np.arctan2(away @ upward, -away[:, 1])

    def rim_turn(side: int) -> np.ndarray:
        chosen = rim & ((layout.side == side) | (layout.side == 0))
        order = np.argsort(along[chosen])
        return np.interp(along, along[chosen][order], turn[chosen][order])

    upper, lower = rim_turn(1), rim_turn(-1)
    meet = upper + LID_CLOSE * (lower - upper)
    over = np.where(layout.slit == number, layout.side > 0, turn > 0.5 * (upper + lower))
    owner = layout.rim
    turn = np.where(layout.roll > 0, turn[owner], turn)
    near = np.hypot(away[:, 0] / 24, away[:, 2] / 22)
    reach = smooth_step(near, 1.0, 0.62) * (away[:, 1] < 8) * (skin[:, 0] > 3)
    share_over = reach * smooth_step(turn - upper, 0.75, 0.0)
    share_under = reach * smooth_step(lower - turn, 0.8, 0.0)
    # Angles grow upwards; a positive turn about the axis (to the character's left) moves the front downwards.
    closing_over = np.where(over, share_over * (upper - meet), 0.0)
    closing_under = np.where(over, 0.0, share_under * (lower - meet))
    for closing in (closing_over, closing_under):
        closing[:] = np.where(layout.roll > 0, closing[owner], closing)
    vertices = np.flatnonzero((closing_over != 0) | (closing_under != 0))
    return {
        "vertices": vertices,
        "away": (away * mirrored)[vertices],
        "axis": axis * mirrored * flip,  # in a mirror a turn goes the other way about, so the axis is turned round
        "upper": closing_over[vertices],
        "lower": closing_under[vertices],
    }
