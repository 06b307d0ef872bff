# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m aim_blender VERB ...; see jobs/command_line/command_line.py."""

import gc
import os
import sys

# Before numpy and torch start their threads: waiting threads must not spin, or they take the cores from Blender. Beside
# one other busy process, two OpenBLAS threads took 13 s for what one does in 1.7 s.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from .jobs.command_line.command_line import main

if __name__ == "__main__":
    # Loading PyTorch makes many objects that stay; looking among them for garbage as often as is usual takes a tenth.
    gc.set_threshold(20_000)
    sys.exit(main(sys.argv[1:]))
