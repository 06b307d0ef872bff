# SPDX-License-Identifier: GPL-3.0-or-later
"""The trusted region: proposed where bone shapes the skin, whatever the head's place and size; painted, obeyed."""

from dataclasses import replace

import numpy as np
import pytest

from aim_blender.core.learning.preparation import prepare
from aim_blender.core.shared.captured.captures import read_capture
from aim_blender.core.shared.captured.meshes import write_mesh
from aim_blender.core.shared.faces.face_landmarks import suggest_landmarks
from aim_blender.core.shared.faces.trusted_region import LEAST_TRUSTED, propose_trusted, trusted_points
from aim_blender.core.shared.foundation.errors import InputError
from tests.core.geometry import moved, rigid
from tests.core.tiny_capture import write_capture


@pytest.fixture(scope="module")
def landmarks(demo) -> dict[str, int]:
    return suggest_landmarks(demo.neutral, demo.topology.triangles())


@pytest.fixture(scope="module")
def weights(demo, landmarks) -> np.ndarray:
    return propose_trusted(demo.neutral, demo.topology.triangles(), landmarks)


def test_proposal_covers_what_it_should(demo, landmarks, weights):
    assert weights.min() == 0.0
    assert weights.max() == 1.0
    for name in ("supraglabella", "frontal_eminence.L", "pogonion", "zygion.R", "gonion.L", "below_second_molar.R"):
        assert weights[landmarks[name]] > 0.9, name
    for name in ("nose_tip", "stomion", "mouth_corner.R", "upper_lip_margin", "above_second_molar.L", "condyle.L"):
        assert weights[landmarks[name]] < 0.1, name
    low = demo.neutral[:, 2] < demo.neutral[landmarks["menton"], 2] - 25
    assert weights[low].max() == 0.0  # the neck
    assert np.abs(weights - weights[demo.head.layout.mirror]).mean() < 0.02


def test_proposal_moves_and_grows_with_the_head(demo, landmarks, weights):
    away = rigid((25.0, -40.0, 70.0), (120.0, -300.0, 45.0))
    again = propose_trusted(moved(away, demo.neutral) / 25.4, demo.topology.triangles(), landmarks)
    assert np.abs(again - weights).max() < 1e-6


def test_proposal_does_with_the_landmarks_there_are(demo, landmarks, weights):
    left = {name: vertex for name, vertex in landmarks.items() if not name.endswith(".R")}
    half = propose_trusted(demo.neutral, demo.topology.triangles(), left)
    assert half[demo.neutral[:, 0] < -40].max() == 0.0
    assert (half[demo.neutral[:, 0] > 40] - weights[demo.neutral[:, 0] > 40]).max() < 1e-9
    with pytest.raises(InputError, match="landmark menton is missing"):
        propose_trusted(demo.neutral, demo.topology.triangles(), {"nasion": landmarks["nasion"]})


def test_what_is_painted_counts(demo):
    assert trusted_points(None) is None
    painted = np.zeros(len(demo.neutral))
    painted[[4, 7]] = LEAST_TRUSTED
    painted[9] = LEAST_TRUSTED - 0.01
    found = trusted_points(painted)
    assert found is not None
    assert np.flatnonzero(found).tolist() == [4, 7]
    with pytest.raises(InputError, match="the trusted region is empty"):
        trusted_points(np.zeros(len(demo.neutral)))


def test_learning_is_told_of_the_trusted_points_only(demo_capture, demo_preparation, weights):
    """The jaw is still read from all the skin over the mandible."""
    anywhere = demo_preparation
    told = prepare(replace(demo_capture, trusted=weights), space="mean")
    assert 0.05 < len(told.constraints) / len(weights) < 0.12 < len(anywhere.constraints) / len(weights)
    assert np.array_equal(told.jaw.jaw, anywhere.jaw.jaw)
    assert np.array_equal(told.jaw.skin_weight, anywhere.jaw.skin_weight)


def test_archive_and_folder_carry_the_region(tmp_path):
    path = write_capture(tmp_path / "capture.npz")
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    count = arrays["vertices"].shape[1]
    region = np.linspace(0, 1, count)
    np.savez(path, **arrays, trusted=region.astype(np.float32))
    capture = read_capture(path)
    assert np.allclose(capture.trusted, region, atol=1e-6)
    assert capture.digest != replace(capture, trusted=None).digest
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, vertices in zip(arrays["names"], arrays["vertices"], strict=True):
        write_mesh(folder / f"{name}.obj", vertices, capture.topology)
    assert read_capture(folder).trusted is None
    np.savez(folder / "trusted.npz", trusted=region)
    assert np.array_equal(read_capture(folder).trusted, region)


@pytest.mark.parametrize("fault", ["too few", "above one", "not a number", "no archive"])
def test_regions_that_cannot_be_used_are_refused(tmp_path, fault):
    path = write_capture(tmp_path / "capture.npz")
    capture = read_capture(path)
    count = len(capture.neutral)
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, vertices in zip(capture.names, capture.vertices, strict=True):
        write_mesh(folder / f"{name}.obj", vertices, capture.topology)
    region = {"too few": np.ones(count - 1), "above one": np.full(count, 1.5), "not a number": np.full(count, np.nan)}
    if fault == "no archive":
        (folder / "trusted.npz").write_bytes(b"paint")
    else:
        np.savez(folder / "trusted.npz", trusted=region[fault])
    with pytest.raises(InputError, match=r"trusted\.npz is no trusted region"):
        read_capture(folder)
