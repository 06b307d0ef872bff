# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages between Blender and a worker that stays up: `python -m aim_blender live ACTOR`, over its standard input and
output. Standard library only: both sides use it.

A message is two little-endian uint32, the length of a JSON object and of what follows it, the JSON object in UTF-8, and
bytes: little-endian float32, for positions x y z of point after point, in mm.

    worker   {"ready": true, "points": V, "expressions": [names], "setup_s": 0.2}        once, first
    Blender  {"id": 7, "kind": "mesh", "head": "free"}                                   + V positions
    Blender  {"id": 8, "kind": "handles", "vertices": [12, 40], "head": "still"}         + as many positions
    Blender  {"id": 9, "kind": "correct", "take": file, "frame": 24, "vertices": [12]}   + as many positions
    Blender  {"id": 10, "kind": "keep", "take": file, "frame": 24, "blend": 4, "out": file,
              "bake": file, "bake_out": file}
    Blender  {"id": 11, "kind": "retarget", "take": file, "source": file, "frame": 24, "choices": {...},
              "correspondence": file, "correspond": {...}}                               + V strengths, or nothing
    worker   {"id": 7, "mean_mm", "worst_mm", "weights": [N], "jaw": [4][4], "head": [4][4], "frame", "seconds"}
                                                                                         + V positions
    worker   {"id": 10, "key": name}               + V offsets of the corrective key
    worker   {"id": 11, "message": "what it does"} its answer takes long and comes later
    worker   {"id": 7, "skipped": true}            a later request was there already when its turn came
    worker   {"id": 7, "error": "one sentence"}    it goes on with the next
    worker   {"error": "one sentence"}             instead of ready, or of an answer to what is no message; it ends

head is free or still; a position that is not a number leaves its point out. `correct` pulls a take's frame by handles;
`keep` writes a take in which a frame is as the latest answer has it, and fades over `blend` frames, and the same bake
with a further key. `retarget` shows the frame of a source's take on this actor; choices as the task `retarget` takes
them, correspond the arguments of the task `correspond` if that is to be made first. The worker ends when its input
does.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

LENGTHS = struct.Struct("<II")
MOST_JSON, MOST_BYTES = 2**20, 2**30


class MessageError(ValueError):
    """What was read is no message. Its text says why."""


def write_message(stream: IO[bytes], header: dict[str, Any], payload: bytes = b"") -> None:
    """Raises OSError if the other side is gone."""
    text = json.dumps(header, allow_nan=False).encode()
    stream.write(LENGTHS.pack(len(text), len(payload)) + text + payload)
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """The next message, waiting for it; None at the end. Raises MessageError if it is none or breaks off."""
    start = stream.read(LENGTHS.size)
    if not start:
        return None
    text_length, payload_length = LENGTHS.unpack(start) if len(start) == LENGTHS.size else (MOST_JSON + 1, 0)
    if text_length > MOST_JSON or payload_length > MOST_BYTES:
        raise MessageError("what was read does not start like a message, with two lengths")
    text, payload = stream.read(text_length), stream.read(payload_length)
    if len(text) < text_length or len(payload) < payload_length:
        raise MessageError("the message breaks off")
    try:
        header = json.loads(text)
    except ValueError as error:
        raise MessageError(f"the message's JSON cannot be read: {error}") from error
    if not isinstance(header, dict):
        raise MessageError("the message's JSON is not an object")
    return header, payload
