# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh at rest and another's actor -> an actor. In: a neutral of any topology. Out: expressions on it.

transferring  the whole; character_surface  openings, parts and what follows the head; deformation_transfer  the solve
"""
