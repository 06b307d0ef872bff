# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometry of meshes that needs scipy or trimesh. In: vertices (V, 3) in mm, triangles. Out: transforms,
functions, rims.

skinning, rigid  linear blend skinning, and the rigid motion that carries points to others
surfaces, openings  samples, rims, margins of lips and lids
modes  smooth functions on a surface; coarse_mesh  those of a big one, from few places
working_mesh  the part of a mesh that is learned, welded
"""
