# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a movie file, upright, with their times; decoded by PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..shared.foundation.errors import UNREADABLE, InputError

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"  # as FFmpeg calls them
LONGEST_GAP_S = 60.0  # between two frames: more is a damaged time
RATES = (1.0, 1000.0)  # frames a second that a movie of a performer can have


class Movie:
    """A movie file. fps: frames a second as the file has it; size: width, height in pixels as it is watched. seconds:
    how long it says it is, 0 where it does not; expected: how many frames that makes. damaged: how many parts of it
    could not be decoded, as far as it was read.

    Raises InputError if it cannot be decoded or has no pictures.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.damaged = path, 0
        self._failures = (*UNREADABLE, MemoryError, _decoder().error.FFmpegError)
        with self._opened() as container:
            stream = self._stream(container)
            rate = stream.average_rate or stream.guessed_rate
            if not rate or not RATES[0] <= rate <= RATES[1]:
                said = f"says that it has {float(rate):g}" if rate else "does not say how many"
                raise InputError(f"{path} {said} frames a second; export it as MP4 with a usual frame rate")
            self.fps, self.seconds = float(rate), _seconds(container, stream)
            self.expected = int(stream.frames) or round(self.seconds * self.fps)
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
                elif not before < time <= before + LONGEST_GAP_S:  # of a file whose times are wrong
                    time = before + 1.0 / self.fps
                before = time
                yield time - first, picture

    def _opened(self) -> Any:
        # Neither a network nor a list of other files is ever opened.
        options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
        try:
            return _decoder().open(f"file:{self.path.absolute()}", options=options, metadata_errors="replace")
        except self._failures as error:
            said = getattr(error, "strerror", None) or str(error)
            raise InputError(f"{self.path} cannot be read as a movie ({said.lower()}); export it as MP4") from error

    def _stream(self, container: Any) -> Any:
        if not container.streams.video:
            if not container.streams.audio:
                raise InputError(f"{self.path} cannot be read as a movie (it is cut off or empty); export it as MP4")
            raise InputError(f"{self.path} holds sound only; a video with pictures is needed")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return stream

    def _decoded(self, container: Any, stream: Any) -> Iterator[tuple[float, np.ndarray]]:
        """Each frame's time in seconds and its picture; what is damaged is left out, and counted."""
        count = 0
        for packet in self._packets(container, stream):
            for time, picture in self._frames_of(packet):
                yield (count / self.fps if time is None else float(time)), picture
                count += 1

    def _packets(self, container: Any, stream: Any) -> Iterator[Any]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except self._failures:
                self.damaged += 1
                return
            if packet is None:
                return
            yield packet

    def _frames_of(self, packet: Any) -> list[tuple[float | None, np.ndarray]]:
        """Time, if it is said, and picture of each."""
        try:
            return [(frame.time, _upright(frame)) for frame in packet.decode()]
        except self._failures:
            self.damaged += 1
            return []


def _seconds(container: Any, stream: Any) -> float:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1e6


def _upright(frame: Any) -> np.ndarray:
    """Its picture, turned by what the file says that it is turned by when watched, anticlockwise in degrees."""
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))


def _decoder() -> Any:
    """PyAV. Raises InputError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise InputError(
            "reading a movie needs the package av in the worker's environment, which is not there; press Install Video "
            "in the extension's preferences, or run the command install-video"
        ) from error
    return av
