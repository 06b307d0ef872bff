# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyeballs, teeth and lashes in a face's mesh: found, told apart by how they move, and rigid where they should be."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aim_blender.core.baking.baking import bake_take, posed_frames
from aim_blender.core.characters.transferring import transfer_actor
from aim_blender.core.files.files import load_actor, load_take, save_actor, save_take
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.fitting.fitting_image_points import fit_image_points
from aim_blender.core.fitting.fitting_points import fit_points
from aim_blender.core.geometry.rigid import apply_motion, rigid_registration
from aim_blender.core.learning.learning import learn_actor
from aim_blender.core.live.live import LiveFit
from aim_blender.core.model.actor import Actor
from aim_blender.core.model.evaluation import evaluate_take
from aim_blender.core.parts.choosing import pieces_chosen
from aim_blender.core.parts.finding import find_parts
from aim_blender.core.parts.parts import Parts
from aim_blender.core.parts.turning import carry_gaze
from aim_blender.core.phone.phone_gaze import phone_gaze
from aim_blender.core.points.image_points import ImagePoints, LandmarkMap
from aim_blender.core.points.points import PointPerformance
from aim_blender.core.retargeting.retargeting import retarget_take
from aim_blender.core.shared.captured.cameras import Camera
from aim_blender.core.shared.captured.captures import Capture
from aim_blender.core.shared.captured.performances import Performance, in_named_unit
from aim_blender.core.shared.demo.demo_actor import DemoActor
from aim_blender.core.shared.faces.arkit_names import SHAPES
from aim_blender.core.shared.faces.mouth_parts import _told_apart, share_of_jaw
from aim_blender.core.shared.faces.part_kinds import read_choices, with_choice, write_choices
from aim_blender.core.shared.foundation.errors import InputError
from aim_blender.core.shared.foundation.topology import Topology
from aim_blender.core.shared.results.bake_arrays import Bake
from aim_blender.core.shared.results.takes import Take
from aim_blender.core.shared.settings.learning_settings import LearningSettings
from aim_blender.core.shared.settings.point_settings import ImageFittingSettings, PointFittingSettings
from aim_blender.core.shared.settings.timing_settings import Timing
from aim_blender.core.timing.retiming import retimed

LITTLE = LearningSettings(iterations=20, hidden=8, depth=1, batch_points=256, device="cpu", threads=1)
FITTING = FittingSettings(modes=20, device="cpu")
EYES = {"eye_left": np.array([32.0, -55.0, 30.0]), "eye_right": np.array([-32.0, -55.0, 30.0])}
RADIUS, AHEAD = 12.0, np.array([0.0, -1.0, 0.0])
FRAMES = 6


def ball(rings: int = 9, sides: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of a sphere of radius 1 and triangles."""
    polar, around = np.meshgrid(np.linspace(0.1, np.pi - 0.1, rings), np.arange(sides) / sides * 2 * np.pi)
    points = np.stack([np.sin(polar) * np.cos(around), np.cos(polar), np.sin(polar) * np.sin(around)], -1)
    index = np.arange(rings * sides).reshape(sides, rings)
    below = np.roll(index, -1, axis=0)
    quads = np.stack([index[:, :-1], index[:, 1:], below[:, 1:], below[:, :-1]], axis=-1).reshape(-1, 4)
    return points.reshape(-1, 3), np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])


@dataclasses.dataclass(frozen=True)
class Head:
    """The demo head with two eyeballs, upper and lower teeth, and a strip of lashes in its mesh. rows: of each part's
    vertices. frames: (F, V, 3) and gaze: (F, 3, 3) how both eyes turn in them."""

    capture: Capture
    rows: dict[str, slice]
    frames: np.ndarray
    gaze: np.ndarray
    lashes: np.ndarray


def make_head(demo: DemoActor) -> Head:
    skin = demo.neutral
    triangles = [demo.topology.triangles()]
    first, rows, rest = len(skin), {}, []
    sphere, of_sphere = ball()
    teeth = {"upper": np.array([0.0, -70.0, -38.0]), "lower": np.array([0.0, -66.0, -52.0])}
    along = np.argsort(np.linalg.norm(skin - [32.0, -80.0, 36.0], axis=1))[:12]
    pieces = [(name, RADIUS * sphere + centre, of_sphere) for name, centre in EYES.items()]
    pieces += [(name, sphere * [18.0, 6.0, 3.0] + centre, of_sphere) for name, centre in teeth.items()]
    strip = np.stack([np.arange(10), np.arange(1, 11), np.arange(2, 12)], axis=1)
    pieces.append(("lashes", skin[along] + [0.0, -2.0, 0.0], strip))
    for name, points, faces in pieces:
        rows[name] = slice(first, first + len(points))
        rest.append(points)
        triangles.append(faces + first)
        first += len(points)
    faces = np.concatenate(triangles)
    topology = Topology(faces.ravel().astype(np.int32), np.full(len(faces), 3, np.int32), first)

    def with_parts(shapes: np.ndarray, jaw: np.ndarray, gaze: np.ndarray) -> np.ndarray:
        parts = [
            RADIUS * sphere @ gaze.transpose(0, 2, 1) + EYES["eye_left"],
            RADIUS * sphere @ gaze.transpose(0, 2, 1) + EYES["eye_right"],
            np.repeat(rest[2][None], len(shapes), axis=0),
            apply_motion(rest[3], jaw),
            rest[4] + shapes[:, along] - skin[along],
        ]
        return np.concatenate([shapes, *parts], axis=1)

    shapes = with_parts(demo.shapes, demo.jaw, np.tile(np.eye(3), (len(demo.jaw), 1, 1)))
    shot = demo.performance()
    some = slice(None, None, len(shot.vertices) // FRAMES)
    stabilized = np.einsum("fvx,fxy->fvy", shot.vertices[some] - shot.head[some, None, :3, 3], shot.head[some, :3, :3])
    count = len(stabilized)
    gaze = Rotation.from_rotvec(np.linspace([0.3, 0.0, -0.4], [-0.2, 0.1, 0.5], count)).as_matrix()
    frames = apply_motion(with_parts(stabilized, shot.jaw[some], gaze), shot.head[some])
    capture = Capture(tuple(demo.names), shapes, topology, {})
    return Head(capture, rows, frames, gaze, along)


@pytest.fixture(scope="module")
def head(demo: DemoActor) -> Head:
    return make_head(demo)


@pytest.fixture(scope="module")
def actor(head: Head) -> Actor:
    return learn_actor(head.capture, LITTLE)


@pytest.fixture(scope="module")
def parts(actor: Actor) -> Parts:
    assert actor.parts is not None
    return actor.parts


@pytest.fixture(scope="module")
def performance(head: Head) -> Performance:
    numbers = np.arange(1, len(head.frames) + 1, dtype=np.int32)
    return Performance(head.frames.copy(), numbers, 24.0, head.capture.topology, "a performance")


@pytest.fixture(scope="module")
def take(actor: Actor, performance: Performance) -> Take:
    return fit_performance(actor, performance, FITTING)


def off_rigid(frames: np.ndarray, rest: np.ndarray) -> float:
    motion = rigid_registration(rest, frames, np.ones(frames.shape[:2]))
    return float(np.linalg.norm(apply_motion(rest, motion) - frames, axis=-1).max())


def kinds_of(found: Parts, rows: dict[str, slice]) -> dict[str, str]:
    """What the vertices of each part were taken for; "?" where they were not taken for one thing."""
    told = {}
    for name, some in rows.items():
        part = np.unique(found.part_of[some])
        told[name] = found.kinds[part[0]] if len(part) == 1 and part[0] >= 0 else "?"
    return told


def test_parts_are_told_by_form_and_motion(head, parts, demo):
    assert kinds_of(parts, head.rows) == {
        "eye_left": "turns",
        "eye_right": "turns",
        "upper": "skull",
        "lower": "jaw",
        "lashes": "follows",
    }
    assert (parts.part_of[: len(demo.neutral)] == -1).all()
    assert set(parts.eye_names) == set(EYES)
    for name, centre in zip(parts.eye_names, parts.eye_centres, strict=True):
        assert np.linalg.norm(centre - EYES[name]) < 0.05
    assert sum(row["vertices"] for row in parts.rows()) == len(head.capture.neutral) - len(demo.neutral)
    assert all(name in parts.note() for name in parts.names)


def test_a_neutral_alone_shows_its_eyeballs_and_teeth(head):
    found = find_parts(head.capture.vertices[:1], head.capture.topology)
    assert kinds_of(found, head.rows) == {
        "eye_left": "turns",
        "eye_right": "turns",
        "upper": "skull",
        "lower": "jaw",
        "lashes": "follows",
    }


def arch(height: float, upright: float = 9.0) -> np.ndarray:
    """Points (n, 3) left, up and front of teeth along a jaw, about the lips' meeting."""
    angle, up = np.meshgrid(np.linspace(-1.2, 1.2, 40), np.linspace(-upright / 2, upright / 2, 5))
    return np.stack([24 * np.sin(angle), height + up, 40 * np.cos(angle) - 55], axis=-1).reshape(-1, 3)


def test_teeth_gums_and_tongue_are_told_apart():
    tongue = np.random.default_rng(1).uniform([-15, -12, -60], [15, -1, -12], (400, 3))
    palate = tongue * [1, 0.5, 1] + [0, 22, 0]
    whole = {0: arch(8.0), 1: arch(-7.0), 2: tongue, 3: palate}
    assert _told_apart(whole) == {0: "skull", 1: "jaw", 2: "bends", 3: "skull"}
    single = dict(enumerate([*np.array_split(arch(9.0), 8), *np.array_split(arch(-8.0, 3.0), 8)]))
    assert list(_told_apart(single).values()) == ["skull"] * 8 + ["jaw"] * 8
    assert _told_apart({5: arch(-7.0)}) == {5: "jaw"}  # where the lips meet counts for one alone
    share = share_of_jaw(tongue, np.array([0.0, 1, 0]), whole[0], whole[1])
    assert share.min() > 0.5
    assert share[tongue[:, 1] < -7.0].min() == 1.0
    assert (share_of_jaw(tongue, np.array([0.0, 1, 0]), whole[0][:0], whole[1]) == 1).all()


def test_one_ball_that_never_turns_is_no_eyeball(head):
    topology = head.capture.topology
    kept = np.ones(topology.vertex_count, dtype=bool)
    kept[head.rows["eye_left"]] = False
    alone, chosen = topology.part(kept)
    found = find_parts(head.capture.vertices[:, chosen], alone)
    assert "turns" not in found.kinds


def test_eyeballs_turn_by_straight_shapes_too(head):
    """As rigs have them: half of a shape lies between rest and turned, where the ball is smaller."""
    rest, turned = head.capture.vertices[0], head.capture.vertices[0].copy()
    turn = Rotation.from_rotvec([0.0, 0.0, np.deg2rad(36.0)])
    for name, centre in EYES.items():
        turned[head.rows[name]] = turn.apply(rest[head.rows[name]] - centre) + centre
    shapes = np.concatenate([head.capture.vertices, (rest + turned)[None] / 2])
    found = find_parts(shapes, head.capture.topology)
    assert found is not None
    assert sorted(name for name, kind in zip(found.names, found.kinds, strict=True) if kind == "turns") == sorted(EYES)


def test_a_skin_alone_has_no_parts(demo):
    assert find_parts(demo.shapes, demo.topology) is None
    with pytest.raises(InputError, match="one piece of skin"):
        find_parts(demo.shapes, demo.topology, "skull_1=still")


def test_an_artist_knows_better(head):
    vertex = head.rows["upper"].start
    shapes = head.capture.vertices
    found = find_parts(shapes, head.capture.topology, f"{vertex}=bends; follows_1 = still")
    kinds = kinds_of(found, head.rows)
    assert (kinds["upper"], kinds["lashes"], kinds["lower"]) == ("bends", "still", "jaw")
    assert {row["name"]: row["found"] for row in found.rows()}["still_1"] == "follows_1"
    choices = with_choice(read_choices("skull_1=still, 7=jaw"), "skull_1 + jaw_1", "jaw")
    assert write_choices(choices) == "7=jaw, skull_1=jaw"
    for wrong in ("eye_left=glass", "=", "still"):
        with pytest.raises(InputError, match="one of turns"):
            read_choices(wrong)
    pieces = [np.arange(5), np.arange(5, 9)]
    assert pieces_chosen({"7": "still"}, pieces, ["", "skull_1"]) == {1: "still"}
    for wrong in ("hat_1", "3", "9"):
        with pytest.raises(InputError, match=f"no part called {wrong}"):
            pieces_chosen({wrong: "still"}, pieces, ["", "skull_1"])


def test_parts_stay_rigid_and_where_they_are_performed(head, actor, take):
    shown = evaluate_take(actor, take)["vertices"].astype(np.float64)
    for name in ("eye_left", "eye_right", "upper", "lower"):
        rows = head.rows[name]
        assert off_rigid(shown[:, rows], head.capture.neutral[rows]) < 0.01
        # The head is found by the skin alone, and its error is theirs.
        assert np.linalg.norm(shown[:, rows] - head.frames[:, rows], axis=-1).max() < 0.3
    told = {row["name"]: row for row in take.figures["parts"]}
    assert told["eye_left"]["worst_mm"] < 0.3
    assert not any("the part" in note for note in take.figures["notes"])


def test_parts_are_where_they_are_performed_in_a_unit_that_is_named(head, actor, take, performance):
    inches = dataclasses.replace(performance, vertices=(head.frames / 25.4).astype(np.float32))
    found = fit_performance(actor, in_named_unit(inches, 25.4), FITTING)
    assert found.figures["parts"][0]["worst_mm"] == pytest.approx(take.figures["parts"][0]["worst_mm"], abs=0.01)
    np.testing.assert_allclose(found.gaze, take.gaze, atol=1e-3)
    np.testing.assert_allclose(found.jaw, take.jaw, atol=0.02)
    assert not any("the part" in note for note in found.figures["notes"])


def test_the_gaze_is_that_of_the_eyeballs(head, take):
    for eye in range(2):
        off = Rotation.from_rotvec(take.gaze[:, eye]) * Rotation.from_matrix(head.gaze).inv()
        assert np.rad2deg(off.magnitude()).max() < 0.5


def iris_points(head: Head, *, named: bool) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Points on the skin and one on each iris: their names, places (F, P, 3) in the frames, and vertices, -1 where they
    are not named."""
    front = int(ball()[0][:, 1].argmin())  # the demo face looks there
    irises = [head.rows[name].start + front for name in EYES]
    vertices = np.concatenate([np.arange(0, head.rows["eye_left"].start, 97), irises])
    names = (*(f"m{vertex}" for vertex in vertices[:-2]), "iris_l", "iris_r")
    told = np.where(np.arange(len(vertices)) < len(vertices) - 2 * (not named), vertices, -1)
    places = head.frames[:, vertices]
    if not named:  # the middles of the rings that look ahead
        ring = np.flatnonzero(ball()[0][:, 1] < -0.99)
        places[:, -2:] = np.stack([head.frames[:, head.rows[name].start + ring].mean(1) for name in EYES], axis=1)
    return names, places, told


@pytest.mark.parametrize("named", [True, False])
def test_points_on_irises_tell_the_gaze(head, actor, named):
    names, places, vertices = iris_points(head, named=named)
    places[2, -2] = np.nan
    numbers = np.arange(1, len(places) + 1, dtype=np.int32)
    points = PointPerformance(names, places, np.ones(places.shape[:2]), vertices, numbers, 24.0, "markers")
    found = fit_points(actor, points, PointFittingSettings(modes=20, temporal=0.0, rest_frame="off"))
    for eye, name in enumerate(actor.parts.eye_names):
        seen = np.arange(len(places)) != 2 if name == "eye_left" else slice(None)
        shown = Rotation.from_rotvec(found.gaze[seen, eye]).apply(AHEAD)
        off = np.arccos((shown * (head.gaze[seen] @ AHEAD)).sum(1).clip(max=1.0))
        assert np.rad2deg(off).max() < (2.0 if named else 3.5)  # which way is ahead, the form of the face tells
    assert found.figures["points"] == len(names) - 2  # nothing of the skin is told by them


def test_cameras_see_where_eyes_look(head, actor):
    names, places, vertices = iris_points(head, named=True)
    camera = Camera("a", np.array([1920, 1080]), np.full(2, 2000.0), np.array([960.0, 540.0]), np.eye(4))
    camera.world_to_camera[:3] = [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 800]]
    numbers = np.arange(len(places))
    pixels = camera.project(places)
    trust, frames = np.ones(pixels.shape[:2]), (numbers + 1).astype(np.int32)
    seen = ImagePoints(names, ("a",), pixels, trust, numbers, 0 * numbers, frames, 24.0, "x")
    where = LandmarkMap(dict(zip(names, vertices.tolist(), strict=True)), "map")
    settings = ImageFittingSettings(modes=20, temporal=0.0, rest_frame="off")
    found = fit_image_points(actor, seen, [camera], where, settings)
    for eye in range(2):
        shown = Rotation.from_rotvec(found.gaze[:, eye]).apply(AHEAD)
        off = np.arccos((shown * (head.gaze @ AHEAD)).sum(1).clip(max=1.0))
        assert np.rad2deg(off).max() < 3.0  # one camera places the head a degree off


def test_lashes_follow_the_skin_and_are_exact_on_the_shapes(head, actor):
    rows = head.rows["lashes"]
    assert np.abs(actor.shapes()[:, rows] - head.capture.vertices[:, rows]).max() < 1e-3


def test_no_mode_is_spent_on_parts(head, actor, take, demo):
    assert len(actor.working.chosen) == len(demo.neutral)
    for name in ("eye_left", "upper", "lower"):
        assert np.abs(actor.expressions[head.rows[name]]).max() == 0.0
    assert actor.skin_weight[head.rows["lower"]].min() == 1.0


def test_a_part_that_does_something_else_is_named(head, actor, performance):
    frames = head.frames.copy()
    frames[:, head.rows["upper"]] += [0.0, 0.0, 6.0]
    found = fit_performance(actor, dataclasses.replace(performance, vertices=frames), FITTING)
    assert any("skull_1" in note and "6.0 mm" in note for note in found.figures["notes"])


def test_missing_eyeballs_rest_and_do_not_break_the_fit(head, actor, performance):
    frames = head.frames.copy()
    frames[2, head.rows["eye_left"]] = np.nan
    frames[3, head.rows["lower"]] = np.nan
    found = fit_performance(actor, dataclasses.replace(performance, vertices=frames), FITTING)
    left = actor.parts.eye_names.index("eye_left")
    assert np.isfinite(found.gaze).all()
    assert np.abs(found.gaze[2, left]).max() < 1e-9
    assert np.abs(found.gaze[2, 1 - left]).max() > 0.05


def test_files_keep_parts_and_gaze_and_old_ones_are_read(actor, take, tmp_path: Path):
    save_actor(actor, tmp_path / "a.actor.safetensors")
    kept = load_actor(tmp_path / "a.actor.safetensors").parts
    assert (kept.names, kept.kinds) == (actor.parts.names, actor.parts.kinds)
    assert np.array_equal(kept.part_of, actor.parts.part_of)
    save_take(take, tmp_path / "t.take.safetensors")
    assert np.array_equal(load_take(tmp_path / "t.take.safetensors").gaze, take.gaze)
    for wrong in ({"part_of": actor.parts.part_of + 9}, {"axes": np.ones((3, 3))}, {"kinds": ("glass",) * 5}):
        damaged = dataclasses.replace(actor, parts=dataclasses.replace(actor.parts, **wrong))
        with pytest.raises(InputError, match="was not written"):
            save_actor(damaged, tmp_path / "b.actor.safetensors")
    save_actor(dataclasses.replace(actor, parts=None), tmp_path / "old.actor.safetensors")
    assert load_actor(tmp_path / "old.actor.safetensors").parts is None
    with pytest.raises(InputError, match="learned anew with other parts"):
        evaluate_take(dataclasses.replace(actor, parts=None), take)


def test_a_bake_turns_eyes_by_bones(head, actor, take, tmp_path: Path):
    bake = bake_take(actor, take, 0.1)
    for name in ("eye_left", "upper", "lower"):
        assert np.abs(bake.keys[:, head.rows[name]]).max() < 1e-4
    shown = evaluate_take(actor, take)["vertices"]
    assert np.linalg.norm(posed_frames(bake, slice(None)) - shown, axis=-1).max() < 0.101
    bake.save(tmp_path / "bake.npz")
    back = Bake.read(tmp_path / "bake.npz", 1000.0)
    assert np.allclose(back.eyes.centres * 1000, bake.eyes.centres)
    assert np.array_equal(back.eyes.gaze, take.gaze)


def test_live_shows_the_same_as_the_fit(head, actor, take):
    frame = LiveFit(actor, FITTING).mesh(head.frames[1].astype(np.float32))
    for name in ("eye_left", "lower"):
        assert np.linalg.norm(frame.vertices[head.rows[name]] - head.frames[1, head.rows[name]], axis=1).max() < 0.3


def test_frames_between_turn_eyes_halfway(actor, take):
    found = retimed(take, actor, Timing(fps=48.0))
    assert np.allclose(found.gaze[::2], take.gaze)
    assert np.allclose(found.gaze[1], (take.gaze[0] + take.gaze[1]) / 2)


def test_a_face_turned_otherwise_looks_the_same_way(parts):
    turn = Rotation.from_euler("xyz", [80, 20, -30], degrees=True).as_matrix()
    swapped = [1, 0]  # whose eyes are listed the other way round
    there = Parts(
        tuple(parts.eye_names[eye] for eye in swapped),
        ("turns", "turns"),
        parts.part_of,
        (parts.eye_centres @ turn.T * 1.7 + 50.0)[swapped],
        parts.axes @ turn.T,
    )
    gaze = np.random.default_rng(2).normal(size=(5, 2, 3)) * 0.3
    carried = carry_gaze(gaze, parts, there)
    assert np.allclose(carried[:, swapped], gaze @ turn.T)
    one = Rotation.from_rotvec(gaze[:, 0]).apply(parts.axes[2])
    other = Rotation.from_rotvec(carried[:, swapped[0]]).apply(there.axes[2])
    assert np.allclose(one @ parts.axes.T, other @ there.axes.T)


def test_a_retarget_carries_teeth_and_gaze(head, actor, take):
    shown = retarget_take(take, actor, actor)
    assert np.allclose(shown.gaze, take.gaze)
    frames = evaluate_take(actor, shown)["vertices"].astype(np.float64)
    for name in ("eye_left", "lower"):
        assert off_rigid(frames[:, head.rows[name]], head.capture.neutral[head.rows[name]]) < 0.01


def test_a_character_by_transfer_has_its_own_eyeballs(head, actor, take):
    neutral = head.capture.neutral * [1.1, 1.0, 0.9]
    for name in EYES:  # as round as before
        rows = head.rows[name]
        neutral[rows] = head.capture.neutral[rows] - EYES[name] + EYES[name] * [1.1, 1.0, 0.9]
    character = transfer_actor(actor, neutral, head.capture.topology, None, "the source")
    frames = evaluate_take(character, retarget_take(take, actor, character))["vertices"].astype(np.float64)
    for name in (*EYES, "lower"):
        assert off_rigid(frames[:, head.rows[name]], neutral[head.rows[name]]) < 0.01
    eye = character.parts.eye_names.index("eye_left")
    assert np.linalg.norm(character.parts.eye_centres[eye] - EYES["eye_left"] * [1.1, 1.0, 0.9]) < 0.05


def test_a_phone_says_where_the_eyes_look(parts):
    weights = np.zeros((2, len(SHAPES)))
    weights[0, SHAPES.index("eyeLookOutLeft")] = weights[0, SHAPES.index("eyeLookInRight")] = 0.5  # to the left
    weights[1, [SHAPES.index("eyeLookUpLeft"), SHAPES.index("eyeLookUpRight")]] = 0.5
    left, up, front = parts.axes
    for eyes in (None, np.array([[20.0, 0, 10, 0], [0, -13, 0, -13]]), -np.array([[20.0, 0, 10, 0], [0, -13, 0, -13]])):
        gaze = phone_gaze(weights, eyes, parts)
        for eye in range(2):
            aside, upwards = (Rotation.from_rotvec(gaze[frame, eye]).apply(front) for frame in (0, 1))
            assert aside @ left > np.sin(np.deg2rad(9))
            assert abs(aside @ up) < 1e-6
            assert np.isclose(upwards @ up, np.sin(np.deg2rad(13)))
