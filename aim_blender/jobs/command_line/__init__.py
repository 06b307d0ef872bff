# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m aim_blender VERB ...`

verbs  the verbs; option_flags  flags made of settings; command_line  does one
progress_display  what is shown meanwhile
"""
