# SPDX-License-Identifier: GPL-3.0-or-later
"""Time of takes. In: a take with frame numbers and a rate. Out: the same at another rate, range or smoothness.

retiming  frames that are wanted; time_smoothing  trembling; timeline  what a fit's frames share
"""
