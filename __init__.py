# SPDX-License-Identifier: GPL-3.0-or-later
"""AIM for Blender: anatomically constrained implicit face models. Imports nothing until it is registered."""


def register() -> None:
    """Called by Blender when the extension is enabled."""
    from . import addon_manifest

    addon_manifest.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled, and when Blender quits."""
    from . import addon_manifest

    addon_manifest.unregister()
