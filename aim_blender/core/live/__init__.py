# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame at a time, while somebody watches. In: one frame's points. Out: its weights, jaw and head, in milliseconds.

live  fitting; live_retargeting  onto another actor; live_correction  edits of a take
"""
