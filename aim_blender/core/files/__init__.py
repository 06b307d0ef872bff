# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's own files: named arrays with a JSON header, validated before use.

files  actors, takes and correspondences, as they are read and written; actor_files  the format of actors, the others'
are in core/shared/results; neutrals  a mesh at rest from any of them; describing  what a file holds
"""
