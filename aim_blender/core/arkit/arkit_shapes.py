# SPDX-License-Identifier: GPL-3.0-or-later
"""The 52 shapes of ARKit as an actor makes them, as offsets that keys can hold.

What was captured is split by core/phone, as its weights say. What was not, and is not imitated well by what was, is the
demo head's muscles', carried to its face. The jaw is a bone, or it is in the keys jawOpen, jawLeft, jawRight and
jawForward; mouthClose brings the lips of an open jaw to where they are at rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..anatomy.anatomy import Hinge
from ..anatomy.jaw import compose_jaw
from ..baking.baking import rest_space
from ..characters.transferring import carried_shapes
from ..geometry.skinning import linear_blend_skinning
from ..model.actor import Actor
from ..phone.fitting_phone import PhoneActor
from ..phone.phone_shapes import CAPTURED, IMITATED, MOVES_MM, NOTHING, shapes_of
from ..shared.faces.arkit_names import JAW, MOTIONS, SHAPES, motion_of
from ..shared.foundation.wording import listed

Report = Callable[[dict], None]

IMITATES_WELL = 0.8  # of a motion: what the actor's own expressions show less of is transferred instead
TRANSFERRED = "transferred"
CLOSE, OPEN = SHAPES.index("mouthClose"), SHAPES.index("jawOpen")


@dataclass(frozen=True)
class ArkitShapes:
    """Of an actor's V points. offsets: (52, V, 3) mm what each shape adds after skinning, in SHAPES' order. poses:
    (52, 6) of the jaw about its hinge, zero without one. closing: (V,) how much a point goes with closing lips. rows:
    for each shape its name, by what it is shown (captured, imitated, transferred, jaw or nothing), the share of the
    motion that is, and the expressions that are parts of it. closes: whether mouthClose is
    made by closing the lips, and was not captured. notes: what to say of them."""

    actor: Actor
    offsets: np.ndarray
    poses: np.ndarray
    closing: np.ndarray
    rows: list[dict[str, Any]]
    closes: bool
    notes: list[str] = field(default_factory=list)

    @property
    def hinge(self) -> Hinge | None:
        """About which the jaw moves; None where it does not."""
        return self.actor.hinge if np.abs(self.poses).max() > 0 else None

    def jaw(self) -> np.ndarray:
        """(52, 4, 4) what the jaw does in each shape."""
        if self.hinge is None:
            return np.tile(np.eye(4), (len(SHAPES), 1, 1))
        return compose_jaw(self.poses, self.hinge)

    def whole(self) -> np.ndarray:
        """(52, V, 3) mm what each shape moves, the jaw's motion included: keys without a bone."""
        actor = self.actor
        moved = linear_blend_skinning(actor.neutral, self.jaw(), actor.skin_weight) - actor.neutral + self.offsets
        if self.closes:
            moved[CLOSE] = -self.closing[:, None] * moved[OPEN]
        return moved

    def beside_bone(self) -> np.ndarray:
        """(52, V, 3) mm keys before skinning by a jaw bone, docs/model.md (37): of the jaw's own shapes only what the
        bone leaves of them."""
        actor, jaw = self.actor, self.jaw()
        moved = linear_blend_skinning(actor.neutral, jaw, actor.skin_weight) + self.offsets
        keys = rest_space(moved, jaw, actor.skin_weight) - actor.neutral
        if self.closes:
            shut = rest_space(actor.neutral[None], jaw[OPEN][None], actor.skin_weight)[0] - actor.neutral
            keys[CLOSE] = self.closing[:, None] * (shut - keys[OPEN])
        return keys


def arkit_shapes(performer: PhoneActor, report: Report | None = None) -> ArkitShapes:
    """The 52 shapes of an actor. performer: as phone_actor makes it. report: is told what is done."""
    actor, worked, found = performer.actor, performer.worked, performer.shapes
    fields = np.einsum("vm,smk->svk", found.modes, found.coefficients, optimize=True)  # (52, W, K)
    offsets = np.einsum("svk,vkc->svc", fields, worked.expressions, optimize=True)
    rows = {row["name"]: dict(row) for row in found.rows}
    notes = list(found.notes)
    lacking = _lacking(rows, performer)
    if lacking:
        (report or (lambda _: None))({"message": "Transferring what was not captured"})
        for motion, moved in _transferred(performer, lacking).items():
            for shape in shapes_of(motion):
                side = performer.guide.side(shape.removeprefix(motion))
                offsets[SHAPES.index(shape)] = side[:, None] * moved
                rows[shape] |= {"by": TRANSFERRED, "share": 1.0, "parts": []}
    closes = rows["mouthClose"]["by"] != CAPTURED and bool(performer.guide.closing.any())
    if closes:
        rows["mouthClose"] |= {"by": TRANSFERRED, "share": 1.0, "parts": ["jawOpen"]}
        offsets[CLOSE] = 0.0
    ordered = [rows[shape] for shape in SHAPES]
    spread = actor.working.spread
    whole = spread(np.ascontiguousarray(offsets.transpose(1, 0, 2))).transpose(1, 0, 2)
    closing = spread(performer.guide.closing)
    poses = found.jaw.poses.copy()
    return ArkitShapes(actor, whole, poses, closing, ordered, closes, [*notes, *_notes(ordered, performer)])


def _lacking(rows: dict[str, dict[str, Any]], performer: PhoneActor) -> list[str]:
    """The motions that no expression shows well, and the demo head knows."""
    motions = performer.guide.motions
    return [
        motion
        for motion in MOTIONS
        if motion not in (*JAW, "mouthClose")
        and np.linalg.norm(motions[motion], axis=1).max() > MOVES_MM
        and all(
            rows[shape]["by"] == NOTHING or (rows[shape]["by"] == IMITATED and rows[shape]["share"] < IMITATES_WELL)
            for shape in shapes_of(motion)
        )
    ]


def _transferred(performer: PhoneActor, motions: list[str]) -> dict[str, np.ndarray]:
    """{motion: (W, 3) mm} what the demo head's muscles do, carried to the actor's working mesh."""
    guide, actor = performer.guide, performer.worked
    source = guide.neutral + np.stack([np.zeros_like(guide.neutral), *(guide.motions[each] for each in motions)])
    shapes = carried_shapes(source, actor.neutral, actor.topology, guide.trust)
    return dict(zip(motions, shapes - actor.neutral, strict=True))


def _notes(rows: list[dict[str, Any]], performer: PhoneActor) -> list[str]:
    by = {which: [row for row in rows if row["by"] == which] for which in (IMITATED, TRANSFERRED, NOTHING)}
    notes = []
    if by[TRANSFERRED]:
        told = _motions(by[TRANSFERRED])
        notes.append(f"the actor was not captured in {told}: these are the demo head's muscles', carried to its face")
    if by[IMITATED]:
        told = _motions(by[IMITATED])
        notes.append(f"the actor was not captured in {told}: its other expressions imitate these")
    if by[NOTHING]:
        told = _motions(by[NOTHING])
        notes.append(f"nothing moves in {told}: eyes and a tongue are no skin, and a jaw moves as it was captured")
    if not performer.guide.known:
        notes.append(
            "no face was found on the actor's mesh to compare with the demo head, so its expressions were taken by "
            "their names alone"
        )
    return notes


def _motions(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(motion_of(row["name"]) for row in rows))
    return listed(names, len(names))
