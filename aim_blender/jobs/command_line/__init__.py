# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m aim_blender VERB ...`

verbs  the verbs and their options; command_line  does one; progress_display  what it shows meanwhile
"""
