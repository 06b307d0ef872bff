# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyeballs, teeth, lashes: what lies in a mesh beside its skin. In: shapes, topology. Out: parts, and how they move.

parts  the record, and what a part may be taken for; finding  which there are; pieces  what hangs together
choosing  an artist's corrections; turning  the eyeballs of frames, measured, placed, and carried to another face
looking  the gaze by points on eyes
"""
