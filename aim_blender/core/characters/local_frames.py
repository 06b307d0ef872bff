# SPDX-License-Identifier: GPL-3.0-or-later
"""How much larger another face is around each place, and how it is turned there, as far as the two faces tell.

Around a place the one face is laid on the other by a similarity. Two faces are never similar, and what differs in
shape shows up in size and turn too: by chance, and nothing that skin does follows it. So a difference in size or turn
counts by how much of the way between the two faces it explains, docs/model.md (34): all of it where one face is the
other's copy, whatever its size, and little where noses are only of different make.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from ..correspondence.registration import HEAD, mean_radius

NODES = 200  # places where frames are found; between them they are interpolated
# How far around a place its size and its turn are told, on a common head: mouths and eyes have sizes of their own,
# turns are told worse from little skin.
SIZE_MM, TURN_MM = 20.0, 40.0
# How many times what remains a difference must explain to count by half. A wrong turn costs more than a wrong size: it
# sends all that moves astray.
SIZE_DOUBT, TURN_DOUBT = 1.0, 27.0
# By which share grown persons' sizes differ whose skin moves as far: so little must explain much more to count.
CHANCE = 0.2
NARROWER = 0.7  # the interpolation's reach, in that of the frames
LEAST_SURE = 1e-3  # how much a place counts that is not sure at all


class LocalFrames:
    """source, target: (V, 3) mm one place on two faces each, the source turned as the target stands. sure: (V,) in
    [0, 1] how sure that is.

    resize: A of docs/model.md section 4, (V, 3, 3), what makes a vector of the source one of the target: how it is
    turned there, and its size.
    """

    def __init__(self, source: np.ndarray, target: np.ndarray, sure: np.ndarray) -> None:
        sure = sure + LEAST_SURE
        unit = mean_radius(source) / HEAD
        nodes = far_apart(source, NODES)
        away = ((source[nodes][:, None] - source) ** 2).sum(-1) / unit**2  # (K, V) in a common head's mm
        whole = _Similarities(source, target, sure[None])
        about = _Similarities(source, target, np.exp(-away / (2 * SIZE_MM**2)) * sure)
        size = whole.sizes(SIZE_DOUBT) + about.sizes(SIZE_DOUBT, beside=whole.size)  # (K,) logarithms
        turn = _Similarities(source, target, np.exp(-away / (2 * TURN_MM**2)) * sure).turns(TURN_DOUBT)
        turned = Rotation.from_rotvec(between(turn, away, TURN_MM)).as_matrix()
        self.resize = np.exp(between(size[:, None], away, SIZE_MM))[:, :, None] * turned

    def carried(self, offsets: np.ndarray) -> np.ndarray:
        """Offsets (..., V, 3) of the source as those of the target."""
        return np.einsum("vxy,...vy->...vx", self.resize, offsets)


class _Similarities:
    """The similarities that best carry source (V, 3) onto target (V, 3) by each of weights (K, V) (Umeyama 1991)."""

    def __init__(self, source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> None:
        share = weights / weights.sum(1, keepdims=True)
        middle = source.mean(0), target.mean(0)  # nothing is lost when squares are subtracted
        one, other = source - middle[0], target - middle[1]
        means = share @ one, share @ other
        products = (other[:, :, None] * one[:, None, :]).reshape(-1, 9)
        products = (share @ products).reshape(-1, 3, 3) - means[1][:, :, None] * means[0][:, None, :]
        left, stretch, right = np.linalg.svd(products)
        stretch[:, 2] *= np.sign(np.linalg.det(left @ right))
        left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
        self.spread = (share @ (one**2).sum(1) - (means[0] ** 2).sum(1)).clip(min=1e-12)
        self.turn = Rotation.from_matrix(left @ right).as_rotvec()
        self.size = (stretch.sum(1) / self.spread).clip(min=1e-3)
        theirs = share @ (other**2).sum(1) - (means[1] ** 2).sum(1)
        # (K,) the mean square of what remains, in the source's size.
        self.left = (theirs / self.size**2 - self.spread).clip(min=0.0)

    def sizes(self, needed: float, beside: np.ndarray | float = 1.0) -> np.ndarray:
        """(K,) logarithms of the sizes beside another, as far as they are told."""
        size = np.log(self.size / beside)
        square = size**2
        return size * self._told(square, needed * (1 + CHANCE**2 / (square + 1e-30)))

    def turns(self, needed: float) -> np.ndarray:
        """(K, 3) rotation vectors, as far as they are told."""
        return self.turn * self._told((self.turn**2).sum(1), needed)[:, None]

    def _told(self, square: np.ndarray, needed: np.ndarray | float) -> np.ndarray:
        explained = square * self.spread
        return explained / (explained + needed * self.left + 1e-30)


def far_apart(points: np.ndarray, count: int) -> np.ndarray:
    """(K,) of points (V, 3) some that are far from each other, the next always that farthest from all before."""
    away = ((points - points.mean(0)) ** 2).sum(1)
    chosen = [int(away.argmax())]
    nearest = np.full(len(points), np.inf)
    for _ in range(min(count, len(points)) - 1):
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def between(values: np.ndarray, away: np.ndarray, reach: float) -> np.ndarray:
    """(V, C) values (K, C) of nodes at points that are the square root of away (K, V) from these."""
    square = away - away.min(0)  # far from all nodes the nearest counts
    weight = np.exp(-square / (2 * (NARROWER * reach) ** 2))
    return (weight / weight.sum(0)).T @ values
