# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a target's shapes belong to each of a source's: by choice, by their names, and by what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..checks.face_spots import spots_of
from ..correspondence.correspondence import Correspondence
from ..model.actor import Actor
from ..model.working_actor import modes_of
from ..shared.faces.expression_names import JOINED, chosen_partners, chosen_targets, pair_expressions
from ..shared.foundation.errors import InputError
from ..shared.foundation.wording import listed
from .carrying import carried_actor, facing
from .imitation import SHOWN_PART, Palette, imitate
from .jaw_range import JawRange
from .meaning import Meaning, meaning_of
from .mixing import LOCAL_MODES, UNLIKE, Mixture

PROPOSED = 0.7, 0.4  # agreement from which a mixture is proposed as a pair, and weight of the shapes that are named
HALF = 0.5  # of what a shape does; when less of it is done, it is said
EVEN = 0.15  # by which areas of the face may differ in this, to be told in one figure
NOTICED_MM = 1.0  # a shape that moves no point by more is not missed


@dataclass(frozen=True)
class Pairing:
    """What a source's N shapes are among a target's K, both on the target's mesh.

    source: the source's actor as it is there. chosen: (K,) bool, the target's shapes that take part. left_out: the
    source's shapes of which nothing shows. mixtures: N of them. jaw: what the target's jaw bone does in the source's
    shapes, None where one of the two has none. meaning: what the source's shapes mean, None where it was not asked for.
    """

    source: Actor
    target: Actor
    chosen: np.ndarray
    left_out: tuple[str, ...]
    mixtures: tuple[Mixture, ...]
    jaw: JawRange | None
    meaning: Meaning | None = None

    @cached_property
    def pairs(self) -> dict[str, str]:
        """{source's shape: target's, or several joined} of those that are paired by choice or by name."""
        return {
            name: JOINED.join(self.target.names[k] for k in each.shapes)
            for name, each in zip(self.source.names, self.mixtures, strict=True)
            if each.paired and len(each.shapes)
        }

    def undone(self) -> np.ndarray:
        """(u,) the target's shapes of which some mixture takes something away."""
        taken = [each.shapes[(each.weights < 0).any(0)] for each in self.mixtures]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *taken]))

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """What an artist can look at, a row for each of the source's shapes: its name, `by` name, motion or nothing,
        the agreement in [-1, 1] of what both do, the share of it that is done, in all and in the `areas` of the face
        that it moves much, the target's shapes with their weights as `parts`, how much is left to the jaw `bone`, a
        `namesake` that does something else, and whether it is `weak`: less than half of it shows somewhere, or two of
        one name do something else."""
        own = self.target.shapes()[1:] - self.target.neutral
        moved = np.linalg.norm(self.source.shapes()[1:] - self.source.neutral, axis=-1).max(1)
        rows = []
        for name, each, most in zip(self.source.names, self.mixtures, moved, strict=True):
            shown = len(each.shapes) > 0 or each.bone > SHOWN_PART
            by = "left out" if name in self.left_out else "name" if each.paired else "motion" if shown else "nothing"
            parts = zip(each.shapes.tolist(), each.parts(own).tolist(), strict=True)
            ordered = sorted(((part, k) for k, part in parts if abs(part) > SHOWN_PART), reverse=True)
            rows.append(
                {
                    "name": name,
                    "by": by,
                    "agreement": round(each.agreement, 3),
                    "done": round(each.done, 3) if by != "left out" else 0.0,
                    "areas": {area: round(done, 3) for area, done in each.areas.items()},
                    "parts": {self.target.names[k]: round(part, 3) for part, k in ordered},
                    "bone": round(each.bone, 3),
                }
            )
            if each.namesake:
                rows[-1]["namesake"] = each.namesake
            missed = by in ("motion", "nothing") and told_short(rows[-1]) and most > NOTICED_MM
            if missed or (by == "name" and each.agreement < UNLIKE[0]):
                rows[-1]["weak"] = True
        return rows

    def proposed(self) -> dict[str, str]:
        """{source's shape: target's, or several joined} of what is paired, and of what moves alike, to look at."""
        pairs = dict(self.pairs)
        for row in self.rows:
            meant = [name for name, part in row["parts"].items() if part > PROPOSED[1]]
            if row["by"] == "motion" and row["agreement"] > PROPOSED[0] and meant:
                pairs[row["name"]] = JOINED.join(meant)
        return {name: pairs[name] for name in self.source.names if name in pairs}

    @cached_property
    def notes(self) -> list[str]:
        """What an artist should know before trusting the retarget."""
        missed, notes = [], []
        for row in self.rows:
            helpers = [*row["parts"], *(["its jaw"] if row["bone"] > SHOWN_PART else [])]
            if row.get("namesake"):
                instead = f"{listed(helpers)} {'does' if len(helpers) == 1 else 'do'}" if helpers else "nothing does"
                notes.append(
                    f"{row['name']!r} and the target's {row['namesake']!r} have one name but do something else; "
                    f"{instead} it instead; list the pairs to insist on the name"
                )
            if row.get("weak") and row["by"] != "name":
                by = f", by {listed(helpers)}" if helpers else ""
                missed.append(f"{row['name']} ({told_short(row)}{by})")
        if missed:
            notes.append(
                f"the target has no shape for {listed(missed, len(missed))}, which "
                + ("shows less than half; pair it by " if len(missed) == 1 else "show less than half; pair them by ")
                + "hand if one of its shapes is meant"
            )
        named = [each for each in self.mixtures if each.paired and len(each.shapes)]
        unlike = sum(each.agreement < UNLIKE[0] for each in named)
        if 2 * unlike > len(named) > 2:
            notes.append(
                f"{unlike} of {len(named)} pairs move differently on the two faces: the correspondence of the meshes "
                "may be wrong; look at it, and pick landmarks"
            )
        return notes


def told_short(row: Mapping[str, Any]) -> str:
    """How much is done of a shape, and where, if it is less than half; else nothing. Of areas that differ, those that
    fall short: "lips 40 %"."""
    areas = row["areas"]
    short = [f"{area} {100 * done:.0f} %" for area, done in areas.items() if done < HALF]
    if short and max(areas.values()) - min(areas.values()) > EVEN:
        return " and ".join(short)
    return f"{100 * row['done']:.0f} %" if row["done"] < HALF else ""


def pair_shapes(
    source: Actor,
    target: Actor,
    pairs: Mapping[str, str] | None,
    correspondence: Correspondence | None = None,
    modes: tuple[np.ndarray, np.ndarray] | None = None,
    report: Callable[[dict], None] | None = None,
) -> Pairing:
    """Find what each of the source's shapes is on the target.

    pairs: as chosen_partners takes them; only the target's shapes in them take part, unless they leave the others to be
    found. None pairs by name, unless what has one name does something else, and by what the shapes do where no names
    pair. correspondence: where the meshes differ. modes: of the target, if they are known. report: is told how far it
    is. Raises InputError if nothing pairs.
    """
    partners = chosen_partners(source.names, target.names, pairs)
    chosen = np.array(chosen_targets(source.names, target.names, pairs))
    meaning = None
    if correspondence is not None or len(partners) < len(source.names):
        meaning = meaning_of(source, target)
    if correspondence is not None:
        source = carried_actor(source, correspondence, target.topology)
    if modes is None:
        modes = modes_of(target, LOCAL_MODES)
    jaw = None
    if source.hinge is not None and target.hinge is not None:
        jaw = JawRange(source, target, facing(source.neutral, target.neutral)[0])
    spots = None if meaning is None else spots_of(target)
    points = len(target.neutral)
    palette = Palette(
        chosen,
        modes,
        np.ones(points) if correspondence is None else np.asarray(correspondence.confidence, np.float64),
        np.full(points, "") if spots is None else spots.areas(target.neutral),
    )
    mixtures = imitate(
        source,
        target,
        partners,
        palette,
        meaning,
        jaw,
        named=[name for name in partners if pairs is None or name not in pairs],
        report=report,
    )
    if not any(len(each.shapes) for each in mixtures):
        pair_expressions(source.names, target.names)  # raises, and names them
        raise InputError("no expression of the source does what one of the target's does; say which do with pairs")
    left_out = tuple(name for name, each in partners.items() if not each)
    return Pairing(source, target, chosen, left_out, tuple(mixtures), jaw, meaning)
