# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of points as programs write them: all that mean the same are read alike, and what is missing is missing."""

import json

import numpy as np
import pytest

from aim_blender.core.points.image_points import read_image_points
from aim_blender.core.points.points import read_points
from aim_blender.core.shared.foundation.errors import InputError

PLACES = np.random.default_rng(0).normal(0, 40, (4, 3, 3)).round(2)  # (F, P, 3)
PLACES[1, 2] = np.nan
NAMES = ("nose", "chin", "cheek")
HIDDEN = {"zeros": ["0", "0.0", "0"], "na": ["NA"] * 3, "empty": [""] * 3, "nan": ["NaN", "nan", "-"]}


def cells_of(position, hidden, comma=False):
    cells = HIDDEN[hidden] if np.isnan(position).any() else [f"{value:.2f}" for value in position]
    return [cell.replace(".", ",") for cell in cells] if comma else cells


def long(header, separator=",", hidden="zeros", comma=False, end="\n"):
    rows = [header]
    for frame, positions in enumerate(PLACES, 101):
        for number, (name, position) in enumerate(zip(NAMES, positions, strict=True)):
            rows.append([str(frame), name, *cells_of(position, hidden, comma), str(10 * number)][: len(header)])
    return end.join(separator.join(row) for row in rows)


def wide(header, separator=",", before=()):
    rows = [*before, header]
    for frame, positions in enumerate(PLACES, 101):
        rows.append([str(frame), *(cell for position in positions for cell in cells_of(position, "empty"))])
    return "\n".join(separator.join(row) for row in rows) + "\n"


PLAIN = ["frame", "name", "x", "y", "z", "vertex"]
TABLES = {
    "plain": long(PLAIN),
    "na": long(PLAIN, hidden="na"),
    "nan": long(PLAIN, hidden="nan"),
    "semicolons": "\ufeff" + long([word.capitalize() for word in PLAIN], "; ", "empty", end="\r\n"),
    "decimal commas": long(PLAIN, ";", "na", comma=True),
    "tabs": long(["FRAME", "Label", "Pos X", "Pos Y", "Pos Z"], "\t", "empty"),
    "blanks": long(["Frame", "marker", "tx", "ty", "tz"], "  "),
    "spelled": long(["Frame Number", "Marker Name", "X (mm)", "Y (mm)", "Z (mm)", "Vertex ID"]),
    "title above": "Recorded by somebody\n\n" + long(PLAIN),
    "units below": long(PLAIN).replace("vertex\n", "vertex\n,,mm,mm,mm,\n"),
    "wide": wide(["Frame", *(f"{name}_{axis}" for name in NAMES for axis in "xyz")]),
    "wide with capitals": wide(["Frame", *(f"{name}.{axis} [mm]" for name in NAMES for axis in "XYZ")], ";"),
    "wide without a separator": wide(["Frame", *(f"{name}{axis}" for name in NAMES for axis in "XYZ")]),
    "names above": wide(["Frame", *"XYZXYZXYZ"], before=[["Take", "1"], ["", *",,,".join(NAMES).split(","), "", ""]]),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_that_mean_the_same_are_read_alike(tmp_path, kind):
    (tmp_path / "markers.csv").write_bytes(TABLES[kind].encode("utf-8"))
    found = read_points(tmp_path / "markers.csv")
    assert found.names == NAMES
    assert found.frames.tolist() == [101, 102, 103, 104]
    np.testing.assert_array_equal(found.positions, PLACES)
    bound = "Vertex" in TABLES[kind] or "vertex" in TABLES[kind]
    assert found.vertices.tolist() == ([0, 10, 20] if bound else [-1, -1, -1])


def test_utf16_and_names_of_a_spreadsheet_are_read(tmp_path):
    for encoding in ("utf-16", "cp1252"):
        (tmp_path / "markers.csv").write_bytes(TABLES["plain"].replace("nose", "Näschen").encode(encoding))
        assert read_points(tmp_path / "markers.csv").names[0] == "Näschen"


def test_a_unit_in_the_header_is_believed_and_said(tmp_path):
    (tmp_path / "markers.csv").write_text(long(["frame", "name", "x (cm)", "y (cm)", "z (cm)"]))
    found = read_points(tmp_path / "markers.csv")
    np.testing.assert_allclose(found.positions, PLACES * 10)
    assert "10 times as large" in found.notes[0]


def test_times_number_the_frames(tmp_path):
    def table(header, rate, first=0.0):
        rows = [f"{first + frame / rate:.6f},nose,1,2,{frame + 1}" for frame in range(90)]
        return "\n".join([header, *rows])

    (tmp_path / "a.csv").write_text(table("Time (Seconds),name,x,y,z", 60))
    found = read_points(tmp_path / "a.csv")
    assert found.frames.tolist() == [*range(1, 91)]
    assert found.fps == pytest.approx(60.0, rel=1e-4)
    assert "times and no frames" in found.notes[0]
    (tmp_path / "a.csv").write_text(table("time,name,x,y,z", 60, first=2.0))
    assert read_points(tmp_path / "a.csv").frames.tolist() == [*range(120, 210)]
    assert read_points(tmp_path / "a.csv", fps=120.0).frames[1] == 242
    found = read_points(tmp_path / "a.csv", fps=24.0)  # made of the samples around whole frames
    assert found.frames.tolist() == [*range(48, 84)]
    np.testing.assert_allclose(found.positions[:, 0, 2], 1 + 60 * (found.frames / 24.0 - 2.0), atol=1e-4)
    assert "lie between frames, from 48 to 83.6" in found.notes[1]
    (tmp_path / "a.csv").write_text("frame,time,name,x,y,z\n10,0.1,a,1,2,3\n40,0.6,a,1,2,3\n")
    found = read_points(tmp_path / "a.csv")
    assert found.frames.tolist() == [10, 40]
    assert found.fps == pytest.approx(60.0)
    assert found.notes == ("its frames are 30 apart, as it numbers them",)
    (tmp_path / "a.csv").write_text("Timecode;name;x;y;z\n00:00:01:05;a;1;2;3\n00:00:01:06;a;1;2;3\n")
    assert read_points(tmp_path / "a.csv", fps=25.0).frames.tolist() == [30, 31]


def test_points_have_missing_frames_and_samples_between_them(tmp_path):
    rows = [f"{frame},{name},{frame},2,3" for frame in (1, 2, 3, 6, 7) for name in "ab"]
    (tmp_path / "a.csv").write_text("\n".join(["frame,name,x,y,z", *rows]))
    found = read_points(tmp_path / "a.csv")
    assert found.frames.tolist() == [*range(1, 8)]
    assert np.isnan(found.positions[3:5]).all() and (found.confidence[3:5] == 0).all()
    np.testing.assert_array_equal(found.positions[5, :, 0], 6.0)
    entries = [{"frame": 1 + 0.4 * k, "positions": [[1 + 0.4 * k, 2, 3], None]} for k in range(10)]
    (tmp_path / "a.json").write_text(json.dumps({"points": [{"name": "a"}, {"name": "b"}], "frames": entries}))
    found = read_points(tmp_path / "a.json")
    assert found.frames.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(found.positions[:, 0, 0], [1, 2, 3, 4])
    assert np.isnan(found.positions[:, 1]).all()
    assert "made of the samples around them" in found.notes[0]


def test_images_are_frames(tmp_path):
    rows = [f"{frame},{name},{frame},2" for frame in (1, 2, 5) for name in "ab"]
    (tmp_path / "a.csv").write_text("\n".join(["frame,name,x,y", *rows]))
    found = read_image_points(tmp_path / "a.csv")
    assert found.frames.tolist() == [1, 2, 3, 4, 5]
    assert found.frame_of.tolist() == [0, 1, 4]
    (tmp_path / "a.csv").write_text("frame,name,x,y\n1,a,1,2\n2.5,a,3,4\n4,a,5,6\n")
    with pytest.raises(InputError, match=r"points at frame 2\.5, between two frames"):
        read_image_points(tmp_path / "a.csv")


def openface(faces=("0",)):
    """What OpenFace's FeatureExtraction writes of three landmarks, with others of its columns."""
    axes = [f"{axis}_{point}" for axis in "xyXYZ" for point in range(3)]
    lines = [
        ", ".join(["frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x", "pose_Tx", *axes, "AU01_r"])
    ]
    for frame, places in enumerate(np.nan_to_num(PLACES, nan=5.0), 1):
        for face in faces if frame < 4 else faces[:1]:
            moved = places + 100.0 * int(face)
            cells = [*(moved[:, :2] + 300.0).T.ravel(), *moved.T.ravel()]
            found = "0" if frame == 3 else "1"
            row = [str(frame), face, f"{frame / 30:.3f}", "0.88", found, "0.1", "12", *map(str, cells), "0.3"]
            lines.append(", ".join(row))
    return "\n".join(lines)


def test_landmarks_of_openface_are_read(tmp_path):
    (tmp_path / "clip.csv").write_text(openface())
    found = read_points(tmp_path / "clip.csv")
    assert found.names == ("landmark 0", "landmark 1", "landmark 2")
    np.testing.assert_allclose(found.positions, np.nan_to_num(PLACES, nan=5.0))
    assert found.confidence[:, 0].tolist() == [0.88, 0.88, 0.0, 0.88]
    assert found.fps == pytest.approx(30.0, rel=0.01)
    seen = read_image_points(tmp_path / "clip.csv")
    np.testing.assert_allclose(seen.positions, np.nan_to_num(PLACES, nan=5.0)[..., :2] + 300.0)
    assert seen.confidence[2].tolist() == [0.0] * 3


def test_of_several_faces_that_which_is_seen_most_is_read(tmp_path):
    (tmp_path / "clip.csv").write_text(openface(("1", "0")))
    found = read_points(tmp_path / "clip.csv")
    np.testing.assert_allclose(found.positions, np.nan_to_num(PLACES, nan=5.0) + 100.0)
    assert found.notes == ("it shows 2 faces: the one that is seen most, 1, was read",)


def test_image_points_of_zeros_and_empty_cells_are_not_seen(tmp_path):
    (tmp_path / "a.csv").write_text(
        "Frame;Cam;Landmark;X (px);Y (px)\n1;left;a;3,5;4\n1;left;b;0;0\n2;left;b;;\n2;left;a;1;2\n"
    )
    found = read_image_points(tmp_path / "a.csv")
    assert found.cameras == ("left",)
    np.testing.assert_array_equal(found.positions, [[[3.5, 4], [np.nan] * 2], [[1, 2], [np.nan] * 2]])
    np.testing.assert_array_equal(found.confidence, [[1, 0], [1, 0]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Bild,Punkt,x,y,z\n1,a,1,2,3\n", "its header is 'Bild, Punkt, x, y, z', in which frame and name is missing"),
        ("frame,x,y,z\n1,1,2,3\n", "'frame, x, y, z', in which name is missing"),
        ("frame,name,x,X,y,z\n1,a,1,2,3,4\n", "two columns for x, 'x' and 'X'"),
        ("frame,name,x,y,z\n1,a,1,5,2,5,3,5\n", "has 8 cells, but the header names 5 columns"),
        ("frame,name,x,y,z\n1,a,1,2,3\n1,a,1,2,4\n", "frame 1 has 'a' twice"),
        ("frame,name,x,y,z\nNA,a,1,2,3\n", "in line 2 the frame is 'NA'"),
        (f"frame,name,x,y,z\n1,a,1,{'9' * 400},3\n", "in line 2 99999999999999999999 .. is beyond all numbers"),
        (f"frame,name,x,y,z\n{'9' * 400},a,1,2,3\n", "in line 2 99999999999999999999 .. is beyond all numbers"),
        (f"frame,name,x,y,z,vertex\n1,a,1,2,3,{'9' * 400}\n", "in line 2 99999999999999999999 .. is beyond all"),
        ("frame,name,x,y,z\n1,,1,2,3\n", "in line 2 a point has no name"),
        ("frame,name,x,y,z\n1,a,1e308,2,3\n", "a point lies at 1e+308"),
        ("frame,name,x,y,z,vertex\n1,a,1,2,3,4\n2,a,1,2,3,5\n", "'a' is on vertex 5, and on 4"),
        ("frame,name,x,y,z,vertex\n1,a,1,2,3,1.5\n", "'a' is on vertex 1.5"),
        ("time,name,x,y,z\n33,a,1,2,3\n66,a,1,2,3\n", "its times are 33 apart; they must be seconds"),
        ("frame,name,x,y,z\n1,a,1,2,3\0\n", "zero bytes"),
        ('frame,name,x,y,z\n1,a,0.5,2,3\n2,a,1,2,"1,234"\n', "in line 3 '1,234' and '0.5' have other decimal signs"),
        ("frame;name;x;y;z\n1;a;0,5;1.234;3\n", "in line 2 '1.234' and '0,5' have other decimal signs"),
        ("timecode,name,x,y,z\n01:00:00:12,a,1,2,3\n", "in line 2 the time is 01:00:00:12, which counts frames"),
        ("time,name,x,y,z\n1:2,a,1,2,3\n", "in line 2 the time '1:2' is neither seconds nor a timecode"),
    ],
)
def test_what_is_not_understood_is_said(tmp_path, text, said):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        read_points(tmp_path / "a.csv")
    assert said in str(caught.value)
    assert str(tmp_path / "a.csv") in str(caught.value)


@pytest.mark.parametrize(
    ("sign", "counted"),
    [
        (":", [(16 + second, frame) for second in range(4) for frame in range(30)]),
        (";", [(59, 28), (59, 29), (60, 2), (60, 3)]),  # 0 and 1 are left out once a minute
    ],
)
def test_timecodes_that_run_slower_than_they_count_lose_no_frame(tmp_path, sign, counted):
    cells = [f"00:{second // 60:02}:{second % 60:02}{sign}{frame:02}" for second, frame in counted]
    rows = "\n".join(f"{cell},a,{place},2,3" for place, cell in enumerate(cells))
    (tmp_path / "a.csv").write_text(f"timecode,name,x,y,z\n{rows}\n")
    found = read_points(tmp_path / "a.csv", fps=29.97)
    assert (np.diff(found.frames) == 1).all()
    assert found.fps == pytest.approx(29.97)
    np.testing.assert_allclose(found.positions[:, 0, 0], np.arange(len(cells)))


@pytest.mark.parametrize("read", [read_points, read_image_points])
def test_a_name_for_each_frame_is_refused_before_it_fills_the_memory(tmp_path, read):
    rows = "\n".join(f"{number},p{number},1,2,3" for number in range(30000))
    (tmp_path / "a.csv").write_text(f"frame,name,x,y,z\n{rows}\n")
    with pytest.raises(InputError, match="name 30000 frames and 30000 points"):
        read(tmp_path / "a.csv")
