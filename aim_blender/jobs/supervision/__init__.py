# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's side of a worker process.

interpreter  which Python does the work; workers  the processes that do, and the one that stays; supervisor  starts,
polls, cancels and resumes a job
"""
