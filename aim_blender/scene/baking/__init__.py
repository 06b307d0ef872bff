# SPDX-License-Identifier: GPL-3.0-or-later
"""A baked take as Blender data: keys and bones, onto a rig of one's own, through exporters."""
