# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m aim_blender VERB ...; see jobs/verbs.py."""

import sys

from .jobs.verbs import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
