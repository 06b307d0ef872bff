# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs numpy and the standard library alone, so that Blender's process may import it.

foundation  errors, files written whole, mesh topology, arrays: what everything else stands on
faces       what a head is: its frame, landmarks, unit and the names of its expressions
captured    what people bring: meshes, sequences, caches, tables of points, cameras -> arrays in mm, or a sentence
phone       what phones record, and ARKit's names
bones       the template's skull and mandible, and where skin and bone face each other
settings    what can be chosen, each with its default and its limits
sources     what a performance can come as: the table of sources, recognised by content
results     takes, bakes and what else is written and read by both processes
rigs        values of a rig's controls that do what is wanted of a mesh
demo        a head with muscles that is made by formulae
"""
