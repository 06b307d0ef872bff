# SPDX-License-Identifier: GPL-3.0-or-later
"""The house: packages are small, each says what is in it, and arrows between them go one way."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
STOREYS = ("ops", "addon_manifest", "aim_blender")
FILES = sorted(path for storey in STOREYS for path in (ROOT / storey).rglob("*.py"))
PACKAGES = sorted({path.parent for path in FILES})
MOST_MODULES, MOST_LINES = 15, 400
# What a part of the product may import of the others.
ALLOWED = {
    "aim_blender.core": (),
    "aim_blender.jobs": ("aim_blender.core",),
    "aim_blender.scene": ("aim_blender.core", "aim_blender.jobs"),
    "ops": ("aim_blender.core", "aim_blender.jobs", "aim_blender.scene"),
    "addon_manifest": ("aim_blender.core", "aim_blender.jobs", "aim_blender.scene", "ops"),
}
HEAVY = ("torch", "scipy", "trimesh", "roma", "safetensors", "robust_laplacian", "PIL")
OF_BLENDER = ("bpy", "bmesh", "mathutils", "gpu", "gpu_extras", "blf", "bpy_extras")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere, in full."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            of_package = [f"{module}.{alias.name}" for alias in node.names if f"{module}.{alias.name}" in MODULES]
            yield from of_package or [module]


def modules_of(package: Path) -> list[Path]:
    return sorted(path for path in package.glob("*.py") if path.name != "__init__.py")


IMPORTS = {name: sorted({each for each in imported(path) if each in MODULES}) for name, path in MODULES.items()}


def cycle_in(arrows: dict[str, set[str]]) -> list[str]:
    """A way that leads back to where it begins, or nothing."""
    finished: set[str] = set()

    def follow(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in finished:
            return []
        for other in sorted(arrows.get(name, ())):
            if found := follow(other, [*way, name]):
                return found
        finished.add(name)
        return []

    return next((found for name in sorted(arrows) if (found := follow(name, []))), [])


def test_a_cycle_is_seen():
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_no_module_leads_back_to_itself():
    assert not cycle_in({name: set(others) for name, others in IMPORTS.items()})


def test_arrows_between_packages_go_one_way():
    """Packages that hold others are asked for their parts, except for what their __init__ imports."""
    arrows: dict[str, set[str]] = {}
    for name, others in IMPORTS.items():
        own = name.rpartition(".")[0]
        if MODULES[name].name != "__init__.py":
            packages = {other.rpartition(".")[0] for other in others if MODULES[other].name != "__init__.py"}
            arrows.setdefault(own, set()).update(packages - {own})
    assert not cycle_in(arrows)


def test_packages_are_small():
    assert not [name_of(each) for each in PACKAGES if len(modules_of(each)) > MOST_MODULES]


def test_packages_of_the_core_say_what_is_in_them():
    silent = []
    for package in (each for each in PACKAGES if each.parent.name in ("core", "shared")):
        said = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
        silent += [name_of(each) for each in modules_of(package) if not re.search(rf"\b{each.stem}\b", said)]
    assert not silent


def test_files_are_short():
    assert not [name for name, path in MODULES.items() if path.read_text("utf-8").count("\n") > MOST_LINES]


def test_storeys_import_only_what_is_below_them():
    wrong = []
    for name, others in IMPORTS.items():
        storey = next((each for each in ALLOWED if name == each or name.startswith(f"{each}.")), None)
        for other in others:
            theirs = next((each for each in ALLOWED if other == each or other.startswith(f"{each}.")), None)
            if storey and theirs and theirs != storey and theirs not in ALLOWED[storey]:
                wrong.append((name, other))
    assert not wrong


def test_core_and_jobs_never_import_blender():
    wrong = [
        name
        for name, path in MODULES.items()
        if name.startswith(("aim_blender.core", "aim_blender.jobs"))
        and any(each.split(".")[0] in OF_BLENDER for each in imported(path))
    ]
    assert not wrong


def test_blenders_side_takes_only_what_is_shared_of_the_core():
    wrong = [
        (name, other)
        for name, others in IMPORTS.items()
        if name.startswith(("aim_blender.scene", "ops", "addon_manifest"))
        for other in others
        if other.startswith("aim_blender.core.") and not other.startswith("aim_blender.core.shared")
    ]
    assert not wrong


def test_what_is_shared_needs_numpy_alone():
    """Tried: every module is imported where nothing else can be."""
    shared = [name for name in MODULES if name.startswith("aim_blender.core.shared.")]
    code = (
        "import sys, importlib\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {HEAVY!r}:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        f"for name in {shared!r}: importlib.import_module(name)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    wrong = [
        (name, each)
        for name in shared
        for each in imported(MODULES[name])
        if each.split(".")[0] in HEAVY
        or (each.startswith("aim_blender.") and not each.startswith("aim_blender.core.shared"))
    ]
    assert not wrong
