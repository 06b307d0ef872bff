# SPDX-License-Identifier: GPL-3.0-or-later
"""The shots of a batch on a Dask cluster: one task a shot, and the shot of a worker that dies is given to another."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any

from ...core.shared.foundation.errors import InputError
from ..tasks.arguments import Report
from .batch_table import Shot
from .shots import FAILED, run_shot

TIMEOUT_S = 20.0
POLL_S = 0.2


def run_on_cluster(shots: list[Shot], out: Path, address: str, report: Report) -> list[dict[str, Any]]:
    """Do the shots on the workers of the scheduler at `address`, such as tcp://host:8786; returns their rows in order.

    All workers see the same files under the same paths, and have this package. A shot whose worker died is done by
    another worker, which goes on from the steps that are done. Raises InputError if dask is missing, no scheduler
    answers or a worker lacks the package; Cancelled, upon which shots that have not begun are taken back.
    """
    try:
        from dask.distributed import Client
    except ModuleNotFoundError as error:
        raise InputError(
            "a scheduler needs the package dask, which is missing; pip install 'dask[distributed]' mends that"
        ) from error
    try:
        client = Client(address, timeout=TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address}; start one with `dask scheduler` and give the address it prints"
        ) from error
    with client:
        key = f"aim-{uuid.uuid4().hex}"
        futures = [
            client.submit(_run, shot.as_json(), str(out), key=f"{key}-{number}", pure=False)
            for number, shot in enumerate(shots)
        ]
        try:
            while (done := sum(future.done() for future in futures)) < len(futures):
                workers = len(client.scheduler_info(n_workers=-1)["workers"])
                at_work = f"Working on {workers} workers" if workers else "Waiting for a worker to join the cluster"
                report({"message": at_work, "done": done, "total": len(futures)})
                time.sleep(POLL_S)
        except BaseException:
            client.cancel(futures)
            raise
        return [_row(shot, future) for shot, future in zip(shots, futures, strict=True)]


def _run(shot: dict[str, Any], out: str) -> dict[str, Any]:
    """Do a shot in a worker of the cluster."""
    # As in __main__: waiting threads must not take the cores from the cluster's other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    return run_shot(Shot.from_json(shot), Path(out), lambda _: None)


def _row(shot: Shot, future: Any) -> dict[str, Any]:
    """The row that a shot's future holds, or says why it has none."""
    error = future.exception()
    if error is None:
        return dict(future.result())
    if isinstance(error, ModuleNotFoundError):
        message = f"a worker of the cluster lacks {error.name}; start the workers where AIM's packages are installed"
    elif type(error).__name__ == "KilledWorker":
        message = "every worker that tried it died, perhaps for lack of memory; the workers' logs tell more"
    else:
        message = f"unexpected {type(error).__name__} on the cluster: {' '.join(str(error).split())}"
    row = {"shot": shot.name, "targets": len(shot.targets), "state": FAILED, "made": 0, "kept": 0, "worst_mm": None}
    return {**row, "notes": [], "seconds": 0.0, "message": f"{shot.where}: {message}"}
