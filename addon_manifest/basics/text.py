# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences in panels: Blender cuts labels off, so they are wrapped to the region's width."""

from __future__ import annotations

import textwrap
import unicodedata
from typing import Any

import bpy

CHARACTER_PIXELS = 6.6  # the mean width of the interface's letters at scale 1
MARGIN_PIXELS = 72  # borders, scroll bar and an icon
NARROWEST = 16


def draw_text(layout: bpy.types.UILayout, text: str, icon: Any = "NONE") -> None:
    """Draw a sentence with a capital letter, over as many lines as it needs."""
    if not text:
        return
    column = layout.column(align=True)
    column.scale_y = 0.85
    for number, line in enumerate(wrapped(text[0].upper() + text[1:], text_width())):
        column.label(text=line, icon=icon if number == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


def draw_problem(layout: bpy.types.UILayout, text: str) -> None:
    """Draw an error's sentence in a box."""
    box = layout.box()
    box.alert = True
    draw_text(box, text, "ERROR")


def wrapped(text: str, characters: int) -> list[str]:
    """The text cut into lines of so many characters; only words longer than a line, such as paths, are cut.

    Chinese, Japanese and Korean letters count twice.
    """
    if not text.isascii():
        text = "".join(letter + "\0" * (unicodedata.east_asian_width(letter) in "WF") for letter in text)
    lines = textwrap.wrap(text, max(characters, NARROWEST), break_on_hyphens=False)
    return [line.replace("\0", "") for line in lines]


def text_width() -> int:
    """How many characters the present region is wide."""
    region = bpy.context.region
    pixels = region.width if region is not None else 300
    return int((pixels / (bpy.context.preferences.system.ui_scale or 1.0) - MARGIN_PIXELS) / CHARACTER_PIXELS)
