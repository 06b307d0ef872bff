# SPDX-License-Identifier: GPL-3.0-or-later
"""What build.py does, a file for each topic. Of the standard library alone; nothing of it goes into the zip."""
