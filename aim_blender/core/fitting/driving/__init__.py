# SPDX-License-Identifier: GPL-3.0-or-later
"""What all fits do alike. In: an actor and a target. Out: a take, with its figures and notes.

target         what differs from fit to fit, a class with a handful of methods
request        which file is to be fitted, and how
one_fit        the one driver of all: frames in chunks, missing frames, smoothing, second look, figures
side_by_side   frames are worked on by several cores
kept_frames    what of long work is kept, so that it goes on when it was killed
error_figures  how far off a fit is, and what was left out
"""
