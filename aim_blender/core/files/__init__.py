# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's own files: safetensors with a JSON header, validated before use.

files  actors, takes, correspondences; neutrals  a mesh at rest from any of them; describing  what a file holds
"""
