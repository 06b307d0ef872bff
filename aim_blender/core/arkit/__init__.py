# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines' keys. In: an actor, perhaps a take. Out: the 52 shapes of ARKit, or VRM's expressions of them, and a bake.

arkit_shapes   the 52 shapes of any actor: captured, split, or carried from the demo head
arkit_weights  a take's weights of them, in [0, 1]; arkit_baking  a bake of these, and what a CSV needs
arkit_files    the shapes as meshes, or as one archive
"""
