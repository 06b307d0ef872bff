# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the environment of the worker, and removing it: a venv below the user's folder, filled by pip.

Needs the standard library only, because it runs under a Python that has no packages yet. It is a task like the others
(`environment` of tasks.py), so it is started, watched and cancelled as they are.

An environment is made beside its folder and renamed when it is complete and has learned for a moment, so there never is
half of one. What pip downloads lies there too, so it goes when the making ends, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from ...core.shared.foundation.errors import InputError
from ..folders.sentences import WORDS_OF_FULL_DISK, one_line
from ..supervision.interpreter import InterpreterError, check_interpreter, python_of, window_options, worker_environment
from .environment_plan import UNFINISHED, Plan

Report = Callable[[dict[str, Any]], None]

REPLACED = ".replaced"
POLL_S = 0.2
# What the stretches of work take of the bar: making the venv, downloading, installing; the rest is the trial.
MADE, DOWNLOADED, INSTALLED = 0.04, 0.65, 0.94

# pip, ended when standard input ends: this process holds the other end, so pip dies with it, however it dies.
PIP = """
import os, runpy, sys, threading
def watch():
    while os.read(0, 4096):
        pass
    os._exit(1)
threading.Thread(target=watch, daemon=True).start()
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
NETWORK_WORDS = (
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Connection refused",
    "Connection reset",
    "timed out",
    "Cannot connect to proxy",
    "No route to host",
    "getaddrinfo failed",
    "SSLError",
)


def make_environment(plan: Plan, report: Report, trial: bool = True) -> dict[str, Any]:
    """Make the environment, in place of one that is there. Returns its folder, its size_mb and what check_interpreter()
    found in it.

    trial: let it learn for a moment before it counts as made; without, the environment need not have torch.
    Raises InputError with one sentence if it cannot be made, OSError, and what report() raises to cancel. All leave
    things as they were.
    """
    plan.check()
    unfinished = plan.unfinished
    remove_folder(unfinished)
    try:
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        (unfinished / "download").mkdir(parents=True)
        make, install = plan.commands()
        _run(make, plan, lambda _: None, lambda: report({"message": "Making the environment", **_of(0.0)}))
        _install(install, plan, report)
        shutil.rmtree(unfinished / "download")
        found: dict[str, Any] = {}
        if trial:
            found = _tried(unfinished, report)
            _require_device(plan, found)
        _put_in_place(unfinished, plan.folder)
    finally:
        remove_folder(unfinished)
    return {"folder": str(plan.folder), "size_mb": round(folder_size(plan.folder) / 1e6), **found}


def _install(command: list[str], plan: Plan, report: Report) -> None:
    """Run pip and report how far it is, by the size of what it downloaded and the packages that it unpacked."""
    download, expected = plan.unfinished / "download", plan.expected.download_gb * 1e9
    before, packages = len(_installed(plan.unfinished)), []
    what = ["Asking for the packages"]

    def listen(line: str) -> None:
        words = line.split()
        if line.startswith("Installing collected packages:"):
            packages.extend(words[3:])
            what[0] = "Installing"
        elif words[:1] in (["Collecting"], ["Downloading"]):
            what[0] = f"Downloading {re.split('[=<>~!;-]', Path(words[1]).name)[0]}"

    def tell() -> None:
        if packages:
            installed = len(_installed(plan.unfinished)) - before
            share = DOWNLOADED + (INSTALLED - DOWNLOADED) * min(1.0, installed / len(packages))
            report({"message": f"Installing {min(installed, len(packages))} of {len(packages)} packages", **_of(share)})
            return
        got = folder_size(download)
        share = MADE + (DOWNLOADED - MADE) * min(1.0, got / expected)
        report({"message": f"{what[0]}, {got / 1e6:.0f} MB so far" if got else what[0], **_of(share)})

    _run(pip_command(command), plan, listen, tell)


def _installed(environment: Path) -> list[Path]:
    """What pip notes of each package in it."""
    packages = [*environment.glob("lib/python3*/site-packages"), environment / "Lib" / "site-packages"]
    return [note for folder in packages for note in folder.glob("*.dist-info")]


def _of(share: float) -> dict[str, float]:
    return {"done": round(share, 4), "total": 1}


def _run(command: list[str], plan: Plan, listen: Callable[[str], None], tell: Callable[[], None]) -> None:
    def why(said: list[str]) -> str:
        return why_it_failed(said, plan.folder.parent, plan.size, "the environment could not be made")

    run_command(command, plan.unfinished / "download", listen, tell, why)


def pip_command(command: list[str]) -> list[str]:
    """A command `python -m pip ...` as one that ends with this process."""
    return [command[0], "-c", PIP, *command[3:]]


def run_command(
    command: list[str],
    temporary: Path,
    listen: Callable[[str], None],
    tell: Callable[[], None],
    why: Callable[[list[str]], str],
) -> None:
    """Run a command to its end: `listen` gets its lines, `tell` is called all the while, and ends it if it raises.

    temporary: the folder for what it keeps for itself meanwhile. Raises InputError if it fails, with the sentence that
    `why` makes of what it said last.
    """
    shown = [command[0], "-m", "pip", *command[3:]] if PIP in command else command
    print("--", shlex.join(shown), file=sys.stderr, flush=True)
    variables = worker_environment()
    variables.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)))
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=variables,
        encoding="utf-8",
        errors="replace",
        start_new_session=sys.platform != "win32",
        **window_options(),
    )
    lines: queue.Queue[str | None] = queue.Queue()
    assert process.stdout is not None
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    said: list[str] = []
    try:
        while True:
            try:
                line = lines.get(timeout=POLL_S)
            except queue.Empty:
                tell()
                continue
            if line is None:
                break
            print(line, end="", file=sys.stderr, flush=True)
            said = [*said[-200:], line.strip()]
            listen(line)
            tell()
        process.wait()
    finally:
        _end(process)
        reader.join()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
    if process.returncode:
        raise InputError(why(said))


def _end(process: subprocess.Popen[str]) -> None:
    """End a command and what it started."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    with contextlib.suppress(ValueError, OSError):
        for line in stream:
            lines.put(line)
    lines.put(None)


def why_it_failed(said: list[str], folder: Path, size: str, failed: str) -> str:
    """One sentence for what pip or venv said last. folder, size: where it goes and how much it is. failed: what did."""
    text = " ".join(said)
    if any(re.search(words, text) for words in WORDS_OF_FULL_DISK):
        return f"the disk of {folder} is full; it takes {size}"
    errors = [line.removeprefix("ERROR:").strip() for line in said if line.startswith(("ERROR:", "Error:"))]
    detail = one_line(errors[-1] if errors else next((line for line in reversed(said) if line), "it gave no reason"))
    if any(words in text for words in NETWORK_WORDS):
        return f"pip could not reach where it downloads from; check the connection, then try again ({detail})"
    return f"{failed}: {detail}"


def _tried(environment: Path, report: Report) -> dict[str, Any]:
    """What check_interpreter() finds. Raises InputError."""
    python = python_of(environment)
    if python is None:
        raise InputError(f"there is no Python in {environment}; name another Base Python")
    try:
        return check_interpreter(python, waiting=lambda: report({"message": "Learning for a moment", **_of(INSTALLED)}))
    except InterpreterError as error:
        raise InputError(f"the environment was made but does not work, and is removed: {error}") from error


def _require_device(plan: Plan, found: dict[str, Any]) -> None:
    if plan.build in ("cuda", "rocm") and not found["cuda"]:
        raise InputError(
            f"torch {found['torch']} sees no graphics card here; install the card's driver, choose other Pip Options, "
            "or choose the build Processor"
        )


def _put_in_place(unfinished: Path, folder: Path) -> None:
    """Rename it; one that was there gives way, and comes back if the renaming fails."""
    replaced = folder.with_name(folder.name + REPLACED)
    remove_folder(replaced)
    if folder.exists():
        os.replace(folder, replaced)
    try:
        os.replace(unfinished, folder)
    except OSError:
        if replaced.exists():
            os.replace(replaced, folder)
        raise
    remove_folder(replaced)


def folder_size(folder: Path) -> int:
    """Bytes of the files in a folder, as far as they are still there."""
    size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(path, name)).st_size
    return size


# -- removing it ------------------------------------------------------------------------------------------------------


def traces(folder: Path) -> list[Path]:
    """What there is of the environment of `folder`: it, one that is being made, and one that gave way."""
    return [
        path
        for path in (folder, *(folder.with_name(folder.name + suffix) for suffix in (UNFINISHED, REPLACED)))
        if path.exists()
    ]


def remove_environment(folder: Path) -> None:
    """Remove all traces of it. Raises InputError if something stays."""
    for path in traces(folder):
        remove_folder(path)
    if left := traces(folder):
        raise InputError(f"{left[0]} could not be removed whole; close what uses it, then remove it again")


def remove_folder(folder: Path) -> None:
    """Remove a folder as far as possible."""
    for _ in range(5):  # what was just ended may still hold files for a moment
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(POLL_S)


def description(found: dict[str, Any]) -> str:
    """One sentence about what check_interpreter() found."""
    learns = "the processor" if found["device"] == "cpu" else found["device"]
    others = ", ".join(found["devices"])
    return (
        f"torch {found['torch']} on Python {found['python']} learns on {learns}, {found['step_ms']:g} ms a step; "
        f"devices: {others}"
    )
