# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigify's face on the demo head: its human rig's head and face, laid onto the skin, generated and bound."""

from __future__ import annotations

import addon_utils
import bpy
import numpy as np

KINDS = ("faces.super_face", "skin")  # Rigify's first face, and the modular one that replaced it
# Joints of Rigify's human rig, (bone, its end), and where the demo head has them, in mm; the left ones count twice.
JOINTS = {
    ("nose.001", "tail"): (0, -112, -28.5),
    ("nose", "head"): (0, -91, 15),
    ("nose.004", "tail"): (0, -93, -42),
    ("lip.T.L", "head"): (0, -94, -50),
    ("lip.T.L.001", "tail"): (24, -84, -54),
    ("lip.B.L", "head"): (0, -93, -60),
    ("chin", "tail"): (0, -91, -80),
    ("jaw", "head"): (0, -60, -110),
    ("chin", "head"): (0, -86, -103),
    ("eye.L", "head"): (32, -71, 7),
    ("lid.T.L", "head"): (46, -66, 7),
    ("lid.B.L", "head"): (19, -80, 5),
    ("temple.L", "tail"): (64, -20, 5),
    ("jaw.L", "tail"): (57, -24, -70),
    ("jaw.L.001", "tail"): (26, -75, -94),
    ("cheek.T.L", "tail"): (38, -76, -22),
    ("brow.T.L", "tail"): (52, -60, 30),
    ("forehead.L", "head"): (11, -72, 88),
    ("ear.L", "head"): (68, -8, 0),
    ("spine.006", "tail"): (0, 10, 119),
    ("spine.006", "head"): (0, 15, -90),
    ("spine.004", "head"): (0, 22, -150),
}
INSIDE = ("eye", "teeth", "tongue", "spine", "face", "ear")  # what lies on no skin
FRONT_MM = 20.0  # behind this no joint of the face is laid onto the skin


def add_rigify_face(skin: bpy.types.Object, kind: str, lower: np.ndarray) -> bpy.types.Object:
    """Bind the demo head, an object in metres, to one of Rigify's faces. lower: (V,) the jaw's share of each vertex.
    Returns the rig."""
    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_human_metarig_add()
    meta = bpy.context.object
    if kind == "skin":
        bpy.ops.object.mode_set(mode="POSE")
        bpy.ops.pose.rigify_upgrade_face()
        bpy.ops.object.mode_set(mode="OBJECT")
    _keep_the_head(meta, skin)
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object if bpy.context.object != meta else meta.data.rigify_target_rig
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.data.objects.remove(meta)
    bpy.context.view_layer.update()
    for item in list(bpy.context.view_layer.objects):
        item.select_set(item in (skin, rig))
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.parent_set(type="ARMATURE_AUTO")
    _part_lips(skin, lower)
    for each in rig.data.collections_all:
        if each.name.startswith("Face"):
            each.is_visible = True
    bpy.context.view_layer.update()
    return rig


def _part_lips(skin: bpy.types.Object, lower: np.ndarray) -> None:
    """Give each lip to its own bones, as a rigger does: where closed lips touch, automatic weights take the nearer
    bone, and the upper lip's skin went down with the lower one's."""
    groups = skin.vertex_groups
    for group in list(groups):
        if "lip.B" not in group.name:
            continue
        above = groups[group.name.replace("lip.B", "lip.T")]
        for vertex in skin.data.vertices:
            weights = {each.group: each.weight for each in vertex.groups}
            both = weights.get(group.index, 0.0) + weights.get(above.index, 0.0)
            if both > 0.0:
                share = float(lower[vertex.index])
                group.add([vertex.index], both * share, "REPLACE")
                above.add([vertex.index], both * (1.0 - share), "REPLACE")


def _keep_the_head(meta: bpy.types.Object, skin: bpy.types.Object) -> None:
    """Remove the body and lay the joints of the face onto the skin."""
    bpy.ops.object.mode_set(mode="EDIT")
    bones = meta.data.edit_bones
    kept = {bones["spine.004"], *bones["spine.004"].children_recursive}
    for bone in [each for each in bones if each not in kept]:
        bones.remove(bone)
    here, there = [], []
    for (name, end), place in JOINTS.items():
        joint = getattr(bones[name], end)
        for sign in (1, -1):
            here.append((sign * joint.x, joint.y, joint.z, 1.0))
            there.append((sign * place[0], place[1], place[2]))
    joints, places = np.array(here), np.array(there) / 1000
    affine = np.linalg.lstsq(joints, places, rcond=None)[0]  # (4, 3)
    gap = places - joints @ affine
    points = np.array([vertex.co for vertex in skin.data.vertices])

    def laid(joint: np.ndarray, inside: bool) -> list[float]:
        # What the affine map misses at the known joints, blended by nearness: smooth, and exact there.
        share = 1.0 / (np.linalg.norm(joints[:, :3] - joint, axis=1) ** 3 + 1e-7)
        place = np.append(joint, 1.0) @ affine + share @ gap / share.sum()
        if not inside and place[1] < -FRONT_MM / 1000:
            on_middle = abs(joint[0]) < 1e-5
            place = points[np.linalg.norm(points - place, axis=1).argmin()].copy()
            place[0] = 0.0 if on_middle else place[0]
        return place.tolist()

    ends = {
        bone.name: [laid(np.array(end), bone.name.startswith(INSIDE)) for end in (bone.head, bone.tail)]
        for bone in bones
    }
    for name, (head, tail) in ends.items():
        bones[name].head, bones[name].tail = head, tail
    bpy.ops.object.mode_set(mode="OBJECT")
    meta.pose.bones["spine.004"].rigify_parameters.connect_chain = False  # to the spine, which is gone
