# SPDX-License-Identifier: GPL-3.0-or-later
"""Points that stand for a face. In: tables of 3D points or of points in images. Out: points bound to an actor's mesh.

points        3D points by name or vertex; c3d_points  markers of motion capture systems
laying        markers onto the skin, as one piece
image_points  points in images, and where on the mesh points belong by name
"""
