# SPDX-License-Identifier: GPL-3.0-or-later
"""What a performance is read from: an object's frames, markers, points in images."""
