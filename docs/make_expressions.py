# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the 20 expressions to capture, as the demo actor makes them, on one sheet.

    python docs/make_expressions.py [OUT.png]

Runs under a Python that has the bpy wheel, such as the one in .env/blender-py3.13, and takes about a minute.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = 5
WIDTH = 860
TURN_DEGREES = 12.0


def main() -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    import demo_picture
    import headless

    headless.load_extension()
    demo = headless.extension_module("aim_blender.core.shared.demo.demo_actor").make_demo_actor()
    triangles = np.full(len(demo.eyes_triangles), 3)
    eyes = demo_picture.Surface(demo.eyes_vertices, demo.eyes_triangles.ravel(), triangles, colours=demo.eyes_colours)
    cells = []
    for name, shape in zip(demo.names, demo.shapes, strict=True):
        skin = demo_picture.Surface(shape, demo.topology.corners, demo.topology.sizes, colours=demo.skin_colours)
        cells.append(demo_picture.Cell([skin, eyes], name))
    rows = [("", cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures" / "guide" / "expressions.png"
    out.parent.mkdir(parents=True, exist_ok=True)
    demo_picture.draw_table(rows, out, width=WIDTH, turn_degrees=TURN_DEGREES)
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
