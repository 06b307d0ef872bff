# SPDX-License-Identifier: GPL-3.0-or-later
"""Doing several jobs at a time, each a few steps one after the other."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from .basics import BuildError, say
from .steps import Output, Step


@dataclass(frozen=True)
class Job:
    """What is done, and doing it."""

    name: str
    do: Callable[[Output], list[Step]]


def run_beside_each_other(jobs: list[Job]) -> list[Step]:
    """Do the jobs, as many at a time as there are processors: most tests wait for processes that compute on one.

    Their progress is shown while they run, and all that a job said in one piece when it has ended. One job alone is
    shown as it goes. Where this is left early (Ctrl-C, or nobody reads what is said), the jobs are ended.
    """
    if len(jobs) == 1:
        return jobs[0].do(Output())
    lanes = min(len(jobs), os.cpu_count() or 1)
    names = ", ".join(job.name for job in jobs)
    say(f"\nOf {names}, {lanes} run at a time. All that each says is shown when it has ended.")
    stop = threading.Event()

    def shown_at_its_end(job: Job) -> list[Step]:
        with tempfile.TemporaryFile() as file:
            try:
                return job.do(Output(file, stop))
            except BuildError as error:
                file.write(f"{error}\n".encode())
                return [Step(job.name)]
            finally:
                file.seek(0)
                say(file.read().decode(errors="replace").rstrip())

    with ThreadPoolExecutor(lanes) as pool:
        running = {pool.submit(shown_at_its_end, job): job.name for job in jobs}
        try:
            steps = {running[ended]: ended.result() for ended in as_completed(running)}
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [step for job in jobs for step in steps[job.name]]
