# SPDX-License-Identifier: GPL-3.0-or-later
"""One sentence for whatever went wrong, short enough for a panel."""

from __future__ import annotations

import errno
import re
import sys
from pathlib import Path

from ...core.shared.foundation.errors import InputError

LONGEST_SENTENCE = 1000
WORDS_OF_FULL_DISK = ("No space left on device", r"\d+ requested and \d+ written", r"unexpected pos \d+ vs \d+")


def sentence_for(error: BaseException, folder: Path, log: Path | None = None) -> str:
    """What to tell a user about `error`.

    folder: where the work wrote its files, named when the disk is full and the error does not say which file it was.
    log: where the traceback can be read, named when the error was not foreseen.
    """
    if isinstance(error, InputError):
        return one_line(str(error))
    if is_disk_full(error):
        return f"the disk of {_place_of(error) or folder} is full; free some space on it, then resume"
    if _is_graphics_memory(error):
        return "the graphics card has too little free memory for this; choose the device cpu or free some memory on it"
    if _is_memory(error):
        return "the computer has too little free memory for this; close other programs, then resume"
    if isinstance(error, ModuleNotFoundError) and (error.name or "aim_blender").split(".")[0] != "aim_blender":
        return f"the Python {sys.executable} lacks {error.name}; install it or choose another interpreter"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be used: {one_line(error.strerror or type(error).__name__)}"
    detail = one_line(str(error))
    text = f"unexpected {type(error).__name__}" + (f": {detail}" if detail else "")
    return f"{text} (the traceback is in {log})" if log is not None else text


def is_bad_input(error: BaseException) -> bool:
    """True if what was asked for cannot be done with these files, and another path or file mends it."""
    unusable = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
    if isinstance(error, OSError) and error.filename is not None:
        return isinstance(error, unusable) or error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)
    return isinstance(error, InputError)


def one_line(text: str) -> str:
    """The text with all white space folded into single blanks, cut where it is too long for a panel."""
    text = " ".join(text.split())
    # A sentence about a file may be long because of the file's path, which nobody wants cut.
    return text if len(text) <= LONGEST_SENTENCE else text[:LONGEST_SENTENCE] + " ..."


def is_disk_full(error: BaseException) -> bool:
    """True if the error, or one it followed from, says that a disk or a quota is full.

    safetensors, numpy and torch report a full disk without its error number; their words are known here.
    """
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if getattr(each, "winerror", None) in (39, 112):  # ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL
            return True
        text = str(each)
        if any(re.search(words, text) for words in WORDS_OF_FULL_DISK):
            return True
    return False


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or following.__context__
    return chain


def _place_of(error: BaseException) -> Path | None:
    for each in _chain(error):
        if isinstance(each, OSError) and isinstance(each.filename, str):
            return Path(each.filename).parent
    return None


def _is_graphics_memory(error: BaseException) -> bool:
    # torch.OutOfMemoryError, by name because torch may not be imported here.
    return type(error).__name__ == "OutOfMemoryError" or "CUDA out of memory" in str(error)


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "can't allocate memory" in str(error)
