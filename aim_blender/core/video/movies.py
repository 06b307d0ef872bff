# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a movie file, upright, with their times; decoded by PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..shared.foundation.errors import InputError


class Movie:
    """A movie file. fps: frames a second on the mean; size: width, height in pixels as it is watched. expected: as how
    many frames the file has it, 0 where it does not say. damaged: how many parts of it could not be decoded, as far as
    it was read.

    Raises InputError if it cannot be decoded or has no pictures.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.damaged = path, 0
        with self._opened() as container:
            stream = self._stream(container)
            rate = stream.average_rate or stream.guessed_rate
            if not rate:
                raise InputError(f"{path} does not say how many frames a second it has; convert it to another format")
            self.fps, self.expected = float(rate), int(stream.frames)
            first = next(self._decoded(container, stream), None)
        if first is None:
            raise InputError(f"{path} has no frame that can be decoded; export it anew")
        self.size = first[1].shape[1], first[1].shape[0]

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Each frame's time in seconds from the first one's, and its picture (height, width, 3) of bytes, RGB."""
        self.damaged = 0
        with self._opened() as container:
            first = before = 0.0
            for count, (time, picture) in enumerate(self._decoded(container, self._stream(container))):
                if count == 0:
                    first = time
                elif time <= before:  # of a file whose times are wrong
                    time = before + 1.0 / self.fps
                before = time
                yield time - first, picture

    def _opened(self) -> Any:
        import av

        try:
            return av.open(str(self.path))
        except (av.error.FFmpegError, OSError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise InputError(f"{self.path} cannot be read as a movie ({said.lower()}); export it as MP4") from error

    def _stream(self, container: Any) -> Any:
        if not container.streams.video:
            raise InputError(f"{self.path} holds sound only; a video with pictures is needed")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return stream

    def _decoded(self, container: Any, stream: Any) -> Iterator[tuple[float, np.ndarray]]:
        """Each frame's time in seconds and its picture; what is damaged is left out, and counted."""
        count = 0
        for packet in self._packets(container, stream):
            for frame in self._frames_of(packet):
                time = float(frame.time) if frame.time is not None else count / self.fps
                count += 1
                # What the file says it is to be turned by when watched, anticlockwise in degrees.
                turns = round(getattr(frame, "rotation", 0) / 90) % 4
                yield time, np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))

    def _packets(self, container: Any, stream: Any) -> Iterator[Any]:
        import av

        try:
            yield from container.demux(stream)
        except av.error.FFmpegError:
            self.damaged += 1

    def _frames_of(self, packet: Any) -> list[Any]:
        import av

        try:
            return list(packet.decode())
        except av.error.FFmpegError:
            self.damaged += 1
            return []
