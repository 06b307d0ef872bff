# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged and hostile files: every reader reads them, or refuses them in a sentence; see benchmarks/fuzzing.py."""

import os
import sys
import warnings

import numpy as np
import pytest

from aim_blender.core.shared.foundation.errors import InputError
from tests.core import fuzzing
from tests.core.fuzzed_readers import all_readers
from tests.core.fuzzing import Reader, attempt

EACH = 40  # damaged files of each reader
SEED = os.environ.get("AIM_FUZZING_SEED") or "1"  # the same files in every run; benchmarks/fuzzing.py looks for others


@pytest.fixture(scope="module")
def readers(tiny):
    return all_readers(*tiny)


def test_whole_files_are_read(readers, tmp_path):
    for name, reader in readers.items():
        folder = tmp_path / name
        folder.mkdir()
        for file, content in reader.files.items():
            (folder / file).write_bytes(content)
        reader.use(folder / next(iter(reader.files)))


def test_damaged_files_are_read_or_refused(readers, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(EACH):
            for name, reader in readers.items():
                outcome = attempt(reader, f"{SEED}-{name}-{number}", tmp_path)
                assert not outcome.failed, f"{name}, seed '{SEED}-{name}-{number}': {outcome.said}"


def test_the_fuzzer_notices_what_is_no_sentence(tmp_path, monkeypatch):
    def fails(path):
        raise KeyError("name")

    def refuses(path):
        raise InputError("it is damaged; write it again")

    def hangs(path):
        while True:
            pass

    def fills_the_memory(path):
        np.ones(2**28)

    files = {"a.json": b'{"a": [1, 2, 3]}'}
    assert attempt(Reader(files, fails), "1", tmp_path).said == "KeyError: 'name'"
    assert attempt(Reader(files, fails), "1", tmp_path).failed
    assert not attempt(Reader(files, refuses), "1", tmp_path).failed
    assert not attempt(Reader(files, lambda path: None), "1", tmp_path).said
    if sys.platform.startswith("linux"):
        assert attempt(Reader(files, fills_the_memory), "1", tmp_path).failed
        monkeypatch.setattr(fuzzing, "SLOWEST_S", 0.2)
        assert attempt(Reader(files, hangs), "1", tmp_path).said == "TimeoutError: more than 0.2 s"
