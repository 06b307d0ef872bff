# SPDX-License-Identifier: GPL-3.0-or-later
"""What draws the pictures takes half a second to load: it loads while frames are solved."""

from __future__ import annotations

from importlib import import_module

from ..shared.foundation.ahead import begun

DRAWN_BY = ("matplotlib.figure", "matplotlib.backends.backend_agg")


def load_ahead() -> None:
    """Begin to load what draws pictures, in a thread of its own. Whoever draws is told what does not load."""

    def load() -> None:
        for name in DRAWN_BY:
            import_module(name)

    begun(load)  # what it raises comes up again where it is drawn
