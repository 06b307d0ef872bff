# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions, or a frame of a take, as poses: actions of one frame that are assets, with pictures."""
