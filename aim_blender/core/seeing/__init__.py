# SPDX-License-Identifier: GPL-3.0-or-later
"""The face on a mesh as a face detector sees it. In: vertices, triangles and the detector. Out: how the head is turned.

mesh_views  a mesh as pictures; mesh_faces  the face in them, lifted to the surface; seen_landmarks  what is named there
mesh_asking  the detector is asked first, the shape says whether that can be, and what is said of it
kept_mesh_faces  what was seen, kept beside an actor; picked_faces  landmarks that somebody picked instead
"""
