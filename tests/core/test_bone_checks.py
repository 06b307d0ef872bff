# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones that were brought wrongly are set right where that is safe, and it is said; else they are refused."""

from dataclasses import replace

import numpy as np
import pytest

from aim_blender.core.learning.preparation import prepare
from aim_blender.core.shared.bones.bone_checks import outwardness, set_bones_right
from aim_blender.core.shared.captured.captures import Bone
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology


def scaled(bones: dict[str, Bone], factor: float) -> dict[str, Bone]:
    return {name: Bone(bone.vertices * factor, bone.triangles) for name, bone in bones.items()}


def swapped(bones: dict[str, Bone]) -> dict[str, Bone]:
    return {"skull": bones["mandible"], "mandible": bones["skull"]}


def turned(bones: dict[str, Bone], *names: str) -> dict[str, Bone]:
    return {n: Bone(b.vertices, b.triangles[:, ::-1]) if n in names else b for n, b in bones.items()}


FAULTS = {
    "metres": (lambda bones: scaled(bones, 0.001), "bones are in metres"),
    "centimetres": (lambda bones: scaled(bones, 0.1), "bones are in centimetres"),
    "inches": (lambda bones: scaled(bones, 1 / 25.4), "bones are in inches"),
    "swapped": (swapped, "skull and mandible were swapped"),
    "skull inside out": (lambda bones: turned(bones, "skull"), "normals of the skull point inwards"),
    "mandible inside out": (lambda bones: turned(bones, "mandible"), "normals of the mandible point inwards"),
}


def test_good_bones_stay_as_they_are(demo, demo_capture):
    triangles = demo.topology.triangles()
    skin, found, notes = set_bones_right(demo.neutral, triangles, demo_capture.bones)
    assert notes == []
    assert skin is triangles
    for name, bone in demo_capture.bones.items():
        assert np.array_equal(found[name].vertices, bone.vertices)
        assert np.array_equal(found[name].triangles, bone.triangles)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_set_right_and_said(demo, demo_capture, fault):
    change, said = FAULTS[fault]
    _, found, notes = set_bones_right(demo.neutral, demo.topology.triangles(), change(demo_capture.bones))
    assert len(notes) == 1
    assert said in notes[0]
    for name, bone in demo_capture.bones.items():
        assert np.abs(found[name].vertices - bone.vertices).max() < 1e-9
        assert outwardness(found[name].vertices, found[name].triangles) > 0.1


def test_bones_may_reach_out_of_a_mask(demo, demo_capture):
    """A mask is not as deep as the skull behind it."""
    skull = demo_capture.bones["skull"].vertices
    front = demo.neutral[:, 2] > np.median(skull[:, 2])
    mask = demo.topology.part(front)[0]
    _, _, notes = set_bones_right(demo.neutral[front], mask.triangles(), demo_capture.bones)
    assert notes == []


@pytest.mark.parametrize("shift", [(0, 0, 400), (300, 0, 0)])
def test_bones_elsewhere_are_refused(demo, demo_capture, shift):
    bones = {name: Bone(bone.vertices + shift, bone.triangles) for name, bone in demo_capture.bones.items()}
    with pytest.raises(InputError, match="skull lies outside of the neutral"):
        set_bones_right(demo.neutral, demo.topology.triangles(), bones)


def test_learning_finds_the_same_with_bones_that_were_set_right(demo_capture, demo_preparation):
    """All faults at once, and the skin's own faces the other way about."""
    corners = demo_capture.topology.triangles()[:, ::-1]
    topology = Topology(corners.ravel(), np.full(len(corners), 3), len(demo_capture.neutral))
    bones = turned(scaled(swapped(demo_capture.bones), 0.001), "skull", "mandible")
    found = prepare(replace(demo_capture, bones=bones, topology=topology), space="mean")
    assert len(found.notes) == 5
    assert abs(len(found.constraints) - len(demo_preparation.constraints)) < 0.05 * len(demo_preparation.constraints)
    assert np.abs(found.jaw.jaw - demo_preparation.jaw.jaw).max() < 0.2
