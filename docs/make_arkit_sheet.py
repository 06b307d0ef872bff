# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the 52 shapes that `python -m aim_blender arkit` wrote as one picture, docs/pictures/guide/arkit.png:

python docs/make_arkit_sheet.py shapes.npz [--z-up] [--out PICTURE.png]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from PIL import Image, ImageDraw  # noqa: E402

from aim_blender.core.shared.foundation.drawing import draw, filling, seen_from  # noqa: E402
from aim_blender.core.shared.foundation.topology import Topology  # noqa: E402

SIZE, COLUMNS = 170, 9
SKIN, MOVED = np.array([0.82, 0.72, 0.66]), np.array([0.95, 0.35, 0.15])
SHOWN_MM = 3.0  # what moves so far in some shape is in the picture
FULL_MM = 12.0  # of a motion, from which a point has the colour of what moves


def sheet(path: Path, z_up: bool) -> Image.Image:
    """A picture a shape, more coloured the more it moves, and jawOpen with mouthClose last.

    z_up: faces look against Y, as the demo's do; else Y is up and they look along Z."""
    with np.load(path) as data:
        names, shapes = [str(name) for name in data["names"]], data["vertices"].astype(np.float64)
        triangles = Topology(data["corners"], data["sizes"], shapes.shape[1]).triangles()
    if {"jawOpen", "mouthClose"} <= set(names):
        both = shapes[names.index("jawOpen")] + shapes[names.index("mouthClose")] - shapes[0]
        names, shapes = [*names, "jawOpen + mouthClose"], np.concatenate([shapes, both[None]])
    rows = -(-len(names) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * SIZE, rows * (SIZE + 16)), "white")
    up, forward = ((0.0, 0.0, 1.0), (0.0, -1.0, 0.0)) if z_up else ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    seen = seen_from(shapes, np.array(up), np.array(forward), 25.0)
    face = np.linalg.norm(shapes - shapes[0], axis=-1).max(0) > SHOWN_MM
    shift, factor = filling(seen[:, face], SIZE, SIZE)
    text = ImageDraw.Draw(page)
    for number, (name, points) in enumerate(zip(names, seen, strict=True)):
        share = (np.linalg.norm(shapes[number] - shapes[0], axis=1) / FULL_MM).clip(0.0, 1.0)[:, None] ** 0.6
        picture = draw((points + shift) * factor, triangles, SKIN + share * (MOVED - SKIN), SIZE, SIZE)[::-1]
        solid = picture[..., :3] * picture[..., 3:] + 1.0 - picture[..., 3:]
        place = (number % COLUMNS * SIZE, number // COLUMNS * (SIZE + 16))
        page.paste(Image.fromarray((255 * solid).astype(np.uint8)), place)
        text.text((place[0] + 6, place[1] + SIZE), name, fill="black")
    return page


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shapes", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures" / "guide" / "arkit.png")
    parser.add_argument("--z-up", action="store_true", help="faces look against Y, as the demo's do")
    arguments = parser.parse_args()
    sheet(arguments.shapes, arguments.z_up).convert("P", palette=Image.Palette.ADAPTIVE).save(
        arguments.out, optimize=True
    )
