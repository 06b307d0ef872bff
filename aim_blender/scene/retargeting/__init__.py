# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists below Retarget: which expressions belong together, and how strongly regions perform."""
