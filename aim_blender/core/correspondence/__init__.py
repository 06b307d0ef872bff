# SPDX-License-Identifier: GPL-3.0-or-later
"""Which place on one face is which on another. In: two neutrals of any topology. Out: corners and weights
of each vertex.

correspondence  the whole; keeping  made once for two meshes
corresponding_face  the parts of two meshes that are compared
registration, rest_mesh  laying one surface onto the other; the surface at rest, welded
"""
