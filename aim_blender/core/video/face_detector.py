# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a face and its landmarks are in a picture, by the three networks of MediaPipe's Face Landmarker.

Bazarevsky et al. 2019 (BlazeFace), Kartynnik et al. 2019 (face mesh), Grishchenko et al. 2022 (attention mesh). The
networks are run by ai-edge-litert on one thread; how pictures go in and points come out follows the published graphs of
MediaPipe (Apache-2.0).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ..shared.foundation.errors import UNREADABLE, InputError
from ..shared.settings.video_settings import INSTALLED_MODEL

LANDMARKS = 478  # the last ten are the irises
IRISES = ((468, 473), (473, 478))  # the performer's right and left: a centre and four points on the rim
RIGHT_EYE, LEFT_EYE = 33, 263  # their outer corners
# Landmarks of the lids' rims.
LIDS = np.array([
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 263, 249, 390, 373, 374, 380, 381, 382,
    362, 398, 384, 385, 386, 387, 388, 466,
])  # fmt: skip
NETWORKS = ("face_detector", "face_landmarks_detector", "face_blendshapes")
# Those of the lips, and of the brows.
LIPS = np.array([
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185, 78, 95, 88, 178, 87, 14,
    317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
])  # fmt: skip
BROWS = np.array([70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276])
DETECTED_SCORE, SAME_FACE_OVERLAP = 0.5, 0.3
PRESENT_SCORE = 0.5
IMPRESSION, IMPRESSIONS = (1, 4, 4, 128), 2048  # the landmark network's last layer of such a shape
CROP_SCALE = 1.5  # of the extent of the face
# Crops beside that of a face: right and down of its side, larger by, and radians.
BESIDE = ((0.02, 0.01, 0.03, 0.02), (-0.02, 0.015, -0.03, -0.02), (0.0, -0.02, 0.01, 0.0))
DETECTOR_SIZE, LANDMARK_SIZE = 128, 256  # pixels across
PARTS = 2.5  # of a picture's side, in which small faces are looked for
ANCHORS = ((8, 2), (16, 6))  # strides in pixels, anchors at each place
# What the last network takes of the landmarks, and what it tells.
OF_WEIGHTS = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80, 81,
    82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154,
    155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263,
    267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321,
    323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387,
    388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
])  # fmt: skip
WEIGHT_NAMES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip

# Pairs of landmarks that are each other's in a mirror: found by showing the detector 100 faces and their mirror images.
PAIRS = np.array([
    3, 248, 7, 249, 20, 250, 21, 251, 22, 252, 23, 253, 24, 254, 25, 255, 26, 256, 27, 257, 28, 258, 29, 259, 30, 260,
    31, 261, 32, 262, 33, 263, 34, 264, 35, 265, 36, 266, 37, 267, 38, 268, 39, 269, 40, 270, 41, 271, 42, 272, 43,
    273, 44, 274, 45, 275, 46, 276, 47, 277, 48, 278, 49, 279, 50, 280, 51, 281, 52, 282, 53, 283, 54, 284, 55, 285,
    56, 286, 57, 287, 58, 288, 59, 289, 60, 290, 61, 291, 62, 292, 63, 293, 64, 294, 65, 295, 66, 296, 67, 297, 68,
    298, 69, 299, 70, 300, 71, 301, 72, 302, 73, 303, 74, 304, 75, 305, 76, 306, 77, 307, 78, 308, 79, 309, 80, 310,
    81, 311, 82, 312, 83, 313, 84, 314, 85, 315, 86, 316, 87, 317, 88, 318, 89, 319, 90, 320, 91, 321, 92, 322, 93,
    323, 95, 324, 96, 325, 97, 326, 98, 327, 99, 328, 100, 329, 101, 330, 102, 331, 103, 332, 104, 333, 105, 334, 106,
    335, 107, 336, 108, 337, 109, 338, 110, 339, 111, 340, 112, 341, 113, 342, 114, 343, 115, 344, 116, 345, 117, 346,
    118, 347, 119, 348, 120, 349, 121, 350, 122, 351, 123, 352, 124, 353, 125, 354, 126, 355, 127, 356, 128, 357, 129,
    358, 130, 359, 131, 360, 132, 361, 133, 362, 134, 363, 135, 364, 136, 365, 137, 366, 138, 367, 139, 368, 140, 369,
    141, 370, 142, 371, 143, 372, 144, 373, 145, 374, 146, 375, 147, 376, 148, 377, 149, 378, 150, 379, 153, 380, 154,
    381, 155, 382, 156, 383, 157, 384, 158, 385, 159, 386, 160, 387, 161, 388, 162, 389, 163, 390, 165, 391, 166, 392,
    167, 393, 169, 394, 170, 395, 171, 396, 172, 397, 173, 398, 174, 399, 176, 400, 177, 401, 178, 402, 179, 403, 180,
    404, 181, 405, 182, 406, 183, 407, 184, 408, 185, 409, 186, 410, 187, 411, 188, 412, 189, 413, 190, 414, 191, 415,
    192, 416, 193, 417, 194, 418, 196, 419, 198, 420, 201, 421, 202, 422, 203, 423, 204, 424, 205, 425, 206, 426, 207,
    427, 208, 428, 209, 429, 210, 430, 211, 431, 212, 432, 213, 433, 214, 434, 215, 435, 216, 436, 217, 437, 218, 438,
    219, 439, 220, 440, 221, 441, 222, 442, 223, 443, 224, 444, 225, 445, 226, 446, 227, 447, 228, 448, 229, 449, 230,
    450, 231, 451, 232, 452, 233, 453, 234, 454, 235, 455, 236, 456, 237, 457, 238, 458, 239, 459, 240, 460, 241, 461,
    242, 462, 243, 463, 244, 464, 245, 465, 246, 466, 247, 467, 468, 473, 469, 476, 470, 475, 471, 474, 472, 477,
]).reshape(-1, 2)  # fmt: skip
MIRRORED = np.arange(LANDMARKS)
MIRRORED[PAIRS] = PAIRS[:, ::-1]


@dataclass(frozen=True)
class Crop:
    """A turned square of a picture. centre: (2,) pixels, right and down; side: pixels; angle: how far its right turns
    towards down, in radians."""

    centre: np.ndarray
    side: float
    angle: float

    @property
    def axes(self) -> np.ndarray:
        """(2, 2) its right and its down, by row, in the picture."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cos, sin], [-sin, cos]])

    def to_picture(self, points: np.ndarray, pixels: int) -> np.ndarray:
        """Points (..., 2) of a crop of so many pixels, in the picture."""
        return (points / pixels - 0.5) * self.side @ self.axes + self.centre


@dataclass(frozen=True)
class FoundFace:
    """A face in a picture. landmarks: (478, 3) right and down in pixels of the picture, and depth, away from the
    viewer, on the same scale; presence: in [0, 1], how sure it is; disagreement: of crops a little
    aside about lips or lids, of how far the eyes' outer corners are apart, 0 where no others were looked at."""

    landmarks: np.ndarray
    presence: float
    disagreement: float = 0.0

    def next_crop(self) -> Crop:
        """Where to look for its landmarks in the next frame, or anew."""
        flat = self.landmarks[:, :2]
        eyes = flat[LEFT_EYE] - flat[RIGHT_EYE]
        angle = float(np.arctan2(eyes[1], eyes[0]))
        axes = Crop(np.zeros(2), 1.0, angle).axes
        turned = flat @ axes.T
        low, high = turned.min(0), turned.max(0)
        return Crop((low + high) / 2 @ axes, CROP_SCALE * float((high - low).max()), angle)


def installed_model() -> Path | None:
    """The detector's model in this Python's environment; None where it is not installed."""
    path = Path(sys.prefix) / INSTALLED_MODEL
    return path if path.is_file() else None


class FaceDetector:
    """The networks of a file face_landmarker.task, which any thread may ask. Raises InputError if it cannot be read or
    run."""

    def __init__(self, path: Path) -> None:
        try:
            import ai_edge_litert.interpreter  # noqa: F401
        except ImportError as error:
            raise InputError(
                "the face detector needs the package ai-edge-litert in the worker's environment, which is not there; "
                "press Install Video in the extension's preferences, or run the command install-video"
            ) from error
        self._opened = threading.local()
        try:
            with zipfile.ZipFile(path) as archive, _quiet():
                contents = [archive.read(f"{name}.tflite") for name in NETWORKS]
                told = _telling_impressions(_opened(contents[1]), contents[1])
                self._contents = [contents[0], told or contents[1], contents[2]]
                self._network(0)
        except (*UNREADABLE, zlib.error) as error:
            raise InputError(f"{path} is no file of MediaPipe's Face Landmarker, face_landmarker.task") from error
        self._path, self._impresses = path, told is not None
        self._anchors = _anchors()

    def _network(self, index: int) -> Any:
        """That of a number in NETWORKS, of the thread that asks: each runs its own."""
        if not hasattr(self._opened, "networks"):
            self._opened.networks = [_opened(content) for content in self._contents]
        return self._opened.networks[index]

    def faces(self, picture: np.ndarray, small: bool = False) -> list[tuple[float, Crop]]:
        """The faces in a picture (height, width, 3) of bytes: a score and where to look for landmarks, best first.

        small: where none is large, look for small ones in parts of the picture, too.
        """
        height, width = picture.shape[:2]
        side = max(height, width)
        found = self._faces_in(picture, Crop(np.array([width, height]) / 2, side, 0.0))
        if found or not small:
            return found
        part = side / PARTS
        places = [
            np.linspace(min(part, length) / 2, length - min(part, length) / 2, max(1, round(2 * length / part) - 1))
            for length in (width, height)
        ]
        parts = [Crop(np.array(place), part, 0.0) for place in itertools.product(*places)]
        return sorted((each for crop in parts for each in self._faces_in(picture, crop)), key=lambda each: -each[0])

    def _faces_in(self, picture: np.ndarray, whole: Crop) -> list[tuple[float, Crop]]:
        """Those in an upright crop of it."""
        side = whole.side
        given = cut(picture, whole, DETECTOR_SIZE) / 127.5 - 1.0
        boxes, scores = _run(self._network(0), given)
        scores = 1.0 / (1.0 + np.exp(-scores.reshape(-1).clip(-80, 80)))
        boxes = boxes.reshape(-1, 16) / DETECTOR_SIZE
        boxes[:, :2] += self._anchors
        boxes[:, 4:] += np.tile(self._anchors, 6)
        found = []
        for score, box in _apart(scores, boxes):
            corner, size = (box[:2] - box[2:4] / 2) * DETECTOR_SIZE, box[2:4] * side
            right, left = whole.to_picture(box[4:8].reshape(2, 2) * DETECTOR_SIZE, DETECTOR_SIZE)
            angle = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
            centre = whole.to_picture(corner + box[2:4] / 2 * DETECTOR_SIZE, DETECTOR_SIZE)
            found.append((score, Crop(centre, CROP_SCALE * float(size.max()), angle)))
        return found

    def landmarks(self, picture: np.ndarray, crop: Crop, mirrored: bool = False) -> FoundFace:
        """The face in a crop of a picture (height, width, 3) of bytes; its presence tells whether there is one."""
        return self.landmarks_in(cut(picture, crop, LANDMARK_SIZE), crop, mirrored)

    def landmarks_in(self, cut_out: np.ndarray, crop: Crop, mirrored: bool = False) -> FoundFace:
        """The face in what a crop shows, (256, 256, 3) up to 255. mirrored: whether the network sees its mirror image,
        of which it errs otherwise: the mean with the other's answer is nearer than either."""
        return self._answer(cut_out, crop, mirrored)[0]

    def impression_in(self, cut_out: np.ndarray, crop: Crop) -> tuple[FoundFace, np.ndarray]:
        """As landmarks_in, and (2048,) what the landmark network makes of it before it tells landmarks. Raises
        InputError for a network that is built otherwise."""
        if not self._impresses:
            raise InputError(
                f"{self._path} has another landmark network than the one that is known; install the face model anew"
            )
        face, inside = self._answer(cut_out, crop, False)
        return face, np.asarray(inside, dtype=np.float32).ravel()

    def _answer(self, cut_out: np.ndarray, crop: Crop, mirrored: bool) -> tuple[FoundFace, np.ndarray]:
        shown = cut_out[:, ::-1] if mirrored else cut_out
        points, presence, inside = _run(self._network(1), shown / np.float32(255.0))
        points = points.reshape(LANDMARKS, 3).astype(np.float64)
        if mirrored:
            points = points[MIRRORED] * [-1.0, 1.0, 1.0] + [LANDMARK_SIZE, 0.0, 0.0]
        flat = crop.to_picture(points[:, :2], LANDMARK_SIZE)
        depth = points[:, 2:] / LANDMARK_SIZE * crop.side
        face = FoundFace(np.concatenate([flat, depth], 1), float(1.0 / (1.0 + np.exp(-presence.item()))))
        return face, inside

    def steadied(self, picture: np.ndarray, face: FoundFace) -> FoundFace:
        """A face that was found, with its landmarks as crops a little aside and mirrored ones put them on the mean:
        those of one tremble with the crop, by as much as light and skin move them."""
        crop, found = face.next_crop(), [face.landmarks]
        for index, (right, down, larger, turned) in enumerate(BESIDE):
            shift = np.array([right, down]) * crop.side
            other = Crop(crop.centre + shift, crop.side * (1.0 + larger), crop.angle + turned)
            found.append(self.landmarks(picture, other, mirrored=index % 2 == 0).landmarks)
        mean = np.mean(found, axis=0)
        off = np.linalg.norm((np.array(found) - mean)[..., :2], axis=2).mean(0)  # (478,)
        apart = float(np.linalg.norm((mean[LEFT_EYE] - mean[RIGHT_EYE])[:2]))
        return FoundFace(mean, face.presence, max(float(off[LIPS].mean()), float(off[LIDS].mean())) / max(apart, 1e-6))

    def weights(self, face: FoundFace) -> np.ndarray:
        """(52,) in [0, 1], in the order of WEIGHT_NAMES."""
        return _run(self._network(2), face.landmarks[OF_WEIGHTS, :2])[0].reshape(-1).astype(np.float64)

    def found(self, picture: np.ndarray, crop: Crop | None = None) -> FoundFace | None:
        """The face in a picture: the one in a crop, where the frame before had it, else the surest; None without."""
        if crop is not None:
            face = self.landmarks(picture, crop)
            if face.presence >= PRESENT_SCORE:
                return face
        for _, crop in self.faces(picture):
            face = self.landmarks(picture, crop)
            if face.presence >= PRESENT_SCORE:
                return face
        return None


def cut(picture: np.ndarray, crop: Crop, pixels: int) -> np.ndarray:
    """A crop of a picture (height, width, 3), resampled to (pixels, pixels, 3) floats; black beyond the picture.

    Where it is made smaller, blocks of the picture are averaged first.
    """
    blocks = max(1, int(crop.side / pixels))
    middle, axes = crop.centre / blocks, crop.side / blocks * crop.axes
    reach = np.abs(axes).sum(0) / 2
    picture, first = _part(picture, blocks, middle - reach - 0.5, middle + reach - 0.5)
    size = np.array(picture.shape[1::-1])
    # In affine_grid's places the crop and the picture both go from -1 to 1.
    placed = np.column_stack([(axes / size).T, 2 * (middle - first) / size - 1])  # (2, 3)
    wanted = functional.affine_grid(
        torch.from_numpy(placed.astype(np.float32))[None], [1, 3, pixels, pixels], align_corners=False
    )
    given = torch.from_numpy(np.ascontiguousarray(picture)).float().permute(2, 0, 1)[None]  # (1, 3, h, w)
    found = functional.grid_sample(given, wanted, align_corners=False)
    return np.ascontiguousarray(found[0].permute(1, 2, 0).numpy())


def _part(picture: np.ndarray, blocks: int, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a picture that places from low (2,) to high (2,), counted in blocks, need: a value (h, w, 3) a block,
    the mean of its pixels; and the place (2,) of its first."""
    size = np.array(picture.shape[1::-1]) // blocks
    first = np.floor(low).astype(int).clip(0, np.maximum(size - 1, 0))
    last = (np.floor(high).astype(int) + 2).clip(first + 1, np.maximum(size, 1))
    (left, top), (right, bottom) = first * blocks, last * blocks
    part = picture[top:bottom, left:right]
    if blocks == 1:
        return part, first
    total = np.zeros((*(last - first)[::-1], 3), dtype=np.float32)
    for row, column in np.ndindex(blocks, blocks):
        total += part[row::blocks, column::blocks]
    return total / np.float32(blocks**2), first


def _anchors() -> np.ndarray:
    """(896, 2) right and down in [0, 1]."""
    found = []
    for stride, count in ANCHORS:
        across = DETECTOR_SIZE // stride
        grid = (np.arange(across) + 0.5) / across
        places = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
        found.append(places.repeat(count, 0))
    return np.concatenate(found)


def _apart(scores: np.ndarray, boxes: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """The faces among boxes (B, 16): those that overlap are one, the mean of them by their scores; the best first."""
    left = np.flatnonzero(scores >= DETECTED_SCORE)
    while len(left):
        best = left[scores[left].argmax()]
        same = _overlap(boxes[best], boxes[left]) >= SAME_FACE_OVERLAP
        same[left == best] = True
        one = left[same]
        yield float(scores[best]), np.average(boxes[one], axis=0, weights=scores[one])
        left = left[~same]


def _overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How much boxes share: what both cover of what either covers."""
    low = np.maximum(box[:2] - box[2:4] / 2, others[:, :2] - others[:, 2:4] / 2)
    high = np.minimum(box[:2] + box[2:4] / 2, others[:, :2] + others[:, 2:4] / 2)
    both = (high - low).clip(0).prod(1)
    return both / (box[2:4].prod() + others[:, 2:4].prod(1) - both).clip(1e-12)


def _opened(content: bytes) -> Any:
    """A network of a file's content, on one thread."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(model_content=content, num_threads=1)
    network.allocate_tensors()
    return network


def _telling_impressions(network: Any, content: bytes) -> bytes | None:
    """A landmark network of such a file with the layer that impressions are of as its third output, whose own is not
    used; None where it is built otherwise. In the file, outputs are their count and their numbers, four bytes each."""
    outputs = [each["index"] for each in network.get_output_details()]
    layers = [each["index"] for each in network.get_tensor_details() if tuple(each["shape"]) == IMPRESSION]
    listed = np.array([len(outputs), *outputs], dtype="<i4").tobytes()
    if len(outputs) != 3 or not layers or content.count(listed) != 1:
        return None
    return content.replace(listed, np.array([3, *outputs[:2], max(layers)], dtype="<i4").tobytes())


def _run(network: Any, given: np.ndarray) -> list[np.ndarray]:
    network.set_tensor(network.get_input_details()[0]["index"], given[None].astype(np.float32))
    network.invoke()
    return [network.get_tensor(each["index"]) for each in network.get_output_details()]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the library writes to standard error when it starts, which is the progress's."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
