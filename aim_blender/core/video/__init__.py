# SPDX-License-Identifier: GPL-3.0-or-later
"""Videos of a performer: their frames, and the face in each.

face_detector: where 478 landmarks of a face are in a picture, and 52 weights, by MediaPipe's networks.
movies: the frames of a movie file, upright, with their times.
"""
