# SPDX-License-Identifier: GPL-3.0-or-later
"""A setting is said once: it reaches the command line, the tasks, the batch table and the docs, or it is said why not.
What it reaches of Blender is seen in tests/blender/test_settings.py."""

import argparse
import dataclasses

import pytest

from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.settings.learning_settings import ACTIVATIONS, SPACES, LearningSettings
from aim_blender.core.shared.settings.option import chosen_of, number, options_of
from aim_blender.core.shared.settings.settings_of_tasks import (
    FOR_PYTHON,
    MISSING,
    SETTINGS,
    SURFACES,
    missing,
    options_of_task,
)
from aim_blender.jobs.batch import batch_table
from aim_blender.jobs.command_line.option_flags import flags_of
from aim_blender.jobs.command_line.verbs import build_parser
from aim_blender.jobs.running.registry import task_named
from docs import make_settings

EVERY = [(task, name) for task in SETTINGS for name in options_of_task(task)]
OF_VERBS = [(task, name) for task, name in EVERY if not missing(task, "*", "command line")]
NEEDED = {
    "learn": ("capture",),
    "fit": ("actor", "performance"),
    "retarget": ("take", "source", "target"),
    "bake": ("actor", "take"),
}


def flags_and_arguments(verb: str) -> dict[str, str]:
    (action,) = (each for each in build_parser("aim")._actions if isinstance(each, argparse._SubParsersAction))
    return {flag: each.dest for each in action.choices[verb]._actions for flag in each.option_strings}


@pytest.mark.parametrize(("task", "name"), OF_VERBS)
def test_every_setting_reaches_the_command_line_the_task_and_the_batch(task, name):
    option = options_of_task(task)[name]
    taken = flags_and_arguments(task)
    if missing(task, name, "command line"):
        assert option.argument not in taken.values()
    else:
        assert {taken.get(flag) for flag in flags_of(option)} == {option.argument}
        given = dict.fromkeys(NEEDED[task], "x") | {"out": "of no known ending", option.argument: None}
        with pytest.raises(InputError) as refused:  # for its output, not for what it does not know
            task_named(task)(given, print, None)
        assert "of no known ending" in str(refused.value)
    assert (option.column in batch_table.COLUMNS) != bool(missing(task, name, "batch")) or task == "learn"


def test_every_field_is_an_option_or_for_python():
    for settings in {each for several in SETTINGS.values() for each in several}:
        fields = {each.name for each in dataclasses.fields(settings)}
        assert fields - set(options_of(settings)) == {name for owner, name in FOR_PYTHON if owner is settings}


def test_what_is_missing_is_of_settings_that_are_there():
    for (task, name, surface), why in MISSING.items():
        assert name == "*" or name in options_of_task(task)
        assert surface in SURFACES
        assert why


def test_a_default_can_be_had():
    for task, name in EVERY:
        for settings in SETTINGS[task]:
            option = options_of(settings).get(name)
            if option is not None:
                assert option.allows(option.default)
                assert option.label
                assert option.help
                assert not option.help.endswith(".")


def test_what_the_types_name_can_be_chosen():
    options = options_of(LearningSettings)
    assert options["activation"].names == ACTIVATIONS
    assert options["space"].names == SPACES


def test_the_page_of_settings_is_up_to_date():
    assert make_settings.PAGE.read_text(encoding="utf-8") == make_settings.page()


@dataclasses.dataclass(frozen=True)
class Example:
    reach: float = number(2.0, "Reach", "How far it reaches", unit="mm", least=1, most=3, zero="to reach all")


@pytest.mark.parametrize("value", [0.5, 3.5, float("nan"), None, "much"])
def test_a_range_is_kept_and_said(value):
    option = options_of(Example)["reach"]
    assert not option.allows(value)
    assert option.allows(0)
    assert option.range == "a distance from 1 to 3 mm, or 0 to reach all"
    assert chosen_of(Example, {"reach": 3.0, "other": 1}) == {"reach": 3.0}
