# SPDX-License-Identifier: GPL-3.0-or-later
"""A take -> shape keys, bones and keyframes.

baking, correctives  shape keys, and those that bring them within a tolerance
corrections  what an animator changed, back into the take
"""
