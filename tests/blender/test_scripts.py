# SPDX-License-Identifier: GPL-3.0-or-later
"""The headless examples, each run as a process of its own under bpy, as their texts say."""

import subprocess
import sys
from pathlib import Path

import bpy
import headless
import numpy as np
import pytest
from scenes import add_capture

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def run_script(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def write_meshes(folder: Path, count: int) -> Path:
    """A folder of OBJ files in millimetres: the neutral and expressions."""
    folder.mkdir()
    for item in add_capture(count, units_per_millimetre=1.0):
        vertices = [vertex.co for vertex in item.data.vertices]
        lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices]
        lines += ["f " + " ".join(str(vertex + 1) for vertex in face.vertices) for face in item.data.polygons]
        (folder / f"{item.name}.obj").write_text("\n".join(lines) + "\n")
    return folder


def test_imported_meshes_keep_their_vertex_order(scene, tmp_path):
    folder = write_meshes(tmp_path / "capture", 2)
    originals = {item.name: [vertex.co[:] for vertex in item.data.vertices] for item in bpy.data.objects}
    for name, wanted in originals.items():
        found = headless.import_mesh(folder / f"{name}.obj")
        assert np.abs(np.array([vertex.co[:] for vertex in found.data.vertices]) - wanted).max() < 1e-4
        assert found.matrix_world.is_identity


def test_learn_then_fit(scene, tmp_path, worker):
    capture = write_meshes(tmp_path / "capture", 3)
    learned = run_script("learn.py", capture, "--save", tmp_path / "a.blend", "--iterations", "40", "--device", "cpu")
    assert learned.returncode == 0, learned.stderr
    assert "learned capture" in learned.stdout
    fitted = run_script("fit.py", "--blend", tmp_path / "a.blend", "--folder", capture, "--save", tmp_path / "b.blend")
    assert fitted.returncode == 0, fitted.stderr
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "b.blend"))
    take = bpy.context.scene.aim.takes[0]
    assert (take.frame_start, take.frame_end) == (1, 3)  # the neutral beside the numbered files is no frame
    assert any(item.type == "ARMATURE" for item in take.collection.objects)


def test_pipeline(scene, tmp_path, worker):
    capture = write_meshes(tmp_path / "capture", 3)
    saved = tmp_path / "shot.blend"
    source: list[str | Path] = ["--capture", capture, "--performance", capture]
    done = run_script("pipeline.py", *source, "--iterations", "20", "--save", saved)
    assert done.returncode == 0, done.stderr
    assert '"correctives"' in done.stdout
    bpy.ops.wm.open_mainfile(filepath=str(saved))
    assert len(bpy.context.scene.aim.takes) == 1


def test_anatomy_sheet(learned, tmp_path):
    done = run_script("anatomy.py", "--blend", learned / "learned.blend", "--sheet", tmp_path / "inside.png")
    assert done.returncode == 0, done.stderr
    assert bpy.data.images.load(str(tmp_path / "inside.png")).size[0] > 800
    saved = write_meshes(tmp_path / "capture", 2)
    done = run_script("anatomy.py", "--capture", saved, "--sheet", tmp_path / "nothing.png")
    assert done.returncode == 1
    assert "Learn the actor first" in done.stderr


@pytest.mark.parametrize(
    ("script", "arguments", "sentence"),
    [
        ("learn.py", ["NOWHERE"], "holds no .obj or .ply files"),
        ("fit.py", ["--object", "nobody"], "Make an actor first"),
        ("pipeline.py", ["--demo", "--interpreter", "NOWHERE"], "does not exist"),
    ],
)
def test_failing_loudly(tmp_path, script, arguments, sentence):
    given = [str(tmp_path / "nowhere") if each == "NOWHERE" else each for each in arguments]
    done = run_script(script, *given)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
