# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel tells of results, and buttons that are grey say what they wait for."""

import ast

import bpy
import headless
import pytest
from scenes import add_capture


def test_rows_of_results(extension):
    results = headless.extension_module("aim_blender.scene.jobs.results")
    learned = {"implicit_mean_mm": 0.104, "exact_worst_mm": 1e-7, "jaw_open_degrees": 21.6}
    assert results.learned_rows(learned) == [
        ("Networks alone", "0.10 mm"),
        ("Whole model", "0.001 mm"),
        ("Jaw opens", "22°"),
    ]
    assert results.learned_rows({}) == []
    fitted = {"fit_mean_mm": 0.0101, "worst_mm": 0.09, "correctives": 37}
    assert results.take_rows(3, 144, fitted) == [
        ("Frames", "3 to 144"),
        ("Fit, mean", "0.010 mm"),
        ("Keys, worst", "0.090 mm"),
        ("Corrective keys", "37"),
    ]
    assert results.take_rows(1, 2, {}) == [("Frames", "1 to 2")]
    assert results.left_out(fitted) == ""
    without = results.left_out({"retarget_unpaired_source": ["smile"]})
    assert without == "the target has no smile; its other shapes show what they can of it"


def test_rows_of_the_jaw(extension):
    results = headless.extension_module("aim_blender.scene.jobs.results")
    row = {"name": "jaw_open", "open_degrees": 20.83, "turned_degrees": 20.83, "forward_mm": 2.13, "aside_mm": -0.001}
    assert results.jaw_cells({**row, "incisors_mm": 33.68}) == ["20.8", "2.1", "0.0", "33.7"]
    assert results.jaw_cells(row) == ["20.8", "2.1", "0.0", ""]  # of an actor without bones
    assert results.jaw_rows({"jaw": [row]}) == [row]


def test_shapes_without_a_partner(extension):
    left_out = headless.extension_module("aim_blender.scene.jobs.results").left_out
    mixtures = [{"name": "smile", "done": 0.92}, {"name": "anger", "done": 0.4}]
    figures = {"retarget_unpaired_source": ["smile", "anger", "x"], "retarget_imitated": mixtures}
    assert left_out(figures) == "2 expressions without a partner are shown by mixtures and the jaw, 40 to 92 % of each"
    figures["retarget_imitated"] = mixtures[:1]
    assert left_out(figures) == "smile has no partner and is shown by a mixture and the jaw, 92 % of it"


def test_notes_of_a_take(extension):
    """Those of the step that made it, and what was corrected later."""
    results = headless.extension_module("aim_blender.scene.jobs.results")
    torn, corrected = "the retargeted face is torn in 12 of 100 frames", "frame 3 was corrected"
    figures = {"retarget_paired": 5, "retarget_notes": [torn], "fit_notes": [corrected]}
    assert results.notes_of(figures) == [corrected, torn]
    assert results.notes_of({"fit_notes": None, "retarget_notes": [3]}) == []
    assert results.describe_take("Shot", 1, 2, figures) == f"retargeted Shot, frames 1 to 2; {corrected}; {torn}"


@pytest.mark.parametrize("name", ["take_bake", "rig_pairs_find", "bake_to_rig"])
def test_baking_waits_for_a_take(scene, name):
    operator = getattr(bpy.ops.aim, name)
    assert not operator.poll()
    with pytest.raises(RuntimeError, match="Fit a performance first"):
        operator()


def test_the_first_line_says_what_to_do(scene):
    next_step = headless.extension_module("addon_manifest.panels").next_step
    assert next_step(bpy.context).startswith("select the meshes of one face")
    add_capture()
    bpy.ops.aim.actor_add(name="Ada")
    actor = scene.aim.actors[0]
    assert "or learn Ada without bones" in next_step(bpy.context)
    actor.skull = actor.mandible = bpy.data.objects["shape 1"]
    assert next_step(bpy.context) == "press Learn to learn Ada"
    actor.file_path = "//Ada.actor.safetensors"
    assert next_step(bpy.context) == "pick a performance and press Fit"
    scene.aim.performance_object = bpy.data.objects["shape 2"]
    assert next_step(bpy.context) == "press Fit to fit shape 2"
    scene.aim.takes.add().actor = actor.identifier
    assert next_step(bpy.context).startswith("play the animation")
    bpy.data.objects.remove(actor.neutral)
    assert next_step(bpy.context) == "the neutral of Ada was deleted; undo, or make the actor again"


def test_every_kind_of_job_has_its_bar_in_a_section(extension):
    drawn = set()
    for file in (headless.ROOT / "addon_manifest").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "draw_job":
                drawn |= {each.value for each in node.args if isinstance(each, ast.Constant)}
    assert drawn == set(headless.extension_module("addon_manifest.basics.parts").DOING)


def test_sentences_are_wrapped_by_how_wide_their_letters_are(extension):
    wrapped = headless.extension_module("addon_manifest.basics.text").wrapped
    assert wrapped("learning a face; you can go on", 20) == ["learning a face; you", "can go on"]
    assert wrapped("learning 俳優の名前; you can go on", 20) == ["learning 俳優の名前;", "you can go on"]
    assert wrapped("俳優" * 11, 20) == ["俳優" * 5, "俳優" * 5, "俳優"]


class Layout:
    """Notes which properties a panel draws."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def prop(self, _data, name: str, **_told) -> None:
        self.drawn.append(name)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("frame,name,x,y,z\n1,chin,1,2,3\n", ["rest", "tolerance_mm", "beside"]),
        ("nothing of ours", ["solver", "largest_weight", "tolerance_mm", "beside"]),
    ],
)
def test_a_files_content_tells_what_can_be_chosen(scene, tmp_path, content, shown):
    file, layout = tmp_path / "performance", Layout()
    file.write_text(content)
    scene.aim.performance_kind, scene.aim.performance_folder = "FOLDER", str(file)
    headless.extension_module("addon_manifest.fitting.fitting_panels").draw_method(layout, layout, scene.aim)
    assert layout.drawn == shown
