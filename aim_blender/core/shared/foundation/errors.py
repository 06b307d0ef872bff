# SPDX-License-Identifier: GPL-3.0-or-later
"""What core raises when it cannot go on, and what it takes for a file that cannot be read."""

import csv
import lzma
import struct
import tokenize
import zipfile
import zlib


class InputError(ValueError):
    """The input cannot be used. Its text is the one sentence a user reads: which file or object, what is wrong, what
    would be right."""


class Cancelled(Exception):
    """The work was asked to stop. What can be resumed has been saved."""


# All that reading a file raises that is damaged, or made to do harm: JSON nested too deep, an archive with a password
# or of an unknown compression (RuntimeError), numbers out of range, what has other types or shapes than it should, the
# header of an array that is no Python text.
UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    csv.Error,
    lzma.LZMAError,
    struct.error,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def reason(error: BaseException) -> str:
    """Why a file could not be read, as a part of a sentence."""
    text = str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, KeyError) and error.args:
        name = str(error.args[0]).removesuffix(" is not a file in the archive")
        return f"{name!r} is missing"
    if isinstance(error, OverflowError):
        return "it holds a number that is too large"
    if isinstance(error, (TypeError, AttributeError)):
        return f"a part of it is of another kind than it should be ({text})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    if "pickle" in text:
        return "it holds pickled Python objects, which are never read; save plain arrays"
    return text or type(error).__name__
