# SPDX-License-Identifier: GPL-3.0-or-later
"""Actors as the scene has them: added from meshes, their landmarks and traces, the demo actor, where results stand."""
