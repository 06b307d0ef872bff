# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of frames after head and jaw, laid out for sums over points: the frames come last in memory."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

NUMBERS_AT_ONCE = 2**18  # that a core keeps at hand


class LeftOver:
    """What of frames of an actor's mesh is more than the neutral under head and jaw: r of docs/model.md (16).

    neutral: (V, 3) mm. hinged: [k s0, k] (V, 4), with s0 about the point that the jaws' motions are about. Both on the
    device where the sums are.
    """

    def __init__(self, neutral: np.ndarray, hinged: Tensor) -> None:
        self.neutral, self.hinged = neutral, hinged
        self._neutral_as: dict[torch.dtype, Tensor] = {}

    def of(
        self,
        frames: np.ndarray,
        head: np.ndarray | None = None,
        jaw: np.ndarray | None = None,
        trust: np.ndarray | None = None,
    ) -> tuple[Tensor, float]:
        """r (f, V, 3) float32 mm of frames (f, V, 3), 0 where nothing is known; and how far any point is from the
        neutral along an axis, the jaw's motion included.

        head, jaw: (f, 4, 4), the jaw's about the same point as hinged; None where it does not move. trust: (f, V), 0
        where a point is not known. Each part of the points is read once and finished while the processor has it at
        hand.
        """
        count, points = frames.shape[:2]
        device = self.hinged.device
        found = torch.empty(points, 3, count, device=device)
        kind = np.float64 if frames.dtype == np.float64 else np.float32  # a file's may have other bytes first
        heads = None if head is None else _HeadsLast(head, torch.as_tensor(np.empty(0, kind)).dtype, device)
        step = None if jaw is None else self.step(jaw)
        furthest = 0.0
        length = points if device.type != "cpu" else max(1, NUMBERS_AT_ONCE // (3 * count))
        for first in range(0, points, length):
            rows = slice(first, first + length)
            some = torch.as_tensor(np.array(frames[:, rows], kind), device=device)  # a copy: a file's are read only
            near = self._neutral(some.dtype)[rows, :, None]  # (v, 3, 1)
            last = found[rows] if some.dtype == found.dtype else some.new_empty(found[rows].shape)  # (v, 3, f)
            last.view(-1, count).copy_(some.view(count, -1).T)  # a transposition in blocks
            if heads is not None:
                last = heads.taken_off(last)
            last -= near
            if trust is not None:
                unknown = torch.as_tensor(trust[:, rows] <= 0, device=device)
                last.masked_fill_(unknown.T[:, None], 0.0)
            least, most = torch.aminmax(last)
            furthest = max(furthest, -float(least), float(most))
            if last.data_ptr() != found[rows].data_ptr():
                found[rows] = last
            if step is not None:
                found[rows].view(-1, 3 * count).addmm_(self.hinged[rows], step, alpha=-1.0)
        return found.permute(2, 0, 1), furthest

    def step(self, jaw: np.ndarray) -> Tensor:
        """As steps_last, on the device."""
        return steps_last(jaw).to(self.hinged.device)

    def without_jaw(self, moved: Tensor, jaw: np.ndarray) -> Tensor:
        """r (f, V, 3) of frames that are moved (f, V, 3) from the neutral, without head motion, with jaws (f, 4, 4)."""
        last = frames_last(moved).view(len(self.hinged), -1)  # (V, 3 f)
        left = torch.addmm(last, self.hinged, self.step(jaw), alpha=-1.0)
        return left.view(len(self.hinged), 3, -1).permute(2, 0, 1)

    def jaw_motion(self, jaw: np.ndarray) -> Tensor:
        """LBS(s0, T, k) - s0 (f, V, 3) of jaws (f, 4, 4)."""
        return (self.hinged @ self.step(jaw)).view(len(self.hinged), 3, -1).permute(2, 0, 1)

    def _neutral(self, kind: torch.dtype) -> Tensor:
        """(V, 3) in the precision of the frames: the distance from what is near is then right to its last digit."""
        if kind not in self._neutral_as:
            self._neutral_as[kind] = torch.as_tensor(self.neutral, dtype=kind, device=self.hinged.device)
        return self._neutral_as[kind]


def frames_last(offsets: Tensor) -> Tensor:
    """Offsets (F, V, 3) as (V, 3, F): as they lie where LeftOver made them, else a copy."""
    return offsets.permute(1, 2, 0).contiguous()


def steps_last(jaw: np.ndarray) -> Tensor:
    """(4, 3 f) float32 of jaws (f, 4, 4), whose product with hinged_places is LBS(s0, T, k) - s0."""
    motion = jaw[:, :3].transpose(2, 1, 0).copy()  # (4, 3, f)
    motion[:3] -= np.eye(3)[..., None]
    return torch.as_tensor(motion, dtype=torch.float32).flatten(1)


def hinged_places(neutral: np.ndarray, skin_weight: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """[k s0, k] (V, 4) of neutral (V, 3) about centre (3,) and skin_weight (V, 1): for steps_last."""
    found: np.ndarray = skin_weight * np.append(neutral - centre, np.ones((len(neutral), 1)), axis=1)
    return found


class _HeadsLast:
    """H⁻¹ of docs/model.md (16) of heads (f, 4, 4), for points whose frames come last."""

    def __init__(self, head: np.ndarray, kind: torch.dtype, device: torch.device) -> None:
        def last(array: np.ndarray) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(np.moveaxis(array, 0, -1)), dtype=kind, device=device)

        turn, place = head[:, :3, :3], head[:, :3, 3]
        self.turn, self.place = last(turn), last(place)  # (3, 3, f), (3, f)
        # What rounding leaves of the place, however far the head is.
        rest = place - self.place.T.double().cpu().numpy()
        self.rest = last((rest[:, None] @ turn)[:, 0])  # (3, f)

    def taken_off(self, points: Tensor) -> Tensor:
        """Of points (v, 3, f), which are spent."""
        points -= self.place
        found = torch.empty_like(points)
        for axis in range(3):  # elementwise, which is many times faster than products with small matrices
            along = found[:, axis]
            torch.mul(points[:, 0], self.turn[0, axis], out=along)
            along.addcmul_(points[:, 1], self.turn[1, axis])
            along.addcmul_(points[:, 2], self.turn[2, axis])
        return found.sub_(self.rest)
