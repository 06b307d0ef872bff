# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be chosen. In: what somebody asked for. Out: settings within their limits, or a sentence.

option             a setting: its default, help, range and choices, said once, in the field of its dataclass
learning_settings  of learning; fitting_settings, point_settings  of fits to whole meshes and to points
phone_settings, video_settings  of what a phone recorded, and of videos
retarget_settings, baking_settings, timing_settings  of retargets, of bakes, and which frames of a take are wanted
rig_settings       of solving for the controls of a rig, which is done in Blender
settings_of_tasks  which task has which of them, and where one cannot be set, and why
"""
