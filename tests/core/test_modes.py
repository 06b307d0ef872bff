# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth functions on a mesh: the Laplacian's eigenvectors, checked where they are known."""

import numpy as np
import pytest
import robust_laplacian
import trimesh

from aim_blender.core.geometry.modes import laplacian_modes
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from tests.core.geometry import moved, rigid
from tests.core.tiny_capture import POINTS, grid

VERTICES, QUADS = grid()
TRIANGLES = Topology.from_padded(QUADS, POINTS).triangles()


def test_modes_are_eigenvectors_of_unit_mean_square():
    modes, values = laplacian_modes(VERTICES, TRIANGLES, 12)
    stiffness, mass = robust_laplacian.mesh_laplacian(VERTICES, TRIANGLES.astype(np.int64))
    assert modes.shape == (POINTS, 12)
    assert np.abs(stiffness @ modes - mass @ modes * values).max() < 1e-6
    gram = modes.T @ (mass @ modes) / mass.diagonal().sum()
    assert np.allclose(gram, np.eye(12), atol=1e-8)


def test_smoothest_comes_first_and_is_constant():
    modes, values = laplacian_modes(VERTICES, TRIANGLES, 12)
    assert values[0] == pytest.approx(0.0, abs=1e-9)
    assert np.allclose(modes[:, 0], 1.0, atol=1e-6)
    assert (np.diff(values) >= 0).all()
    assert values[1] > 1e-6


def test_eigenvalues_of_a_ball():
    """l (l + 1) / r², 2 l + 1 times: a constant, 3 for l = 1, 5 for l = 2."""
    mesh = trimesh.creation.icosphere(4, 50.0)
    _, values = laplacian_modes(np.array(mesh.vertices), np.array(mesh.faces), 9)
    wanted = np.repeat([0, 2, 6], [1, 3, 5]) / 50.0**2
    assert values == pytest.approx(wanted, rel=0.01, abs=1e-9)


def test_modes_are_the_same_every_time():
    first, again = laplacian_modes(VERTICES, TRIANGLES, 10), laplacian_modes(VERTICES, TRIANGLES, 10)
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])


def test_modes_know_the_unit_but_not_the_place():
    modes, values = laplacian_modes(VERTICES, TRIANGLES, 6)
    away, away_values = laplacian_modes(moved(rigid((20, 30, 40), (5, 6, 7)), VERTICES) * 10, TRIANGLES, 6)
    assert away_values * 100 == pytest.approx(values, rel=1e-6, abs=1e-9)
    assert np.allclose(np.abs(away), np.abs(modes), atol=1e-4)


def test_modes_part_the_lips(demo, demo_preparation):
    """The lips' rims lie less than a millimetre apart, but far along the skin."""
    loop = demo.head.layout.rim_loops[0]
    half = len(loop) // 2
    lower, upper = loop[half // 2], loop[half + half // 2]
    assert np.linalg.norm(demo.neutral[lower] - demo.neutral[upper]) < 2.0
    modes, _ = laplacian_modes(demo.neutral, demo.topology.triangles(), 9)
    beside = loop[half // 2 + 1]
    assert np.abs(modes[lower] - modes[upper]).max() > 5 * np.abs(modes[lower] - modes[beside]).max()
    template = demo_preparation.template
    assert np.abs(template[lower] - template[upper]).max() > 5 * np.abs(template[lower] - template[beside]).max()


def test_a_vertex_without_faces_takes_part_in_none():
    with_loose = np.concatenate([VERTICES, [[1000.0, 0, 0]]])
    modes, _ = laplacian_modes(with_loose, TRIANGLES, 6)
    assert np.isfinite(modes).all()
    plain, _ = laplacian_modes(VERTICES, TRIANGLES, 6)
    overlap = np.linalg.svd(modes[:-1].T @ plain / POINTS)[1]
    assert overlap[:5].min() > 0.9


@pytest.mark.parametrize("count", [POINTS - 1, POINTS, 1000])
def test_too_many_modes_are_refused(count):
    with pytest.raises(InputError, match=f"mesh of {POINTS} vertices is too coarse for {count} smooth modes"):
        laplacian_modes(VERTICES, TRIANGLES, count)
