# SPDX-License-Identifier: GPL-3.0-or-later
"""What every room of this storey uses: meshes, names, colours, bones, folders, settings, and Blender's
versions."""
