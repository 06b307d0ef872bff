# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension repository: what Blender is told about the zip, and that it installs from there."""

from __future__ import annotations

import hashlib
import json
import tomllib
import zipfile
from pathlib import Path

import pytest
from conftest import Inside

from building import repository as repositories
from building.basics import BuildError


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, zip_file: Path) -> Path:
    """A repository of the built zip, in a folder whose name has blanks and other scripts in it."""
    folder = tmp_path_factory.mktemp("repository") / "Zoë 顔"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repositories, "build_zip", lambda: zip_file)
        repositories.build_repository(folder)
    return folder


def test_the_index_is_about_the_zip(repository: Path, zip_file: Path) -> None:
    (entry,) = json.loads((repository / "index.json").read_text())["data"]
    archive = repository / entry["archive_url"]
    content = archive.read_bytes()
    assert content == zip_file.read_bytes()
    assert entry["archive_size"] == len(content)
    assert entry["archive_hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    with zipfile.ZipFile(archive) as opened:
        manifest = tomllib.loads(opened.read("blender_manifest.toml").decode())
    for name in ("id", "version", "name", "tagline", "permissions", "blender_version_min"):
        assert entry[name] == manifest[name]
    assert archive.name in (repository / "index.html").read_text()
    assert sorted(path.name for path in repository.iterdir()) == [
        "aim_blender-" + manifest["version"] + ".zip",
        "index.html",
        "index.json",
    ]


def test_blender_installs_from_it(inside: Inside, repository: Path) -> None:
    found = inside("from_repository", address=(repository / "index.json").as_uri())
    assert found["done"] == ["FINISHED", "FINISHED"]
    assert found["addons"] == ["bl_ext.studio.aim_blender"]
    assert "actor_learn" in found["operators"]


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(BuildError, match=r"holds holiday\.jpg"):
        repositories.build_repository(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]
