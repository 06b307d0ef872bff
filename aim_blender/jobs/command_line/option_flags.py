# SPDX-License-Identifier: GPL-3.0-or-later
"""The flags of the command line that are made of settings."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from ...core.shared.foundation.wording import names_in
from ...core.shared.settings.option import Option, options_of
from ...core.shared.settings.settings_of_tasks import OF_WHAT, SETTINGS, missing, options_of_task

METAVARS = {"mm": "MM", "frames": "FRAMES", "frames a second": "RATE"}


def add_options(parser: argparse.ArgumentParser, task: str, *only: str) -> None:
    """Add a flag for each setting of a task that can be set on the command line, or for these alone."""
    for name, option in options_of_task(task).items():
        if not missing(task, name, "command line") and (not only or name in only):
            _add(parser, option, _help(task, option))


def flags_of(option: Option) -> tuple[str, ...]:
    """How the setting is called on the command line, its own flags first."""
    name = option.argument.replace("_", "-")
    if option.kind != "flag" or option.words:
        return option.flags or (f"--{name}",)
    return (*option.flags, f"--no-{name}" if option.default else f"--{name}")


def _add(parser: argparse.ArgumentParser, option: Option, text: str) -> None:
    more: dict[str, Any] = {"dest": option.argument, "help": text.replace("%", "%%")}
    if option.kind == "flag" and not option.words:
        more |= {"action": "store_const", "const": not option.default}
    elif option.kind in ("choice", "flag"):
        more["choices"] = option.words or option.names
    else:
        more |= {"type": _reader(option), "metavar": _metavar(option)}
    parser.add_argument(*flags_of(option), **more)


def _help(task: str, option: Option) -> str:
    """The setting's help as a help of the command line has it, in small letters and with its default."""
    said = option.help if option.help[1:2].isupper() else option.help[:1].lower() + option.help[1:]
    if option.kind == "several":
        said += f": any of {','.join(option.names)}"
    if option.kind == "flag" and not option.words:
        return f"without this: {said}" if option.default else said
    shown = default_shown(task, option.name)
    return f"{said} (default: {shown})" if shown else said


def default_shown(task: str, name: str) -> str:
    """The default of a setting, or those of what is given to the task; empty where there is none to tell."""
    found = {}
    for settings in SETTINGS[task]:
        option = options_of(settings).get(name)
        if option is not None:
            found[settings] = _default(option)
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ", ".join(f"{shown} for {OF_WHAT[settings]}" for settings, shown in found.items())


def _default(option: Option) -> str:
    if option.default is None:
        return option.unset
    if option.kind == "flag":
        return (option.words or ("on", "off"))[not option.default]
    if option.kind == "several":
        return ""
    return f"{option.default:g}" if option.kind == "number" else str(option.default)


def _metavar(option: Option) -> str:
    if option.kind == "file":
        return "FILE"
    if option.kind in ("several", "text"):
        return "LIST"
    if option.kind == "frame" or (option.kind == "whole" and option.default is None):
        return "FRAME"
    return METAVARS.get(option.unit, "N" if option.kind == "whole" else "X")


def _reader(option: Option) -> Callable[[str], Any]:
    """What makes the setting's value of a text."""
    if option.kind == "number":
        return float
    if option.kind == "text":
        return str
    if option.kind == "file":
        return path
    if option.kind == "several":
        return names_in
    if option.kind == "frame":
        return lambda text: _frame(text, option)
    if option.least < 0:
        return int
    return lambda text: _whole(text, option)


def path(text: str) -> str:
    """A path in full. Raises ArgumentTypeError if the text is empty."""
    if not text:
        raise argparse.ArgumentTypeError("a path is needed, not an empty text")
    return os.path.abspath(os.path.expanduser(text))


def _whole(text: str, option: Option) -> int:
    least = max(0, min(1, int(option.least)))  # the settings themselves know better
    if not text.isdecimal() or int(text) < least or (int(text) > option.most and option.wanted):
        wanted = option.wanted or f"a whole number of at least {least}"
        raise argparse.ArgumentTypeError(f"{text} is not {wanted}")
    return int(text)


def _frame(text: str, option: Option) -> int | str:
    if text in option.names:
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no frame's number, nor {' or '.join(option.names)}") from None
