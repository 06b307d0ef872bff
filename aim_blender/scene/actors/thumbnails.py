# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures of an actor's neutral and shapes, as icons: what moves in a shape is tinted.

They are made when a panel first asks for one: meshes are read between the window's redraws, and drawn by a thread,
which holds nothing up. What was drawn stays until another file is opened: a mesh that is changed keeps its picture.
Nothing is written to the disk: a session makes them anew in about a second, and holds the window some ms at a time.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import bpy
import numpy as np

from ...core.shared.foundation.drawing import draw, filling
from ...core.shared.foundation.errors import InputError
from ..basics import meshes
from ..basics.records import ActorRecord, ShapeRecord
from . import actor_meshes, actors

PIXELS, ICON_PIXELS = 96, 32  # the one is three times the other
SKIN, MOVED = np.array([0.78, 0.70, 0.65]), np.array([1.00, 0.42, 0.05])
LEAST_SHARE = 0.15  # of the largest motion in a shape: where points move less in all of them is not the face
MOST_TRIANGLES = 150_000  # larger meshes take too long to draw
PAUSE_S = 0.02

_pictures: Any = None  # Blender's collection of previews, made when it is needed
_wanted: list[str] = []  # identifiers of actors
_tried: set[str] = set()  # keys that need not be tried again, whether a picture came of them or not
_work: Generator[None, None, bool] | None = None
_at_work_for = ""  # the identifier of the actor


def icon(actor: ActorRecord, shape: ShapeRecord | None = None) -> int:
    """Blender's number of the picture of a shape, without one of the neutral; 0 while there is none."""
    key = _key(actor, shape)
    if key not in _tried:
        _want(actor.identifier)
        return 0
    picture = _pictures.get(key) if _pictures is not None else None
    return picture.icon_id if picture is not None else 0


def turned_points(shape: ShapeRecord | actor_meshes.ShapeSource) -> np.ndarray:
    """(V, 3) a shape as it is turned and scaled in the scene, about its object's origin. Raises InputError."""
    return actor_meshes.shape_points(shape) @ meshes.matrix_array(shape.object.matrix_world)[:3, :3].T


def work() -> float | None:
    """Do a piece of the work, as Blender's timers ask for it: after how long to go on, None at the end."""
    global _work, _at_work_for
    if _work is None:
        if not _wanted:
            return None
        _at_work_for = _wanted.pop(0)
        _work = _drawn_one_by_one(_at_work_for)
    try:
        next(_work)
    except StopIteration as end:
        _work, _at_work_for = None, ""
        if end.value:
            _redraw()
    return PAUSE_S


def _drawn_one_by_one(identifier: str) -> Generator[None, None, bool]:
    """Make the pictures of an actor that are not there yet; undo may take it away between any two steps.

    Returns whether it was done: what is being edited is for later.
    """
    found = actors.find_actor(identifier)
    if found is None or _is_edited(found[1]):
        return False
    keys = [_key(found[1]), *(_key(found[1], shape) for shape in found[1].shapes)]
    try:
        neutral_source = actor_meshes.ShapeSource("neutral", found[1].neutral)
        topology = meshes.read_topology(meshes.mesh_of(found[1].neutral), "neutral")
        neutral = turned_points(neutral_source)
    except (InputError, AttributeError):
        _tried.update(keys)
        return True
    triangles = topology.triangles()
    if len(triangles) > MOST_TRIANGLES or len(neutral) == 0:
        _tried.update(keys)
        return True
    yield
    # Where the face is: what moves in any shape.
    moving = np.zeros(len(neutral))
    for number in range(len(keys) - 1):
        motion = _motion(identifier, number, neutral)
        if motion is not None:
            moving = np.maximum(moving, motion[1])
        yield
    seen = from_front(neutral)
    offset, factor = filling(seen[moving >= LEAST_SHARE] if moving.any() else seen, PIXELS, PIXELS)
    from concurrent.futures import ThreadPoolExecutor  # nothing that enabling should wait for

    with ThreadPoolExecutor(1) as drawer:
        for number, key in enumerate(keys, start=-1):
            if key in _tried:
                continue
            points, share = neutral, np.zeros(len(neutral))
            if number >= 0:
                motion = _motion(identifier, number, neutral)
                if motion is None:
                    _tried.add(key)
                    continue
                points, share = motion
            drawn = drawer.submit(picture, from_front(points), triangles, share, offset, factor)
            while not drawn.done():
                yield
            _keep(key, drawn.result())
    return True


def _is_edited(actor: ActorRecord) -> bool:
    items = [actor.neutral, *(shape.object for shape in actor.shapes)]
    return any(item is not None and isinstance(item.data, bpy.types.Mesh) and item.data.is_editmode for item in items)


def _motion(identifier: str, number: int, neutral: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The points (V, 3) of a shape where the neutral stands, and how far each moves as a share (V,) of the farthest;
    None if the shape or its actor is gone, or has another mesh."""
    found = actors.find_actor(identifier)
    if found is None or number >= len(found[1].shapes):
        return None
    try:
        points = turned_points(found[1].shapes[number])
    except InputError:
        return None
    if points.shape != neutral.shape:
        return None
    points = points - np.median(points - neutral, axis=0)  # the typical point of a face hardly moves
    far = np.linalg.norm(points - neutral, axis=1)
    return points, far / max(float(far.max()), 1e-12)


def from_front(points: np.ndarray) -> np.ndarray:
    """Points (V, 3) as Blender's front view shows them: right, up, towards the viewer."""
    return points[:, [0, 2, 1]] * [1.0, 1.0, -1.0]


def picture(
    seen: np.ndarray, triangles: np.ndarray, share: np.ndarray, offset: np.ndarray, factor: float, pixels: int = PIXELS
) -> np.ndarray:
    """(pixels, pixels, 4) of what faces the viewer. seen: (V, 3) as from_front() has it. share: (V,) how much each
    point is tinted. offset, factor: as filling() has them."""
    points = (seen + offset) * factor
    flat = points[triangles][..., :2]
    one, other = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    triangles = triangles[one[:, 0] * other[:, 1] > one[:, 1] * other[:, 0]]
    for beyond in (*(points[:, :2] > 0.0).T, *(points[:, :2] < pixels).T):  # an edge of the picture
        triangles = triangles[beyond[triangles].any(1)]
    return draw(points, triangles, SKIN + share[:, None] * (MOVED - SKIN), pixels, pixels)


def _keep(key: str, picture: np.ndarray) -> None:
    global _pictures
    if _pictures is None:
        from bpy.utils import previews

        _pictures = previews.new()
    made = _pictures.new(key)
    made.image_size, made.icon_size = (PIXELS, PIXELS), (ICON_PIXELS, ICON_PIXELS)
    made.image_pixels_float.foreach_set(picture.astype(np.float32).ravel())
    across = PIXELS // ICON_PIXELS
    small = picture.reshape(ICON_PIXELS, across, ICON_PIXELS, across, 4).mean((1, 3))
    small[..., :3] = small[..., :3] / small[..., 3:].clip(1e-6) * (small[..., 3:] > 0)
    made.icon_pixels_float.foreach_set(small.astype(np.float32).ravel())
    _tried.add(key)


def _key(actor: ActorRecord, shape: ShapeRecord | None = None) -> str:
    item, name = (actor.neutral, "") if shape is None else (shape.object, shape.shape_key)
    return f"{actor.identifier} {item.session_uid if item is not None else 0} {name}"


def _want(identifier: str) -> None:
    """Let the work begin; the background has no timers, and shows nothing."""
    if identifier not in (*_wanted, _at_work_for):
        _wanted.append(identifier)
    if not bpy.app.background and not bpy.app.timers.is_registered(work):
        bpy.app.timers.register(work, first_interval=PAUSE_S)


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


@bpy.app.handlers.persistent
def _forget(*_: Any) -> None:
    """Another file is going to be opened."""
    global _pictures, _work, _at_work_for
    _work, _at_work_for = None, ""
    _wanted.clear()
    _tried.clear()
    if _pictures is not None:
        from bpy.utils import previews

        previews.remove(_pictures)
        _pictures = None
    if bpy.app.timers.is_registered(work):
        bpy.app.timers.unregister(work)


def register() -> None:
    """Nothing is drawn before something is asked for."""
    bpy.app.handlers.load_pre.append(_forget)


def unregister() -> None:
    """Give all pictures back."""
    if _forget in bpy.app.handlers.load_pre:
        bpy.app.handlers.load_pre.remove(_forget)
    _forget()
