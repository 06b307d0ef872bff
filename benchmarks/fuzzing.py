# SPDX-License-Identifier: GPL-3.0-or-later
"""Thousands of damaged and hostile files through every reader: what was read, refused in a sentence, or failed.

A failure is made once more by --reader and --seed, as it is printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

from common import print_table

from aim_blender.core.model.actor import Actor
from aim_blender.core.shared.captured.performances import Performance, read_performance
from tests.core.fuzzed_readers import all_readers
from tests.core.fuzzing import attempt
from tests.core.tiny_capture import write_capture, write_performance


def main() -> int:
    found = argparse.ArgumentParser(description=__doc__)
    found.add_argument("--inputs", type=int, default=10000, help="of all readers together")
    found.add_argument("--seed", default="1", help="another one makes other files")
    found.add_argument("--reader", help="only the readers whose name contains this")
    found.add_argument("--keep", type=Path, help="a folder in which the files of failures are kept")
    arguments = found.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as place:
        readers = all_readers(*_tiny(Path(place)))
    chosen = {name: reader for name, reader in readers.items() if (arguments.reader or "") in name}
    each, rows, failures = max(1, arguments.inputs // len(chosen)), [], 0
    for name, reader in chosen.items():
        counts, slowest, most = {"read": 0, "refused": 0, "failed": 0}, 0.0, 0
        with tempfile.TemporaryDirectory() as folder:
            for number in range(each):
                seed = f"{arguments.seed}-{name}-{number}" if arguments.inputs > 1 else arguments.seed
                outcome = attempt(reader, seed, Path(folder))
                counts["failed" if outcome.failed else "refused" if outcome.said else "read"] += 1
                slowest, most = max(slowest, outcome.seconds), max(most, outcome.bytes_used)
                if outcome.failed:
                    print(f"FAILED {name}, --seed {seed!r} --inputs 1: {outcome.said[:300]}", flush=True)
                    if arguments.keep:
                        arguments.keep.mkdir(parents=True, exist_ok=True)
                        first = next(iter(reader.files))
                        (arguments.keep / f"{seed}-{first}").write_bytes((Path(folder) / first).read_bytes())
                elif arguments.inputs == 1:
                    print(outcome.said or "read")
        failures += counts["failed"]
        rows.append([name, each, *counts.values(), round(slowest, 2), round(most / 2**20)])
    columns = ["reader", "inputs", "read", "refused", "failed", "slowest, s", "more memory, MiB"]
    print_table(f"Damaged files, seed {arguments.seed}", columns, rows)
    return 1 if failures else 0


def _tiny(folder: Path) -> tuple[Actor, Performance]:
    """An actor of a mesh of few points, hardly learned, and a performance of it."""
    from aim_blender.core.learning.learning import learn_actor
    from aim_blender.core.shared.captured.captures import read_capture
    from aim_blender.core.shared.settings.learning_settings import LearningSettings

    settings = LearningSettings(iterations=20, hidden=8, depth=1, device="cpu", threads=1)
    actor = learn_actor(read_capture(write_capture(folder / "capture.npz")), settings)
    return actor, read_performance(write_performance(folder / "performance.npz"))


if __name__ == "__main__":
    sys.exit(main())
