# SPDX-License-Identifier: GPL-3.0-or-later
"""What a part of a mesh beside its skin may be taken for, and what an artist says against it: `skull_2=follows,
17039=still`."""

from __future__ import annotations

from collections.abc import Mapping

from ..foundation.errors import InputError

# What a part may be taken for, and what that means.
KINDS = {
    "turns": "an eyeball: turns about its own centre, and goes with the head",
    "skull": "goes with the head, as upper teeth and caps do",
    "jaw": "goes with the jaw, as lower teeth do",
    "follows": "is bound to the skin beside it, as lashes and brows are",
    "bends": "is learned like skin, as gums and tongues are",
    "still": "stays where it is, even where the head moves",
}
JOINED = " + "  # between the names of what was found, where an artist's choices made one part of it


def read_choices(text: str) -> dict[str, str]:
    """{a part's name, or the number of one of its vertices: a key of KINDS} of a text. Raises InputError if it is none
    such."""
    found = {}
    for each in filter(None, (each.strip() for each in text.replace(";", ",").split(","))):
        name, _, kind = (word.strip() for word in each.partition("="))
        if not name or kind not in KINDS:
            raise InputError(
                f"{each!r} says nothing of a part; write a part's name, or the number of one of its vertices, an "
                f"equals sign, and one of {', '.join(KINDS)}, for example skull_1=still"
            )
        found[name] = kind
    return found


def write_choices(choices: Mapping[str, str]) -> str:
    """The text that read_choices reads so."""
    return ", ".join(f"{name}={kind}" for name, kind in choices.items())


def kind_of_name(name: str) -> str:
    """What a part was taken for that was given this name."""
    beginning = name.partition("_")[0]
    return "turns" if beginning == "eye" else beginning


def with_choice(choices: Mapping[str, str], found: str, kind: str) -> dict[str, str]:
    """The choices, and that a part is of a kind. found: what it was called before any choice counted, several names
    JOINED; of the kind that it was taken for, nothing needs to be chosen."""
    kept = dict(choices)
    for name in found.split(JOINED):
        kept.pop(name, None)
        if kind_of_name(name) != kind:
            kept[name] = kind
    return kept
