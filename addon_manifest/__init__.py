# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender is shown: properties, preferences, panels and the registry of all classes."""

from __future__ import annotations


def register() -> None:
    """Register everything."""
    from . import registry

    registry.register()


def unregister() -> None:
    """Take everything back."""
    from . import registry

    registry.unregister()
