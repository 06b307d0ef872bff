# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of the command line, `python -m aim_blender VERB ...`, and what each can be told."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn, TypeAlias

from ...core.shared.settings.option import options_of
from ...core.shared.settings.timing_settings import Timing
from ..environment.environment_plan import BUILDS, detect_build
from ..folders.folder import STATUS_INPUT
from ..folders.sentences import one_line
from ..running.registry import TRUSTED_TASKS
from ..tasks.baking import ENGINES
from ..tasks.fitting import PERFORMANCE_UNIT
from .option_flags import add_options
from .option_flags import path as _path

RANGE = ("start", "end")  # of a bake's settings those of a fit


class OneLineParser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        """Exit with STATUS_INPUT and one line that says what is wrong."""
        self.exit(STATUS_INPUT, f"{self.prog}: {one_line(message)}; see {self.prog} --help\n")


Verbs: TypeAlias = "argparse._SubParsersAction[OneLineParser]"


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The parser of all verbs. prog: how the command was called, for its help."""
    parser = OneLineParser(prog=prog, description="Anatomical implicit face models.", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for add in (
        _add_landmark_finding,
        _add_anatomy,
        _add_learn,
        _add_fit,
        _add_pair,
        _add_correspond,
        _add_transfer,
        _add_retarget,
        _add_arkit,
        _add_bake,
        _add_evaluate,
        _add_batch,
        _add_inspect,
        _add_errors,
        _add_environment,
        _add_install_video,
        _add_info,
        _add_live,
        _add_job,
    ):
        add(verbs)
    return parser


def _verb(verbs: Verbs, name: str, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print one JSON object of figures")
    return parser


def _add_landmark_finding(verbs: Verbs) -> None:
    parser = _verb(verbs, "landmarks", "Suggest the landmarks of a neutral, as anatomy takes them.")
    parser.add_argument("neutral", metavar="NEUTRAL_MESH", type=_path, help="a mesh, or a capture")
    parser.add_argument("--out", required=True, metavar="FILE.json", type=_path)


def _add_anatomy(verbs: Verbs) -> None:
    parser = _verb(verbs, "anatomy", "Fit a skull and a mandible to a neutral.")
    parser.add_argument("neutral", metavar="NEUTRAL_MESH", type=_path, help="a mesh, or a capture")
    parser.add_argument("--out", required=True, metavar="DIR", type=_path)
    parser.add_argument("--landmarks", metavar="FILE.json", type=_path, help='{"name": vertex} picked by hand')
    parser.add_argument("--depths", metavar="FILE.json", type=_path, help='{"name": mm} instead of the table')
    parser.add_argument("--bones", metavar="DIR", type=_path, help="your own skull and mandible, not the template's")
    parser.add_argument("--teeth", metavar="DIR", type=_path, help="upper_teeth, lower_teeth or both")
    _add_unit(parser, "--unit", of="the neutral (default: told by its face)")


def _add_learn(verbs: Verbs) -> None:
    parser = _verb(verbs, "learn", "Learn an actor from registered meshes of one face.")
    parser.add_argument("capture", metavar="CAPTURE", type=_path, help="folder of meshes, or capture.npz")
    parser.add_argument("--out", required=True, metavar="A.actor.safetensors", type=_path)
    bones = parser.add_mutually_exclusive_group()
    bones.add_argument("--bones", metavar="DIR", type=_path, help="skull and mandible (default: CAPTURE/bones)")
    bones.add_argument(
        "--template",
        dest="template_bones",
        action="store_const",
        const=True,
        help="fit the skull and the mandible that come with the extension",
    )
    parser.add_argument(
        "--landmarks",
        metavar="FILE.json",
        type=_path,
        help='{"name": vertex} picked by hand, for a face that is not found: nasion, menton and both mouth_corner at '
        "least (default: suggested)",
    )
    _add_unit(parser, "--unit", of="the meshes (default: told by the face)")
    add_options(parser, "learn")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint beside the output")


def _add_fit(verbs: Verbs) -> None:
    parser = _verb(verbs, "fit", "Fit an actor to a performance.")
    parser.add_argument("actor", metavar="A.actor.safetensors", type=_path)
    parser.add_argument(
        "performance",
        metavar="PERFORMANCE",
        type=_path,
        help="folder of meshes, .npz, .pc2, .mdd, points (.json, .csv, .c3d), a phone's recording (.csv, .txt, .json), "
        "or a video (.mp4, .mov, .mkv, .avi)",
    )
    parser.add_argument("--out", required=True, metavar="T.take.safetensors", type=_path)
    add_options(parser, "fit")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="let the neural solver go on from the checkpoint; others do so by themselves",
    )
    parser.add_argument("--camera", type=_path, metavar="FILE.json", help="of the images that the points are in")
    parser.add_argument(
        "--landmarks",
        type=_path,
        metavar="FILE.json",
        help="where on the mesh the points belong by name: points of images, and markers that name no vertex",
    )
    add_options(parser, "bake", *RANGE)
    parser.add_argument(
        "--fps",
        dest="performance_fps",
        type=float,
        metavar="RATE",
        help="of the performance, in frames a second (default: what its file says, or 24)",
    )
    _add_unit(parser, "--unit", of="the performance (default: told by its size)", into=PERFORMANCE_UNIT)


def _add_retarget(verbs: Verbs) -> None:
    parser = _verb(verbs, "retarget", "Move a take from one actor to another.")
    parser.add_argument("take", metavar="T.take.safetensors", type=_path)
    parser.add_argument("--source", required=True, metavar="A.actor.safetensors", type=_path)
    parser.add_argument("--target", required=True, metavar="B.actor.safetensors", type=_path)
    parser.add_argument("--out", required=True, metavar="U.take.safetensors", type=_path)
    add_options(parser, "retarget")
    parser.add_argument(
        "--correspondence",
        type=_path,
        metavar="FILE",
        help="between actors of different topology (default: the one kept beside the target, or a new one)",
    )


def _add_pair(verbs: Verbs) -> None:
    parser = _verb(verbs, "pair", "Find which expressions of two actors belong together, by name and by what they do.")
    parser.add_argument("--source", required=True, metavar="A.actor.safetensors", type=_path)
    parser.add_argument("--target", required=True, metavar="B.actor.safetensors", type=_path)
    parser.add_argument("--out", required=True, metavar="pairs.json", type=_path)
    parser.add_argument("--pairs", type=_path, metavar="FILE.json", help="look at these instead of pairing by name")
    parser.add_argument("--correspondence", type=_path, metavar="FILE", help="as for retarget")


def _add_correspond(verbs: Verbs) -> None:
    parser = _verb(verbs, "correspond", "Find which place on one face is which on another of different topology.")
    parser.add_argument("source", metavar="SOURCE", type=_path, help="an actor, or a mesh at rest (.obj, .ply, .npz)")
    parser.add_argument("target", metavar="TARGET", type=_path, help="likewise")
    parser.add_argument("--out", required=True, metavar="X.correspondence.safetensors", type=_path)
    _add_landmarks(parser)


def _add_transfer(verbs: Verbs) -> None:
    parser = _verb(verbs, "transfer", "Make an actor from a mesh at rest, with another actor's expressions.")
    parser.add_argument("source", metavar="A.actor.safetensors", type=_path)
    parser.add_argument(
        "target",
        metavar="MESH",
        type=_path,
        help="the character at rest (.obj, .ply, .npz), or a capture or an actor of it, whose shapes count",
    )
    parser.add_argument("--out", required=True, metavar="B.actor.safetensors", type=_path)
    parser.add_argument("--correspondence", type=_path, metavar="FILE", help="instead of a new one")
    parser.add_argument("--name", metavar="NAME", help="of the source, to say whose expressions these are")
    _add_unit(parser, "--unit", "--millimetres-per-unit", of="the mesh (default: told by its face)")
    parser.add_argument("--parts", default="", metavar="NAME=KIND,...", help="what its parts are, as learn takes it")
    _add_landmarks(parser)


def _add_landmarks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--landmarks",
        type=_path,
        metavar="FILE.json",
        help='{"source": {name: vertex}, "target": {name: vertex}} (default: suggested)',
    )


def _add_arkit(verbs: Verbs) -> None:
    parser = _verb(verbs, "arkit", "Write the 52 shapes of ARKit, or VRM's expressions, as an actor makes them.")
    parser.add_argument("actor", metavar="A.actor.safetensors", type=_path)
    parser.add_argument("--out", required=True, metavar="shapes.npz|DIR", type=_path, help="a folder: an .obj each")
    parser.add_argument("--keys", choices=ENGINES, help="whose names and shapes (default: arkit)")


def _add_bake(verbs: Verbs) -> None:
    parser = _verb(verbs, "bake", "Turn a take into shape keys, a jaw bone and their keyframes.")
    parser.add_argument("actor", metavar="A.actor.safetensors", type=_path)
    parser.add_argument("take", metavar="T.take.safetensors", type=_path)
    parser.add_argument("--out", required=True, metavar="bake.npz|.csv", type=_path, help="a .csv: as Live Link Face")
    add_options(parser, "bake")


def _add_evaluate(verbs: Verbs) -> None:
    parser = _verb(verbs, "evaluate", "Write a take's frames: vertices, jaw and head, or a mesh cache.")
    parser.add_argument("actor", metavar="A.actor.safetensors", type=_path)
    parser.add_argument("take", metavar="T.take.safetensors", type=_path)
    parser.add_argument("--out", required=True, metavar="frames.npz|.pc2|.mdd", type=_path)
    _add_unit(parser, "--unit", of="a .pc2 or .mdd (default: mm)")
    add_options(parser, "bake", *options_of(Timing))


def _add_inspect(verbs: Verbs) -> None:
    parser = _verb(verbs, "inspect", "Show the anatomy that was learned: arrays, and beside them a picture sheet.")
    parser.add_argument("actor", metavar="A.actor.safetensors", type=_path)
    parser.add_argument("--out", required=True, metavar="A.anatomy.npz", type=_path)


def _add_errors(verbs: Verbs) -> None:
    parser = _verb(verbs, "errors", "Write how far each point of each frame of a take is from its performance.")
    parser.add_argument("actor", metavar="A.actor.safetensors", type=_path)
    parser.add_argument("take", metavar="T.take.safetensors", type=_path)
    parser.add_argument("performance", metavar="PERFORMANCE", type=_path, help="the meshes that it was fitted to")
    parser.add_argument("--out", required=True, metavar="errors.npz", type=_path)


def _add_batch(verbs: Verbs) -> None:
    parser = _verb(verbs, "batch", "Do a table of shots for any number of actors, whatever of it is not done yet.")
    parser.add_argument("table", metavar="TABLE", type=_path, help=".csv, .json or .toml; see docs/batch.md")
    parser.add_argument(
        "--out", required=True, metavar="DIR", type=_path, help="each shot's files go to a folder in it"
    )
    parser.add_argument("--part", metavar="K/N", help="only the Kth of N parts, for render farms")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="spread the shots over this Dask cluster")


def _add_environment(verbs: Verbs) -> None:
    parser = _verb(verbs, "environment", "Make an environment with all that learning needs, by venv and pip.")
    parser.add_argument("folder", metavar="FOLDER", type=_path, help="where it goes; one that is there gives way")
    build = detect_build()
    parser.add_argument("--build", choices=tuple(BUILDS), default=build, help="of torch (default here: %(default)s)")
    parser.add_argument("--base", metavar="PYTHON", type=_path, default=sys.executable, help="default: this Python")
    parser.add_argument("--options", metavar="TEXT", default="", help="more options for pip, as one argument")


def _add_install_video(verbs: Verbs) -> None:
    text = (
        "Install what fitting to videos needs into the Python that runs this: a face detector, and what decodes movies."
    )
    parser = _verb(verbs, "install-video", text)
    parser.add_argument("--options", metavar="TEXT", default="", help="more options for pip, as one argument")


def _add_info(verbs: Verbs) -> None:
    parser = _verb(verbs, "info", "Say what a file holds.")
    parser.add_argument("file", metavar="FILE", type=_path)


def _add_live(verbs: Verbs) -> None:
    text = "Fit one frame after the other as they come on standard input; Blender's live mode starts it."
    parser = verbs.add_parser("live", help=text, description=text, allow_abbrev=False)
    parser.add_argument("actor", metavar="A.actor.safetensors", type=_path)
    add_options(parser, "fit", "modes", "device")


def _add_job(verbs: Verbs) -> None:
    text = "Do what is left of the job in a folder; Blender starts its workers so."
    parser = verbs.add_parser("job", help=text, description=text, allow_abbrev=False)
    parser.add_argument("folder", metavar="FOLDER", type=_path)
    parser.add_argument("--end-with-parent", action="store_true", help="end when standard input ends")
    parser.add_argument("--trusted", choices=TRUSTED_TASKS, help="the job may do this task too")
    parser.add_argument("--stay", type=float, metavar="SECONDS", help="then wait so long for the next job")


def _add_unit(parser: argparse.ArgumentParser, *options: str, of: str, into: str = "millimetres_per_unit") -> None:
    parser.add_argument(
        *options,
        dest=into,
        type=_unit,
        metavar="UNIT",
        help=f"mm, cm, dm, m, in, ft or a number of mm: the unit of {of}",
    )


def _unit(text: str) -> float:
    """The millimetres of a unit that is named, or given in mm."""
    from ...core.shared.faces.table_of_units import MILLIMETRES_PER

    if text in MILLIMETRES_PER:
        return MILLIMETRES_PER[text]
    try:
        return float(text)
    except ValueError:
        names = ", ".join(MILLIMETRES_PER)
        raise argparse.ArgumentTypeError(f"{text} is no unit; it must be {names} or a number of mm") from None
