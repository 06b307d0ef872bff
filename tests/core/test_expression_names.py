# SPDX-License-Identifier: GPL-3.0-or-later
"""The same expressions as many programs spell them pair by name, and nothing pairs wrongly."""

import itertools
import re

import pytest

from aim_blender.core.shared.faces.expression_names import pair_expressions
from aim_blender.core.shared.foundation.errors import InputError


def words_of(line: str) -> list[str]:
    return line.split()


BOTH = words_of(
    "eyeBlink eyeLookDown eyeLookIn eyeLookOut eyeLookUp eyeSquint eyeWide mouthSmile mouthFrown mouthDimple "
    "mouthStretch mouthPress mouthLowerDown mouthUpperUp browDown browOuterUp cheekSquint noseSneer"
)
ALONE = words_of(
    "jawForward jawLeft jawRight jawOpen mouthClose mouthFunnel mouthPucker mouthLeft mouthRight mouthRollLower "
    "mouthRollUpper mouthShrugLower mouthShrugUpper browInnerUp cheekPuff tongueOut"
)
ARKIT = [*ALONE, *(name + side for name in BOTH for side in ("Left", "Right"))]


def words(name: str) -> list[str]:
    return re.findall("[A-Z]?[a-z]+", name)


def sided(left: str, right: str) -> list[str]:
    """The names with other marks of their sides, where they are one of two."""
    return [*ALONE, *(name + mark for name in BOTH for mark in (left, right))]


SPELLINGS = {
    "arkit": ARKIT,
    "pascal": [name[0].upper() + name[1:] for name in ARKIT],
    "snake": ["_".join(words(name)).lower() for name in ARKIT],
    "upper": ["_".join(words(name)).upper() for name in ARKIT],
    "one word": [name.lower() for name in ARKIT],
    "blanks": [" ".join(words(name)) for name in ARKIT],
    "underscore": sided("_L", "_R"),
    "dot": sided(".l", ".r"),
    "letter": sided("L", "R"),
    "number": [f"{name}.001" for name in ARKIT],
    "head": [f"Head_{name}" for name in ARKIT],
    "node": [f"blendShape1.{name}" for name in ARKIT],
    "mesh": [f"CC_Base_Body__{name}" for name in ARKIT],
    "facs": [f"facs_bs_{name}" for name in ARKIT],
    "suffix": [f"{name}_BS" for name in ARKIT],
    "numbered": [f"A{number:02d}_{'_'.join(words(name))}" for number, name in enumerate(ARKIT, 1)],
    "among others": [*(f"Face.M_{name}_sh" for name in ARKIT), "Basis", "vrc.v_aa", "vrc.v_oh", "breathe"],
}


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(SPELLINGS, 2)])
def test_all_spellings_pair_completely(one, other):
    there, here = SPELLINGS[one][: len(ARKIT)], SPELLINGS[other][: len(ARKIT)]
    assert pair_expressions(SPELLINGS[one], SPELLINGS[other]) == dict(zip(there, here, strict=True))
    assert pair_expressions(SPELLINGS[other], SPELLINGS[one]) == dict(zip(here, there, strict=True))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_sides_are_never_swapped_and_no_side_pairs_with_both(spelling):
    lefts = [
        name for name in SPELLINGS[spelling][: len(ARKIT)] if ARKIT[SPELLINGS[spelling].index(name)].endswith("Left")
    ]
    with pytest.raises(InputError, match="no expression"):
        pair_expressions(lefts[2:], [name for name in ARKIT if name.endswith("Right")])
    with pytest.raises(InputError, match="no expression"):
        pair_expressions(lefts[2:], BOTH)


def test_what_most_names_have_says_something_where_it_is_a_part_of_a_face():
    mouths = ["mouth_left", "mouth_right", "mouth_up", "mouth_smile"]
    with pytest.raises(InputError, match="no expression"):
        pair_expressions(mouths, ["left", "right", "up"])
    session = ["jaw_open", "jaw_open_stretch", "smile", "big_smile", "frown", "jaw_left", "jaw_right", "lips_in"]
    named = [f"{number:02d}_ada_{name}" for number, name in enumerate(session)]
    assert pair_expressions(session, named) == dict(zip(session, named, strict=True))
    assert pair_expressions(session, ARKIT) == {"jaw_open": "jawOpen", "jaw_left": "jawLeft", "jaw_right": "jawRight"}
