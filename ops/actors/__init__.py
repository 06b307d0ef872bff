# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators about actors: adding, anatomy, landmarks, learning, characters without a capture."""
