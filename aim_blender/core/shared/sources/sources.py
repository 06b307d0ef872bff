# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of sources: what a performance can come as, and what knows how to fit it.

A new source is a module with fit_file and describe_file, a row here, and a page of the guide. The row names the module,
which only the worker imports, and the function that looks into a file, which Blender's process may call; the settings
need the standard library alone, as the command line's help does. Where a source has points that a fit comes near to,
fit_file makes a Target of them (core/fitting/driving).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ..settings.fitting_settings import FittingSettings
from ..settings.phone_settings import PhoneFittingSettings
from ..settings.point_settings import ImageFittingSettings, PointFittingSettings
from ..settings.video_settings import VideoFittingSettings

CORE = __package__.rpartition(".shared")[0]
REMEMBERED = 64  # files, of which the panel asks again and again


@dataclass(frozen=True)
class Source:
    """One kind of source.

    label: what it is called, in the plural. told_by: the function in `shared`, as module:function, that tells of a file
    or folder whether its content is of this kind. module: in core, with fit_file(actor, FitRequest) -> Fitted and,
    unless it is of whole meshes, describe_file(path) -> what `info` tells. settings: the dataclass of what can be
    chosen. suffixes: of files that are taken for this kind where the content tells nothing, being damaged or gone.
    files: what else it needs, each by its name in the arguments of `fit`, with what that is; usable: what it takes if
    it is given. instead_of: the source whose files are taken for this one when one of `files` is given. ranged: whether
    frames can be left out by start and end, which the settings need not have.

    measured: whether a take's distance from it is known, and has a curve. whole: whether that is known of every vertex
    of the actor's mesh; apart: why not, for a sentence.
    """

    name: str
    label: str
    told_by: str
    module: str
    settings: type[Any]
    suffixes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    usable: tuple[str, ...] = ()
    instead_of: str = ""
    ranged: bool = False
    measured: bool = True
    whole: bool = False
    apart: str = "what lies between them has nothing to be compared with"

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of all that can be chosen."""
        return (*(item.name for item in dataclasses.fields(self.settings)), *(("start", "end") if self.ranged else ()))

    def takes(self, choice: str) -> bool:
        """Whether this can be chosen."""
        return choice in self.choices

    def settings_of(self, chosen: Mapping[str, Any]) -> Any:
        """The settings with those of the choices that they have. Raises InputError if one cannot be used."""
        known = [item.name for item in dataclasses.fields(self.settings)]
        return self.settings(**{name: value for name, value in chosen.items() if name in known})

    def holds(self, path: Path) -> bool:
        """Whether a file or folder is of this kind, by its content."""
        module, function = self.told_by.split(":")
        return bool(getattr(import_module(f"{CORE}.shared.{module}"), function)(path))

    def loaded(self) -> Any:
        """The module that knows how to fit it; for the worker."""
        return import_module(f"{CORE}.{self.module}")


# The first that a file is of counts, so that what is most particular stands first.
SOURCES = (
    Source(
        name="meshes",
        label="whole meshes",
        told_by="sources.recognising:holds_meshes",
        module="fitting.fitting",
        settings=FittingSettings,
        suffixes=(".npz", ".pc2", ".mdd"),
        ranged=True,
        whole=True,
    ),
    Source(
        name="phone",
        label="weights that a phone recorded",
        told_by="phone.phone_tables:is_phone_recording",
        module="phone.phone_source",
        settings=PhoneFittingSettings,
        measured=False,
        apart="no point can be compared with them",
    ),
    Source(
        name="images",
        label="points of images",
        told_by="sources.recognising:holds_image_points",
        module="fitting.fitting_image_points",
        settings=ImageFittingSettings,
        files={
            "camera": "a JSON file of the cameras",
            "landmarks": "a JSON file of where on the mesh each belongs",
        },
        instead_of="points",
    ),
    Source(
        name="points",
        label="points",
        told_by="sources.recognising:holds_points",
        module="fitting.fitting_points",
        settings=PointFittingSettings,
        suffixes=(".csv", ".json", ".c3d"),
        usable=("landmarks",),
    ),
    Source(
        name="video",
        label="frames of a video",
        told_by="sources.recognising:holds_video",
        module="video.video_source",
        settings=VideoFittingSettings,
        suffixes=(".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"),
    ),
)
NAMED = {source.name: source for source in SOURCES}
OTHER_FILES = tuple(name for source in SOURCES for name in source.files)
CHOICES = tuple(dict.fromkeys(name for source in SOURCES for name in source.choices))


def source_of(path: Path | str, given: Iterable[str] = ()) -> Source:
    """The source that a file or folder is: by its content; else, if that tells nothing, by its name; else whole meshes,
    whose reader says what would be right. given: names of the other files that came with it."""
    path = Path(path)
    found = recognised(path)
    if found is None:
        suffix = path.suffix.lower()
        found = next((source for source in SOURCES if suffix in source.suffixes), NAMED["meshes"])
    others = set(given) - set(found.usable)
    with_files = (source for source in SOURCES if source.instead_of == found.name)
    return next((source for source in with_files if source.files.keys() & others), found)


def recognised(path: Path) -> Source | None:
    """The source that a file or folder is by its content, None if it is none of them or not there."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return _recognised(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=REMEMBERED)
def _recognised(path: Path, _changed: int, _size: int) -> Source | None:
    return next((source for source in SOURCES if source.holds(path)), None)


def look_again() -> None:
    """Forget what files were: what lies in a folder may have changed since."""
    _recognised.cache_clear()


def labels_that_take(choice: str) -> str:
    """The labels of the sources for which this can be chosen, for a sentence."""
    *others, last = (source.label for source in SOURCES if source.takes(choice))
    return f"{', '.join(others)} or {last}" if others else last
