# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs as they are: asked what their controls do to a mesh, and keyed so that it does what a take does."""
