# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment that learning needs.

environment_plan  which build of torch, by which commands; environment_making  makes it whole or not at all
video_plan, video_installing  the part for videos: the face detector, its model, and what decodes movies
"""
