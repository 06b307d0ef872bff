# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts a mesh has beside its skin: by what hangs together, by its form, and by how it moves over the shapes.

The neutral alone tells eyeballs, by their form, what lies in the mouth, and what lies along the skin; the shapes
tell what goes with the jaw, with the skull, what follows the skin and what bends.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial import cKDTree

from ..anatomy.jaw_witnesses import lower_teeth
from ..geometry.rigid import angle_degrees, apply_motion, rigid_registration
from ..shared.faces.face_profile import PROFILE, HeadFrame, find_head_frame
from ..shared.faces.head_region import around, moved_most, moving_vertices
from ..shared.faces.mouth_parts import kinds_in_mouth
from ..shared.faces.part_kinds import JOINED, read_choices
from ..shared.faces.spheres import BESIDE, EYE_RADIUS_MM, Sphere, sphere_of
from ..shared.foundation.errors import InputError
from ..shared.foundation.topology import Topology
from .choosing import pieces_chosen
from .parts import Parts
from .pieces import MOST_PIECES, pieces_of

# Lengths are in mm of a typical adult; they grow with the face.
STIFF_MM = 0.3  # how far a part may be off a rigid motion, or move, to have none
# Of the way that an eyeball's points go in shapes of rigs, which are straight and made for another face: by which it
# may be off a turn, and its centre go too.
CHORD, SLIDING = 0.25, 0.4
PIVOT_MM, PIVOT_DEGREES = 1.0, 3.0  # how far an eyeball's centre may move, and from where turning tells where it is
TWINS = 0.25  # of a radius, by which two eyeballs may differ
REACH_MM = 15.0  # from the skin, that the furthest point of a lash may be
EXPLAINED = 0.9  # of a part's motion, by its square, that the skin beside it does too
MOSTLY = 0.5  # of what stands still, that lies about the head, to be of the head
GAP_MM = 4.0  # between pieces of one part
TYPICAL_FACE_MM = 200.0  # what shapes move of a head


@dataclass
class _Piece:
    """vertices: (n,). kind: a key of part_kinds.KINDS, "" for the skin. sphere: that it lies on, if it does. eye: the
    number of the eyeball that it is of."""

    vertices: np.ndarray
    kind: str = ""
    sphere: Sphere | None = None
    eye: int = -1
    name: str = field(default="", compare=False)


def find_parts(shapes: np.ndarray, topology: Topology, choices: str = "") -> Parts | None:
    """The parts of a mesh, None if it is all skin.

    shapes: (N+1, V, 3) mm without the head's motion, the neutral first; the neutral alone (1, V, 3) is enough. choices:
    what an artist says against it, as part_kinds.read_choices reads it. Raises InputError if that names no part.
    """
    wanted = read_choices(choices)
    found = pieces_of(shapes, topology)
    if not 1 < len(found) <= MOST_PIECES:
        if wanted:
            raise InputError("the mesh is one piece of skin, so that there are no parts to choose anything for")
        return None
    return _Finding(shapes, topology, found).parts(wanted)


class _Finding:
    """The pieces of one mesh, and what they are taken for."""

    def __init__(self, shapes: np.ndarray, topology: Topology, found: list[np.ndarray]) -> None:
        self.shapes, self.neutral = shapes, shapes[0]
        self.pieces = [_Piece(vertices) for vertices in found]
        self.skin = found[0]
        moving = moving_vertices(shapes, topology.in_faces())
        self.near = around(self.neutral, moving) if moving.any() else np.ones(len(self.neutral), dtype=bool)
        of_skin = np.zeros(topology.vertex_count, dtype=bool)
        of_skin[self.skin] = True
        triangles = topology.triangles()
        self.skin_triangles = triangles[of_skin[triangles].all(1)]
        self.frame = self._frame(moving)
        self.axes, self.scale = self._face(moving)
        self.moved = moved_most(shapes)
        self.tree = cKDTree(self.neutral[self.skin])
        self.lower_teeth = np.zeros(len(self.neutral), dtype=bool)
        if len(shapes) > 1:
            self.lower_teeth[lower_teeth(self.neutral, shapes[1:], self._edges(topology))] = True

    def parts(self, wanted: dict[str, str]) -> Parts:
        """As they are taken for, but for what is wanted."""
        self._find_eyes()
        self._find_mouth()
        for piece in self.pieces[1:]:
            piece.kind = piece.kind or self._kind(piece)
        parts = self._grouped()
        for index, kind in pieces_chosen(
            wanted, [each.vertices for each in self.pieces], [each.name for each in self.pieces]
        ).items():
            piece = self.pieces[index]
            piece.kind, piece.eye = kind, piece.eye if kind == "turns" else -1
        return self._chosen() if wanted else parts

    def _chosen(self) -> Parts:
        """The parts of pieces whose kinds were chosen, and what each was called before."""
        before = [piece.name for piece in self.pieces]
        parts = self._grouped()
        found = []
        for name in parts.names:
            called = [old for old, piece in zip(before, self.pieces, strict=True) if piece.name == name]
            found.append(JOINED.join(dict.fromkeys(called)))
        return replace(
            parts, found=tuple("" if old == new else old for old, new in zip(found, parts.names, strict=True))
        )

    def _edges(self, topology: Topology) -> np.ndarray:
        """(E, 2) the mesh's edges, and between the copies of vertices in a piece."""
        chains = [np.stack([piece.vertices[:-1], piece.vertices[1:]], axis=1) for piece in self.pieces]
        return np.concatenate([topology.edges(), *chains])

    def _frame(self, moving: np.ndarray) -> HeadFrame | None:
        """How the face is turned, None where none with a nose and a chin is found."""
        try:
            return find_head_frame(self.neutral, self.skin_triangles, moving if moving.any() else None)
        except InputError:
            return None

    def _face(self, moving: np.ndarray) -> tuple[np.ndarray, float]:
        """(3, 3) the face's left, up and front, and how much larger it is than a typical adult's."""
        frame = self.frame
        if frame is None:  # as heads are mostly modelled
            chosen = self.skin[moving[self.skin]] if moving[self.skin].any() else self.skin
            return np.eye(3), float(np.ptp(self.neutral[chosen], axis=0).max()) / TYPICAL_FACE_MM
        return np.stack([frame.left, frame.up, frame.front]), float(frame.scale)

    def _find_mouth(self) -> None:
        """Mark what lies in the mouth of a neutral alone."""
        others = [piece for piece in self.pieces[1:] if not piece.kind]
        if len(self.shapes) > 1 or self.frame is None or not others:
            return
        kinds = kinds_in_mouth(self.neutral, self.skin_triangles, self.frame, [each.vertices for each in others])
        for number, kind in kinds.items():
            others[number].kind = kind

    def _find_eyes(self) -> None:
        """Number the eyeballs, and mark the pieces that turn with each."""
        least, most = (self.scale * radius for radius in EYE_RADIUS_MM)
        for piece in self.pieces[1:]:
            sphere = sphere_of(self.neutral[piece.vertices])
            if sphere is not None and least <= sphere.radius <= most and self._may_turn(piece, sphere):
                piece.sphere = sphere
        round_ones = [piece for piece in self.pieces if piece.sphere is not None and self._has_twin(piece)]
        centres: list[Sphere] = []
        for piece in round_ones:
            assert piece.sphere is not None
            same = [
                eye
                for eye, sphere in enumerate(centres)
                if np.linalg.norm(sphere.centre - piece.sphere.centre) < sphere.radius / 2
            ]
            if not same:
                centres.append(piece.sphere)
            piece.kind, piece.eye = "turns", same[0] if same else len(centres) - 1
        for piece in self.pieces[1:]:
            for eye, sphere in enumerate(centres):
                beside = np.linalg.norm(self.neutral[piece.vertices] - sphere.centre, axis=1).max()
                if not piece.kind and beside < BESIDE * sphere.radius and self._may_turn(piece, sphere):
                    piece.kind, piece.eye = "turns", eye

    def _has_twin(self, piece: _Piece) -> bool:
        """Whether there is another sphere as large on the face's other side, or the piece turns by itself."""
        assert piece.sphere is not None
        if self.moved[piece.vertices].max() > STIFF_MM:
            return True
        left, size = self.axes[0], piece.sphere.radius
        for other in self.pieces[1:]:
            if other.sphere is None or other is piece or abs(other.sphere.radius / size - 1) > TWINS:
                continue
            apart = other.sphere.centre - piece.sphere.centre
            if np.linalg.norm(apart) > size and abs(apart @ left) > 0.9 * np.linalg.norm(apart):
                return True
        return False

    def _may_turn(self, piece: _Piece, sphere: Sphere) -> bool:
        """Whether all that a piece does in the shapes is to turn about a sphere's centre."""
        furthest = float(self.moved[piece.vertices].max())
        if furthest <= STIFF_MM:
            return True
        motion, off = self._rigid(piece)
        slid = np.linalg.norm(apply_motion(sphere.centre[None], motion)[:, 0] - sphere.centre, axis=1)
        return off <= max(STIFF_MM, CHORD * furthest) and float(slid.max(initial=0.0)) <= max(
            PIVOT_MM * max(self.scale, 1.0), SLIDING * furthest
        )

    def _rigid(self, piece: _Piece) -> tuple[np.ndarray, float]:
        """How a piece moves in the shapes as a rigid one (N, 4, 4), and how far it is off that at most."""
        rest, shapes = self.neutral[piece.vertices], self.shapes[1:, piece.vertices]
        motion = rigid_registration(rest, shapes, np.ones(shapes.shape[:2]))
        off = np.linalg.norm(apply_motion(rest, motion) - shapes, axis=-1)
        return motion, float(off.max(initial=0.0))

    def _kind(self, piece: _Piece) -> str:
        """What a piece that is no eyeball is taken for."""
        vertices = piece.vertices
        if self.lower_teeth[vertices].any():
            return "jaw"
        if len(self.shapes) == 1:
            beside = self.tree.query(self.neutral[vertices])[0].max()
            return "follows" if beside <= REACH_MM * self.scale else "skull" if self._on_head(vertices) else "still"
        if self.moved[vertices].max() <= STIFF_MM:  # as hair, or clothes that may reach up to the head
            return "skull" if self.near[vertices].mean() > MOSTLY else "still"
        return "follows" if self._follows(vertices) else "bends"

    def _on_head(self, vertices: np.ndarray) -> bool:
        """Whether a piece of a neutral alone is a cap or glasses rather than a collar: not below the lips, and near."""
        if self.frame is None:
            return True
        height = self.frame.local(self.neutral[vertices]).mean(0)[1]
        return bool(height > PROFILE["stomion"][0] and self.frame.around(self.neutral[vertices]).all())

    def _follows(self, vertices: np.ndarray) -> bool:
        """Whether a piece lies along the skin and does what the skin beside it does."""
        distance, beside = self.tree.query(self.neutral[vertices])
        if distance.max() > REACH_MM * self.scale:
            return False
        own = self.shapes[1:, vertices] - self.neutral[vertices]
        skin = self.skin[beside]
        left = own - (self.shapes[1:, skin] - self.neutral[skin])
        return bool((left**2).sum() <= (1 - EXPLAINED) * (own**2).sum())

    def _grouped(self) -> Parts:
        """The parts, named, of pieces whose kinds are known: an eyeball each, and of others what lies together."""
        names: list[str] = []
        kinds: list[str] = []
        centres: list[np.ndarray] = []
        part_of = np.full(len(self.neutral), -1, dtype=np.int32)
        for kind, group in self._groups():
            name = self._name(kind, group, names)
            for piece in group:
                piece.name = name
                part_of[piece.vertices] = len(names)
            names.append(name)
            kinds.append(kind)
            centres.append(self._centre(group) if kind == "turns" else self._middle(group))
        return Parts(tuple(names), tuple(kinds), part_of, np.array(centres), self.axes)

    def _groups(self) -> list[tuple[str, list[_Piece]]]:
        """(kind, pieces) of each part, eyeballs first."""
        found: dict[tuple[str, int], list[_Piece]] = {}
        for index, piece in enumerate(self.pieces[1:]):
            if piece.kind == "turns":
                found.setdefault(("turns", piece.eye if piece.eye >= 0 else -2 - index), []).append(piece)
        groups = [(kind, pieces) for (kind, _), pieces in found.items()]
        for kind in ("skull", "jaw", "follows", "bends", "still"):
            groups += [(kind, each) for each in self._together([p for p in self.pieces[1:] if p.kind == kind])]
        return groups

    def _together(self, pieces: list[_Piece]) -> list[list[_Piece]]:
        """Pieces in groups whose boxes touch."""
        groups: list[tuple[np.ndarray, np.ndarray, list[_Piece]]] = []
        for piece in pieces:
            points = self.neutral[piece.vertices]
            low, high, group = points.min(0) - GAP_MM * self.scale / 2, points.max(0) + GAP_MM * self.scale / 2, [piece]
            apart = []
            for each in groups:
                if (low <= each[1]).all() and (high >= each[0]).all():
                    low, high, group = np.minimum(low, each[0]), np.maximum(high, each[1]), each[2] + group
                else:
                    apart.append(each)
            groups = [*apart, (low, high, group)]
        return [group for *_, group in groups]

    def _name(self, kind: str, group: list[_Piece], taken: list[str]) -> str:
        """A name that is not taken: of eyeballs by their side."""
        if kind == "turns":
            eyes = [each for each in self.pieces[1:] if each.kind == "turns"]
            middle = np.mean([self._middle([each]) for each in eyes], axis=0)
            side = (self._middle(group) - middle) @ self.axes[0]
            name = "eye_left" if side > 0 else "eye_right"
            if len({each.eye for each in eyes}) == 2 and name not in taken:
                return name
        beginning = "eye" if kind == "turns" else kind
        number = 1
        while f"{beginning}_{number}" in taken:
            number += 1
        return f"{beginning}_{number}"

    def _middle(self, group: list[_Piece]) -> np.ndarray:
        return self.neutral[np.concatenate([piece.vertices for piece in group])].mean(0)

    def _centre(self, group: list[_Piece]) -> np.ndarray:
        """(3,) what an eyeball turns about: what its turning leaves in place or, where it hardly turns, the middle of
        its roundest sphere."""
        largest = max(group, key=lambda piece: len(piece.vertices))
        motion, _ = self._rigid(largest)
        spheres = [piece.sphere for piece in group if piece.sphere is not None]
        rest = self._middle(group) if not spheres else min(spheres, key=lambda sphere: sphere.off).centre
        if angle_degrees(motion).max(initial=0.0) < PIVOT_DEGREES:
            return rest
        # A turn about one axis leaves the axis in place: along it, the sphere tells.
        rows = np.concatenate([(motion[:, :3, :3] - np.eye(3)).reshape(-1, 3), 1e-2 * np.eye(3)])
        moved = -(motion[:, :3, 3] + (motion[:, :3, :3] - np.eye(3)) @ rest).reshape(-1)
        return rest + np.linalg.lstsq(rows, np.append(moved, np.zeros(3)), rcond=None)[0]
