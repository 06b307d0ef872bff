# SPDX-License-Identifier: GPL-3.0-or-later
"""What draws the pictures takes half a second to load: it loads while frames are solved."""

from __future__ import annotations

import contextlib
import threading
from importlib import import_module

DRAWN_BY = ("matplotlib.figure", "matplotlib.backends.backend_agg")


def load_ahead() -> None:
    """Begin to load what draws pictures, in a thread of its own. Whoever draws is told what does not load."""

    def load() -> None:
        with contextlib.suppress(Exception):  # the same comes up again where it is drawn
            for name in DRAWN_BY:
                import_module(name)

    threading.Thread(target=load, name="pictures").start()
