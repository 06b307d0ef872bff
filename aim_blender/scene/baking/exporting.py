# SPDX-License-Identifier: GPL-3.0-or-later
"""A baked take through Blender's exporters, with settings under which it comes back as it was (docs/exporting.md)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np

from ...core.shared.foundation.errors import InputError
from ..basics.versions import gltf_animation_options
from .baked_take import BakedTake

SUFFIXES = (".glb", ".gltf", ".fbx", ".abc", ".usdc", ".usda", ".usd")


def export_take(
    context: bpy.types.Context, collection: bpy.types.Collection, first: int, last: int, path: Path
) -> None:
    """Write the objects of a take's collection, frames first to last, as the path's suffix says.

    The selection and the scene's frames are what they were afterwards. Raises InputError if the suffix is none of
    SUFFIXES, nothing of the collection can be selected, or the exporter fails.
    """
    suffix, scene = path.suffix.lower(), context.scene
    if suffix not in SUFFIXES:
        raise InputError(f"{path} cannot be exported; its name must end with one of {', '.join(SUFFIXES)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _only_selected(context, collection), _frames(scene, first, last):
        try:
            if suffix in (".glb", ".gltf"):
                # Every frame is sampled, and what is animated together stays one animation.
                bpy.ops.export_scene.gltf(
                    filepath=str(path),
                    export_format="GLB" if suffix == ".glb" else "GLTF_SEPARATE",
                    use_selection=True,
                    export_animations=True,
                    export_force_sampling=True,
                    export_frame_range=True,
                    export_morph=True,
                    export_morph_animation=True,
                    export_skins=True,
                    export_optimize_animation_size=False,
                    **gltf_animation_options(),
                )
            elif suffix == ".fbx":
                # No simplification: it is measured in values and not in millimetres, and removes small motions.
                bpy.ops.export_scene.fbx(
                    filepath=str(path),
                    use_selection=True,
                    add_leaf_bones=False,
                    bake_anim=True,
                    bake_anim_use_all_bones=True,
                    bake_anim_use_nla_strips=False,
                    bake_anim_use_all_actions=False,
                    bake_anim_simplify_factor=0.0,
                )
            elif suffix == ".abc":
                bpy.ops.wm.alembic_export(filepath=str(path), selected=True, start=first, end=last)
            else:
                bpy.ops.wm.usd_export(
                    filepath=str(path),
                    selected_objects_only=True,
                    export_animation=True,
                    export_armatures=True,
                    export_shapekeys=True,
                )
        except RuntimeError as error:
            raise InputError(f"{path} could not be exported: {str(error).removeprefix('Error: ').strip()}") from error


def within_sliders(baked: BakedTake) -> BakedTake:
    """The same take with all weights in [0, 1], for programs that cut others off.

    A key with negative weights becomes two, `name` and `name_minus`, of opposite offsets; one whose weights exceed 1 is
    made as much stronger. Every frame's mesh stays the same.
    """
    names, keys, weights = [], [], []
    named = 0
    for index, name in enumerate(baked.key_names):
        for sign, label in ((1.0, name), (-1.0, f"{name[:57]}_minus")):
            part = np.clip(sign * baked.key_weights[:, index], 0, None)
            if sign < 0 and part.max() < 1e-6:
                continue
            strength = max(1.0, float(part.max()))
            names.append(label)
            keys.append(sign * strength * baked.keys[index])
            weights.append(part / strength)
            named += index < baked.named_count
    return replace(
        baked, key_names=tuple(names), keys=np.array(keys), key_weights=np.stack(weights, axis=1), named_count=named
    )


@contextlib.contextmanager
def _only_selected(context: bpy.types.Context, collection: bpy.types.Collection) -> Iterator[None]:
    """Select the objects of a collection, and afterwards what was selected before."""
    layer = context.view_layer
    selected = [item for item in layer.objects if item.select_get(view_layer=layer)]
    active = layer.objects.active
    wanted = [item for item in collection.all_objects if item.name in layer.objects]
    for item in selected:
        item.select_set(False, view_layer=layer)
    for item in wanted:
        item.select_set(True, view_layer=layer)
    try:
        if not any(item.select_get(view_layer=layer) for item in wanted):
            raise InputError(f"nothing in the collection {collection.name!r} can be selected; show it and try again")
        layer.objects.active = next((item for item in wanted if item.type == "MESH"), None)
        yield
    finally:
        for item in wanted:
            item.select_set(False, view_layer=layer)
        for item in selected:
            item.select_set(True, view_layer=layer)
        layer.objects.active = active


@contextlib.contextmanager
def _frames(scene: bpy.types.Scene, first: int, last: int) -> Iterator[None]:
    """Let the scene play frames first to last, and afterwards what it played before."""
    before = (scene.frame_start, scene.frame_end, scene.frame_current)
    scene.frame_start, scene.frame_end = first, last
    try:
        yield
    finally:
        scene.frame_start, scene.frame_end = before[:2]
        scene.frame_set(before[2])
