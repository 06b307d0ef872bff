# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw what lips, lids, eyes and teeth do on two characters of which only the neutral is known, to look at.

python benchmarks/contact_pictures.py [OUT.png]

The demo head with eyes and teeth performs what a phone would record; the two characters are that head grown otherwise,
on meshes that have nothing in common with its own, both coarser. A figure below each picture says what the
lips and the lids of the left eye are apart at most, in mm.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import trimesh
from common import ROOT
from PIL import Image, ImageDraw
from remeshing import decimated

from aim_blender.core.characters.transferring import transfer_actor
from aim_blender.core.contact.contact import Contact
from aim_blender.core.correspondence.correspondence import make_correspondence
from aim_blender.core.geometry.rigid import apply_motion
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take, stabilized_frames
from aim_blender.core.phone.fitting_phone import fit_phone, guide_correspondence, phone_actor
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.captures import Capture
from aim_blender.core.shared.demo.demo_actor import DemoActor, make_demo_actor
from aim_blender.core.shared.faces.arkit_names import SHAPES
from aim_blender.core.shared.foundation.drawing import draw, filling, seen_from
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.core.shared.phone.phone_tables import PhoneRecording
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.learning_settings import LearningSettings

QUICK = LearningSettings(iterations=20, hidden=8, device="cpu", threads=1)
UP, FORWARD = np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0])
WIDTH, HEIGHT, LABEL = 200, 226, 20
LOW, HIGH = np.array([-72.0, 0.0, -112.0]), np.array([72.0, 0.0, 50.0])  # what is seen of a face, in mm
SKIN, TEETH = np.array([0.84, 0.62, 0.51]), np.array([0.96, 0.95, 0.9])
FEWEST = 12  # points of a tooth
POSES: dict[str, dict[str, float]] = {
    "mouth closed": {},
    "mouth open": {"jawOpen": 0.8},
    "blink": {"eyeBlink": 1.0},
    "half blink": {"eyeBlink": 0.5},
    "look aside": {"eyeLookOutLeft": 0.9, "eyeLookInRight": 0.9},
    "B, P": {"jawOpen": 0.12, "mouthClose": 0.12, "mouthPress": 0.6},
    "M": {"mouthRollUpper": 0.5, "mouthRollLower": 0.5, "mouthPress": 0.3},
    "O": {"jawOpen": 0.3, "mouthFunnel": 0.9},
    "smile with teeth": {"mouthSmile": 0.9, "mouthUpperUp": 0.5, "mouthLowerDown": 0.5},
}


class Head:
    """The demo head with eyeballs and teeth in its mesh. shapes: (20, V, 3). colours: (V, 3). skin, eyes: of its
    vertices, how many come first and the two slices after them."""

    def __init__(self, demo: DemoActor) -> None:
        self.skin = len(demo.neutral)
        upper, lower = (
            _teeth(*bone)
            for bone in (
                (demo.skull_vertices, demo.skull_triangles),
                (demo.mandible_vertices, demo.mandible_triangles),
            )
        )
        pieces = [(demo.eyes_vertices, demo.eyes_triangles), upper, lower]
        triangles, first = [demo.topology.triangles()], self.skin
        for vertices, faces in pieces:
            triangles.append(faces + first)
            first += len(vertices)
        self.triangles = np.concatenate(triangles)
        count = len(demo.shapes)
        parts = [np.repeat(vertices[None], count, axis=0) for vertices, _ in pieces]
        parts[2] = apply_motion(lower[0], demo.jaw)
        self.shapes = np.concatenate([demo.shapes, *parts], axis=1)
        teeth = np.tile(TEETH, (len(upper[0]) + len(lower[0]), 1))
        self.colours = np.concatenate([np.tile(SKIN, (self.skin, 1)), demo.eyes_colours, teeth])
        half = len(demo.eyes_vertices) // 2
        self.eyes = [slice(self.skin + first, self.skin + first + half) for first in (0, half)]

    def capture(self, names: list[str]) -> Capture:
        """The head as a capture."""
        return Capture(tuple(names), self.shapes, _topology(self.triangles), {})

    def grown(self, grow: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """(V, 3) its neutral, grown otherwise; eyeballs stay round."""
        neutral = self.shapes[0]
        found = grow(neutral)
        for eye in self.eyes:
            centre = neutral[eye].mean(0)
            found[eye] = neutral[eye] - centre + grow(centre[None])
        return found

    def on_other_skin(self, neutral: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A neutral (V, 3) whose skin has about `count` vertices: vertices (W, 3), triangles, colours (W, 3)."""
        of_skin = self.triangles[(self.triangles < self.skin).all(1)]
        faces, carry = decimated(neutral[: self.skin], of_skin, count)
        count = carry.shape[0]
        rest = self.triangles[(self.triangles >= self.skin).all(1)] - self.skin + count
        vertices = np.concatenate([carry @ neutral[: self.skin], neutral[self.skin :]])
        return (
            vertices,
            np.concatenate([faces, rest]),
            np.concatenate([np.tile(SKIN, (count, 1)), self.colours[self.skin :]]),
        )


def _teeth(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The teeth of a bone: its pieces in front of the joints, but for the bone itself."""
    edges = trimesh.Trimesh(vertices, triangles, process=False).edges
    piece = trimesh.graph.connected_component_labels(edges, len(vertices))
    teeth = [
        each
        for each in range(piece.max() + 1)
        if FEWEST < (piece == each).sum() < 100 and vertices[piece == each, 1].mean() < -40.0
    ]
    chosen = np.isin(piece, teeth)
    number = np.cumsum(chosen) - 1
    return vertices[chosen], number[triangles[chosen[triangles].all(1)]]


def _topology(triangles: np.ndarray) -> Topology:
    return Topology(triangles.ravel().astype(np.int32), np.full(len(triangles), 3, np.int32), int(triangles.max()) + 1)


def child(points: np.ndarray) -> np.ndarray:
    """A small lower face below large temples."""
    x, y, z = points.T
    below = np.minimum(z - 10.0, 0.0)
    return np.stack([x * (1.0 + 0.1 * np.exp(-(((z - 50.0) / 45.0) ** 2))), y, z - 0.16 * below], axis=1)


def broad(points: np.ndarray) -> np.ndarray:
    """A broad jaw, and a long lower face."""
    x, y, z = points.T
    below = np.minimum(z - 10.0, 0.0)
    return np.stack([x * (1.0 + 0.2 * np.exp(-(((z + 60.0) / 45.0) ** 2))), y, z + 0.1 * below], axis=1)


def recording() -> PhoneRecording:
    """A frame for each pose."""
    weights = np.zeros((len(POSES), len(SHAPES)))
    for row, pose in zip(weights, POSES.values(), strict=True):
        for name, weight in pose.items():
            for side in ("", "Left", "Right"):
                if name + side in SHAPES:
                    row[SHAPES.index(name + side)] = weight
    frames = np.arange(1, len(POSES) + 1, dtype=np.int32)
    still = np.zeros(len(frames), dtype=bool)
    return PhoneRecording("poses", "a table", weights, None, None, None, frames, still, 24.0, None, (), ())


def cells(actor: Actor, take: Take, triangles: np.ndarray, colours: np.ndarray) -> list[Image.Image]:
    """A picture of each frame."""
    contact = Contact(actor)
    gaps = contact.measured(stabilized_frames(actor, take, slice(None), contact.rows))
    move, factor = filling(seen_from(np.stack([LOW, HIGH]), UP, FORWARD), WIDTH, HEIGHT)
    found = []
    for index, frame in enumerate(evaluate_take(actor, take)["vertices"]):
        points = (seen_from(frame.astype(np.float64), UP, FORWARD) + move) * factor
        drawn = draw(points, triangles, colours, WIDTH, HEIGHT)[::-1]
        rgb = drawn[..., :3] + (1.0 - drawn[..., 3:]) * np.array([0.12, 0.13, 0.15])
        cell = Image.new("RGB", (WIDTH, HEIGHT + LABEL), (30, 33, 38))
        cell.paste(Image.fromarray((255 * rgb.clip(0, 1) ** 0.8).astype(np.uint8)))
        apart = " ".join(f"{name[:4]} {gaps[name][index, 1:-1].max():.1f}" for name in gaps if name != "right lids")
        text = f"{list(POSES)[index]}: {apart}"
        ImageDraw.Draw(cell).text((6, HEIGHT + 4), text, fill=(225, 225, 225))
        found.append(cell)
    return found


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".env" / "contact.png"
    demo = make_demo_actor()
    head = Head(demo)
    source = learn_actor(head.capture(demo.names), QUICK)
    take = fit_phone(phone_actor(source, demo, guide_correspondence(source, demo)), recording())
    rows = [cells(source, take, head.triangles, head.colours)]
    for grow, count in ((child, 5000), (broad, 3000)):
        neutral, triangles, colours = head.on_other_skin(head.grown(grow), count)
        topology = _topology(triangles)
        places = make_correspondence(source.neutral, source.topology, neutral, topology)
        character = transfer_actor(source, neutral, topology, places, "demo")
        shown = retarget_take(take, source, character, correspondence=places)
        rows.append(cells(character, shown, triangles, colours))
    sheet = Image.new("RGB", (WIDTH * len(POSES), (HEIGHT + LABEL) * len(rows)))
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            sheet.paste(cell, (column * WIDTH, number * (HEIGHT + LABEL)))
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(128).save(out, optimize=True)
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
