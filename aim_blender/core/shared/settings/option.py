# SPDX-License-Identifier: GPL-3.0-or-later
"""A setting is said once, in the field of its dataclass: its default, name, help, range, unit, choices, and whether it
is for everybody. The command line's flags, the batch table's columns, the tasks' arguments, Blender's operators, panels
and presets, and docs/settings.md are made of it; settings_of_tasks lists what leaves one of them out, and why."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..foundation.errors import InputError

Kind = Literal["number", "whole", "flag", "choice", "several", "frame", "file", "text"]
KEY = "option"  # of the field's metadata


@dataclass(frozen=True)
class Choice:
    """One of what can be chosen."""

    name: str
    label: str
    help: str


@dataclass(frozen=True)
class Option:
    """What is known of a setting besides the code that uses it.

    label: its name in Blender. help: what it does, as a tooltip without its full stop. unit: mm, frames. least, most:
    both allowed, unless above says that least itself is not. zero: what 0 does, where it may be beside that range.
    remark: what a sentence about a wrong value ends with. wanted: instead of a sentence made of all these. subject: how
    sentences call it. unset: what None stands for. soft: where Blender's slider ends, which is drawn as one if slider.
    choices: of choice and several, and what a frame may be instead of a number. words: how a flag is spelled in texts,
    for yes and no. needs: another setting and the value that it must have for this one to count. advanced: shown only
    to who looks for it. flags, argument, column: on the command line, of the task and in the batch table, where they
    are not the field's name.
    """

    kind: Kind
    label: str
    help: str
    default: Any = None
    unit: str = ""
    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    zero: str = ""
    remark: str = ""
    wanted: str = ""
    subject: str = ""
    unset: str = ""
    soft: float = math.inf
    slider: bool = False
    choices: tuple[Choice, ...] = ()
    words: tuple[str, ...] = ()
    needs: tuple[str, Any] | None = None
    advanced: bool = False
    flags: tuple[str, ...] = ()
    argument: str = ""
    column: str = ""
    name: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the choices."""
        return tuple(choice.name for choice in self.choices)

    @property
    def called(self) -> str:
        """How sentences call it."""
        return self.subject or self.name

    def allows(self, value: Any) -> bool:
        """Whether the setting can have this value."""
        if value is None:
            return self.default is None
        if self.kind in ("number", "whole"):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                return False
            inside = math.isfinite(value) and self.least <= value <= self.most
            return (inside and not (self.above and value == self.least)) or (bool(self.zero) and value == 0)
        if self.kind == "choice":
            return value in self.names
        if self.kind == "several":
            return all(each in self.names for each in value)
        if self.kind == "frame":
            return not isinstance(value, bool) and (isinstance(value, int) or value in self.names)
        return True

    def check(self, value: Any) -> None:
        """Raise InputError unless the setting can have this value."""
        if self.allows(value):
            return
        if self.kind == "several":
            unknown = next(each for each in value if each not in self.names)
            raise InputError(
                f"there is no {self.called} called {unknown!r}{self.remark}; there are {', '.join(self.names)}"
            )
        if self.kind == "choice":
            subject = f"{self.called} is {value!r}" if not self.subject else self.subject.format(repr(value))
            raise InputError(f"{subject}; it must be {self.range}")
        if self.kind == "frame":
            raise InputError(f"{self.called} is {value!r}; it must be {self.range}")
        unit = f" {self.unit}" if self.above and self.unit else ""  # which its range does not name
        raise InputError(f"{self.called} is {_shown(value)}{unit}; it must be {self.range}")

    @property
    def range(self) -> str:
        """What it must be, to complete a sentence."""
        if self.wanted:
            return self.wanted
        if self.kind == "choice":
            return " or ".join(self.names) if len(self.names) == 2 else f"one of {', '.join(self.names)}"
        if self.kind == "frame":
            return f"{' or '.join(self.names)}, or the number of a frame"
        what = "a distance " if self.unit == "mm" and not self.above else ""
        unit = f" {self.unit}" if self.unit and self.unit != "mm" else ""
        if math.isfinite(self.most):
            words = ("from", "to") if self.zero or unit else ("between", "and")
            said = f"{what}{words[0]} {_shown(self.least)} {words[1]} {_shown(self.most)}"
            said += " mm" if what else unit
        elif what and self.zero:
            said = f"{what}in mm"
        elif self.above:
            said = f"more than {_shown(self.least)}"
        else:
            said = f"{_shown(self.least)} or more" if self.least == 0 else f"at least {_shown(self.least)}"
        return f"{said}{f', or 0 {self.zero}' if self.zero else ''}{self.remark}"


def number(default: float | None, label: str, help: str, **more: Any) -> Any:
    """The field of a setting that is a number; for what else can be said of it see Option."""
    return _field("number", default, label, help, more)


def whole(default: int | None, label: str, help: str, **more: Any) -> Any:
    """The field of a setting that is a whole number."""
    return _field("whole", default, label, help, more)


def flag(default: bool, label: str, help: str, **more: Any) -> Any:
    """The field of a setting that is on or off."""
    return _field("flag", default, label, help, more)


def choice(default: str, label: str, help: str, *choices: tuple[str, str, str], **more: Any) -> Any:
    """The field of a setting that is one of the choices, each with name, label and help."""
    return _field("choice", default, label, help, {"choices": tuple(Choice(*each) for each in choices), **more})


def several(label: str, help: str, *choices: tuple[str, str, str], **more: Any) -> Any:
    """The field of a setting that is any number of the choices, none of them if nothing is said."""
    return _field("several", (), label, help, {"choices": tuple(Choice(*each) for each in choices), **more})


def frame(default: str, label: str, help: str, *choices: tuple[str, str, str], **more: Any) -> Any:
    """The field of a setting that is the number of a frame, or one of the choices."""
    return _field("frame", default, label, help, {"choices": tuple(Choice(*each) for each in choices), **more})


def file(label: str, help: str, **more: Any) -> Any:
    """The field of a setting that is read from a file, or comes from a list; None if nothing is said."""
    return _field("file", None, label, help, more)


def text(label: str, help: str, **more: Any) -> Any:
    """The field of a setting that is written as a text; empty if nothing is said."""
    return _field("text", "", label, help, more)


def _field(kind: Kind, default: Any, label: str, help: str, more: dict[str, Any]) -> Any:
    return field(default=default, metadata={KEY: Option(kind, label, help, default, **more)})


_known: dict[type[Any], Mapping[str, Option]] = {}


def options_of(settings: type[Any]) -> Mapping[str, Option]:
    """The options of a dataclass by the names of their fields. Fields that are none are left out."""
    if settings not in _known:
        found = [(each.name, each.metadata[KEY]) for each in dataclasses.fields(settings) if KEY in each.metadata]
        _known[settings] = {name: _named(option, name) for name, option in found}
    return _known[settings]


def _named(option: Option, name: str) -> Option:
    argument = option.argument or name
    return dataclasses.replace(option, name=name, argument=argument, column=option.column or argument)


def check_options(settings: Any) -> None:
    """Raise InputError unless each setting of a dataclass can have the value it has."""
    for name, option in options_of(type(settings)).items():
        option.check(getattr(settings, name))


def chosen_of(settings: type[Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What arguments of a task choose of these settings, by the names of the fields; files are left to the task.

    Raises InputError for a word that is none.
    """
    found = {}
    for name, option in options_of(settings).items():
        value = arguments.get(option.argument)
        if value is None or option.kind == "file":
            continue
        if option.words:
            if value not in option.words:
                raise InputError(f"{option.argument} is {value!r}; it must be {' or '.join(option.words)}")
            value = value == option.words[0]
        found[name] = tuple(value) if option.kind == "several" else value
    return found


def _shown(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return repr(value)
    return f"{value:.0f}" if isinstance(value, int) or float(value).is_integer() else f"{value:g}"
