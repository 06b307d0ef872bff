# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that are ours, by what they hold: each format is read and written by a module of its own."""

from ..shared.results.correspondence_files import load_correspondence, save_correspondence
from ..shared.results.own_files import read_header
from ..shared.results.take_files import load_take, save_take
from .actor_files import load_actor, save_actor

__all__ = [
    "load_actor",
    "load_correspondence",
    "load_take",
    "read_header",
    "save_actor",
    "save_correspondence",
    "save_take",
]
