# SPDX-License-Identifier: GPL-3.0-or-later
"""A hook of pre-commit: the subject of a commit is at most 72 characters long, and a blank line is below it.

python3 building/commit_subject.py FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

LONGEST = 72


def complaint(message: str) -> str:
    """What is wrong with a commit's message, as a sentence; empty if nothing is."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0] if lines else ""
    if not subject.strip():
        return "The first line is empty; say there what the commit does."
    if len(subject) > LONGEST:
        return f"The first line has {len(subject)} characters; {LONGEST} are the most, reasons stand below it."
    if len(lines) > 1 and lines[1].strip():
        return "The second line must be blank; reasons begin in the third."
    return ""


if __name__ == "__main__":
    said = complaint(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.exit(said or 0)
