# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist should know of what was seen in a video, before trusting a take of it."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

from ..shared.foundation.wording import listed
from .seen_faces import PROFILE_DEGREES, SeenFaces

MOST_LISTED = 8
SMALL_PIXELS = 80  # a face that is smaller shows little
# Of how far the eyes are apart: on four videos of two of make_capture.py's actors the median of nine frames is 0.011
# and at most 0.019; with a hand over the mouth it is 0.023, and compressed by crf 46 0.032.
DISAGREED, DISAGREED_FRAMES = 0.02, 9


def notes_of(seen: SeenFaces) -> list[str]:
    """Sentences about how the movie was read, other faces, cuts, profiles and small faces."""
    notes = list(seen.notes)
    there = ~seen.missing
    others = np.flatnonzero(seen.others & there)
    if len(others):
        notes.append(
            f"another face is seen in frames {_stretches(seen.frames[others])}; the larger one was followed: cut the "
            "video to one performer if it was the wrong one"
        )
    cuts = seen.frames[seen.cuts]
    if len(cuts):
        notes.append(
            f"the picture or the face jumps at frame {listed(list(map(str, cuts.tolist())), MOST_LISTED)}: nothing is "
            "smoothed over it; where other light follows, fit each side on its own, by start and end"
        )
    turned = there & (np.abs(np.where(there, seen.yaw_degrees, 0.0)) > PROFILE_DEGREES)
    if turned.any():
        notes.append(
            f"the face is seen in profile in frames {_stretches(seen.frames[turned])}, where half of it is hidden; "
            "they are filled in: look at them, or correct them by hand"
        )
    disagreed = disagreed_frames(seen)
    if len(disagreed):
        notes.append(
            f"lips or lids are hard to see in frames {_stretches(disagreed)}: the detector contradicts itself by more "
            f"than {100 * DISAGREED:.0f} % of the eyes' distance, as where a hand covers the face or the video is "
            "compressed too strongly; what the face does there is a guess: correct it by hand, or film it anew"
        )
    size = np.ptp(seen.landmarks[there, :, :2], axis=1).max(1)  # (F,) pixels
    if len(size) and np.median(size) < SMALL_PIXELS:
        notes.append(
            f"the face is {np.median(size):.0f} pixels large, of which little can be told; film it larger than "
            f"{SMALL_PIXELS} pixels"
        )
    return notes


def disagreed_frames(seen: SeenFaces) -> np.ndarray:
    """(D,) numbers of frames about which crops of the same face say different things for longer than a moment."""
    there = np.flatnonzero(~seen.missing)
    if len(there) == 0:
        return there
    usual = median_filter(seen.disagreements[there], min(DISAGREED_FRAMES, len(there)), mode="nearest")
    return seen.frames[there[usual > DISAGREED]]


def _stretches(frames: np.ndarray) -> str:
    """Numbers of frames (F,), rising, as stretches: 3 to 8, 12."""
    parts = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    shown = [str(part[0]) if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts]
    return ", ".join(shown[:MOST_LISTED]) + (", ..." if len(shown) > MOST_LISTED else "")
