# SPDX-License-Identifier: GPL-3.0-or-later
"""All reading and writing of Blender's data, and the differences between Blender's versions."""

# The name under which Blender loaded the extension: `bl_ext.<repository>.aim_blender`, or what a script chose for a
# checkout. Preferences and user files are found by it.
ROOT_PACKAGE = __package__.rsplit(".", 2)[0]
