# SPDX-License-Identifier: GPL-3.0-or-later
"""Lips and lids that touch on the source: whether they touch on the target, and whether they cross, with contact and
without.

python benchmarks/contact.py [--source 3] [--target 11] [--frames 50]

Same mesh, the demo head, and MakeHuman's head. A column is a piece of a slit, of 11 along the lips and 7 along lids; it
is closed where its gap is below 0.5 mm. Crossing is what goes beyond what the target's own neutral crosses. The mean is
the error against the truth, and against the truth parted where it crosses by itself.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np
from common import learned, make, parser, print_table

from aim_blender.core.baking.baking import bake_take, posed_frames
from aim_blender.core.contact.contact import Contact
from aim_blender.core.correspondence.correspondence import make_correspondence
from aim_blender.core.files.files import load_actor, save_actor
from aim_blender.core.fitting.fitting import fit_performance
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import stabilized_frames
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.captures import Bone, Capture
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.demo.demo_actor import make_demo_actor
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.learning_settings import LearningSettings
from aim_blender.core.shared.settings.retarget_settings import RetargetSettings

CLOSED_MM, CROSSING_MM = 0.5, 0.1
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


def quick(arguments: argparse.Namespace, name: str) -> Actor:
    """An actor that is exact on its shapes, made once and kept."""
    path: Path = arguments.work / f"{name}_quick.actor.safetensors"
    if not path.exists():
        capture = {"demo": demo_capture, "makehuman": makehuman_capture}[name](arguments)
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


def some_of(take: Take, chosen: np.ndarray) -> Take:
    """The take with its frames chosen (f,) alone."""
    fields = ("coefficients", "jaw", "head", "frames", "error_mm")
    return dataclasses.replace(take, **{name: getattr(take, name)[chosen] for name in fields})


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
    arguments = found.parse_args()
    source = learned(arguments, arguments.source)[1]
    name = f"performance_{arguments.source}_plain"
    performance = read_performance(make(arguments, "performance", name, "--seed", str(arguments.source)))
    take = fit_performance(source, performance)
    chosen = np.unique(np.linspace(0, len(take.frames) - 1, arguments.frames).round().astype(int))
    take = some_of(take, chosen)
    seen = Contact(source)
    performed = seen.measured(stabilized_frames(source, take, slice(None), seen.rows))
    rows: list[list[object]] = []

    def add(case: str, target: Actor, retargeted: Take, mean_mm: str, seconds: float) -> None:
        contact = Contact(target)
        rows.extend(
            rows_of(case, contact, performed, stabilized_frames(target, retargeted, slice(None)), mean_mm, seconds)
        )
        if case.endswith(": with"):
            bake = bake_take(target, dataclasses.replace(retargeted, head=np.tile(np.eye(4), (len(take.frames), 1, 1))))
            rows.extend(rows_of(case + ", baked", contact, performed, posed_frames(bake, slice(None))))

    target = learned(arguments, arguments.target)[1]
    name = f"performance_{arguments.target}_plain"
    with np.load(make(arguments, "performance", name, "--seed", str(arguments.target))) as archive:
        stabilized = archive["stabilized"][chosen].astype(np.float64)
    truths = [stabilized, parted(target, stabilized, take)]
    rows.extend(rows_of(f"{arguments.target}: truth", Contact(target), performed, stabilized))
    for case, other in (
        (str(arguments.target), target),
        ("demo head", quick(arguments, "demo")),
        ("MakeHuman", quick(arguments, "makehuman")),
    ):
        correspondence = None
        if other is not target:
            correspondence = make_correspondence(source.neutral, source.topology, other.neutral, other.topology)
        for strength, how in ((0.0, "without"), (1.0, "with")):
            start = time.process_time()
            settings = RetargetSettings(contact=strength)
            retargeted = retarget_take(take, source, other, settings, correspondence=correspondence)
            seconds = time.process_time() - start
            mean_mm = ""
            if other is target:
                shown = stabilized_frames(other, retargeted, slice(None))
                mean_mm = " / ".join(f"{np.linalg.norm(shown - each, axis=-1).mean():.4f}" for each in truths)
            add(f"{case}: {how}", other, retargeted, mean_mm, seconds)
    print_table(
        f"Contact in retargets of actor {arguments.source}, {len(take.frames)} frames",
        [
            "target",
            "slit",
            "closed columns kept",
            "closed slits kept",
            "frames crossing",
            "worst",
            "mean mm, all / parted",
            "CPU s",
        ],
        rows,
    )


if __name__ == "__main__":
    main()
