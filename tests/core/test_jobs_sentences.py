# SPDX-License-Identifier: GPL-3.0-or-later
"""One sentence for each error, the libraries' own ones included."""

import errno
from pathlib import Path

import numpy as np
import pytest
import torch

from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.jobs.folders.sentences import is_disk_full, one_line, sentence_for

FOLDER = Path("job")


def raised(work) -> BaseException:
    with pytest.raises(BaseException) as caught:
        work()
    return caught.value


def test_bad_input_keeps_its_sentence_in_one_line():
    assert sentence_for(InputError("a.obj has\n  3 vertices"), FOLDER) == "a.obj has 3 vertices"


def test_full_disk_names_the_file_s_folder_or_else_the_job_s():
    full = OSError(errno.ENOSPC, "No space left on device")
    assert sentence_for(full, FOLDER).startswith("the disk of job is full;")
    full.filename = str(Path("out") / "A.actor.safetensors")
    assert sentence_for(full, FOLDER).startswith("the disk of out is full;")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have a disk that is always full")
@pytest.mark.parametrize("library", ["numpy", "torch", "torch by name"])
def test_full_disk_as_the_libraries_report_it(library):
    """These write into the device itself. safetensors would put a file in its place, so a test of the supervisor
    fills a real disk for it."""
    array = np.zeros(1_000_000)

    def write() -> None:
        if library == "torch by name":
            torch.save(torch.from_numpy(array), "/dev/full")
        with open("/dev/full", "wb") as file:
            if library == "numpy":
                array.tofile(file)
            else:
                torch.save(torch.from_numpy(array), file)

    assert is_disk_full(raised(write))


def test_full_disk_while_another_error_is_handled():
    def fail() -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", str(FOLDER / "a"))
        except OSError as error:
            raise RuntimeError("cannot save") from error

    assert "disk of job is full" in sentence_for(raised(fail), Path("elsewhere"))


def test_too_little_memory():
    assert "too little free memory" in sentence_for(raised(lambda: bytearray(10**17)), FOLDER)
    assert "too little free memory" in sentence_for(raised(lambda: torch.empty(10**15)), FOLDER)
    assert "device cpu" in sentence_for(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), FOLDER)


def test_missing_package_is_named():
    assert "lacks no_such_package;" in sentence_for(raised(lambda: __import__("no_such_package")), FOLDER)


def test_file_that_cannot_be_opened_is_named(tmp_path):
    sentence = sentence_for(raised((tmp_path / "none").read_text), FOLDER)
    assert sentence == f"{tmp_path / 'none'} cannot be used: No such file or directory"


def test_anything_else_tells_its_kind_and_the_log():
    sentence = sentence_for(raised(lambda: 1 / 0), FOLDER, FOLDER / "worker.log")
    assert sentence == f"unexpected ZeroDivisionError: division by zero (the traceback is in {FOLDER / 'worker.log'})"
    assert sentence_for(KeyError(), FOLDER) == "unexpected KeyError"


def test_an_endless_message_is_cut():
    assert len(one_line("word\n" * 10_000)) < 1100
