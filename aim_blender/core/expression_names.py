# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairing two actors' expressions by name: spelling, sides, ARKit and FACS names. Needs the standard library only."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import UNREADABLE, InputError, reason

JOINED = " + "  # between names of shapes that together are one's partner

Key = tuple[str, tuple[str, ...]]  # the side, and the words in order of the alphabet

SIDES = {"l": "left", "left": "left", "lf": "left", "lt": "left", "r": "right", "right": "right", "rt": "right"}
# One line for each motion that has a name in several schemes: ARKit (and ICT) first, then FACS unit, name and plain
# words. Units that no single ARKit shape makes (13, 19, 23, 25, 28) are left out rather than guessed.
SYNONYMS = (
    ("brow inner up", "au 1", "inner brow raiser"),
    ("brow outer up", "au 2", "outer brow raiser"),
    ("brow down", "au 4", "brow lowerer"),
    ("eye wide", "au 5", "upper lid raiser", "eyes wide"),
    ("cheek squint", "au 6", "cheek raiser"),
    ("eye squint", "au 7", "lid tightener"),
    ("nose sneer", "au 9", "nose wrinkler", "nose wrinkle"),
    ("mouth upper up", "au 10", "upper lip raiser"),
    ("mouth smile", "au 12", "lip corner puller", "smile"),
    ("mouth dimple", "au 14", "dimpler"),
    ("mouth frown", "au 15", "lip corner depressor"),
    ("mouth lower down", "au 16", "lower lip depressor"),
    ("mouth shrug lower", "au 17", "chin raiser"),
    ("mouth pucker", "au 18", "lip pucker", "lip puckerer", "pucker"),
    ("mouth stretch", "au 20", "lip stretcher"),
    ("mouth funnel", "au 22", "lip funneler", "funnel"),
    ("mouth press", "au 24", "lip pressor", "lip presser"),
    ("jaw open", "au 26", "jaw drop", "mouth open", "open mouth"),
    ("jaw forward", "au 29", "jaw thrust"),
    ("cheek puff", "au 34", "puff"),
    ("eye blink", "au 45", "blink", "au 43", "eyes closed", "eye closure", "eye closed"),
)


def pair_expressions(
    source: Sequence[str], target: Sequence[str], pairs: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Which of the target's expressions does what each of the source's does: {source name: target name}.

    Equal names pair first, then names that mean the same: in another spelling (mouthSmile_L, MouthSmileLeft,
    left mouth smile), as an ARKit shape or a FACS unit. A name that could mean two of the other actor's is left out.
    pairs, if given, is the whole pairing; the names in it are checked. One that is given "" is left out on purpose, and
    not in what is returned.

    Raises InputError if pairs names an expression that an actor does not have, or one of the target's twice, or if
    nothing pairs.
    """
    if pairs is not None:
        return _checked(pairs, source, target)
    found = _by_name(source, target)
    if not found:
        raise InputError(
            f"no expression of the source has a name like one of the target's: {_some(source)} here, {_some(target)} "
            "there; say which belong together with pairs"
        )
    return found


def _by_name(source: Sequence[str], target: Sequence[str]) -> dict[str, str]:
    found = {name: name for name in source if name in target}
    for meaning in (_spelling, _meaning):
        # Only names that are still free can be taken for one another, and only where there is no choice.
        left = [name for name in source if name not in found]
        free = [name for name in target if name not in found.values()]
        keys = Counter(meaning(name) for name in left), Counter(meaning(name) for name in free)
        partner = {meaning(name): name for name in free}
        for name in left:
            key = meaning(name)
            if keys[0][key] == 1 and keys[1][key] == 1:
                found[name] = partner[key]
    return {name: found[name] for name in source if name in found}


def chosen_partners(
    source: Sequence[str], target: Sequence[str], pairs: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """{source name: target names, which together are its partner}, of those that have one; [] for one left out.

    pairs as pair_expressions takes them, where several of the target's may stand for one, joined by " + ", and one for
    several of the source's. None pairs by name, which may find nothing. Raises InputError if pairs names an expression
    that an actor does not have, or none at all.
    """
    if pairs is None:
        return {name: [partner] for name, partner in _by_name(source, target).items()}
    if not any(pairs.values()):
        raise InputError("the pairs name no expressions; leave them out to pair by name")
    found = {}
    for name in source:
        if name in pairs:
            joined = pairs[name]
            found[name] = [joined] if joined in target else [each for each in joined.split(JOINED) if each]
    taken = [name for each in found.values() for name in each]
    for whose, given, names in (("source", pairs.keys(), source), ("target", taken, target)):
        for name in given:
            if name not in names:
                raise InputError(f"the pairs name {name!r}, which the {whose} does not have; it has {_some(names)}")
    return found


def chosen_targets(source: Sequence[str], target: Sequence[str], pairs: Mapping[str, str] | None = None) -> list[bool]:
    """Which of the target's expressions take part: those that pairs names, or all. Raises InputError as
    chosen_partners."""
    if pairs is None:
        return [True] * len(target)
    taken = {each for some in chosen_partners(source, target, pairs).values() for each in some}
    return [name in taken for name in target]


def read_pairs(path: Path) -> dict[str, str]:
    """Pairs from a JSON file: {"source expression": "target expression"}, "" to leave one out on purpose.

    Raises InputError if it is no such file.
    """
    try:
        pairs = json.loads(path.read_text(encoding="utf-8"))
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as JSON: {reason(error)}") from error
    if not isinstance(pairs, dict) or not all(isinstance(name, str) for name in pairs.values()):
        raise InputError(f'{path} must hold one object of pairs, such as {{"smile": "mouthSmile"}}')
    return pairs


def _checked(pairs: Mapping[str, str], source: Sequence[str], target: Sequence[str]) -> dict[str, str]:
    if not any(pairs.values()):
        raise InputError("the pairs name no expressions; leave them out to pair by name")
    taken = [name for name in pairs.values() if name]
    for whose, given, names in (("source", pairs.keys(), source), ("target", taken, target)):
        for name in given:
            if name not in names:
                raise InputError(f"the pairs name {name!r}, which the {whose} does not have; it has {_some(names)}")
    for name, count in Counter(taken).items():
        if count > 1:
            raise InputError(
                f"the pairs give the target's {name!r} to {count} of the source's expressions; give it one"
            )
    return {name: pairs[name] for name in source if pairs.get(name)}


def _some(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")


def _spelling(name: str) -> Key:
    """A name without what its spelling adds: case, separators, order, and how its side is written."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " ", name)
    words = [word.lower() for word in re.split(r"[\W_]+", parted) if word]
    if len(words) > 1 and words[0].isdigit():
        words = words[1:]  # a capture's running number
    words = [word.lstrip("0") or "0" if word.isdigit() else word for word in words]
    sides = [SIDES[word] for word in words if word in SIDES]
    plain = [word for word in words if word not in SIDES]
    if len(sides) != 1 or not plain:
        return "", tuple(sorted(words))
    return sides[0], tuple(sorted(plain))


MEANINGS = {_spelling(synonym): _spelling(line[0]) for line in SYNONYMS for synonym in line}


def _meaning(name: str) -> Key:
    """What a name stands for: its scheme's place in SYNONYMS if it is in one, else its spelling."""
    side, words = _spelling(name)
    known = MEANINGS.get(("", words))
    if known is None and "au" in words:  # AU12_LipCornerPuller: the number says it
        numbers = [word for word in words if word.isdigit()]
        known = MEANINGS.get(("", tuple(sorted(("au", numbers[0]))))) if len(numbers) == 1 else None
    return (side, known[1]) if known else (side, words)
