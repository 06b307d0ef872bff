# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's arguments, which build.py reads too, before there is a Blender: of the standard library alone."""

from __future__ import annotations

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell the parser of the arguments that demo.py takes."""
    parser.add_argument("--out", type=Path, default=ROOT / "demo", help="folder for what is made (default: demo/)")
    parser.add_argument("--iterations", type=int, default=1000, help="learning steps (default: 1000)")
    parser.add_argument("--no-picture", action="store_true", help="leave out the rendering")
