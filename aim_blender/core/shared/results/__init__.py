# SPDX-License-Identifier: GPL-3.0-or-later
"""What both processes write and read. In: arrays of a fit or bake. Out: the same from a file, checked.

takes, correspondences, bake_arrays  an actor's performance, which place of a face is which, and a bake
own_files  what our files have in common; take_files, correspondence_files  the formats of two of them
key_reduction, kept_files  fewer keyframes of the same curve; files that are kept beside an actor
"""
