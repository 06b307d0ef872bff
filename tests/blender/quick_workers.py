# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that have imported torch already.

A worker of these tests computes for less time than it takes to import its packages. So a process imports them once, and
forks for each worker: `python quick_workers.py serve FILE`. What the extension starts is a small process that asks
for one, `python quick_workers.py ask SOCKET -m aim_blender WORDS`, hands over its files, lives as long and ends alike.
Only the packages are there beforehand; a worker imports the extension's own code itself. Needs Linux.

Workers as they are: tests/core/test_jobs_supervisor.py, tests/package, and the scripts that tests start.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = (
    "roma", "safetensors.torch", "scipy.optimize", "scipy.sparse.linalg", "scipy.sparse.csgraph", "scipy.spatial",
    "scipy.spatial.transform", "trimesh", "robust_laplacian", "tqdm", "matplotlib.figure",
    "matplotlib.backends.backend_agg",
)  # fmt: skip
LONGEST = 2**18  # bytes of what is asked for: words and variables
KILLED = 9


@contextlib.contextmanager
def forking(python: Path, environment: dict[str, str], folder: Path) -> Iterator[Path]:
    """Within, a program that stands for a Python and starts such workers. folder: a short path for it to lie in."""
    path, program = folder / "socket", folder / "python"
    command = [str(python), str(Path(__file__).absolute())]
    program.write_text(f'#!/bin/sh\nexec {shlex.join([command[0], "-IS", command[1], "ask", str(path)])} "$@"\n')
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(path))
        listening.listen()
        file = listening.fileno()
        # It ends with this process, which holds its standard input open.
        with subprocess.Popen(
            [*command, "serve", str(file)], env=environment, stdin=subprocess.PIPE, pass_fds=[file]
        ) as server:
            try:
                yield program
            finally:
                server.stdin.close()


def serve(file: int) -> None:
    """Import what workers need, and fork for each that a listening socket is asked for, until standard input ends."""
    with socket.socket(fileno=file) as listening:
        for name in PACKAGES:
            importlib.import_module(name)
        gc.freeze()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for keepers
        end = sys.stdin.fileno()
        while end not in select.select([listening.fileno(), end], [], [])[0]:
            connection, _ = listening.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listening.close()
                keep(connection)
                return
            connection.close()


def keep(connection: socket.socket) -> None:
    """Fork into the worker that is asked for, and what tells how it ended, or ends it when the asker is gone."""
    told, files, _, _ = socket.recv_fds(connection, LONGEST, 3)
    asked = json.loads(told)
    worker = os.fork()
    if worker == 0:
        connection.close()
        work(asked["words"], asked["folder"], asked["variables"], files)
        return
    ended = os.pidfd_open(worker)
    if ended not in select.select([connection.fileno(), ended], [], [])[0]:
        os.kill(worker, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    with contextlib.suppress(OSError):
        connection.send(str(status).encode())
    os._exit(0)


def work(words: list[str], folder: str, variables: dict[str, str], files: list[int]) -> None:
    """Run `python -m MODULE ...`, words, as a new process would."""
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.path[0] = folder
    sys.argv[1:] = words[2:]
    runpy.run_module(words[1], run_name="__main__", alter_sys=True)


def ask(path: str, words: list[str]) -> None:
    """Have a worker forked, wait for it, and end as it ended."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(path)
        asked = {"words": words, "folder": os.getcwd(), "variables": dict(os.environ)}
        socket.send_fds(connection, [json.dumps(asked).encode()], [0, 1, 2])
        status = int(connection.recv(16) or -KILLED)
    if status < 0:
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        ask(sys.argv[2], sys.argv[3:])
