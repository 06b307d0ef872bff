# SPDX-License-Identifier: GPL-3.0-or-later
"""What core raises when it cannot go on."""


class InputError(ValueError):
    """The input cannot be used. Its text is the one sentence a user reads: which file or object, what is wrong, what
    would be right."""


class Cancelled(Exception):
    """The work was asked to stop. What can be resumed has been saved."""
