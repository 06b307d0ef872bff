# SPDX-License-Identifier: GPL-3.0-or-later
"""What a head is, before anything is known of it. In: vertices (V, 3) and triangles. Out: where its face is.

head_region, face_profile, mirror_planes  which part of a mesh is the head, how it is turned, its profile
face_landmarks, trusted_region  named places, and where skin tells of bones
expression_names, arkit_names, vrm_names  what shapes are called; part_kinds  what beside the skin may be taken for
mouth_parts, spheres, object_kinds  teeth, eyeballs and other objects of their own, by their form and place
table_of_units, units, similarity  millimetres of a unit, and how one set of points lies in another
"""
