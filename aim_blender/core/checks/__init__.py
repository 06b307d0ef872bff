# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be wrong with a result. In: actors and takes. Out: sentences with a figure and what to do.

self_checks, jaw_checks  after learning, fitting, retargeting, transfer; tearing  edges that are drawn out
face_measures, face_spots  lip gap, mouth width, lids and brows on any face, and where they are measured
seen_places  where a face detector has seen them
"""
