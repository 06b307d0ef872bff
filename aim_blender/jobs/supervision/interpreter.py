# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python does the work: found by default, or chosen by the user, and tried before it is trusted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...core.shared.foundation.errors import InputError
from ..folders.sentences import one_line

OLDEST_PYTHON = (3, 11)
PACKAGES = (
    "torch",
    "roma",
    "safetensors",
    "trimesh",
    "embreex",
    "rtree",
    "scipy",
    "robust_laplacian",
    "tqdm",
    "matplotlib",
)
# Beside the extension's own folder, which an upgrade clears.
NEIGHBOUR = "aim_blender_environment"
PACKAGE_ROOT = Path(__file__).absolute().parents[3]  # the folder that holds the package aim_blender
WAITING_S = 0.2
MARK = "AIM-ENVIRONMENT "

# Also runs in Pythons too old for AIM, so that they can say how old they are. Its argument is the device to learn on.
CHECK_SCRIPT = f"""
import json, sys
found = dict(python=".".join(str(part) for part in sys.version_info[:3]), missing=[], damaged=[])
if sys.version_info >= {OLDEST_PYTHON!r}:
    import importlib
    for package in {PACKAGES!r}:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            found["missing"].append(error.name or package)
        except Exception as error:
            found["damaged"].append(package + ": " + str(error))
    torch = sys.modules.get("torch")
    if torch is not None and not found["damaged"]:
        found["torch"] = torch.__version__
        found["cuda"] = bool(torch.cuda.is_available())
        found["devices"] = ["cpu"]
        if found["cuda"]:
            found["devices"] += [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        if not found["missing"]:
            from aim_blender.core.shared.foundation.errors import InputError
            from aim_blender.core.learning.trial import try_learning
            try:
                found.update(try_learning(sys.argv[1]))
            except InputError as error:
                found["refused"] = str(error)
sys.stdout.write("\\n{MARK}" + json.dumps(found) + "\\n")
"""


class InterpreterError(InputError):
    """No interpreter can do the work. Its text is the one sentence shown to the user."""


def worker_environment(root: Path | None = None) -> dict[str, str]:
    """The environment variables of a worker: this process's, without what Blender sets for its own Python.

    root: the folder that holds the package `aim_blender`, for the worker to import it from.
    """
    unwanted = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment["PYTHONUTF8"] = "1"
    environment["PYTHONUNBUFFERED"] = "1"
    # Threads that spin while they wait take the time of Blender's own threads: 148 against 72 ms a learning step.
    environment["OMP_WAIT_POLICY"] = "passive"
    if root is not None:
        environment["PYTHONPATH"] = str(root)
    return environment


def window_options() -> dict[str, Any]:
    """Options of subprocess that keep a console window from opening on Windows."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {}


def start_worker(interpreter: str | Path, words: Sequence[str], output: Any, errors: Any) -> subprocess.Popen[bytes]:
    """Start `python -m aim_blender WORDS`, to which this process holds a pipe. output, errors: as subprocess has them.

    Raises OSError if it cannot be started.
    """
    options = window_options()
    if sys.platform != "win32":
        options["start_new_session"] = True  # Ctrl-C in a terminal is this process's to handle, not the worker's
    return subprocess.Popen(
        [str(interpreter), "-m", "aim_blender", *words],
        cwd=PACKAGE_ROOT,
        env=worker_environment(PACKAGE_ROOT),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
        **options,
    )


def python_of(environment: Path) -> Path | None:
    """The interpreter of an environment's folder (made by venv, uv or conda), None if there is none."""
    for inside in ("bin/python3", "bin/python", "Scripts/python.exe", "python.exe"):
        if (environment / inside).is_file():
            return environment / inside
    return None


def _has_torch(environment: Path) -> bool:
    return any(environment.glob("lib/python3*/site-packages/torch/__init__.py")) or (
        (environment / "Lib/site-packages/torch/__init__.py").is_file()
    )


def default_environments(extension_folder: Path, user_folder: Path | None) -> list[Path]:
    """The folders in which an environment is looked for, best first, existing or not."""
    folders = [] if user_folder is None else [user_folder / "environment"]
    folders.append(extension_folder.parent / NEIGHBOUR)
    made_by_build = list((extension_folder / ".env").glob("worker-py3.*"))
    made_by_build.sort(key=lambda folder: [int(digits) for digits in re.findall(r"\d+", folder.name)], reverse=True)
    return folders + made_by_build


def find_interpreter(chosen: str | None, extension_folder: Path, user_folder: Path | None = None) -> Path:
    """The interpreter to work with; it is looked for, not run.

    chosen: what the user entered, an interpreter or the folder of an environment; nothing else is tried then.
    extension_folder: the folder that holds blender_manifest.toml and aim_blender.
    user_folder: the extension's own folder for the user's files.

    Raises InterpreterError if the chosen one does not exist, or none was chosen and no default one has torch.
    """
    if chosen and chosen.strip():
        path = Path(chosen.strip()).expanduser()
        python = python_of(path) if path.is_dir() else path
        if python is None:
            raise InterpreterError(f"there is no Python in the folder {path}; choose the interpreter itself")
        if not python.exists():
            raise InterpreterError(f"the interpreter {python} does not exist; choose a Python that has torch")
        # Not resolved: a virtual environment's python is a link, and followed it would lose its packages.
        return Path(os.path.abspath(python))
    folders = default_environments(extension_folder, user_folder)
    for folder in folders:
        python = python_of(folder)
        if python is not None and _has_torch(folder):
            return Path(os.path.abspath(python))
    looked = ", ".join(str(folder) for folder in folders)
    raise InterpreterError(
        f"no Python with torch was found (looked in {looked}); choose an interpreter in the add-on's preferences, "
        "or install the environment there"
    )


def check_interpreter(
    interpreter: str | Path,
    device: str = "auto",
    timeout_s: float = 300.0,
    waiting: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Run the interpreter once: let it learn for a moment, and say what it has.

    device: auto, cpu or cuda. waiting: called several times a second; what it raises ends the try.
    Returns python and torch (versions), devices (names, first "cpu"), cuda, and of the moment of learning device, the
    name of what learned, and step_ms, the milliseconds a step took.

    It takes seconds, because torch is really imported: call it from a thread where a window must not freeze.
    Raises InterpreterError with one sentence if the interpreter cannot do the work.
    """
    path = Path(interpreter)
    if not path.exists():
        raise InterpreterError(f"the interpreter {path} does not exist; choose a Python that has torch")
    if path.is_dir():
        raise InterpreterError(f"{path} is a folder; choose the Python interpreter itself")
    if not os.access(path, os.X_OK):
        raise InterpreterError(f"{path} is not executable; choose a Python interpreter")
    no_python = InterpreterError(f"{path} is not a Python interpreter; choose a Python that has torch")
    try:
        code, output, errors = _run([str(path), "-c", CHECK_SCRIPT, device], timeout_s, waiting)
    except subprocess.TimeoutExpired:
        raise InterpreterError(f"{path} gave no answer for {timeout_s:g} s; choose a Python that has torch") from None
    except OSError as error:
        raise no_python from error
    answers = [line for line in output.splitlines() if line.startswith(MARK)]
    if not answers:
        if "Traceback" in errors or "Fatal Python error" in errors:
            raise InterpreterError(f"the Python {path} is damaged: {one_line(errors.strip().splitlines()[-1])}")
        if code < 0:
            raise InterpreterError(f"{path} was ended by signal {-code} while importing torch; choose another Python")
        raise no_python
    return _judged(path, json.loads(answers[-1][len(MARK) :]))


def _run(command: list[str], timeout_s: float, waiting: Callable[[], None] | None) -> tuple[int, str, str]:
    """The exit status, standard output and standard error of a command. Raises TimeoutExpired, OSError."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=worker_environment(PACKAGE_ROOT),
        encoding="utf-8",
        errors="replace",
        **window_options(),
    )
    latest = time.monotonic() + timeout_s
    with process:
        try:
            while True:
                try:
                    output, errors = process.communicate(timeout=min(WAITING_S, timeout_s))
                    return process.returncode, output, errors
                except subprocess.TimeoutExpired:
                    if time.monotonic() > latest:
                        raise
                if waiting is not None:
                    waiting()
        except BaseException:
            process.kill()
            raise


def _judged(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    oldest = ".".join(map(str, OLDEST_PYTHON))
    if tuple(map(int, found["python"].split(".")[:2])) < OLDEST_PYTHON:
        raise InterpreterError(f"{path} is Python {found['python']}; choose Python {oldest} or newer")
    if found["missing"]:
        names = ", ".join(dict.fromkeys(found["missing"]))
        raise InterpreterError(f"the Python {path} lacks {names}; install them or choose another interpreter")
    if found["damaged"]:
        raise InterpreterError(f"the Python {path} cannot import {one_line(found['damaged'][0])}")
    if "refused" in found:
        raise InterpreterError(f"the Python {path} cannot learn: {one_line(found['refused'])}")
    return {name: found[name] for name in ("python", "torch", "devices", "cuda", "device", "step_ms")}
