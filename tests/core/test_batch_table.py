# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of shots: what each format may say, and the sentence for what cannot be understood."""

import json
from typing import Any

import pytest

from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.jobs.batch.batch_table import Shot, part_of, read_table
from aim_blender.jobs.batch.shot_steps import steps_of

CSV = """shot,actor,performance,targets,write,start,end,fps,tolerance_mm,strength,head_motion
sh010,a.actor.safetensors,sh010.npz,b.actor.safetensors|a.actor.safetensors,bake;pc2,5,20,30,0.2,0.8,off
,a.actor.safetensors,shots/sh020.mdd,,,,,,,,
"""


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv(tmp_path):
    one, two = read_table(write(tmp_path, "shots.csv", CSV))
    assert (one.name, one.folder, two.name, two.folder) == ("sh010", "sh010", "sh020", "sh020")
    assert one.actor == str(tmp_path / "a.actor.safetensors")
    assert two.performance == str(tmp_path / "shots" / "sh020.mdd")
    assert [target.name for target in one.targets] == ["b", "a"]
    assert one.targets[0].choices == {"strength": 0.8, "head_motion": "off"}
    assert one.targets[1].choices == {}  # the performer itself is not retargeted
    assert [target.actor for target in two.targets] == [two.actor]
    assert (one.write, two.write) == (("bake", "pc2"), ("bake",))
    assert one.timing == {"start": 5, "end": 20, "fps": 30.0}
    assert (one.tolerance_mm, two.tolerance_mm) == (0.2, None)
    assert one.where == f"{tmp_path / 'shots.csv'}, line 2"


def test_what_a_spreadsheet_adds(tmp_path):
    lines = [
        "\ufeffshot;actor;take;targets",
        "a;x;t.take.safetensors;b.actor.safetensors|c.actor.safetensors",
        ";;;",
        "",
    ]
    text = "\r\n".join(lines)
    (shot,) = read_table(write(tmp_path, "shots.csv", text))
    assert shot.take.endswith("t.take.safetensors")
    assert [target.name for target in shot.targets] == ["b", "c"]


def test_the_same_in_json_and_toml(tmp_path):
    rows: list[dict[str, Any]] = [
        {
            "shot": "sh010",
            "performance": "sh010.npz",
            "targets": ["b.actor.safetensors", {"actor": "c.actor.safetensors", "name": "cat", "strength": 0.5}],
            "fps": 30,
        },
        {"take": "old.take.safetensors"},
        {"shot": "paper", "solver": "neural", "warm_start": False, "seed": 3, "outlier_mm": 0},
    ]
    defaults = {"actor": "a.actor.safetensors", "strength": 0.9, "performance": "x.npz", "modes": 40}
    content = {"defaults": defaults, "shots": rows}
    from_json = read_table(write(tmp_path, "shots.json", json.dumps(content)))
    toml = """
        [defaults]
        actor = "a.actor.safetensors"
        strength = 0.9
        performance = "x.npz"
        modes = 40
        [[shots]]
        shot = "sh010"
        performance = "sh010.npz"
        targets = ["b.actor.safetensors", {actor = "c.actor.safetensors", name = "cat", strength = 0.5}]
        fps = 30
        [[shots]]
        take = "old.take.safetensors"
        [[shots]]
        shot = "paper"
        solver = "neural"
        warm_start = false
        seed = 3
        outlier_mm = 0
    """
    from_toml = read_table(write(tmp_path, "shots.toml", toml))
    one, two, three = from_json
    assert [target.name for target in one.targets] == ["b", "cat"]
    assert [target.choices["strength"] for target in one.targets] == [0.9, 0.5]
    assert (two.name, two.performance, two.fit) == ("old", "", {})
    assert one.fit == {"modes": 40}
    assert three.fit == {"solver": "neural", "modes": 40, "outlier_mm": 0, "warm_start": False, "seed": 3}
    for ours, theirs in zip(from_json, from_toml, strict=True):
        assert ours.as_json() == {**theirs.as_json(), "where": ours.where}
        assert Shot.from_json(json.loads(json.dumps(ours.as_json()))) == ours
    assert read_table(write(tmp_path, "list.json", json.dumps([{**rows[1], "actor": "a.actor.safetensors"}])))


HEAD = "shot,actor,performance,take,targets,write,start,end,fps,modes,solver,folder\n"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("shots.txt", "", "is no table of shots; it must be a .csv, .json or .toml file"),
        ("shots.csv", "", "shots.csv lists no shots"),
        ("shots.csv", "shot,actr\n", "line 1: there is no column 'actr'; the columns are shot, actor"),
        ("shots.csv", "shot,actor,shot\n", "line 1: there are two columns shot"),
        ("shots.csv", HEAD + "s,,p.npz\n", "line 2: the column actor is empty"),
        ("shots.csv", HEAD + "s,a\n", "line 2 names neither a performance nor a take"),
        ("shots.csv", HEAD + "s,a,p.npz,t.take.safetensors\n", "line 2 names both a performance and a take"),
        ("shots.csv", HEAD + "\ns,a,p.npz,,,,,,fast\n", "line 3, column fps: 'fast' is not a number"),
        ("shots.csv", HEAD + "s,a,p.npz,,,,,,0\n", "line 2, column fps: 0 must be more than 0"),
        ("shots.csv", HEAD + "s,a,p.npz,,,,1.5\n", "line 2, column start: 1.5 is not a whole number"),
        ("shots.csv", HEAD + "s,a,p.npz,,,,9,3\n", "line 2: the frames start at 9 and end at 3"),
        ("shots.csv", HEAD + "s,a,p.npz,,,,,,,0\n", "line 2, column modes: 0 is not a whole number of at least 1"),
        ("shots.csv", HEAD + "s,a,p.npz,,,,,,,,best\n", "column solver: there is no 'best'; it must be one of closed"),
        ("shots.csv", HEAD + "s,a,p.npz,,,,,,,5000\n", "line 2: modes is 5000; it must be between 1 and 2000"),
        ("shots.csv", HEAD + "s,a,,t,,,,,,40\n", "line 2, column modes: the take is fitted already; leave this empty"),
        ("shots.csv", HEAD + "s,a,p.npz,,,,,,,,,../../x\n", "column folder: '../../x' is no folder below the batch's"),
        ("shots.csv", HEAD + "s,a,p.npz,,,,,,,,,/x\n", "column folder: '/x' is no folder below the batch's"),
        ("shots.csv", HEAD + "s,a,p.npz,,,film\n", "column write: there is no 'film'; it may be any of bake, pc2"),
        ("shots.csv", HEAD + "s,a,p.npz,,b|x/b\n", "column targets: two targets are called 'b'"),
        ("shots.csv", HEAD + "s/1,a,p.npz\n", "column shot: no file can be called 's/1'"),
        ("shots.csv", HEAD + "s,a,p.npz\nS,a,q.npz\n", "line 3: the shot 'S' is that of line 2 too"),
        ("shots.csv", HEAD + "s,a,p,,,,,,,,,x\nt,a,q,,,,,,,,,x\n", "line 3: the folder 'x' is that of line 2 too"),
        ("shots.csv", HEAD + "s,a,p" + "," * 12 + "\n", "line 2 has 15 cells, but line 1 names only 12 columns"),
        ("shots.json", "{", "shots.json cannot be read"),
        ("shots.json", "{}", "must hold `shots`, a list"),
        ("shots.json", '{"shots": [], "rows": []}', "holds rows, which is not known"),
        ("shots.json", '[{"actor": "a", "take": 3}]', "shot 1, column take: 3 is not a path"),
        ("shots.json", '[{"actor": "a", "take": "t", "targets": [{"name": "b"}]}]', "a target names no actor"),
        (
            "shots.json",
            '[{"actor": "a", "performance": "p", "seed": 3}]',
            "shot 1: the closed form has no seed to choose",
        ),
        (
            "shots.json",
            '[{"actor": "a", "performance": "p", "warm_start": 3}]',
            "warm_start: 3 is neither true nor false",
        ),
        ("shots.json", "[" * 100000, "shots.json cannot be read: it is nested too deep"),
        ("shots.json", '[{"actor": "a", "take": "t", "fps": true}]', "shot 1, column fps: True is not a number"),
        ("shots.json", "[3]", "shot 1 is not an object"),
        ("shots.toml", "shots = [", "shots.toml cannot be read"),
    ],
)
def test_refusals_name_the_row_and_the_column(tmp_path, name, text, sentence):
    path = write(tmp_path, name, text)
    with pytest.raises(InputError) as refused:
        read_table(path)
    assert str(path) in str(refused.value)
    assert sentence in str(refused.value)


def test_parts_are_the_whole(tmp_path):
    rows = [{"actor": "a", "take": f"t{number}"} for number in range(11)]
    shots = read_table(write(tmp_path, "shots.json", json.dumps(rows)))
    parts = [part_of(shots, f"{number}/4") for number in (1, 2, 3, 4)]
    assert sorted(shot.name for part in parts for shot in part) == sorted(shot.name for shot in shots)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for wrong in ("0/4", "5/4", "1", "a/b", "1/0"):
        with pytest.raises(InputError, match="it must be like 2/8"):
            part_of(shots, wrong)


def test_a_rest_frame_is_a_number_or_a_choice(tmp_path):
    rows = [f"{shot},a.actor.safetensors,markers.csv,{rest}" for shot, rest in (("one", "12"), ("two", "off"))]
    table = tmp_path / "shots.csv"
    table.write_text("\n".join(["shot,actor,performance,rest_frame", *rows]), encoding="utf-8")
    assert [shot.fit["rest_frame"] for shot in read_table(table)] == [12, "off"]
    table.write_text("\n".join(["shot,actor,performance,rest_frame", *rows]).replace("off", "1.5"), encoding="utf-8")
    with pytest.raises(InputError, match=r"column rest_frame: 1\.5 is not a whole number"):
        read_table(table)
    table.write_text("\n".join(["shot,actor,performance,rest_frame", *rows]).replace("off", "now"), encoding="utf-8")
    with pytest.raises(InputError, match="column rest_frame: 'now' is not a frame, or auto or off"):
        read_table(table)


def test_keys_of_engines_reach_the_bake_without_a_tolerance(tmp_path):
    text = "actor,take,keys,jaw_as,tolerance_mm\na.actor.safetensors,t.take.safetensors,arkit,keys,0.1\n"
    (shot,) = read_table(write(tmp_path, "shots.csv", text))
    (step,) = steps_of(Shot.from_json(json.loads(json.dumps(shot.as_json()))), tmp_path)
    assert {name: step.arguments[name] for name in ("keys", "jaw_as")} == {"keys": "arkit", "jaw_as": "keys"}
    assert "tolerance_mm" not in step.arguments
