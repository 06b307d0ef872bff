# SPDX-License-Identifier: GPL-3.0-or-later
"""Movies of the demo head, drawn and encoded by the tests themselves."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from aim_blender.core.shared.captured.cameras import Camera
from aim_blender.core.shared.demo.demo_actor import DemoActor
from aim_blender.core.shared.foundation.drawing import draw

SIZE = (320, 240)
AWAY_MM = 620.0  # of the camera, before the face
TICKS = 48000  # a second: MPEG-4 has no more than 65535
FOCAL = 1.0  # of the picture's longer side
BACKGROUND = np.array([0.25, 0.3, 0.36])


def camera_before(turned_degrees: float = 0.0, size: tuple[int, int] = SIZE, away_mm: float = AWAY_MM) -> Camera:
    """A camera before the demo head, which looks along -Y; turned: about the head, towards its left."""
    turn = np.radians(turned_degrees)
    back = np.array([np.sin(turn), -np.cos(turn), 0.0])  # from the head to the camera
    right = np.array([np.cos(turn), np.sin(turn), 0.0])
    rows = np.stack([right, [0.0, 0.0, -1.0], -back])
    centre = back * away_mm + np.array([0.0, -30.0, -20.0])
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = rows, -rows @ centre
    focal = FOCAL * max(size)
    return Camera("camera", np.array(size), np.array([focal, focal]), np.array(size) / 2, motion)


def photograph(demo: DemoActor, skin: np.ndarray, head: np.ndarray, camera: Camera) -> np.ndarray:
    """A picture (height, width, 3) of bytes of the demo head: skin (V, 3) in place, head (4, 4) for the eyes."""
    width, height = camera.size.tolist()
    eyes = demo.eyes_vertices @ head[:3, :3].T + head[:3, 3]
    points = np.concatenate([skin, eyes])
    triangles = np.concatenate([demo.topology.triangles(), demo.eyes_triangles + len(skin)])
    colours = np.concatenate([demo.skin_colours, demo.eyes_colours]) ** (1 / 2.2)
    pixels = camera.project(points)
    seen = np.column_stack([pixels[:, 0], height - pixels[:, 1], -camera.depth(points)])
    drawn = draw(seen, triangles, colours, width, height)[::-1]
    mixed = drawn[..., :3] * drawn[..., 3:] + BACKGROUND * (1 - drawn[..., 3:])
    return (255 * mixed.clip(0, 1)).astype(np.uint8)


def write_movie(
    path: Path, pictures: Sequence[np.ndarray], fps: int = 24, times: Sequence[float] = (), rotation: int = 0
) -> Path:
    """Encode pictures (height, width, 3) of bytes, at these times in seconds, if given. rotation: degrees that a player
    turns them by, anticlockwise."""
    import av

    # What a player must know stands first, so that a file that is cut off still plays.
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream("mpeg4", rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 8_000_000
        stream.codec_context.time_base = Fraction(1, TICKS)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            time = times[index] if len(times) else index / fps
            frame.pts, frame.time_base = round(TICKS * time), Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
