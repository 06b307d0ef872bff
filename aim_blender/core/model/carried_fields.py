# SPDX-License-Identifier: GPL-3.0-or-later
"""The smooth functions of a big mesh that follow from their values at few places, in the normal equations of a fit.

What closed_form.ModeFields does at every vertex with all M modes is done here with the values at K places around each,
and the modes are only summed at the places: the cost of a vertex does not grow with the modes. Both give the same, of
the same modes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ..geometry.coarse_mesh import CoarseMesh
from .frames_last import NUMBERS_AT_ONCE, frames_last

FEWEST, MOST = 8, 24  # vertices of a block, which share the places that they are interpolated from


class CarriedFields:
    """Φ_m(c) e_i(c) at V vertices, with Φ = S Φ' of docs/model.md.

    mesh: the places. modes: Φ' (C, M) the values there. expressions: e (V, N, 3) mm.
    """

    def __init__(self, mesh: CoarseMesh, modes: Tensor, expressions: Tensor) -> None:
        self.modes = modes  # (C, M)
        self.count, self.names = expressions.shape[:2]
        width = mesh.around.shape[1]
        device = expressions.device
        vertices, real, region = _blocks(mesh.region)
        self.vertices = torch.as_tensor(vertices, device=device)  # (B, P)
        self.around = torch.as_tensor(mesh.around, device=device)  # (C, K)
        self.region = torch.as_tensor(region, device=device)  # (B,)
        share = torch.as_tensor(mesh.share, device=device, dtype=expressions.dtype)
        share = share[self.vertices] * torch.as_tensor(real, device=device)[..., None]  # (B, P, K)
        self.maps = expressions.new_empty(*vertices.shape, 3, width, self.names)  # from values at places to offsets
        for rows in self._parts(3 * vertices.shape[1] * width * self.names):
            fields = expressions[self.vertices[rows]].transpose(2, 3)  # (b, P, 3, N)
            torch.mul(share[rows, :, None, :, None], fields[:, :, :, None], out=self.maps[rows])
        self.maps = self.maps.view(len(vertices), -1, width * self.names)  # (B, 3 P, K N)
        # What is written for a filler goes nowhere.
        self.written = torch.as_tensor(np.where(real, vertices, self.count), device=device)  # (B, P)

    def offsets(self, coefficients: Tensor) -> Tensor:
        """sum_i w_i(c) e_i(c) (F, V, 3) of coefficients (F, M, N)."""
        frames = len(coefficients)
        found = coefficients.new_empty(self.count + 1, 3, frames)
        for rows, near in self._near(coefficients):
            offsets = torch.bmm(self.maps[rows], near)
            found.index_copy_(0, self.written[rows].flatten(), offsets.view(-1, 3, frames))
        return found[:-1].permute(2, 0, 1)

    def distance(self, coefficients: Tensor, residual: Tensor) -> Tensor:
        """(F, V) how far the offsets of coefficients (F, M, N) are from residual (F, V, 3)."""
        frames, there = len(coefficients), frames_last(residual)
        found = coefficients.new_empty(self.count + 1, frames)
        for rows, near in self._near(coefficients):
            off = self._at(rows, there).baddbmm_(self.maps[rows], near, beta=-1.0).square_()
            x, y, z = off.view(-1, 3, frames).unbind(1)  # many times faster than a norm along the middle
            found.index_copy_(0, self.written[rows].flatten(), (x + y).add_(z).sqrt_())
        return found[:-1].T

    def seen(self, offsets: Tensor) -> Tensor:
        """(M, N, F): sum over vertices of Φ_m (e_i . x) for offsets x (F, V, 3)."""
        frames, there = len(offsets), frames_last(offsets)
        values = offsets.new_zeros(len(self.modes), self.names * frames)
        for rows in self._parts(frames * self.maps.shape[2]):
            near = torch.bmm(self.maps[rows].transpose(1, 2), self._at(rows, there))  # (b, K N, F)
            values.index_add_(0, self.around[self.region[rows]].flatten(), near.view(-1, self.names * frames))
        return (self.modes.T @ values).view(-1, self.names, frames)

    def _near(self, coefficients: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Some blocks after the other, and the weights (b, K N, F) at the places that each is interpolated from."""
        frames = len(coefficients)
        values = self.modes @ coefficients.permute(1, 2, 0).reshape(-1, self.names * frames)  # (C, N F)
        for rows in self._parts(frames * self.maps.shape[2]):
            yield rows, values[self.around[self.region[rows]]].view(-1, self.maps.shape[2], frames)

    def _at(self, rows: slice, there: Tensor) -> Tensor:
        """What is there (V, 3, F), at the vertices of some blocks: (b, 3 P, F)."""
        some = there.index_select(0, self.vertices[rows].flatten())
        return some.view(-1, self.maps.shape[1], some.shape[2])

    def agreement(self, trust: Tensor | None) -> Tensor:
        """(M, N, M, N) float64: sum over vertices of trust Φ_m Φ_p (e_i . e_j). trust: (V,), None for 1 everywhere."""
        count, width = self.modes.shape[1], self.around.shape[1]
        pairs = [(one, other) for one in range(self.names) for other in range(one, self.names)]
        first, second = torch.tensor(pairs, device=self.modes.device).T
        # of pairs of a region's places, and of expressions
        products = self.modes.new_zeros(len(self.around), width, width, len(pairs))
        for rows in self._parts(width**2 * self.names**2):
            maps = self.maps[rows]
            weighted = maps if trust is None else maps * trust[self.vertices[rows]].repeat_interleave(3, 1)[..., None]
            both = torch.bmm(maps.transpose(1, 2), weighted).view(-1, width, self.names, width, self.names)
            products.index_add_(0, self.region[rows], both.transpose(2, 3)[..., first, second])
        around = self.around.cpu().numpy()
        order, starts, pattern = _summed(np.repeat(around, width, axis=1), np.tile(around, width), len(self.modes))
        values = products.view(-1, len(pairs)).cpu().numpy()
        modes = self.modes.double()
        there = modes.cpu().numpy()
        matrix = modes.new_empty(count, self.names, count, self.names)
        for pair, (one, other) in enumerate(pairs):
            pattern.data = np.add.reduceat(values[order, pair].astype(np.float64), starts)
            block = modes.T @ torch.as_tensor(pattern @ there, device=modes.device)
            matrix[:, one, :, other], matrix[:, other, :, one] = block, block.T
        return matrix

    def _parts(self, numbers: int) -> Iterator[slice]:
        """The blocks, as many at once as have room, of so many numbers each."""
        length = max(1, NUMBERS_AT_ONCE // numbers)
        for first in range(0, len(self.vertices), length):
            yield slice(first, first + length)


def _blocks(region: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (B, P) of one region each, real (B, P) bool where they are no fillers, and the region (B,)."""
    order = np.argsort(region, kind="stable")
    sizes = np.bincount(region)
    length = int(np.clip(sizes.mean(), FEWEST, MOST))
    rank = np.arange(len(region)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    blocks = -(-sizes // length)
    block = np.repeat(np.cumsum(blocks) - blocks, sizes) + rank // length
    real = np.zeros((int(blocks.sum()), length), dtype=bool)
    real[block, rank % length] = True
    vertices = np.zeros(real.shape, dtype=np.int64)
    vertices[block, rank % length] = order
    return np.where(real, vertices, vertices[:, :1]), real, np.repeat(np.arange(len(sizes)), blocks)


def _summed(rows: np.ndarray, columns: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, sparse.csr_matrix]:
    """How entries at rows and columns become a sparse matrix (count, count): their order, where in it those of one
    place start, and the matrix, whose data are to be filled in."""
    place = (rows.astype(np.int64) * count + columns).ravel()
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    row, column = np.divmod(place[order][starts], count)
    ends = np.searchsorted(row, np.arange(count + 1))
    return order, starts, sparse.csr_matrix((np.zeros(len(row)), column, ends), shape=(count, count))
