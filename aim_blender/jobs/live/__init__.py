# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that stays up.

live_messages  what Blender and it say to each other; live_worker  Blender's side
live, live_answers  the worker's side, and how it answers (needs torch)
"""
