# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh at rest and another's actor -> an actor. In: a neutral of any topology. Out: expressions on it.

transferring  the whole; local_frames  how large and how turned a face is around each place; closing  lids and lips
own_shapes  expressions that the character has already
character_surface  openings, parts and what follows the head; filling  offsets where none are sure
"""
