# SPDX-License-Identifier: GPL-3.0-or-later
"""What people bring, read by content. In: files of meshes, sequences, caches, tables. Out: arrays in the file's own
order and unit, or one sentence that says which file is wrong and how.

captures, useful_shapes, capture_checks    a neutral and its expressions; which shapes tell something
meshes, ply, stl, mesh_caches              one mesh, or all frames of one; sequences, performances  many of them
frame_numbers, table_cells, point_tables, cameras, image_views  numbers of frames, points by name, cameras
"""
