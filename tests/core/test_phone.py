# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of a phone: what is read of each format, what is refused, and what an actor makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aim_blender.core.contact.contact import Contact
from aim_blender.core.geometry.rigid import angle_degrees
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take, stabilized_frames
from aim_blender.core.phone.fitting_phone import PhoneActor, fit_phone, phone_actor
from aim_blender.core.shared.demo.demo_actor import DemoActor
from aim_blender.core.shared.faces.arkit_names import SHAPES, motions_of, read_gains, shape_named
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.phone.phone_tables import PhoneRecording, is_phone_recording, read_phone_recording
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.phone_settings import PhoneFittingSettings

FRAMES = 60
NAMES = ("jawOpen", "mouthSmileLeft", "eyeBlinkRight")


def weights_of(frame: int) -> tuple[float, ...]:
    return frame / FRAMES, 0.5, 0.25


def live_link(path: Path, rows: list[int], rate: int = 60) -> Path:
    """A CSV of Live Link Face with these frames, the head turning to the character's right and up."""
    lines = [
        "Timecode,BlendShapeCount," + ",".join(n[0].upper() + n[1:] for n in NAMES) + ",HeadYaw,HeadPitch,HeadRoll"
    ]
    for i in rows:
        seconds, sub = divmod(i, rate)
        cells = ",".join(f"{w:.4f}" for w in weights_of(i))
        lines.append(f"23:59:59:{sub:02d}.500,61,{cells},{0.01 * i:.4f},0.1,0" if seconds == 0 else
                     f"00:00:{seconds - 1:02d}:{sub:02d}.500,61,{cells},{0.01 * i:.4f},0.1,0")  # fmt: skip
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    return path


def face_cap(path: Path) -> Path:
    lines = ["info,Face Cap,1", "bs," + ",".join(NAMES)]
    for i in range(FRAMES):
        pose = [0.001 * i, 0.0, -0.4, -5.0, 0.6 * i, 0.0, 3.0, 4.0, 5.0, 6.0]
        lines.append(f"k,{round(1000 * i / 29.97)}," + ",".join(f"{x:.4f}" for x in [*pose, *weights_of(i)]))
    path.write_text("\n".join(lines))
    return path


def ifacial(path: Path) -> Path:
    lines = []
    for i in range(FRAMES):
        opened, smile, blink = (round(100 * w) for w in weights_of(i))
        lines.append(
            f"jawOpen-{opened}|mouthSmile_L-{smile}|eyeBlink_R-{blink}|=head#1,2,3,0,0.1,-0.4|rightEye#1,2,0|leftEye#3,4,0|"
        )
    path.write_text("\n".join(lines))
    return path


def table(path: Path, percent: bool = True) -> Path:
    """With decimal commas, times in ms and shapes in another spelling."""
    factor = 100.0 if percent else 1.0
    lines = ["time [ms];jaw_open;Mouth_Smile_L;blendShape1.eyeBlink_R"]
    lines += [
        ";".join(f"{x:.4f}".replace(".", ",") for x in [40.0 * i, *(factor * w for w in weights_of(i))])
        for i in range(FRAMES)
    ]
    path.write_text("\n".join(lines))
    return path


def as_json(path: Path) -> Path:
    others = [{"categoryName": name, "score": None} for name in ("browInnerUp", "cheekPuff")]
    frames = []
    for i in range(FRAMES):
        scores = [{"categoryName": n, "score": w} for n, w in zip(NAMES, weights_of(i), strict=True)]
        frames.append({"faceBlendshapes": scores + others})
    path.write_text(json.dumps({"fps": 30, "frames": frames}))
    return path


MAKERS = {
    "Live Link Face": (lambda p: live_link(p, list(range(FRAMES))), ".csv", 59.94),
    "Face Cap": (face_cap, ".txt", 29.97),
    "iFacialMocap": (ifacial, ".txt", 60.0),
    "a table": (table, ".csv", 25.0),
    "JSON": (as_json, ".json", 30.0),
}


@pytest.mark.parametrize("program", MAKERS)
def test_every_format_is_known_by_its_content(program: str, tmp_path: Path) -> None:
    make, suffix, fps = MAKERS[program]
    path = make(tmp_path / f"some{suffix}")
    assert is_phone_recording(path)
    found = read_phone_recording(path)
    assert found.program == ("a table" if program == "JSON" else program)
    assert found.fps == pytest.approx(fps)
    assert found.frames.tolist() == list(range(1, FRAMES + 1))
    assert not found.missing.any()
    columns = [SHAPES.index(name) for name in NAMES]
    expected = np.array([weights_of(i) for i in range(FRAMES)])
    assert np.abs(found.weights[:, columns] - expected).max() < 0.006  # whole percents
    if program != "JSON":
        assert len(found.absent) == 52 - len(NAMES)
        assert any("lacks 49 of the 52" in note for note in found.notes)


def test_numbers_of_400_digits_are_no_missing_weights(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text(f"frame,jawOpen,eyeBlinkLeft\n1,0,0\n2,{'9' * 400},0\n")
    with pytest.raises(InputError, match=r"jawOpen is '9+' in line 3; it must be a number"):
        read_phone_recording(path)


def test_points_are_no_recording(tmp_path: Path) -> None:
    names = ("mouth_left", "mouth_right", "jaw_left", "jaw_right", "nose_tip")
    (tmp_path / "wide.csv").write_text(
        "," + ",".join(f"{n},," for n in names) + "\nframe" + ",x,y,z" * 5 + "\n1" + ",0" * 15
    )
    (tmp_path / "long.csv").write_text("frame,name,x,y,z\n" + "\n".join(f"1,{n},0,0,1" for n in names))
    (tmp_path / "points.json").write_text(json.dumps({"points": names, "frames": []}))
    for file in tmp_path.iterdir():
        assert not is_phone_recording(file)


def test_head_and_eyes_are_alike_whoever_wrote_them(tmp_path: Path) -> None:
    live = read_phone_recording(live_link(tmp_path / "a.csv", list(range(FRAMES))))
    cap = read_phone_recording(face_cap(tmp_path / "b.txt"))
    assert live.head is not None
    assert cap.head is not None
    assert cap.eyes is not None
    assert cap.position is not None
    assert live.head[10] == pytest.approx([-0.1, -0.1, 0.0])  # pitch down, yaw to the left
    assert cap.head[10] == pytest.approx(np.deg2rad([-5.0, 6.0, 0.0]))
    assert cap.eyes[0] == pytest.approx([4.0, 3.0, 6.0, 5.0])
    assert cap.position[10] == pytest.approx([10.0, 0.0, -400.0])


def test_times_are_kept(tmp_path: Path) -> None:
    rows = [i for i in range(120) if not 70 <= i < 77]
    found = read_phone_recording(live_link(tmp_path / "hole.csv", rows))  # over midnight
    assert found.frames.tolist() == list(range(1, 121))
    assert np.flatnonzero(found.missing).tolist() == list(range(70, 77))
    kept = read_phone_recording(tmp_path / "hole.csv", keep_timecode=True)
    assert kept.frames[0] == round((24 * 3600 - 1) * 59.94)
    assert read_phone_recording(tmp_path / "hole.csv", fps=60.0).fps == 60.0
    # Times at which no frame of any rate lies are resampled, and last as long as they did.
    uneven = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.05, 200))
    lines = ["seconds,jawOpen,mouthSmileLeft,eyeBlinkRight", *(f"{t:.4f},{t / 10:.4f},0,0" for t in uneven)]
    (tmp_path / "uneven.csv").write_text("\n".join(lines))
    found = read_phone_recording(tmp_path / "uneven.csv")
    length = (found.frames[-1] - found.frames[0]) / found.fps
    assert length == pytest.approx(uneven[-1] - uneven[0], abs=1.0 / found.fps)
    assert any("lie between frames" in note for note in found.notes)


def test_clocks_are_read_as_they_are_meant(tmp_path: Path) -> None:
    def read(codes: list[str], names: str = "jawOpen,mouthSmileLeft", cells: str = "0.5,0.1") -> PhoneRecording:
        path = tmp_path / "clock.csv"
        path.write_text("\n".join([f"Timecode,{names}", *(f"{code},{cells}" for code in codes)]))
        return read_phone_recording(path)

    # Drop frames: 29 is followed by the next minute's 02, but by 00 in every tenth minute.
    codes = [f"01:00:59;{i:02d}" for i in range(10, 30)] + [f"01:01:00;{i:02d}" for i in range(2, 12)]
    codes += [f"01:09:59;{i:02d}" for i in range(30)] + [f"01:10:00;{i:02d}" for i in range(10)]
    found = read(codes)
    length = (found.frames[-1] - found.frames[0]) / found.fps
    assert found.fps == 29.97
    assert not found.missing[:30].any()
    assert length == pytest.approx(600 + 9 / 30 - 59 - 10 / 30, abs=0.1)  # as the clock has it
    for code in ("10:00:{:02d}.{:03d}", "2024-05-01T10:00:{:02d}.{:03d}Z", "10:00:{:02d}:{:03d}"):
        found = read([code.format(*divmod(i * 40, 1000)) for i in range(50)])
        assert (found.fps, len(found.frames), bool(found.missing.any())) == (25.0, 50, False)
    # Three degrees are no three radians.
    few = read(
        [f"10:00:00:{i:02d}" for i in range(24)], "jawOpen,mouthSmileLeft,HeadYaw,HeadPitch,HeadRoll", "0,0,3,2,1"
    )
    assert np.rad2deg(few.head[0]) == pytest.approx([-2.0, -3.0, -1.0])
    twice = read(["10:00:00:00", "10:00:00:01"], "jawOpen,mouthSmileLeft,JawOpen", "0.5,0,0.9")
    assert "more than one of its columns is called jawOpen" in " ".join(twice.notes)
    assert twice.weights[0].max() == 0.5


def test_bad_rows_are_said_in_one_sentence(tmp_path: Path) -> None:
    good = ["seconds,jawOpen,mouthSmileLeft,eyeBlinkRight", *(f"{i / 30:.4f},0.5,0,0" for i in range(100))]
    path = tmp_path / "said.csv"

    def told(lines: list[str]) -> str:
        path.write_text("\n".join(lines))
        with pytest.raises(InputError) as caught:
            read_phone_recording(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "go backwards or stand still in 99 of 100 rows" in told([good[0], *good[:0:-1]])
    assert "jawOpen is 'wide' in line 12" in told([*good[:11], "0.3333,wide,0,0", *good[12:]])
    assert "no row follows" in told(good[:1])
    assert "no row holds a weight" in told([good[0], "0,,,", "1,,,"])
    assert "0 to 1, or percent" in told([*good[:11], "0.3333,7000,0,0", *good[12:]])
    assert "none of its columns" in told(["seconds,a,b,c", "0,1,2,3"])
    assert "has 6 cells" in told([*good[:11], "0.3333,0,0,0,1,1", *good[12:]])
    path.write_text("\n".join([*good[:20], good[5], *good[20:50], f"{49 / 30:.4f},,,", *good[51:]]))
    found = read_phone_recording(path)
    assert len(found.frames) == 100
    assert any("1 row goes backwards in time, first in line 21" in note for note in found.notes)
    assert found.missing.sum() == 1
    assert any("1 of its 101 rows hold no weights" in note for note in found.notes)


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = face_cap(tmp_path / "said.txt")
    path.write_text(path.read_text()[:-12])
    found = read_phone_recording(path)
    assert len(found.frames) == FRAMES - 1
    assert any("last line is cut off" in note for note in found.notes)


def test_names() -> None:
    for spelled in (
        "mouthSmileLeft",
        "MouthSmileLeft",
        "mouth_smile_left",
        "mouthSmile_L",
        "Head_mouthSmile.l",
        "MOUTH_SMILE_L",
    ):
        assert shape_named(spelled) == "mouthSmileLeft"
    assert [shape_named(name) for name in ("smile", "half_jawOpen", "jawOpen_x", "left", "jawOpen_mouthClose")] == [
        ""
    ] * 5
    assert motions_of("jaw_open_stretch") == {"jawOpen": ("",), "mouthStretch": ("Left", "Right")}
    assert motions_of("smile_left") == {"mouthSmile": ("Left",)}
    assert motions_of("shape_07") == {}
    assert read_gains("jawOpen=1.2; mouthSmile=0.5") == {"jawOpen": 1.2, "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}
    for wrong, told in (
        ("jawOpn=1", "no ARKit shape"),
        ("jawOpen=wide", "write numbers"),
        ("jawOpen", "write numbers"),
    ):
        with pytest.raises(InputError, match=told):
            read_gains(wrong)


# -- what an actor makes of it ----------------------------------------------------------------------------------------


def recorded(weights: dict[str, list[float]], fps: float = 60.0, head: np.ndarray | None = None) -> PhoneRecording:
    count = len(next(iter(weights.values())))
    table = np.zeros((count, len(SHAPES)))
    for name, values in weights.items():
        table[:, SHAPES.index(name)] = values
    frames, missing = np.arange(1, count + 1, dtype=np.int32), np.zeros(count, dtype=bool)
    return PhoneRecording("said.csv", "a table", table, head, None, None, frames, missing, fps, None, (), ())


@pytest.fixture(scope="module")
def performer(demo: DemoActor, demo_learned: Actor) -> PhoneActor:
    return phone_actor(demo_learned, demo, None)


@pytest.fixture(scope="module")
def shots(performer: PhoneActor) -> tuple[list[str], Take, np.ndarray]:
    """One frame for each of ARKit's shapes at 1, the demo actor's take of them, and its frames (52, V, 3)."""
    eye = np.eye(len(SHAPES))
    recording = recorded({name: eye[:, at].tolist() for at, name in enumerate(SHAPES)})
    take = fit_phone(performer, recording)
    return list(SHAPES), take, evaluate_take(performer.actor, take)["vertices"].astype(np.float64)


def test_weights_act_where_they_belong(demo: DemoActor, shots: tuple) -> None:
    names, _, frames = shots
    moved = frames - demo.neutral
    x = demo.neutral[:, 0]
    smile = demo.shapes[demo.names.index("smile")] - demo.neutral
    both = moved[names.index("mouthSmileLeft")] + moved[names.index("mouthSmileRight")]
    assert np.linalg.norm(both - smile, axis=1).max() < 0.1 * np.linalg.norm(smile, axis=1).max()
    left = np.linalg.norm(moved[names.index("mouthSmileLeft")], axis=1)
    assert left[x < -12].max() < 0.03 * left.max()
    own = np.linalg.norm(smile, axis=1)
    assert np.abs(left - own)[x > 12].max() < 0.1 * own.max()
    # Smoothly over the middle: no edge is longer than the smile itself makes it, but for the step from one to none.
    edges = demo.topology.edges()
    stretch = np.linalg.norm(
        moved[names.index("mouthSmileLeft")][edges[:, 0]] - moved[names.index("mouthSmileLeft")][edges[:, 1]], axis=1
    )
    usual = np.linalg.norm(smile[edges[:, 0]] - smile[edges[:, 1]], axis=1)
    assert stretch.max() < 1.5 * usual.max()
    # The parts of a surprise, which were never captured apart, are where they belong and add up to it.
    surprise = demo.shapes[demo.names.index("surprise")] - demo.neutral
    parts = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight", "eyeWideLeft", "eyeWideRight")
    total = sum(moved[names.index(name)] for name in parts)
    assert np.linalg.norm(total - surprise, axis=1).max() < 0.15 * np.linalg.norm(surprise, axis=1).max()
    outer, inner = (np.linalg.norm(moved[names.index(name)], axis=1) for name in ("browOuterUpLeft", "browInnerUp"))
    brow = (x > 36) & (demo.neutral[:, 2] > 24) & (demo.neutral[:, 2] < 34) & (demo.neutral[:, 1] < -60)
    assert outer[brow].mean() > 4 * inner[brow].mean()


def test_the_jaw_is_the_actors_own(demo_learned: Actor, performer: PhoneActor, shots: tuple) -> None:
    names, take, _ = shots
    own = demo_learned.jaw[list(demo_learned.names).index("jaw_open")]
    assert np.allclose(take.jaw[names.index("jawOpen")], own, atol=1e-6)
    degrees = angle_degrees(take.jaw)
    assert degrees[[names.index(name) for name in ("browInnerUp", "eyeBlinkLeft", "cheekSquintRight")]].max() < 1e-3
    half = fit(performer, {"jawOpen": [0.0, 0.5, 1.0]})
    assert angle_degrees(half.jaw)[1] == pytest.approx(angle_degrees(half.jaw)[2] / 2, rel=1e-3)


def fit(performer: PhoneActor, weights: dict[str, list[float]], **settings: object) -> Take:
    return fit_phone(performer, recorded(weights), PhoneFittingSettings(**settings))  # type: ignore[arg-type]


def test_lips_close_over_an_open_jaw(demo: DemoActor, performer: PhoneActor) -> None:
    take = fit(performer, {"jawOpen": [0.0, 0.4, 0.4], "mouthClose": [0.0, 0.0, 0.4]})
    frames = stabilized_frames(performer.actor, take, slice(0, 3))
    loop = demo.head.layout.rim_loops[0]
    half = len(loop) // 2
    gap = (frames[:, loop[:half:-1], 2] - frames[:, loop[1:half], 2]).max(1)
    assert gap[2] - gap[0] < 0.5 * (gap[1] - gap[0])
    assert angle_degrees(take.jaw)[2] > 0.5 * angle_degrees(take.jaw)[1]


def test_lips_that_are_asked_to_touch_do(performer: PhoneActor) -> None:
    """At rest, B, M, a blink, and an open mouth."""
    weights = {
        "jawOpen": [0.0, 0.12, 0.0, 0.0, 0.3],
        "mouthClose": [0.0, 0.12, 0.0, 0.0, 0.0],
        "mouthRollLower": [0.0, 0.0, 0.5, 0.0, 0.0],
        "mouthRollUpper": [0.0, 0.0, 0.5, 0.0, 0.0],
        "eyeBlinkLeft": [0.0, 0.0, 0.0, 1.0, 0.0],
    }
    contact = Contact(performer.actor)
    plain, found = (
        stabilized_frames(performer.actor, fit(performer, weights, contact=strength), slice(0, 5))
        for strength in (0.0, 1.0)
    )
    gaps = [contact.measured(frames[:, contact.rows])["lips"][:, 1:-1].max(1) for frames in (plain, found)]
    assert gaps[0][1:3].min() > 0.5
    assert gaps[1][1:3].max() < 0.5
    assert contact.measured(found[:, contact.rows])["left lids"][3].max() < 0.5
    assert np.abs(found[[0, 4]] - plain[[0, 4]]).max() < 1e-4


def test_what_was_not_captured_is_said(shots: tuple) -> None:
    _, take, _ = shots
    rows = {row["name"]: row for row in take.figures["shapes"]}
    assert len(rows) == 52
    assert rows["mouthSmileLeft"]["by"] == "captured"
    assert rows["mouthSmileLeft"]["parts"][0] == "smile"
    assert rows["tongueOut"]["by"] == "nothing"
    assert rows["mouthClose"]["by"] == "imitated"
    assert 0 < rows["mouthClose"]["share"] < 1
    notes = " ".join(take.figures["notes"])
    assert f"mouthClose ({100 * rows['mouthClose']['share']:.0f} %)" in notes
    assert "tongueOut" in notes


def test_rate_gains_and_calibration(performer: PhoneActor) -> None:
    weights = {"jawOpen": [0.1] * 60 + [1.0] * 59}
    for rate in (24.0, 25.0, 30.0, 60.0):
        take = fit(performer, weights, take_fps=rate)
        assert len(take.frames) == int(118 / 60 * rate + 1e-6) + 1
        assert take.fps == rate
    degrees = angle_degrees(fit(performer, weights).jaw)
    rested = fit(performer, weights, rest_frame="auto")
    assert angle_degrees(rested.jaw)[[0, -1]] == pytest.approx([0.0, degrees[-1]], abs=1e-3)  # 0 is rest, 1 stays 1
    assert rested.figures["rest_frame"] <= 60
    halved = fit(performer, weights, gains={"jaw_open": 0.5})
    assert angle_degrees(halved.jaw) == pytest.approx(degrees / 2, rel=1e-3)
    with pytest.raises(InputError, match="no frame 500"):
        fit(performer, weights, rest_frame=500)


def test_the_head_turns_as_it_was_recorded(demo: DemoActor, performer: PhoneActor) -> None:
    head = np.array([[0.0, 0.0, 0.0], [0.2, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.1]])
    take = fit_phone(performer, recorded({"jawOpen": [0.0] * 4}, head=head))
    nose = demo.neutral[demo.neutral[:, 1].argmin()]
    moved = nose @ take.head[:, :3, :3].transpose(0, 2, 1) + take.head[:, :3, 3] - nose
    assert moved[1, 2] < -10  # down
    assert moved[2, 0] > 15  # to the character's left
    assert angle_degrees(take.head) == pytest.approx(np.rad2deg([0.0, 0.2, 0.3, 0.1]), abs=1e-6)
