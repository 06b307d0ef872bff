# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn over every 3D view, in the scene's space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy


class DrawnOver:
    """Draws from register to unregister, but never in the background, which has no graphics.

    draw: called by Blender for every 3D view. forget: drops what was made of a file, before another one is opened.
    """

    def __init__(self, draw: Callable[[], None], forget: Callable[[], None]) -> None:
        self.draw = draw
        self._handler: Any = None

        @bpy.app.handlers.persistent
        def before_load(*_: Any) -> None:
            forget()

        self._forget = before_load

    def register(self) -> None:
        """Draw from now on."""
        bpy.app.handlers.load_pre.append(self._forget)
        if not bpy.app.background:
            self._handler = bpy.types.SpaceView3D.draw_handler_add(self.draw, (), "WINDOW", "POST_VIEW")

    def unregister(self) -> None:
        """Draw no more and leave nothing behind."""
        if self._handler is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self._handler, "WINDOW")
            self._handler = None
        if self._forget in bpy.app.handlers.load_pre:
            bpy.app.handlers.load_pre.remove(self._forget)
        self._forget()
