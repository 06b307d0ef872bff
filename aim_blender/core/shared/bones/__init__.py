# SPDX-License-Identifier: GPL-3.0-or-later
"""The template's bones, and where skin and bone face each other. In: meshes in mm. Out: bones, pairs of points, depths.

template_bones, bone_checks  the skull and mandible that come with the extension; whether bones fit a face
constraints    rays from the skin to the bones (E_A, E_d of the paper); tissue_depths  how thick skin is where
"""
