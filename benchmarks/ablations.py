# SPDX-License-Identifier: GPL-3.0-or-later
"""The paper's ablations on real faces: activations (Table 2), losses (Table 3), widths (Fig. 18), and spaces.

python benchmarks/ablations.py [--seed 3] [--iterations 600] [--only activations losses widths spaces] [--resume]

Each variant learns the actor and fits 100 unseen frames: once with what the networks alone know, which is what the
paper measures, and once with the residual that makes the actor exact. What each has measured is kept at once, beside
the captures; with --resume it is not measured again. The picture goes to docs/pictures/ablations.png.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, capture_of, make, parser, print_table

from aim_blender.core.fitting.fitting import fit_performance
from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.shared.captured.performances import read_performance
from aim_blender.core.shared.foundation.whole_files import written_whole
from aim_blender.core.shared.settings.learning_settings import ACTIVATIONS, SPACES, LearningSettings

# Variant: (settings, the paper's mean error in mm on its own data; its supplementary, Tables 2 and 3)
STUDIES: dict[str, dict[str, tuple[dict[str, Any], float | None]]] = {
    "activations": {
        name: ({"activation": name}, {"siren": 0.21, "relu": 0.62, "gelu": 0.71}[name]) for name in ACTIVATIONS
    },
    "losses": {
        "all": ({}, 0.19),
        "no L_A": ({"without": ("anatomy",)}, 0.29),
        "no L_Sym": ({"without": ("symmetry",)}, 0.24),
        "no L_K": ({"without": ("skinning",)}, 0.22),
        "no L_D": ({"without": ("thickness",)}, 0.21),
    },
    "widths": {f"width {width}": ({"hidden": width}, None) for width in (32, 64, 128, 256)},
    "spaces": {name: ({"space": name}, None) for name in SPACES},
}


def main() -> None:
    found = parser(__doc__)
    found.add_argument("--seed", type=int, default=3)
    found.add_argument("--iterations", type=int, default=600)
    found.add_argument("--only", nargs="+", choices=tuple(STUDIES), default=tuple(STUDIES))
    found.add_argument("--resume", action="store_true", help="go on after what an earlier run of this code measured")
    arguments = found.parse_args()
    kept = arguments.work / f"ablations_{arguments.seed}_{arguments.iterations}.json"
    # by settings: several studies share the default
    measured: dict[str, list[Any]] = json.loads(kept.read_text()) if arguments.resume and kept.exists() else {}
    capture, truth = capture_of(arguments, arguments.seed)
    path = make(arguments, "performance", f"performance_{arguments.seed}_plain", "--seed", str(arguments.seed))
    performance = read_performance(path)
    wanted = performance.vertices
    rows = []
    for study in arguments.only:
        for variant, (changes, paper) in STUDIES[study].items():
            settings = LearningSettings(iterations=arguments.iterations, **changes)
            if repr(settings) not in measured:
                actor = learn_actor(capture, settings)
                errors = []
                for version in (implicit(actor), actor):
                    frames = evaluate_take(version, fit_performance(version, performance))
                    errors.append(float(np.linalg.norm(frames["vertices"] - wanted, axis=-1).mean()))
                measured[repr(settings)] = [
                    actor.figures["implicit_mean_mm"],
                    actor.figures["implicit_worst_mm"],
                    *errors,
                    f"{angle_degrees(actor.jaw)[0]:.1f} of {angle_degrees(truth['jaw'])[0]:.1f}",
                    float(np.abs(actor.skin_weight[:, 0] - truth["skin_weight"]).mean()),
                    float(actor.figures["learning_s"]),
                ]
                keep(measured, kept)
            rows.append([study, variant, *measured[repr(settings)], "" if paper is None else paper])
            print(rows[-1], file=sys.stderr)
    print_table(
        f"Ablations, actor {arguments.seed}, {arguments.iterations} iterations, 100 unseen frames (mm)",
        [
            "study",
            "variant",
            "implicit mean",
            "implicit worst",
            "unseen, networks",
            "unseen, exact",
            "jaw_open °",
            "k error",
            "learning s",
            "paper, unseen",
        ],
        rows,
    )
    draw(rows)


def keep(measured: dict[str, list[Any]], path: Path) -> None:
    """Write what was measured so far."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(measured, indent=1))


def implicit(actor: Actor) -> Actor:
    """The actor as its networks have it, without the residual."""
    return dataclasses.replace(
        actor,
        neutral_residual=np.zeros_like(actor.neutral_residual),
        expression_residual=np.zeros_like(actor.expression_residual),
    )


def draw(rows: list[list[Any]]) -> None:
    """Bars of the unseen frames' error, study by study, beside the paper's."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    studies = list(dict.fromkeys(row[0] for row in rows))
    figure, axes = pyplot.subplots(1, len(studies), figsize=(4 * len(studies), 3.2), squeeze=False)
    for axis, study in zip(axes[0], studies, strict=True):
        chosen = [row for row in rows if row[0] == study]
        place = np.arange(len(chosen))
        series = {"networks alone": 4, "with residual": 5, "paper (its data)": 9}
        for offset, (label, column) in enumerate(series.items()):
            heights = [row[column] if row[column] != "" else 0.0 for row in chosen]
            if any(heights):
                axis.bar(place + 0.27 * (offset - 1), heights, 0.27, label=label)
        axis.set_xticks(place, [row[1] for row in chosen], rotation=25, fontsize="small")
        axis.set_title(study)
        axis.set_ylabel("unseen frames, mm")
    axes[0][0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(ROOT / "docs" / "pictures" / "ablations.png", dpi=90)


if __name__ == "__main__":
    main()
