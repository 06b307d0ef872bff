# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels about an actor's anatomy and shapes."""
