# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame at a time: as a whole fit has it, by handles, and through a worker that stays up."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aim_blender.core.files.files import save_actor
from aim_blender.core.fitting.fitting_cache import cache_beside, load_prepared
from aim_blender.core.fitting.fitting_session import FittingSession
from aim_blender.core.live.live import LiveFit
from aim_blender.core.live.live_correction import LiveCorrection
from aim_blender.core.live.live_retargeting import LiveRetarget
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.results.takes import fading
from aim_blender.core.shared.settings.fitting_settings import FittingSettings
from aim_blender.core.shared.settings.retarget_settings import RetargetSettings
from aim_blender.jobs.live.live_messages import MessageError, read_message, write_message
from tests.core.conftest import EVERY

ROOT = Path(__file__).parents[2]
SETTINGS = FittingSettings(modes=20, device="cpu")


@pytest.fixture(scope="module")
def live(demo_learned) -> LiveFit:
    return LiveFit(demo_learned, SETTINGS)


def test_a_mesh_is_fitted_as_in_a_take(live, demo_learned, demo_frames, demo_take):
    wanted = evaluate_take(demo_learned, demo_take)["vertices"]
    for frame in (1, 5):
        found = live.mesh(demo_frames.vertices[frame])
        assert np.abs(found.vertices - wanted[frame]).max() < 2e-3
        assert found.head == pytest.approx(demo_take.head[frame], abs=1e-9)
        assert found.mean_mm == pytest.approx(demo_take.error_mm[frame, 0], abs=1e-4)


def test_a_shape_has_its_weight(live, demo, demo_learned):
    smile = demo_learned.names.index("smile")
    found = live.mesh(demo.shapes[1 + smile], head="still")
    assert found.weights.argmax() == smile
    assert found.weights[smile] > 0.6  # the rest is other shapes that smile too
    assert found.mean_mm < 0.05


def test_handles_draw_the_face_after_them(live, demo, demo_learned):
    smile = demo.shapes[1 + demo_learned.names.index("smile")]
    moved = np.linalg.norm(smile - demo_learned.neutral, axis=1)
    vertices = np.argsort(-moved)[:200:20]
    found = live.handles(vertices, smile[vertices])
    assert np.linalg.norm(found.vertices[vertices] - smile[vertices], axis=1).mean() < 0.25 * moved[vertices].mean()
    rest = live.handles(vertices, demo_learned.neutral[vertices])
    assert rest.vertices == pytest.approx(demo_learned.neutral, abs=1e-3)
    some = smile[vertices].copy()
    some[3] = np.nan
    assert live.handles(vertices, some).worst_mm < 3.0


def test_wrong_requests_are_refused(live, demo_learned):
    neutral = demo_learned.neutral
    with pytest.raises(InputError, match="has 100 vertices but the actor's has 8760"):
        live.mesh(neutral[:100])
    with pytest.raises(InputError, match="names vertex 9000"):
        live.handles(np.array([9000]), neutral[:1])
    with pytest.raises(InputError, match="1 to 500 handles"):
        live.handles(np.array([], dtype=int), np.zeros((0, 3)))
    with pytest.raises(InputError, match="'loose'; it must be free or still"):
        live.mesh(neutral, head="loose")


def test_a_retargeted_frame_is_as_in_a_whole_retarget(demo_learned, demo_take):
    """What brings lips together asks which point is closest, and is as near as that lets it."""
    live = LiveRetarget(demo_take, demo_learned, demo_learned)
    strong = np.linspace(0, 1, len(demo_learned.neutral))
    for settings, near in (
        (RetargetSettings(neutral_frame=int(demo_take.frames[2]), contact=0.0), 1e-2),
        (RetargetSettings(0.7, 0.5, head=False, region_strength=strong, contact=0.0), 1e-2),
        (RetargetSettings(), 0.3),
    ):
        wanted = evaluate_take(demo_learned, retarget_take(demo_take, demo_learned, demo_learned, settings))["vertices"]
        for index in (3, 7):
            found = live.frame(int(demo_take.frames[index]) + 1, settings)  # the nearest that there is
            assert found.frame == demo_take.frames[index]
            assert np.abs(found.vertices - wanted[index]).max() < near
    assert live.ready_for(RetargetSettings(strength=0.1))
    few = RetargetSettings(pairs={"smile": "smile"})
    assert not live.ready_for(few)
    assert np.abs(live.frame(1, few).vertices - wanted[0]).max() > 0


def test_handles_correct_a_frame_of_a_take(live, demo_learned, demo_take):
    correction, number = LiveCorrection(live, demo_take), int(demo_take.frames[4])
    before = evaluate_take(demo_learned, demo_take)["vertices"]
    rest = correction.frame(number, np.zeros(0, dtype=int), np.zeros((0, 3)))
    assert np.abs(rest.vertices - before[4]).max() < 1e-4
    smile = demo_learned.shapes()[1 + demo_learned.names.index("smile")] - demo_learned.neutral
    corner = int(np.linalg.norm(smile, axis=1).argmax())
    pulled = before[4, [corner]] + 0.5 * smile[corner] @ demo_take.head[4, :3, :3].T
    shaped = correction.frame(number, np.array([corner]), pulled.astype(np.float64))
    assert np.linalg.norm(shaped.vertices[corner] - pulled) < 0.2 * np.linalg.norm(pulled - before[4, corner])
    kept, (at_first, at_last) = correction.kept(shaped, blend=EVERY)
    after = evaluate_take(demo_learned, kept)["vertices"]
    assert np.abs(after[4] - shaped.vertices).max() < 1e-3
    assert kept.modes.shape == demo_take.modes.shape  # the fit's own, so that nothing grows
    assert kept.settings["corrections"] == [{"frame": number, "blend": EVERY}]
    share = fading(demo_take.frames, number, EVERY)
    moved = np.linalg.norm(after - before, axis=-1).max(1)
    assert np.array_equal(moved > 0, share > 0)
    assert 0 < share[3] < 0.1
    assert moved[3] < 0.2 * moved[4]
    assert np.linalg.norm((at_last - at_first)[corner]) == pytest.approx(
        np.linalg.norm(shaped.vertices[corner] - before[4, corner]), rel=0.1
    )
    with pytest.raises(InputError, match=f"has no frame {number + 1}"):
        correction.frame(number + 1, np.zeros(0, dtype=int), np.zeros((0, 3)))


# -- what is kept beside the actor ------------------------------------------------------------------------------------


def test_a_kept_factor_gives_the_same_fit(demo_learned, demo_frames, tmp_path):
    path = tmp_path / "A.fitting.safetensors"
    still = demo_frames.vertices[:2].astype(np.float64)
    first = FittingSession(demo_learned, SETTINGS, path)
    assert path.exists()
    second = FittingSession(demo_learned, SETTINGS, path)
    results = [session.solve(still, session.jaw(still)).coefficients for session in (first, second)]
    assert np.array_equal(results[0], results[1])
    assert load_prepared(path, demo_learned, SETTINGS) is not None
    assert load_prepared(path, demo_learned, FittingSettings(modes=21)) is None
    assert load_prepared(path, demo_learned, FittingSettings(modes=20, ridge=0.1)) is None
    assert cache_beside(Path("x/B.actor.safetensors")) == Path("x/B.fitting.safetensors")


def test_a_damaged_factor_is_computed_again(demo_learned, tmp_path):
    path = tmp_path / "A.fitting.safetensors"
    FittingSession(demo_learned, SETTINGS, path)
    good = path.read_bytes()
    for bad in (b"", good[:1000], good[:-4000] + bytes(4000), b"nonsense" * 100):
        path.write_bytes(bad)
        assert load_prepared(path, demo_learned, SETTINGS) is None
    FittingSession(demo_learned, SETTINGS, path)
    assert path.read_bytes() == good
    FittingSession(demo_learned, SETTINGS, tmp_path / "no folder" / "A.fitting.safetensors")  # and goes on


# -- messages and the worker ------------------------------------------------------------------------------------------


def test_messages_are_read_as_they_were_written():
    stream = io.BytesIO()
    write_message(stream, {"id": 1, "name": "é"}, b"1234")
    write_message(stream, {"id": 2})
    stream.seek(0)
    assert read_message(stream) == ({"id": 1, "name": "é"}, b"1234")
    assert read_message(stream) == ({"id": 2}, b"")
    assert read_message(stream) is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"hello there, worker", "does not start like a message"),
        (b"abc", "does not start like a message"),
        (b"\x02\0\0\0\x05\0\0\0{}abc", "breaks off"),
        (b"\x02\0\0\0\0\0\0\0[]", "not an object"),
        (b"\x02\0\0\0\0\0\0\0{!", "cannot be read"),
    ],
)
def test_what_is_no_message_is_said(data, said):
    with pytest.raises(MessageError, match=said):
        read_message(io.BytesIO(data))


def test_worker_answers_until_its_input_ends(demo_learned, demo_frames, live, tmp_path):
    save_actor(demo_learned, tmp_path / "A.actor.safetensors")
    worker = subprocess.Popen(
        [sys.executable, "-m", "aim_blender", "live", tmp_path / "A.actor.safetensors", "--modes", "20"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    def answered():
        while "message" in (found := read_message(worker.stdout))[0]:
            pass
        return found

    ready, _ = answered()
    assert ready["points"] == 8760
    assert ready["expressions"] == list(demo_learned.names)
    frame = demo_frames.vertices[5]
    write_message(worker.stdin, {"id": 1, "kind": "mesh"}, frame.astype("<f4").tobytes())
    header, payload = answered()
    assert header["id"] == 1
    found = np.frombuffer(payload, "<f4").reshape(-1, 3)
    assert np.abs(found - live.mesh(frame).vertices).max() < 2e-3
    write_message(worker.stdin, {"id": 2, "kind": "mesh"}, frame[:7].astype("<f4").tobytes())
    assert "has 7 vertices" in answered()[0]["error"]
    write_message(worker.stdin, {"id": 2, "kind": "keep", "take": "gone", "frame": 1, "blend": 0, "out": "x"})
    assert "gone" in answered()[0]["error"]
    for number in range(3, 9):
        handle = frame[40:41] + number
        write_message(worker.stdin, {"id": number, "kind": "handles", "vertices": [40]}, handle.astype("<f4").tobytes())
    answers = [answered()[0] for _ in range(6)]
    assert [answer["id"] for answer in answers] == [*range(3, 9)]
    assert "mean_mm" in answers[-1]
    assert all("mean_mm" in answer or answer["skipped"] for answer in answers)
    worker.stdin.close()
    assert read_message(worker.stdout) is None
    assert worker.wait(30) == 0
    worker.stdout.close()
