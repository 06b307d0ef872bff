# SPDX-License-Identifier: GPL-3.0-or-later
"""Every setting reaches the operators, the panels and the presets, or it is said why not; and what is chosen there
reaches the worker."""

import json
from functools import partial
from types import SimpleNamespace

import bpy
import headless
import pytest
from scenes import TAKE_FRAMES, add_capture

OPERATORS = {
    "learn": "actor_learn",
    "fit": "performance_fit",
    "retarget": "performance_retarget",
    "bake": "take_bake",
    "rig": "take_bake_to_controls",
}
KINDS = {
    "PhoneFittingSettings": "FOLDER",
    "VideoFittingSettings": "VIDEO",
    "FittingSettings": "OBJECT",
    "PointFittingSettings": "POINTS",
    "ImageFittingSettings": "IMAGES",
}


class Recorder:
    """A layout that notes which properties are drawn."""

    def __init__(self, drawn: set):
        self.__dict__["drawn"] = drawn

    def prop(self, owner, name, **_):
        self.drawn.add((owner.bl_rna.identifier, name))

    def template_list(self, kind, identifier, owner, name, *_, **__):
        self.drawn.add((owner.bl_rna.identifier, name))

    def operator(self, *_, **__):
        return SimpleNamespace()

    def __setattr__(self, name, value):
        pass

    def __getattr__(self, name):
        return lambda *_, **__: Recorder(self.drawn)


def drawn_now() -> set:
    """The properties that the sections of the tab draw, as the scene is."""
    drawn: set = set()
    for section in headless.extension_module("addon_manifest.registry").CLASSES:
        is_section = issubclass(section, bpy.types.Panel) and getattr(section, "bl_category", "") == "AIM"
        if is_section and (not hasattr(section, "poll") or section.poll(bpy.context)):
            this = SimpleNamespace(layout=Recorder(drawn))
            if hasattr(section, "settings"):
                this.settings = partial(section.settings, this)
            section.draw(this, bpy.context)
    return drawn


@pytest.fixture
def tasks(extension):
    return headless.extension_module("aim_blender.core.shared.settings.settings_of_tasks")


@pytest.fixture
def options(extension):
    return headless.extension_module("aim_blender.scene.basics.options")


@pytest.fixture
def option(extension):
    return headless.extension_module("aim_blender.core.shared.settings.option")


@pytest.mark.parametrize("task", OPERATORS)
def test_every_setting_reaches_the_operator(scene, tasks, task):
    properties = getattr(bpy.ops.aim, OPERATORS[task]).get_rna_type().properties
    for name in tasks.options_of_task(task):
        assert (name in properties) != bool(tasks.missing(task, name, "operator")), name


def test_every_setting_reaches_a_panel_and_the_presets(scene, tasks, options, tmp_path):
    presets = headless.extension_module("aim_blender.scene.jobs.presets")
    add_capture()
    bpy.ops.aim.actor_add(name="Ada")
    state = scene.aim
    state.actors[0].file_path = str(tmp_path / "Ada.actor.safetensors")
    state.takes.add().actor = state.actors[0].identifier
    state.baking.use_range = state.rig.use_range = True
    state.rig.onto = "add"
    state.solver = "neural"
    recorded = tmp_path / "said.csv"
    recorded.write_text("frame,jawOpen,eyeBlinkLeft\n1,0,0\n2,1,0\n")
    for task, classes in tasks.SETTINGS.items():
        for settings in classes:
            state.performance_kind = KINDS.get(settings.__name__, "OBJECT")
            state.performance_folder = str(recorded)
            drawn = drawn_now()
            for name in options.options_of(settings):
                place = options.place_of(settings, name)
                if place in (options.DEVICE, options.FACE_MODEL):
                    preferences = headless.extension_module("addon_manifest.jobs.preferences").AimPreferences
                    assert name in preferences.bl_rna.properties
                else:
                    owner, last = options.owner_of(state, settings, name)
                    assert (owner.bl_rna.identifier, last) in drawn or tasks.missing(task, name, "panel"), place
                assert (place in presets.SETTINGS[task]) != bool(tasks.missing(task, name, "preset")), place


def another(option):
    """A value that the setting can have, but has not at first."""
    if option.kind == "flag":
        return not option.default
    if option.kind == "choice":
        return option.names[-1]
    if option.kind == "several":
        return option.names[:2]
    if option.kind == "text":
        return "jawOpen=0.5"
    return next(value for value in (40, option.most, option.least) if option.allows(value) and value != option.default)


def test_what_is_chosen_is_told_and_nothing_else(scene, tasks, options, option):
    state = scene.aim
    for settings in {each for classes in tasks.SETTINGS.values() for each in classes}:
        for name, each in options.plain_options(settings).items():
            assert options.chosen(state, settings) == {}, settings
            needs = dict([each.needs]) if each.needs else {}
            for other, wanted in needs.items():
                owner, property_name = options.owner_of(state, settings, other)
                setattr(owner, property_name, wanted)
            value = another(each)
            owner, last = options.owner_of(state, settings, name)
            setattr(owner, last, set(value) if each.kind == "several" else value)
            found = settings(**option.chosen_of(settings, options.chosen(state, settings)))
            assert getattr(found, name) == value != each.default
            for used in (name, *needs):
                owner, last = options.owner_of(state, settings, used)
                owner.property_unset(last)


def test_choices_that_do_not_count_are_left_out(scene, options):
    fitting = headless.extension_module("aim_blender.core.shared.settings.fitting_settings").FittingSettings
    scene.aim.fitting.seed, scene.aim.solver = 3, "neural"
    assert options.chosen(scene.aim, fitting) == {"solver": "neural", "seed": 3}
    assert options.chosen(scene.aim, fitting, {"solver": "closed-form"}) == {"solver": "closed-form"}
    scene.aim.solver = "closed-form"
    assert options.chosen(scene.aim, fitting) == {}


def test_what_is_chosen_reaches_the_worker(take):
    """The scene's advanced settings, and over them the operator's."""
    scene = bpy.context.scene
    scene.aim.fitting.temporal, scene.aim.fitting.modes, scene.aim.fitting.seed = 3.0, 50, 7
    bpy.ops.aim.performance_fit(object_name="wide", frame_start=1, frame_end=TAKE_FRAMES, modes=30, smoothness=0)
    making = headless.extension_module("aim_blender.scene.jobs.job_making")
    folder = making.fitted_file(scene.aim.takes[-1]).parent
    arguments = json.loads((folder / "job.json").read_text(encoding="utf-8"))["steps"][0]["arguments"]
    chosen = {name: arguments[name] for name in arguments if name not in ("actor", "performance", "out")}
    assert chosen == {"device": "auto", "temporal": 3.0, "modes": 30}
    scene.aim.fitting.temporal = 1.0
    with pytest.raises(RuntimeError, match=r"emporal is 1; it must be from 2 to 1000 frames, or 0"):
        bpy.ops.aim.performance_fit(object_name="wide")
    with pytest.raises(RuntimeError, match="odes is 5000; it must be between 1 and 2000"):
        bpy.ops.aim.performance_fit(object_name="wide", temporal=4, modes=5000)
    with pytest.raises(RuntimeError, match="hole meshes have no rest frame to choose"):
        bpy.ops.aim.performance_fit(object_name="wide", temporal=4, rest_frame="3")


def test_a_preset_keeps_advanced_settings_too(scene, tmp_path, monkeypatch):
    presets = headless.extension_module("aim_blender.scene.jobs.presets")
    monkeypatch.setattr(presets.folders, "user_folder", lambda: tmp_path)
    learning = scene.aim.learning
    learning.without, learning.frequency, learning.graphed = {"anatomy", "symmetry"}, 12.5, False
    bpy.ops.aim.preset_save(kind="learn", name="Mine")
    bpy.ops.aim.preset_load(kind="learn", name="Default")
    assert (learning.without, learning.frequency, learning.graphed) == (set(), 20.0, True)
    bpy.ops.aim.preset_load(kind="learn", name="Mine")
    assert (learning.without, learning.frequency, learning.graphed) == ({"anatomy", "symmetry"}, 12.5, False)
    file = presets.folder_of("learn") / "Mine.json"
    file.write_text(file.read_text(encoding="utf-8").replace("symmetry", "hair"), encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"Without to .*hair.*; it must be a list of any of anatomy, thickness"):
        bpy.ops.aim.preset_load(kind="learn", name="Mine")
