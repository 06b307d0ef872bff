# SPDX-License-Identifier: GPL-3.0-or-later
"""All reading and writing of Blender's data, and the differences between Blender's versions. From below to above:

basics       meshes, names, colours, bones, folders, settings, versions
actors       actors as the scene has them
fitting      what a performance is read from
retargeting  lists of pairs and regions
baking       a baked take as Blender data
rigs         any rig asked what its controls do, and keyed
assets       expressions, or a frame of a take, as poses that are assets
jobs         jobs made from the scene, watched, and their results brought in
live         what follows the scene while an artist works
"""

# The name under which Blender loaded the extension: `bl_ext.<repository>.aim_blender`, or what a script chose for a
# checkout. Preferences and user files are found by it.
ROOT_PACKAGE = __package__.rsplit(".", 2)[0]
