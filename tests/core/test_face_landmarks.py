# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks suggested from the shape of a head alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from aim_blender.core.shared.demo.demo_actor import DemoActor
from aim_blender.core.shared.faces.face_landmarks import (
    LANDMARK_NAMES,
    frame_of_landmarks,
    landmarks_in_frame,
    suggest_landmarks,
)
from aim_blender.core.shared.faces.face_profile import PROFILE, HeadFrame, find_head_frame, flatness
from aim_blender.core.shared.foundation.errors import InputError
from tests.core.geometry import mirrored_name, moved, rigid

MOTION = rigid((40.0, 110.0, -70.0), (300.0, -80.0, 40.0))


@pytest.fixture(scope="module")
def triangles(demo: DemoActor) -> np.ndarray:
    return demo.topology.triangles()


@pytest.fixture(scope="module")
def frame(demo: DemoActor, triangles: np.ndarray) -> HeadFrame:
    return find_head_frame(demo.neutral, triangles)


@pytest.fixture(scope="module")
def found(demo: DemoActor, triangles: np.ndarray, frame: HeadFrame) -> dict[str, int]:
    return landmarks_in_frame(demo.neutral, triangles, frame)


def cut(vertices: np.ndarray, triangles: np.ndarray, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a mesh whose vertices are kept (V,) bool."""
    number = np.cumsum(keep) - 1
    return vertices[keep], number[triangles[keep[triangles].all(1)]]


def test_the_demo_actor_is_seen_as_it_stands(frame: HeadFrame) -> None:
    """Z up, the face towards -Y, X to the character's left."""
    assert frame.left @ [1, 0, 0] > 0.999
    assert frame.up @ [0, 0, 1] > 0.99
    assert frame.front @ [0, -1, 0] > 0.99
    assert frame.scale == pytest.approx(1.0, abs=0.15)


def test_landmarks_lie_where_a_face_has_them(demo: DemoActor, found: dict[str, int]) -> None:
    assert set(found) == set(LANDMARK_NAMES)
    place = {name: demo.neutral[vertex] for name, vertex in found.items()}
    face = demo.neutral[np.abs(demo.neutral[:, 0]) < 5]
    assert place["nose_tip"][1] == pytest.approx(face[:, 1].min(), abs=1.0)
    profile = ("supraglabella", "glabella", "nasion", "rhinion", "nose_tip", "subnasale", "upper_lip_margin", "stomion",
               "lower_lip_margin", "supramentale", "pogonion", "menton")  # fmt: skip
    heights = [place[name][2] for name in profile]
    assert heights == sorted(heights, reverse=True)
    assert np.abs([place[name][0] for name in profile]).max() < 3.0
    hinge = demo.hinge_centre
    assert np.linalg.norm(place["condyle.L"][1:] - hinge[1:]) < 25.0


@pytest.mark.parametrize(("up", "front"), [(-4.0, 3.0), (4.0, -3.0)])
def test_lips_are_found_where_the_head_is_said_to_be_some_mm_off(
    demo: DemoActor, triangles: np.ndarray, frame: HeadFrame, found: dict[str, int], up: float, front: float
) -> None:
    nasion = frame.nasion + frame.scale * (up * frame.up + front * frame.front)
    off = landmarks_in_frame(demo.neutral, triangles, dataclasses.replace(frame, nasion=nasion))
    for name in ("upper_lip_margin", "stomion", "lower_lip_margin"):
        assert np.linalg.norm(demo.neutral[off[name]] - demo.neutral[found[name]]) < 3.0, name


def test_a_symmetric_head_has_symmetric_landmarks(demo: DemoActor, found: dict[str, int]) -> None:
    for name, vertex in found.items():
        partner = demo.neutral[found[mirrored_name(name)]]
        assert demo.neutral[vertex] * [-1, 1, 1] == pytest.approx(partner, abs=3.0), name


@pytest.mark.parametrize("unit", [1.0, 0.001])
def test_they_do_not_depend_on_turn_place_or_unit(
    demo: DemoActor, triangles: np.ndarray, found: dict[str, int], unit: float
) -> None:
    again = suggest_landmarks(moved(MOTION, demo.neutral) * unit, triangles)
    apart = [np.linalg.norm(demo.neutral[again[name]] - demo.neutral[found[name]]) for name in found]
    assert np.mean(apart) < 1.5
    assert np.max(apart) < 8.0


def test_a_mask_turned_inside_out_has_those_of_its_front(
    demo: DemoActor, triangles: np.ndarray, found: dict[str, int]
) -> None:
    keep = (demo.neutral[:, 1] < -20) & (demo.neutral[:, 2] > -115)
    vertices, faces = cut(demo.neutral, triangles, keep)
    mask = suggest_landmarks(vertices, faces[:, ::-1])
    assert {"nasion", "nose_tip", "pogonion", "suborbital.L"} <= set(mask)
    for name in ("nasion", "nose_tip", "stomion", "pogonion"):
        assert vertices[mask[name]] == pytest.approx(demo.neutral[found[name]], abs=8.0), name


def test_a_bust_with_shoulders_is_understood(demo: DemoActor, triangles: np.ndarray, found: dict[str, int]) -> None:
    around = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    rings = [np.stack([w * np.cos(around), 20 + d * np.sin(around), np.full(40, z)], 1)
             for w, d, z in ((60, 60, -150), (120, 70, -170), (190, 90, -200), (200, 100, -330))]  # fmt: skip
    index = np.arange(160).reshape(4, 40)
    after = np.roll(index, -1, axis=1)
    quads = np.stack([index[1:], after[1:], after[:-1], index[:-1]], axis=-1).reshape(-1, 4) + len(demo.neutral)
    bust = np.concatenate([demo.neutral, *rings])
    faces = np.concatenate([triangles, quads[:, :3], quads[:, [0, 2, 3]]])
    again = suggest_landmarks(bust, faces)
    for name in ("nasion", "nose_tip", "pogonion", "zygion.L"):
        assert bust[again[name]] == pytest.approx(demo.neutral[found[name]], abs=6.0), name


def test_a_chin_is_no_nose(demo: DemoActor, triangles: np.ndarray, found: dict[str, int], frame: HeadFrame) -> None:
    """Upside down, the chin where the nose should be."""
    corners, chin = demo.neutral[triangles], demo.neutral[found["pogonion"]]
    up, front = PROFILE["nose_tip"]
    nasion = chin + frame.scale * (up * frame.up - front * frame.front)
    turned = dataclasses.replace(frame, left=-frame.left, up=-frame.up, nasion=nasion)
    assert turned.local(chin)[1:] == pytest.approx([up, front])
    assert flatness(corners, frame.nasion, frame) == 0.0
    assert flatness(corners, frame.nasion, turned) > 1.0


def test_a_ball_is_no_face() -> None:
    along, around = np.meshgrid(np.linspace(0.05, np.pi - 0.05, 30), np.linspace(0, 2 * np.pi, 40, endpoint=False))
    ball = 90 * np.stack([np.sin(along) * np.cos(around), np.sin(along) * np.sin(around), np.cos(along)], -1)
    index = np.arange(1200).reshape(40, 30)
    after = np.roll(index, -1, axis=0)
    quads = np.stack([index[:, :-1], after[:, :-1], after[:, 1:], index[:, 1:]], axis=-1).reshape(-1, 4)
    with pytest.raises(InputError, match="no face is found"):
        find_head_frame(ball.reshape(-1, 3), np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]))


def test_picked_landmarks_alone_say_how_a_head_is_turned(
    demo: DemoActor, found: dict[str, int], frame: HeadFrame
) -> None:
    picked = {name: found[name] for name in ("nasion", "menton", "mouth_corner.L", "mouth_corner.R")}
    again = frame_of_landmarks(moved(MOTION, demo.neutral), picked)
    assert again is not None
    assert again.up @ MOTION[:3, :3] @ frame.up > 0.95
    assert again.left @ MOTION[:3, :3] @ frame.left > 0.99
    assert frame_of_landmarks(demo.neutral, {"nasion": found["nasion"], "menton": found["menton"]}) is None
