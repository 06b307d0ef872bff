# SPDX-License-Identifier: GPL-3.0-or-later
"""Videos: movies of the demo head, made by the test, looked at by the real detector, and fitted."""

import json
import struct
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from aim_blender.core.files.files import load_take, save_actor
from aim_blender.core.shared.foundation.errors import Cancelled, InputError
from aim_blender.core.shared.settings.video_settings import INSTALLED_MODEL
from aim_blender.core.shared.sources.sources import recognised
from aim_blender.core.timing.timeline import Timeline
from aim_blender.core.video import video_source
from aim_blender.core.video.answers import Answers
from aim_blender.core.video.detection import Follower, see_faces
from aim_blender.core.video.face_detector import LEFT_EYE, RIGHT_EYE, FaceDetector
from aim_blender.core.video.kept_faces import KeptFaces
from aim_blender.core.video.movies import Movie
from aim_blender.core.video.seen_faces import SeenFaces, check_seen, numbers, steady
from aim_blender.core.video.skin_following import Filmed, Followed, _chosen, follow_skin
from aim_blender.core.video.video_notes import notes_of
from aim_blender.core.video.video_source import model_file
from aim_blender.jobs.tasks.fitting import fit
from tests.core.movies_made import SIZE, camera_before, photograph, write_movie

MODEL = Path(sys.prefix) / INSTALLED_MODEL
OPENING = (0, 0, 0, 0.3, 1, 1, 0.3, 0)  # of the jaw, frame by frame


@pytest.fixture(scope="session")
def detector() -> FaceDetector:
    if not MODEL.is_file():
        pytest.skip("the face model is not here; python build.py environments fetches it")
    return FaceDetector(MODEL)


@pytest.fixture(scope="module")
def rest(demo) -> np.ndarray:
    return photograph(demo, demo.neutral, np.eye(4), camera_before())


@pytest.fixture(scope="module")
def speaking(demo, tmp_path_factory) -> Path:
    """A movie in which the jaw opens and closes."""
    moved = demo.shapes[demo.names.index("jaw_open")] - demo.neutral
    pictures = [photograph(demo, demo.neutral + share * moved, np.eye(4), camera_before()) for share in OPENING]
    return write_movie(tmp_path_factory.mktemp("movies") / "speaking.mp4", pictures)


def silent(_) -> None:
    pass


def test_a_video_becomes_a_take_and_is_looked_at_once(demo_learned, detector, speaking, tmp_path):
    actor = tmp_path / "A.actor.safetensors"
    save_actor(demo_learned, actor)
    told: list[dict] = []
    out = str(tmp_path / "T.take.safetensors")
    arguments: dict[str, object] = {"actor": str(actor), "performance": str(speaking), "out": out, "temporal": 0.0}
    arguments["renders"] = 128
    figures = fit(arguments, told.append, None)
    take = load_take(tmp_path / "T.take.safetensors")
    assert take.frames.tolist() == list(range(1, len(OPENING) + 1))
    assert take.fps == pytest.approx(24.0)
    json.dumps(figures)
    looked = [each for each in told if each["message"] == "Finding the face"]
    assert [each["done"] for each in looked] == list(range(len(OPENING)))
    assert {each["total"] for each in looked} == {len(OPENING)}
    turned = np.degrees(np.arccos(((np.trace(take.jaw[:, :3, :3], axis1=1, axis2=2) - 1) / 2).clip(-1, 1)))
    assert np.corrcoef(turned, OPENING)[0, 1] > 0.9
    assert turned.max() > 2.5  # of 20 degrees
    rested = np.flatnonzero(take.frames == figures.get("rest_frame", 1))[0]
    assert np.allclose(take.head[rested], np.eye(4), atol=1e-5)
    assert np.abs(take.head[:, :3, 3]).max() < 40.0
    for picture in ("sheet", "face", "jaw", "error"):
        assert (tmp_path / f"T.{picture}.png").stat().st_size > 5000
    told.clear()
    with pytest.raises(InputError, match="none of which lies in the range"):
        fit({**arguments, "take_fps": 12.0, "start": 7}, told.append, None)
    assert not any(each["message"] == "Finding the face" for each in told)


def test_containers_tell_and_names_do_not(rest, tmp_path):
    for name in ("a.mp4", "a.mov", "a.mkv", "a.avi"):
        written = write_movie(tmp_path / name, [rest] * 2)
        found = recognised(written.rename(tmp_path / f"no_suffix_{name[-3:]}"))
        assert found is not None
        assert found.name == "video"
    assert video_source.describe_file(tmp_path / "no_suffix_mp4") == {
        "kind": "video", "frames": 2, "fps": 24.0, "width": SIZE[0], "height": SIZE[1],
    }  # fmt: skip
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    assert recognised(tmp_path / "a.mp4") is None


def test_what_was_begun_goes_on_where_it_was(detector, speaking, tmp_path):
    kept = KeptFaces(tmp_path / "A.actor.safetensors", speaking, MODEL)

    def stopping(told: dict) -> None:
        if told["done"] == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        see_faces(Movie(speaking), detector, stopping, None, lambda seen: kept.write(seen, whole=False))
    begun, whole = kept.read()
    assert (len(begun.times), whole) == (5, False)
    marked = replace(begun, landmarks=begun.landmarks + 1000.0)  # which nobody could see anew
    seen = see_faces(Movie(speaking), detector, silent, marked)
    assert len(seen.times) == len(OPENING)
    assert np.array_equal(seen.landmarks[:5], marked.landmarks)
    assert seen.landmarks[5:].max() < 1000.0
    kept.path.write_bytes(kept.path.read_bytes()[:2000])
    assert kept.read() is None


def test_a_rotation_flag_turns_it_upright(demo, detector, tmp_path):
    """As phones write it: the picture lies on its side, and the file says how it is to be turned."""
    upright = photograph(demo, demo.neutral, np.eye(4), camera_before(size=(240, 320)))
    movie = write_movie(tmp_path / "phone.mp4", [np.rot90(upright)] * 2)
    content = bytearray(movie.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # the track's matrix
    one = 1 << 16
    content[at : at + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 240 << 16, 0, 1 << 30)
    movie.write_bytes(content)
    found = Movie(movie)
    assert found.size == (240, 320)
    face = detector.found(next(found.frames())[1])
    brow, chin = face.landmarks[10, :2], face.landmarks[152, :2]
    assert chin[1] - brow[1] > 5 * abs(chin[0] - brow[0])


def test_a_mirrored_picture_has_the_same_landmarks(detector, rest):
    face = detector.found(rest)
    crop = face.next_crop()
    mirrored = detector.landmarks(rest, crop, mirrored=True)
    off = np.linalg.norm(mirrored.landmarks - detector.landmarks(rest, crop).landmarks, axis=1)
    assert 0.0 < np.median(off) < 0.02 * crop.side


def test_nothing_is_smoothed_or_filled_in_over_a_cut(demo_learned):
    frames, cuts, missing = np.arange(1, 11), np.arange(10) == 5, np.isin(np.arange(10), [4, 5, 8])
    step = np.where(np.arange(10) < 5, 0.2, 0.8)
    curve = np.where(missing, np.nan, step)[:, None, None]
    head = np.tile(np.eye(4), (10, 1, 1))
    head[:, 0, 3] = 100 * step
    head[missing] = np.nan
    timeline = Timeline(demo_learned, frames, missing, 4.0, cuts)
    assert np.allclose(timeline.settled_weights(curve)[:, 0, 0], step)
    moved, _ = timeline.settled_motions(head, np.tile(np.eye(4), (10, 1, 1)))
    assert np.allclose(moved[:, 0, 3], 100 * step)


def test_the_skin_is_followed_nearer_to_what_was_done(demo, demo_learned, tmp_path):
    actor, camera, rng = demo_learned, camera_before(), np.random.default_rng(2)
    count, shapes = 16, len(actor.names)
    weights = np.zeros((count, shapes))
    weights[:, actor.names.index("smile")] = np.abs(np.sin(np.arange(count)))
    true = np.concatenate([weights, weights, np.zeros((count, 6))], axis=1)
    freckled = replace(demo, skin_colours=rng.uniform(0.2, 1.0, demo.skin_colours.shape))
    skins = actor.neutral + np.einsum("fn,vnx->fvx", weights, actor.expressions)
    pictures = [photograph(freckled, skin, np.eye(4), camera) for skin in skins]
    movie = Movie(write_movie(tmp_path / "freckles.mp4", pictures))
    marks = np.zeros((478, 3))
    front = camera.project(actor.neutral[_chosen(actor, np.zeros(true.shape[1]))[0]])
    marks[:, :2] = front[np.linspace(0, len(front) - 1, 478).astype(int)]
    marks[[RIGHT_EYE, LEFT_EYE], :2] = np.array([[-20.0, 0.0], [20.0, 0.0]]) + front.mean(0)
    times = np.arange(count) / 24
    seen = seen_of(times, landmarks=np.tile(marks, (count, 1, 1)))
    doubted = np.full(true.shape[1], 1e-3)
    doubted[: 2 * shapes] = 0.2
    noisy = true + doubted * rng.normal(size=true.shape)
    noisy[:, : 2 * shapes] = noisy[:, : 2 * shapes].clip(0, 1)
    told = Followed(noisy, np.tile(camera.world_to_camera, (count, 1, 1)))
    answers = unsure(np.diag(doubted**2), actor.names.index("eyes_closed"))
    found = follow_skin(actor, Filmed(movie, times), seen, camera, told, answers, lambda *_: None)

    def off(targets: np.ndarray) -> float:
        missing = (targets - true)[:, :shapes]
        missing = missing - missing.mean(0)  # which no colour tells
        return float(np.linalg.norm(np.einsum("fn,vnx->fvx", missing, actor.expressions), axis=2).mean())

    assert off(found.targets) < 0.75 * off(noisy)
    assert (
        np.abs((found.targets - noisy) @ answers.lid_gaps().T).max() < 0.5
    )  # mm: lids fold, what they bare is no skin
    few = seen.only(np.arange(5))
    assert follow_skin(actor, Filmed(movie, times), few, camera, told, answers, lambda *_: None) is None


def unsure(spread: np.ndarray, closing: int) -> Answers:
    """Of a detector that sees one shape close the lids by 10 mm, and nothing else."""
    responses = np.zeros((len(spread), 478, 3))
    responses[closing, (160, 159, 158, 385, 386, 387), 1] = 10.0
    nothing = {each.name: np.zeros((0, 0)) for each in fields(Answers)}
    return Answers(**{**nothing, "responses": responses.reshape(len(spread), -1), "spread": spread})


def test_small_faces_are_found_where_there_are_no_large_ones(detector, rest):
    small = rest[::2, ::2]
    picture = np.full((480, 480, 3), 90, dtype=np.uint8)
    picture[100 : 100 + small.shape[0], 250 : 250 + small.shape[1]] = small
    assert not detector.faces(picture)
    (score, crop), *_ = detector.faces(picture, small=True)
    assert score > 0.5
    assert detector.landmarks(picture, crop).presence > 0.5
    assert np.abs(crop.centre - [250 + small.shape[1] / 2, 100 + small.shape[0] / 2]).max() < small.shape[0] / 4


def test_a_variable_rate_keeps_its_time(detector, rest, tmp_path):
    times = [0, 0.04, 0.09, 0.2, 0.25, 0.4, 0.45, 0.49]
    seen = see_faces(Movie(write_movie(tmp_path / "v.mp4", [rest] * len(times), 25, times)), detector)
    found = steady(replace(seen, fps=20.0))
    assert np.allclose(found.times, np.arange(10) / 20.0)
    assert not found.missing.any()
    assert "not evenly spaced in time" in found.notes[0]


def seen_of(times, fps=24.0, **more) -> SeenFaces:
    total = len(times)
    places = np.arange(total, dtype=float)[:, None, None] * np.ones((478, 3))
    parts = {
        "landmarks": places, "presence": np.ones(total), "disagreements": np.zeros(total),
        "weights": np.zeros((total, 52)), "impressions": np.zeros((total, 2048)),
        "others": np.zeros(total, bool), "cuts": np.zeros(total, bool), **more,
    }  # fmt: skip
    return SeenFaces("a.mp4", numbers(total), np.array(times, float), fps, (320, 240), **parts)


def test_frames_of_another_rate_lie_between():
    seen = seen_of(np.arange(60) / 59.94, 59.95)
    assert steady(seen).fps == pytest.approx(60000 / 1001)
    assert np.array_equal(steady(seen).landmarks, seen.landmarks)
    slow = steady(seen, 24.0)
    assert slow.frames.tolist() == list(range(1, 25))
    assert np.allclose(slow.landmarks[:, 0, 0], np.arange(24) / 24 * 59.94, atol=1e-6)
    assert "59.94 frames a second and the take 24" in slow.notes[0]


def test_a_rate_that_the_times_deny_is_not_believed():
    """Of an AVI that counts in ticks: 600 a second, and a frame every 25 of them."""
    found = steady(seen_of(np.arange(20) / 24, 600.0))
    assert (found.fps, found.frames.tolist()) == (24.0, list(range(1, 21)))
    assert not found.missing.any()


def test_frames_that_a_movie_lacks_lie_between_and_nothing_lies_between_what_is_no_neighbour():
    gap = steady(seen_of(np.array([0, 1, 2, 5, 6, 7]) / 24))
    assert np.allclose(gap.landmarks[:, 0, 0], [0, 1, 2, 2 + 1 / 3, 2 + 2 / 3, 3, 4, 5])
    assert not gap.missing.any()
    lost = seen_of(np.arange(4) / 24, presence=np.array([1.0, 0.0, 1.0, 1.0]))
    assert steady(lost, 48.0).missing.tolist() == [False, True, True, True, False, False, False]
    across = steady(seen_of(np.arange(4) / 24, cuts=np.array([False, False, True, False])), 48.0)
    assert set(across.landmarks[2:5, 0, 0]) <= {1.0, 2.0}  # nothing in the middle of a cut


def test_cuts_other_faces_and_profiles_are_said(demo, detector, rest, tmp_path):
    aside = photograph(demo, demo.neutral, np.eye(4), camera_before(80))
    near = photograph(demo, demo.neutral, np.eye(4), camera_before(away_mm=380.0))
    nobody = np.full_like(rest, 90)
    two = np.concatenate([rest, rest[:, ::-1]], 1)
    alone = np.concatenate([rest, nobody], 1)
    wide = [np.concatenate([each, nobody], 1) for each in (aside, near)]
    pictures = [alone, alone, two, two, *wide[:1], alone, alone, *wide[1:], np.concatenate([nobody] * 2, 1)]
    seen = see_faces(Movie(write_movie(tmp_path / "m.mp4", pictures)), detector)
    check_seen(seen)
    assert not seen.missing[[0, 1, 2, 3, 5, 6, 7]].any()
    assert seen.missing[-1]
    assert seen.cuts[7]
    told = " ".join(notes_of(seen))
    assert "the picture or the face jumps at frame" in told
    both = see_faces(Movie(write_movie(tmp_path / "two.mp4", [two] * 3)), detector)
    assert both.others.all()
    assert np.ptp(both.landmarks[:, 1, 0]) < 5.0  # it stays with one of them
    assert "another face is seen in frames 1 to 3; the larger one was followed" in notes_of(both)[0]
    turned = replace(both, landmarks=both.landmarks * [0.2, 1, 1] + np.arange(478)[:, None] * [0, 0, 1.0])
    assert any("in profile in frames 1 to 3" in note for note in notes_of(turned))


def test_a_mouth_that_is_covered_is_said(detector, rest):
    face = detector.found(rest)
    plain = detector.steadied(rest, face)
    middle, apart = face.landmarks[13, :2], np.linalg.norm((face.landmarks[LEFT_EYE] - face.landmarks[RIGHT_EYE])[:2])
    down, right = np.mgrid[: rest.shape[0], : rest.shape[1]]
    hand = ((right - middle[0]) / 0.6) ** 2 + ((down - middle[1]) / 0.4) ** 2 < apart**2
    covered = np.where(hand[..., None], np.array([190, 140, 115], dtype=np.uint8), rest)
    assert detector.steadied(covered, face).disagreement > 2 * plain.disagreement > 0.0
    apart_by = np.zeros(40)
    apart_by[10:25], apart_by[33] = 0.03, 0.5  # a moment is no cover
    assert (
        "lips or lids are hard to see in frames 11 to 25:"
        in notes_of(seen_of(np.arange(40) / 24, disagreements=apart_by))[0]
    )


def test_lamps_that_flicker_are_no_cuts(demo, rest):
    follower = Follower(None)  # none is asked
    lights = [1.0, 1.0, 1.4, 0.6, 1.4, 0.6]
    assert not any(follower._is_cut((rest * light).clip(0, 255).astype(np.uint8)) for light in lights)
    assert follower._is_cut(photograph(demo, demo.neutral, np.eye(4), camera_before(away_mm=300.0)))


def test_what_cannot_be_fitted_is_said(demo_learned, detector, rest, speaking, tmp_path):
    av = pytest.importorskip("av")
    actor = tmp_path / "A.actor.safetensors"
    save_actor(demo_learned, actor)

    def sentence(path: Path, **more) -> str:
        arguments = {"actor": str(actor), "performance": str(path), "out": str(tmp_path / "T.take.safetensors")}
        with pytest.raises(InputError) as caught:
            fit({**arguments, **more}, silent, None)
        return str(caught.value)

    nobody = write_movie(tmp_path / "nobody.mp4", [np.full_like(rest, 90)] * 3)
    assert f"no face was found in {nobody}, in none of its 3 frames" in sentence(nobody)
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert "sound.mp4 holds sound only; a video with pictures is needed" in sentence(tmp_path / "sound.mp4")
    cut_off = tmp_path / "cut_off.mp4"
    cut_off.write_bytes(speaking.read_bytes()[:200])
    assert "cut_off.mp4 cannot be read as a movie" in sentence(cut_off)
    assert "the focal length is 2; it must be from 8 to 1000, or 0" in sentence(speaking, focal_length=2.0)
    assert "there is no face model" in sentence(speaking, face_model=str(tmp_path / "none.task"))
    assert "no file of MediaPipe's Face Landmarker" in sentence(speaking, face_model=str(cut_off))
    assert "which has no unit" in sentence(speaking, performance_millimetres_per_unit=1.0)


def test_a_damaged_part_is_left_out_and_said(detector, speaking, tmp_path):
    """Of a film whose end is lost, as after a crash: what is there is seen."""
    pictures = [picture for _, picture in Movie(speaking).frames()] * 4
    whole = write_movie(tmp_path / "whole.mp4", pictures).read_bytes()
    assert see_faces(Movie(tmp_path / "whole.mp4"), detector).notes == ()
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(whole[: len(whole) // 2])
    seen = see_faces(Movie(damaged), detector)
    assert 2 <= len(seen.times) < len(pictures)
    assert "damaged.mp4 is damaged" in seen.notes[0]


def test_without_a_detector_it_is_said_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(InputError, match=r"the face detector is not installed, .*press Install Video"):
        model_file("")
