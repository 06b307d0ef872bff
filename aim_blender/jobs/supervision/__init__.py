# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's side of a worker process.

interpreter  which Python does the work; supervisor  starts, polls, cancels and resumes a worker
"""
