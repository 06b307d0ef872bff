# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairing two actors' expressions by name: spelling, sides, ARKit and FACS names. Needs the standard library only."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..foundation.errors import UNREADABLE, InputError, reason

JOINED = " + "  # between names of shapes that together are one's partner
FOUND = "*"  # as a partner: what is found by motion, whatever the name; {FOUND: FOUND} for all that are not listed

Key = tuple[str, tuple[str, ...]]  # the side, and the words in order of the alphabet

SIDES = {"l": "left", "left": "left", "lf": "left", "lt": "left", "r": "right", "right": "right", "rt": "right"}
LEAST_ALIKE = 3  # names with one beginning or end, before that is taken for something beside their meaning
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
    left mouth smile), as an ARKit shape or a FACS unit, without what most names of one actor begin or end with
    (Head_, blendShape1., _BS, .001), or written without a gap. A name that could mean two of the other actor's is left
    out, and so is one of both sides where the other has one for each.
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
    whole = {name: _words(name) for name in (*source, *target)}
    for ours, theirs, meaning in (
        (whole, whole, _spelling),
        (whole, whole, _meaning),
        (bare := _without_affixes(source), other := _without_affixes(target), _spelling),
        (bare, other, _meaning),
        (bare, other, _run),
    ):
        # Only names that are still free can be taken for one another, and only where there is no choice.
        left = {name: meaning(ours[name]) for name in source if name not in found}
        free = {name: meaning(theirs[name]) for name in target if name not in found.values()}
        counts = Counter(left.values()), Counter(free.values())
        partner = {key: name for name, key in free.items()}
        for name, key in left.items():
            if counts[0][key] == 1 and counts[1][key] == 1:
                found[name] = partner[key]
    return {name: found[name] for name in source if name in found}


def chosen_partners(
    source: Sequence[str], target: Sequence[str], pairs: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """{source name: target names, which together are its partner}, of those that have one; [] for one left out.

    pairs as pair_expressions takes them, where several of the target's may stand for one, joined by " + ", and one for
    several of the source's. A partner "*" is none, so that what does the same is looked for; "*": "*" pairs all that
    are not listed by name. None pairs by name, which may find nothing. Raises InputError if pairs names an expression
    that an actor does not have, or none at all.
    """
    if pairs is None:
        pairs = {FOUND: FOUND}
    listed = {name: partner for name, partner in pairs.items() if name != FOUND}
    found = {}
    if FOUND in pairs:
        named = _by_name([name for name in source if name not in listed], target)
        found = {name: [partner] for name, partner in named.items()}
    for name in source:
        if name in listed and listed[name] != FOUND:
            joined = listed[name]
            found[name] = [joined] if joined in target else [each for each in joined.split(JOINED) if each]
    if pairs.get(FOUND, FOUND) != FOUND:
        raise InputError(
            f'the pairs give {FOUND!r} the partner {pairs[FOUND]!r}; it stands for all others: give it "*"'
        )
    _check_names(pairs, listed, source, [name for each in found.values() for name in each], target)
    return {name: found[name] for name in source if name in found}


def chosen_targets(source: Sequence[str], target: Sequence[str], pairs: Mapping[str, str] | None = None) -> list[bool]:
    """Which of the target's expressions take part: those that pairs names, or all, if it leaves some to be found.
    Raises InputError as chosen_partners."""
    partners = chosen_partners(source, target, pairs)
    taken = {each for some in partners.values() for each in some}
    return [pairs is None or FOUND in pairs or name in taken for name in target]


def only_numbered(names: Sequence[str]) -> set[str]:
    """Those of the names that tell nothing: without what most have in common a number is left, as of `Key 1`."""
    return {name for name, words in _without_affixes(names).items() if all(word.isdigit() for word in words)}


def read_pairs(path: Path) -> dict[str, str]:
    """Pairs from a JSON file: {"source expression": "target expression"}, as chosen_partners takes them.

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
    taken = [name for name in pairs.values() if name]
    _check_names(pairs, pairs, source, taken, target)
    for name, count in Counter(taken).items():
        if count > 1:
            raise InputError(
                f"the pairs give the target's {name!r} to {count} of the source's expressions; give it one"
            )
    return {name: pairs[name] for name in source if pairs.get(name)}


def _check_names(
    pairs: Mapping[str, str], listed: Iterable[str], source: Sequence[str], taken: Sequence[str], target: Sequence[str]
) -> None:
    """Raise InputError unless some are named, and those listed are the source's, and those taken the target's."""
    if not any(pairs.values()):
        raise InputError("the pairs name no expressions; leave them out to pair by name")
    for whose, given, names in (("source", listed, source), ("target", taken, target)):
        for name in given:
            if name not in names:
                raise InputError(f"the pairs name {name!r}, which the {whose} does not have; it has {_some(names)}")


def _some(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")


def _words(name: str) -> list[str]:
    """The words of a name in small letters, whatever parts them: capitals, digits or signs."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " ", name)
    return [word.lower() for word in re.split(r"[\W_]+", parted) if word]


def _without_affixes(names: Sequence[str]) -> dict[str, list[str]]:
    """The words of each name without those that most names begin or end with, such as a mesh's name. Words for parts of
    a face, and sides, say something even if most names have them."""
    words = {name: _without_number(_words(name)) for name in names}
    for place in (0, -1):
        while True:
            longer = [each for each in words.values() if len(each) > 1]
            most, count = Counter(each[place] for each in longer).most_common(1)[0] if longer else ("", 0)
            if count < LEAST_ALIKE or 2 * count <= len(words) or most in FACE_WORDS or most in SIDES:
                break
            for each in longer:
                if each[place] == most:
                    each.pop(place)
    return {name: _without_number(each) for name, each in words.items()}


def _without_number(words: list[str]) -> list[str]:
    """Words without a capture's running number before them."""
    return words[1:] if len(words) > 1 and words[0].isdigit() else words


def _spelling(words: list[str]) -> Key:
    """A name's words without what its spelling adds: order, and how its side is written."""
    words = [word.lstrip("0") or "0" if word.isdigit() else word for word in _without_number(words)]
    sides = [SIDES[word] for word in words if word in SIDES]
    plain = [word for word in words if word not in SIDES]
    if len(sides) != 1 or not plain:
        return "", tuple(sorted(words))
    return sides[0], tuple(sorted(plain))


MEANINGS = {_spelling(synonym.split()): _spelling(line[0].split()) for line in SYNONYMS for synonym in line}
FACE_WORDS = {word for line in SYNONYMS for synonym in line for word in synonym.split()}.union(
    ("lips", "lid", "lids", "tongue", "teeth", "look", "roll", "close", "left", "right", "in", "out", "small", "half")
)


def _meaning(words: list[str]) -> Key:
    """What a name's words stand for: its scheme's place in SYNONYMS if it is in one, else its spelling."""
    side, plain = _spelling(words)
    known = MEANINGS.get(("", plain))
    if known is None and "au" in plain:  # AU12_LipCornerPuller: the number says it
        numbers = [word for word in plain if word.isdigit()]
        known = MEANINGS.get(("", tuple(sorted(("au", numbers[0]))))) if len(numbers) == 1 else None
    return (side, known[1]) if known else (side, plain)


def _run(words: list[str]) -> Key:
    """A name's words in one run, as some programs write them: eyeblinkleft."""
    sides = [SIDES[word] for word in words if word in SIDES]
    run = "".join(word for word in words if word not in SIDES)
    if not sides:
        sided = re.fullmatch(r"(left|right)(.+)|(.+)(left|right)", run)
        if sided:
            return sided[1] or sided[4], (sided[2] or sided[3],)
    return (sides[0], (run,)) if len(sides) == 1 and run else ("", ("".join(words),))
