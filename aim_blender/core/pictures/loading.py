# SPDX-License-Identifier: GPL-3.0-or-later
"""What draws the pictures takes half a second to load: it loads while frames are solved."""

from __future__ import annotations

import threading
from importlib import import_module

DRAWN_BY = ("matplotlib.figure", "matplotlib.backends.backend_agg")


def load_ahead() -> threading.Thread:
    """Begin to load what draws pictures, and return the thread that does. Whoever draws is told what does not load."""

    def load() -> None:
        try:
            for name in DRAWN_BY:
                import_module(name)
        except Exception:  # the same error comes up again where it is drawn
            return

    thread = threading.Thread(target=load, name="pictures")
    thread.start()
    return thread
