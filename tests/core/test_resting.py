# SPDX-License-Identifier: GPL-3.0-or-later
"""Neutrals that are not at rest, what should be closed and is not, and skin that contact takes too far: all is said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from aim_blender.core.contact.contact import Contact
from aim_blender.core.contact.reach import Reach
from aim_blender.core.contact.resting import States, check_rest
from aim_blender.core.model.actor import Actor
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.results.takes import Take

FRAMES = np.arange(101, 111)


@pytest.fixture(scope="module")
def contact(demo_learned: Actor) -> Contact:
    return Contact(demo_learned)


@pytest.fixture(scope="module")
def ajar(demo_learned: Actor) -> Actor:
    """The demo actor, whose neutral is its mouth a third open, with the shapes that it has."""
    offset = 0.35 * demo_learned.offsets()[:, demo_learned.names.index("jaw_open")]  # (V, 3)
    moved = dataclasses.replace(demo_learned, neutral_residual=demo_learned.neutral_residual + offset, settings={})
    changed = demo_learned.shapes()[1:] - moved.shapes()[1:]  # (N, V, 3)
    residual = moved.expression_residual + changed.transpose(1, 0, 2)
    return dataclasses.replace(moved, expression_residual=residual.astype(np.float32))


def said(states: States, performed: dict[str, float], shown: dict[str, float], rest_chosen: bool = False) -> list[str]:
    """Of frames in which all of a slit is as far apart as given, in mm; what is not given is 3 mm apart."""

    def gaps(given: dict[str, float]) -> dict[str, np.ndarray]:
        return {
            slit.name: np.full((len(FRAMES), slit.columns), given.get(slit.name, 3.0)) for slit in states.target.slits
        }

    states.look(gaps(performed), gaps(shown))
    return states.said(FRAMES, rest_chosen)


def test_a_neutral_with_lips_apart_that_a_shape_closes_is_not_at_rest(demo_learned: Actor, ajar: Actor):
    assert check_rest(demo_learned) == []
    (told,) = check_rest(ajar)
    assert told.startswith("the neutral is not at rest: its lips are ")
    assert 4.0 < float(told.split()[9]) < 12.0
    jaw_open = ajar.names.index("jaw_open")
    open_only = dataclasses.replace(
        ajar,
        names=("jaw_open",),
        jaw=ajar.jaw[[jaw_open]],
        implicit_expressions=ajar.implicit_expressions[:, [jaw_open]],
        expression_residual=ajar.expression_residual[:, [jaw_open]],
    )
    assert check_rest(open_only) == []  # nothing shows that these lips ever meet


def test_a_performer_that_rests_ajar_is_told_with_figures(demo_learned: Actor, demo_take: Take, contact: Contact, ajar):
    few = dataclasses.replace(
        demo_take,
        coefficients=np.zeros_like(demo_take.coefficients[:4]),
        jaw=demo_take.jaw[:4] * 0 + np.eye(4),
        head=demo_take.head[:4],
        frames=demo_take.frames[:4],
        error_mm=demo_take.error_mm[:4],
    )
    few.coefficients[:, 0, few.names.index("lips_in")] = 1.0 / few.modes[0, 0]  # the first mode is the same everywhere
    notes = retarget_take(few, ajar, demo_learned).figures["notes"]
    (told,) = [each for each in notes if each.startswith("the performer's neutral is not at rest")]
    assert "in 4 of 4 frames they meet" in told
    states = States(Contact(ajar), contact)
    assert said(states, {"lips": 0.0}, {"lips": 0.0}, rest_chosen=True) == []


def test_what_stays_apart_or_opens_too_wide_is_told(demo_learned: Actor, contact: Contact, ajar: Actor):
    assert said(States(contact, contact), {"lips": 0.3}, {"lips": 0.4}) == []
    (apart,) = said(States(contact, contact), {"lips": 0.3}, {"lips": 6.0})
    assert "lips stay apart in 10 of the 10 frames in which the performer's meet, by 6.0 mm in frame 101: look" in apart
    (resting,) = said(States(contact, Contact(ajar)), {"lips": 0.3}, {"lips": 6.0})
    assert "its neutral is not at rest, with lips" in resting
    (wide,) = said(States(contact, contact), {}, {"left lids": 16.0, "right lids": 15.0})
    assert wide.startswith("the target's left lids and right lids open wider than in any of its shapes in 10 of 10")
    assert "to 16.0 mm in frame 101" in wide


def test_skin_that_contact_takes_beyond_the_shapes_is_told(demo_learned: Actor, contact: Contact):
    frames = np.repeat(demo_learned.neutral[None, contact.rows], 3, axis=0)
    moved = np.zeros_like(frames)
    near = Reach(demo_learned, contact)
    row = int(near.most.argmin())
    moved[1:, row, 1] = 1.25 * near.most[row] + 0.5
    near.look(frames, moved)
    assert near.said(FRAMES[:3]) == []
    far = Reach(demo_learned, contact)
    far.look(frames, 10.0 * moved)
    (told,) = far.said(FRAMES[:3])
    assert "farther than any of the target's shapes in 2 of 3 frames" in told
    assert f"by {10 * moved[1, row, 1]:.1f} mm in frame 102" in told
    far = Reach(demo_learned, contact)
    far.look(frames + 10.0 * moved, 0.01 * moved)  # it was there without contact
    assert len(far.said(FRAMES[:3])) == 1
    far = Reach(demo_learned, contact)
    far.look(frames + 10.0 * moved, -0.01 * moved)
    assert far.said(FRAMES[:3]) == []
