# SPDX-License-Identifier: GPL-3.0-or-later
"""What both processes write and read. In: arrays of a fit or bake. Out: the same from a file, checked.

takes, bake_arrays  an actor's performance, and what a bake turned it into
key_reduction, kept_files  fewer keyframes of the same curve; files that are kept beside an actor
"""
