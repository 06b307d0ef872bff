# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be chosen. In: what somebody asked for. Out: settings within their limits, or a sentence.

learning_settings  of learning; fitting_settings, point_settings  of fits to whole meshes and to points
retarget_settings, timing_settings  of retargets, and which frames of a take are wanted
"""
