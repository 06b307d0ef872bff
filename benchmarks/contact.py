# SPDX-License-Identifier: GPL-3.0-or-later
"""Lips and lids that touch in a performance: whether they touch in its fit and on the target, in the model and after
the bake inside Blender, and whether they cross.

python benchmarks/contact.py [--source 3] [--target 11] [--frames 50] [--only "demo head" body] [--captures DIR ...]

The fit; the retarget to the same mesh, the demo head, the demo head on a whole body, MakeHuman's head, a phone's mask,
and the faces of further captures. A column is a piece of a slit, of 11 along the lips and 7 along lids; it is closed
where its gap is below 0.5 mm. Crossing is what goes beyond what the target's own neutral crosses. The mean is the error
against the truth, and against the truth parted where it crosses by itself.
"""

import argparse
import dataclasses
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
from baking import in_blender
from common import ROOT, learned, make, parser, print_table

from aim_blender.core.baking.baking import bake_take
from aim_blender.core.contact.contact import Contact
from aim_blender.core.correspondence.correspondence import make_correspondence
from aim_blender.core.files.files import load_actor, save_actor
from aim_blender.core.fitting.fitting import fit_performance
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take, stabilized_frames
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.captures import Bone, Capture, read_capture
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.demo.demo_actor import make_demo_actor
from aim_blender.core.shared.foundation.archives import save_arrays
from aim_blender.core.shared.foundation.topology import Topology, same_surface
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.fitting_settings import FittingSettings
from aim_blender.core.shared.settings.learning_settings import LearningSettings
from aim_blender.core.shared.settings.retarget_settings import RetargetSettings

CLOSED_MM, CROSSING_MM = 0.5, 0.1
HOW = ("without", "with")
QUICK = LearningSettings(iterations=60, hidden=16, device="cpu", threads=1)


def demo_capture(_: argparse.Namespace) -> Capture:
    """The demo head."""
    demo = make_demo_actor()
    bones = {
        "skull": Bone(demo.skull_vertices, demo.skull_triangles),
        "mandible": Bone(demo.mandible_vertices, demo.mandible_triangles),
    }
    return Capture(tuple(demo.names), demo.shapes, demo.topology, bones)


def makehuman_capture(arguments: argparse.Namespace) -> Capture:
    """MakeHuman's head, without bones."""
    with np.load(arguments.shared / "data" / "makehuman_head.npz") as data:
        faces, vertices = data["faces"], 100.0 * data["vertices_dm"].astype(np.float64)
        names = tuple(str(name) for name in data["names"])
    topology = Topology(faces.ravel(), np.full(len(faces), 4), vertices.shape[1])
    return Capture(names, vertices, topology, {})


def body_capture(arguments: argparse.Namespace) -> Capture:
    """The demo head on a whole body, without bones."""
    demo = demo_capture(arguments)
    sys.path.insert(0, str(ROOT / "tests" / "core"))
    vertices, topology = import_module("bodies").with_body(demo.vertices, demo.topology)
    return dataclasses.replace(demo, vertices=vertices, topology=topology, bones={})


def mask_capture(arguments: argparse.Namespace) -> Capture:
    """A phone's mask, without bones."""
    with np.load(arguments.shared / "data" / "arkit_mask.npz") as data:
        faces, vertices = data["faces"], 10.0 * data["vertices_cm"].astype(np.float64)
        names = tuple(str(name) for name in data["names"])
    return Capture(names, vertices, Topology(faces[faces >= 0], (faces >= 0).sum(1), vertices.shape[1]), {})


CAPTURES = {"demo head": demo_capture, "body": body_capture, "MakeHuman": makehuman_capture, "mask": mask_capture}


def quick(arguments: argparse.Namespace, name: str, folder: Path | None = None) -> Actor:
    """An actor that is exact on its shapes, made once and kept. folder: its capture, if it is none of CAPTURES."""
    path: Path = arguments.work / f"{name.replace(' ', '_')}_quick.actor.safetensors"
    if not path.exists():
        capture = CAPTURES[name](arguments) if folder is None else read_capture(folder)
        save_actor(learn_actor(capture, QUICK), path)
    return load_actor(path)


def rows_of(
    case: str,
    target: Contact,
    performed: dict[str, np.ndarray],
    frames: np.ndarray,
    mean_mm: str = "",
    seconds: float | None = None,
) -> list[list[object]]:
    """A row for the lips and one for all lids, of frames (F, V, 3) without head motion."""
    rows: list[list[object]] = []
    found = target.measured(frames[:, target.rows])
    for what, names in (("lips", ["lips"]), ("lids", ["left lids", "right lids"])):
        if not any(slit.name in names for slit in target.slits):
            continue
        closed, kept, crossing, whole, whole_kept = 0, 0, np.zeros(len(frames)), 0, 0
        for slit, rest in zip(target.slits, target.rest, strict=True):
            if slit.name not in names or slit.name not in performed:
                continue
            gap, was = found[slit.name], performed[slit.name] < CLOSED_MM
            closed, kept = closed + was.sum(), kept + (gap[was] < CLOSED_MM).sum()
            shut = was[:, 2:-2].all(1)
            whole, whole_kept = whole + shut.sum(), whole_kept + (gap[shut][:, 2:-2] < CLOSED_MM).all(1).sum()
            crossing = np.maximum(crossing, (np.minimum(rest, 0.0) - gap).max(1))
        share = "" if closed == 0 else f"{100 * kept / closed:.0f} % of {closed}"
        shut_share = "" if whole == 0 else f"{whole_kept} of {whole}"
        crossed = f"{(crossing > CROSSING_MM).sum()} of {len(frames)}"
        rows.append([case, what, share, shut_share, crossed, float(crossing.max())])
        rows[-1] += [mean_mm, "" if seconds is None else float(seconds)]
    return rows


def parted(actor: Actor, frames: np.ndarray, take: Take) -> np.ndarray:
    """Frames (F, V, 3) without head motion, parted where their lips or lids cross."""
    contact = Contact(actor)
    still = np.tile(np.eye(4), (len(frames), 1, 1))
    nothing = dataclasses.replace(take, coefficients=np.zeros_like(take.coefficients), jaw=still, head=still)
    nothing = contact.added(nothing, contact.amounts(frames[:, contact.rows], {}))
    return frames + stabilized_frames(actor, nothing, slice(None)) - actor.neutral


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--source", type=int, default=3)
    found.add_argument("--target", type=int, default=11)
    found.add_argument("--frames", type=int, default=50)
    found.add_argument("--only", nargs="*", default=["fit", "same mesh", *CAPTURES])
    found.add_argument("--captures", nargs="*", type=Path, default=[])
    arguments = found.parse_args()
    table = Table(arguments)
    if "fit" in arguments.only:
        table.fit()
    if "same mesh" in arguments.only:
        target = learned(arguments, arguments.target)[1]
        name = f"performance_{arguments.target}_plain"
        with np.load(make(arguments, "performance", name, "--seed", str(arguments.target))) as archive:
            table.retarget(f"actor {arguments.target}", target, archive["stabilized"][table.chosen].astype(np.float64))
    for name in CAPTURES:
        if name in arguments.only:
            table.retarget(name, quick(arguments, name))
    for folder in arguments.captures:
        table.retarget(folder.name, quick(arguments, folder.name, folder))
    print_table(
        f"Contact of actor {arguments.source}, {len(table.take.frames)} frames",
        ["face", "slit", "closed columns kept", "closed slits kept", "frames crossing", "worst mm", "mean mm", "CPU s"],
        table.rows,
    )


class Table:
    """The rows, and the take that is shown. performed: {slit: (F, C)} mm its gaps in the performance's meshes."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments, self.rows = arguments, list[list[object]]()
        self.source = learned(arguments, arguments.source)[1]
        name = f"performance_{arguments.source}_plain"
        performance = read_performance(make(arguments, "performance", name, "--seed", str(arguments.source)))
        count = len(performance.frames)
        self.chosen = np.unique(np.linspace(0, count - 1, arguments.frames).round().astype(int))
        self.performance = dataclasses.replace(
            performance, vertices=performance.vertices[self.chosen], frames=performance.frames[self.chosen]
        )
        cache = arguments.work / "contact"
        fit_performance(self.source, self.performance, FittingSettings(contact=0.0), cache=cache)
        self.seconds, self.takes = [], []
        for strength in (0.0, 1.0):
            start = time.process_time()
            settings = FittingSettings(contact=strength)
            self.takes.append(fit_performance(self.source, self.performance, settings, cache=cache))
            self.seconds.append(time.process_time() - start)
        self.take, self.contact = self.takes[1], Contact(self.source)
        self.performed = self.contact.measured(self.performance.vertices[:, self.contact.rows].astype(np.float64))

    def add(
        self, case: str, contact: Contact, frames: np.ndarray, mean: str = "", seconds: float | None = None
    ) -> None:
        """The rows of frames (F, V, 3) without head motion."""
        self.rows += rows_of(case, contact, self.performed, frames, mean, seconds)

    def fit(self) -> None:
        """The performance, and its fit."""
        meshes = self.performance.vertices.astype(np.float64)
        self.add("performed", self.contact, meshes)
        for how, take, seconds in zip(HOW, self.takes, self.seconds, strict=True):
            shown = stabilized_frames(self.source, take, slice(None))
            mean = f"{np.linalg.norm(shown - meshes, axis=-1).mean():.4f}"
            self.add(f"fit, {how}", self.contact, shown, mean, seconds)
        self.bake("fit", self.source, self.take, self.contact)

    def retarget(self, name: str, target: Actor, truth: np.ndarray | None = None) -> None:
        """The retarget to a target; truth: (F, V, 3) what it should do."""
        contact = Contact(target)
        if not contact.slits:
            self.rows.append([name, "none found", *[""] * 6])
            return
        truths = [] if truth is None else [truth, parted(target, truth, self.take)]
        if truth is not None:
            self.add(f"{name}: truth", contact, truth)
        correspondence = None
        if not same_surface(self.source.topology, target.topology):
            parts = self.source.neutral, self.source.topology, target.neutral, target.topology
            correspondence = make_correspondence(*parts)
        for strength, how in enumerate(HOW):
            start = time.process_time()
            settings = RetargetSettings(contact=float(strength))
            take = retarget_take(self.take, self.source, target, settings, correspondence=correspondence)
            seconds = time.process_time() - start
            shown = stabilized_frames(target, take, slice(None))
            mean = " / ".join(f"{np.linalg.norm(shown - each, axis=-1).mean():.4f}" for each in truths)
            self.add(f"{name}: {how}", contact, shown, mean, seconds)
        self.bake(name, target, take, contact)

    def bake(self, name: str, actor: Actor, take: Take, contact: Contact) -> None:
        """What Blender shows of the bake of a take."""
        still = dataclasses.replace(take, head=np.tile(np.eye(4), (len(take.frames), 1, 1)), gaze=None)
        work = self.arguments.work
        bake_take(actor, still).save(work / "bake.npz")
        save_arrays(work / "frames.npz", evaluate_take(actor, still))
        in_blender(work, shown=work / "shown.npz")
        with np.load(work / "shown.npz") as archive:
            self.add(f"{name}: baked, in Blender", contact, archive["vertices"].astype(np.float64))


if __name__ == "__main__":
    main()
