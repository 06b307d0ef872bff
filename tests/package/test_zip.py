# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the zip, and what is not."""

from __future__ import annotations

import ast
import re
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LARGEST_BYTES = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def contents(zip_file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(zip_file) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def test_it_is_small(zip_file: Path) -> None:
    assert zip_file.stat().st_size < LARGEST_BYTES


def test_it_holds_the_extension_and_nothing_else(contents: dict[str, bytes]) -> None:
    allowed = re.compile(
        r"(__init__\.py|blender_manifest\.toml|LICENSE|requirements/(worker|video)\.txt|(aim_blender|addon_manifest|ops)/.+\.py"
        r"|aim_blender/template_bones/((skull|mandible)\.ply|(LICENSE|NOTICE)\.txt))"
    )
    assert not [name for name in contents if not allowed.fullmatch(name)]
    assert not [name for name in contents if "__pycache__" in name or "test" in name]
    for name in ("__init__.py", "blender_manifest.toml", "LICENSE", "aim_blender/__main__.py"):
        assert name in contents


def test_the_template_bones_are_in_it_with_their_licence(contents: dict[str, bytes]) -> None:
    for name in ("skull", "mandible"):
        assert len(contents[f"aim_blender/template_bones/{name}.ply"]) > 20_000
    assert b"Apache License" in contents["aim_blender/template_bones/LICENSE.txt"]
    notice = contents["aim_blender/template_bones/NOTICE.txt"].decode()
    assert "MyoSuite 2.2.0" in notice
    assert "Changed by" in notice


def test_every_source_file_is_in_it(contents: dict[str, bytes]) -> None:
    for folder in ("aim_blender", "addon_manifest", "ops"):
        for path in (ROOT / folder).rglob("*.py"):
            assert path.relative_to(ROOT).as_posix() in contents


def test_the_licence_is_the_whole_gpl(contents: dict[str, bytes]) -> None:
    text = contents["LICENSE"].decode()
    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert "Version 3, 29 June 2007" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_manifest_names_the_zip(contents: dict[str, bytes], zip_file: Path) -> None:
    manifest = tomllib.loads(contents["blender_manifest.toml"].decode())
    assert manifest["id"] == "aim_blender"
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert zip_file.name == f"aim_blender-{manifest['version']}.zip"
    assert len(manifest["tagline"]) <= 64
    assert all(len(reason) <= 64 for reason in manifest.get("permissions", {}).values())


def test_every_import_within_the_extension_is_in_the_zip(contents: dict[str, bytes]) -> None:
    """A module left out of the zip is only missed when somebody presses the button that needs it."""
    missing = []
    for name, text in contents.items():
        if name.endswith(".py"):
            package = name.split("/")[:-1]
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom) and node.level:
                    base = package[: len(package) - node.level + 1] + (node.module or "").split(".")
                    path = "/".join(part for part in base if part)
                    if not ({f"{path}.py", f"{path}/__init__.py"} & contents.keys()) and path:
                        missing.append(f"{name}: {path}")
    assert not missing


def test_blenders_side_imports_no_heavy_package(contents: dict[str, bytes]) -> None:
    """Nothing that Blender's process runs imports them at any place, not only at its top."""
    heavy = {"torch", "scipy", "trimesh", "roma", "safetensors", "robust_laplacian"}
    for name, text in contents.items():
        if name.startswith(("ops/", "addon_manifest/", "aim_blender/scene/")) or name == "__init__.py":
            for node in ast.walk(ast.parse(text)):
                modules = []
                if isinstance(node, ast.Import):
                    modules = [each.name for each in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    modules = [node.module or ""]
                assert not heavy & {module.split(".")[0] for module in modules}, name


def test_no_file_names_this_machine_or_a_package_index(contents: dict[str, bytes]) -> None:
    for name, text in contents.items():
        if name != "LICENSE":
            assert str(ROOT).encode() not in text, name
            assert b"/root/" not in text, name
            assert not re.search(rb"pypi|download\.pytorch", text), name
