# SPDX-License-Identifier: GPL-3.0-or-later
"""The anatomically constrained implicit face model. In: an actor's arrays and weights. Out: vertices (V, 3) in mm.

model, networks  the paper's formulae and the networks that learn their terms
actor, working_actor  what was learned of a face, whole or on the points that are worked on
closed_form, carried_fields  weights by least squares, and their sums over a big mesh
evaluation, head  frames of a take; the head's motion
frames_last  what is left of frames after head and jaw, laid out for sums over points
devices  CPU or CUDA
"""
