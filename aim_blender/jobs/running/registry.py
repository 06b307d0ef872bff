# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of what a worker can do."""

from __future__ import annotations

from ...core.shared.foundation.errors import InputError
from ..batch.batch import batch
from ..tasks.anatomy import anatomy, landmarks
from ..tasks.arguments import Task
from ..tasks.baking import arkit, bake, errors, evaluate
from ..tasks.characters import transfer
from ..tasks.environment import environment, install_video
from ..tasks.fitting import fit
from ..tasks.inspecting import info, inspect
from ..tasks.learning import learn
from ..tasks.retargeting import correspond, pair, retarget

TASKS: dict[str, Task] = {
    "landmarks": landmarks,
    "anatomy": anatomy,
    "learn": learn,
    "fit": fit,
    "pair": pair,
    "correspond": correspond,
    "transfer": transfer,
    "retarget": retarget,
    "arkit": arkit,
    "bake": bake,
    "evaluate": evaluate,
    "batch": batch,
    "inspect": inspect,
    "errors": errors,
    "environment": environment,
    "install-video": install_video,
    "info": info,
}

# They install software or trust another computer: a job's description alone, which may be a stranger's, starts none.
TRUSTED_TASKS = ("environment", "install-video", "batch")


def task_named(name: str) -> Task:
    """Raises InputError if there is no such task."""
    if name not in TASKS:
        raise InputError(f"there is no task {name}; there are {', '.join(TASKS)}")
    return TASKS[name]
