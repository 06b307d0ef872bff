# SPDX-License-Identifier: GPL-3.0-or-later
"""Self-checks: each says its sentence where something is wrong, and nothing where all is well."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from aim_blender.core.anatomy.anatomy import Hinge
from aim_blender.core.anatomy.jaw import compose_jaw, decompose_jaw
from aim_blender.core.checks.face_measures import Places
from aim_blender.core.checks.face_spots import KEPT, FaceSpots, keep_spots, kept_spots, places_of, spots_of
from aim_blender.core.checks.jaw_checks import MouthMotion, check_frames
from aim_blender.core.checks.self_checks import check_fitted, check_learned, check_retargeted, check_transferred
from aim_blender.core.geometry.skinning import linear_blend_skinning
from aim_blender.core.model.actor import Actor
from aim_blender.core.shared.results.takes import Take

FRAMES = 20


@pytest.fixture(scope="module")
def actor(demo_learned: Actor) -> Actor:
    """The demo actor as one that has learned well: its networks miss it by a few hundredths of a mm."""
    random = np.random.default_rng(0)
    known = dataclasses.replace(demo_learned, settings=dict(demo_learned.settings))
    residual = random.normal(0, 0.02, known.expression_residual.shape).astype(np.float32)
    known = dataclasses.replace(
        known,
        implicit_expressions=(known.expressions - residual).astype(np.float32),
        expression_residual=residual,
        bone=(known.neutral - known.thickness * known.normal).astype(np.float32),
        neutral_residual=np.zeros_like(known.neutral_residual),
    )
    keep_spots(known)
    return known


@pytest.fixture(scope="module")
def spots(actor: Actor) -> FaceSpots:
    found = spots_of(actor)
    assert found is not None
    return found


def near(actor: Actor, vertex: int, radius: float) -> np.ndarray:
    return np.flatnonzero(np.linalg.norm(actor.neutral - actor.neutral[vertex], axis=1) < radius)


def with_jaw(actor: Actor, jaw: np.ndarray) -> Actor:
    """The same shapes, of which another jaw does another part."""
    rest = actor.shapes()[1:] - linear_blend_skinning(actor.neutral, jaw, actor.skin_weight)
    expressions = rest.transpose(1, 0, 2) - actor.expression_residual
    return dataclasses.replace(actor, jaw=jaw, implicit_expressions=expressions.astype(np.float32))


def performed(actor: Actor, weights: np.ndarray, **settings: object) -> Take:
    """A take of whole shapes with weights (F, N); the jaw opens as those of the shapes do."""
    jaw = np.tile(np.eye(4), (len(weights), 1, 1))
    if actor.hinge is not None:
        jaw = compose_jaw(weights @ decompose_jaw(actor.jaw, actor.hinge), actor.hinge)
    return Take(
        names=actor.names,
        topology_digest=actor.topology.digest,
        modes=np.ones((len(actor.bone), 1), np.float32),
        coefficients=weights[:, None].astype(np.float32),
        jaw=jaw,
        head=np.tile(np.eye(4), (len(weights), 1, 1)),
        frames=np.arange(101, 101 + len(weights), dtype=np.int32),
        fps=24.0,
        error_mm=np.zeros((len(weights), 2), np.float32),
        settings=dict(settings),
    )


def at_rest(actor: Actor) -> np.ndarray:
    """(N, 4, 4) a jaw that opens in no shape."""
    return np.tile(np.eye(4), (len(actor.names), 1, 1))


def swelling(actor: Actor, *names: str, most: float = 1.0) -> np.ndarray:
    """(FRAMES, N) weights: these shapes swell and fade together."""
    weights = np.zeros((FRAMES, len(actor.names)))
    for name in names:
        weights[:, actor.names.index(name)] = most * np.sin(np.linspace(0, np.pi, FRAMES))
    return weights


def with_mode(take: Take, values: np.ndarray, name: str, weight: float, frame: int) -> Take:
    """The take with one more mode (V,), by which a shape gets a weight in one frame."""
    coefficients = np.concatenate([take.coefficients, np.zeros_like(take.coefficients[:, :1])], axis=1)
    coefficients[frame, -1, take.names.index(name)] = weight
    modes = np.concatenate([take.modes, values[:, None].astype(np.float32)], axis=1)
    return dataclasses.replace(take, modes=modes, coefficients=coefficients)


@pytest.fixture(scope="module")
def take(actor: Actor) -> Take:
    """Nothing is wrong with it."""
    return performed(actor, swelling(actor, "jaw_open") + 0.5 * swelling(actor, "smile", "surprise"))


# -- places -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("landmark", "word"),
    [
        ("upper_lip_margin", "upper lip"),
        ("supraorbital.L", "left brow"),
        ("mouth_corner.R", "right mouth corner"),
        ("gonion.L", "left jaw line"),
        ("nose_tip", "nose"),
        ("zygion.R", "right cheek"),
    ],
)
def test_places_have_names(actor, spots, landmark, word):
    assert spots.region(actor.neutral, near(actor, spots.landmarks[landmark], 4.0)) == word


def test_what_blinks_is_the_eye_and_beyond_the_landmarks_there_are_words_too(actor, spots):
    blinks = np.linalg.norm(actor.expressions[:, actor.names.index("eyes_closed")], axis=1)
    left = (actor.neutral - spots.frame.nasion) @ spots.frame.left > 0
    assert spots.region(actor.neutral, np.flatnonzero((blinks > 0.8 * blinks.max()) & left)) == "left eye"
    behind = (actor.neutral @ spots.frame.front).argmin()
    assert spots.region(actor.neutral, np.array([behind])) == "back of the head"


def test_kept_spots_are_those_that_were_found(actor, spots):
    anew = spots_of(dataclasses.replace(actor, settings={}))
    assert (anew.landmarks, anew.upper_lip, anew.lower_lip) == (spots.landmarks, spots.upper_lip, spots.lower_lip)
    np.testing.assert_array_equal(anew.frame.up, spots.frame.up)


def test_kept_places_are_measured_and_those_of_older_files_found_anew(actor):
    anew = places_of(dataclasses.replace(actor, settings={}))
    older = {name: value for name, value in actor.settings[KEPT].items() if name != "corners"}
    assert spots_of(dataclasses.replace(actor, settings={KEPT: older})).corners is None
    for settings in (actor.settings, {KEPT: older}):
        kept = places_of(dataclasses.replace(actor, settings=settings))
        for each in dataclasses.fields(Places)[1:]:
            assert getattr(kept, each.name) == getattr(anew, each.name)
    other = {KEPT: {**actor.settings[KEPT], "corners": [1, None]}}
    assert places_of(dataclasses.replace(actor, settings=other)).mouth_corner == (1, None)


@pytest.mark.parametrize("damage", [{"topology": "another"}, {"upper_lip": 10**9}, {"scale": "x"}, {"up": [1.0]}])
def test_kept_spots_that_do_not_belong_are_not_believed(actor, damage):
    assert kept_spots(actor)[0]
    assert kept_spots(dataclasses.replace(actor, settings={KEPT: {**actor.settings[KEPT], **damage}})) == (False, None)


def test_a_mesh_without_a_face_is_checked_too(tiny):
    actor = dataclasses.replace(tiny[0], settings={})
    keep_spots(actor)
    assert spots_of(actor) is None
    (said,) = check_learned(actor)
    assert "around vertex" in said


# -- actors -----------------------------------------------------------------------------------------------------------


def test_nothing_is_said_of_a_good_actor(actor):
    assert check_learned(actor) == []
    assert check_transferred(actor, actor) == []


def moved_hinge(actor: Actor, aside: float, degrees: float) -> Actor:
    hinge, angle = actor.hinge, np.deg2rad(degrees)
    axis = np.cos(angle) * hinge.axis + np.sin(angle) * hinge.forward
    return dataclasses.replace(actor, hinge=Hinge(hinge.centre + aside * hinge.axis, axis, hinge.up))


@pytest.mark.parametrize(
    ("aside", "degrees", "said"), [(43.0, 0.0, "43 mm beside"), (0.0, 30.0, "turned by 30 degrees")]
)
def test_a_hinge_off_the_mirror_plane(actor, aside, degrees, said):
    assert said in check_learned(moved_hinge(actor, aside, degrees))[0]


def test_a_hinge_that_is_a_little_off_is_no_matter(actor):
    assert check_learned(moved_hinge(actor, 3.0, 3.0)) == []


def test_lips_part_but_no_jaw_opens(actor):
    still = with_jaw(actor, at_rest(actor))
    (said,) = check_learned(still)
    assert said.startswith("in 'jaw_open' (and in 1 more) the lips part by ")
    assert "the jaw opens by 0.0 degrees; give the lower teeth as Jaw" in said


def test_lips_that_part_over_closed_teeth_are_no_matter(actor):
    """The funnel parts the lips by more than a jaw that opens, and the chin stays."""
    kept = [i for i, name in enumerate(actor.names) if not name.startswith("jaw_open")]
    few = dataclasses.replace(
        actor,
        names=tuple(actor.names[i] for i in kept),
        jaw=np.tile(np.eye(4), (len(kept), 1, 1)),
        implicit_expressions=with_jaw(actor, at_rest(actor)).implicit_expressions[:, kept],
        expression_residual=actor.expression_residual[:, kept],
    )
    assert check_learned(few) == []


def test_without_bones_it_is_said_once_that_there_are_none(actor):
    boneless = dataclasses.replace(with_jaw(actor, at_rest(actor)), hinge=None, skin_weight=0 * actor.skin_weight)
    (said,) = check_learned(boneless)
    assert "there are no bones" in said
    assert check_fitted(boneless, performed(boneless, swelling(actor, "jaw_open")), False) == []


def test_a_part_that_is_learned_badly(actor, spots):
    random = np.random.default_rng(1)
    missed = actor.expression_residual.copy()
    cheek = near(actor, spots.landmarks["inferior_malar.L"], 12.0)
    missed[cheek, actor.names.index("smile")] += random.normal(0, 3, (len(cheek), 3))
    (said,) = check_learned(dataclasses.replace(actor, expression_residual=missed))
    assert said.startswith("the left cheek is learned badly: the networks miss it by ")
    assert "in 'smile'" in said


def test_an_actor_that_has_hardly_learned_is_told_so(actor, demo_learned):
    (said,) = check_learned(dataclasses.replace(demo_learned, settings=actor.settings))
    assert said.startswith("little was learned")


def test_a_transfer_with_a_spike(actor, spots):
    spiked = actor.implicit_expressions.copy()
    spiked[spots.landmarks["stomion"], actor.names.index("pucker")] += (0, 300, 0)
    (said,) = check_transferred(actor, dataclasses.replace(actor, implicit_expressions=spiked))
    assert said.startswith("'pucker' moves the lips by 2")
    assert "where the source moves by 9;" in said


# -- takes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sparse_points", [False, True])
def test_nothing_is_said_of_good_fits(actor, take, demo_learned, demo_take, sparse_points):
    assert check_fitted(actor, take, sparse_points) == []
    little = dataclasses.replace(demo_learned, settings=actor.settings)
    assert check_fitted(little, demo_take, sparse_points) == []


def test_nothing_is_said_of_a_good_retarget(actor, take):
    told = []
    assert check_retargeted(actor, take, actor, take, told.append) == []
    assert told[-1]["done"] == told[-1]["total"] == len(take.frames)
    weak = dataclasses.replace(
        performed(actor, 0.3 * take.coefficients[:, 0]), settings={"strength": 0.3, "jaw_strength": 1.0}
    )
    assert check_retargeted(actor, take, actor, weak) == []


def test_weights_beyond_what_the_shapes_were_made_for(actor):
    (said,) = check_fitted(actor, performed(actor, swelling(actor, "smile", most=2.8)), False)
    assert "'smile' reaches 2.8 at the " in said
    assert "frame 111" in said or "frame 110" in said


def test_a_weight_a_little_beyond_in_one_frame_is_no_matter(actor, take):
    many = dataclasses.replace(
        take,
        **{name: np.repeat(getattr(take, name), 2, axis=0) for name in ("coefficients", "jaw", "head", "error_mm")},
        frames=np.arange(2 * FRAMES, dtype=np.int32),
    )
    for weight, said in ((2.2, 0), (3.2, 1)):
        beyond = with_mode(many, np.ones(len(actor.bone)), "disgust", weight, 5)
        assert sum("weights go far" in each for each in check_fitted(actor, beyond, False)) == said
    settings = {"contact_modes": {"first": many.modes.shape[1], "count": 1}}  # they are bounded in mm
    for weight, said in ((3.2, 0), (9.0, 1)):
        beyond = with_mode(many, np.ones(len(actor.bone)), "disgust", weight, 5)
        told = check_fitted(actor, dataclasses.replace(beyond, settings=settings), False)
        assert not any("weights" in each for each in told)
        assert (
            sum(each.startswith("contact weighs shapes far beyond what they are in 1 of 40") for each in told) == said
        )


def test_a_weight_where_its_shape_does_not_move_means_nothing(actor, spots, take):
    forehead = np.zeros(len(actor.bone))
    forehead[near(actor, spots.landmarks["supraglabella"], 15.0)] = 1.0
    assert check_fitted(actor, with_mode(take, forehead, "pucker", 9.0, 3), False) == []


def shaken(actor: Actor, spots: FaceSpots) -> np.ndarray:
    """(V,) 1 and -1 by turns at the lips, 0 elsewhere."""
    lips = near(actor, spots.landmarks["stomion"], 12.0)
    values = np.zeros(len(actor.bone))
    values[lips] = np.random.default_rng(2).choice([-1.0, 1.0], len(lips))
    return values


def test_a_torn_mouth(actor, spots, take):
    torn = dataclasses.replace(
        with_mode(take, shaken(actor, spots), "pucker", 1.9, 7), settings={"pairs": {"kiss": "pucker"}}
    )
    for said in (check_fitted(actor, torn, True), check_retargeted(actor, take, actor, torn)):
        assert said[0].split(" is torn")[0] in ("the fit", "the retargeted face")
        assert "torn in 1 of 20 frames" in said[0]
        assert " lip" in said[0]
        assert "mostly by the pair kiss -> pucker; look at frame 108, and leave that pair out or " in said[0]
    assert not any("torn" in each for each in check_fitted(actor, torn, False))  # a dense performance may be so


def test_the_worst_of_several_torn_frames_is_named(actor, spots, take):
    torn = with_mode(take, shaken(actor, spots), "pucker", 1.9, 2)
    torn.coefficients[15, -1] = 2 * torn.coefficients[2, -1]
    torn.coefficients[16, -1] = torn.coefficients[2, -1]
    said = check_fitted(actor, torn, True)[0]
    assert "torn in 3 of 20 frames" in said
    assert "look at frame 116" in said


def test_a_result_that_moves_further_than_the_source(actor, take):
    far = performed(actor, 1.9 * swelling(actor, "jaw_open"))
    said = [each for each in check_retargeted(actor, take, actor, far) if "moves further than was" in each]
    assert len(said) == 1
    assert "where the source moves by" in said[0]
    meant = dataclasses.replace(far, settings={"strength": 1.9})
    assert not any("moves further than was" in each for each in check_retargeted(actor, take, actor, meant))


def test_a_small_motion_that_comes_out_large(actor):
    """Within the target's range, but far from what was performed."""
    little, much = (performed(actor, most * swelling(actor, "big_smile")) for most in (0.15, 1.0))
    (said,) = check_retargeted(actor, little, actor, much)
    assert "the face moves further than was performed: by " in said


def test_a_larger_face_may_move_further(actor, take):
    """Everything of the target is twice as large."""
    names = ("bone", "thickness", "implicit_expressions", "neutral_residual", "expression_residual")
    larger = {name: 2 * getattr(actor, name) for name in names}
    jaw = actor.jaw.copy()
    jaw[:, :3, 3] *= 2
    hinge = dataclasses.replace(actor.hinge, centre=2 * actor.hinge.centre)
    mirror = actor.mirror * [[2], [1]]
    kept = actor.settings[KEPT]
    kept = {**kept, "scale": 2 * kept["scale"], "nasion": [2 * each for each in kept["nasion"]]}
    giant = dataclasses.replace(actor, **larger, jaw=jaw, hinge=hinge, kept_mirror=mirror, settings={KEPT: kept})
    assert check_retargeted(actor, take, giant, performed(giant, take.coefficients[:, 0])) == []
    assert check_transferred(actor, giant) == []


def test_a_jaw_that_does_not_come_along(actor, take):
    shut = dataclasses.replace(take, jaw=np.tile(np.eye(4), (FRAMES, 1, 1)))
    carried, _ = check_retargeted(actor, take, actor, shut)  # and the chin goes down by itself
    assert carried.startswith("the jaw opens by 0.0 degrees in frame 1")


def test_a_jaw_that_is_meant_to_stay_behind(actor, take):
    settings = {"strength": 1.0, "jaw_strength": 0.1}
    axes = actor.hinge
    jaw = compose_jaw(0.1 * decompose_jaw(take.jaw, axes), axes)
    assert check_retargeted(actor, take, actor, dataclasses.replace(take, jaw=jaw, settings=settings)) == []


def test_a_jaw_that_stays_shut_under_an_open_mouth(actor):
    still = with_jaw(actor, at_rest(actor))
    (said,) = check_fitted(still, performed(still, swelling(still, "jaw_open")), False)
    assert "frames the chin goes down but the jaw stays shut (frame 11" in said


def test_a_jaw_that_opens_under_a_closed_mouth(actor, take):
    smiles = dataclasses.replace(performed(actor, swelling(actor, "smile")), jaw=take.jaw)
    deaf = dataclasses.replace(actor, skin_weight=0 * actor.skin_weight)  # its skin does not follow
    (said,) = check_fitted(deaf, smiles, False)
    assert "frames the jaw opens but the chin stays where it is (frame 11" in said


@pytest.mark.parametrize(("late", "said"), [(0.0, False), (0.25, True)])
def test_a_jaw_that_opens_at_other_times(actor, take, late, said):
    """In no frame far wrong, but a quarter of a turn late."""
    turn = 2 * np.pi * np.arange(FRAMES) / FRAMES
    chin, jaw = 4.4 * (1 + np.sin(turn)), 3.9 * (1 + np.sin(turn - 2 * np.pi * late))
    motion = MouthMotion(chin, chin, jaw, chin / 2)
    found = check_frames(actor, take, motion)
    assert len(found) == said
    assert not said or found[0].startswith("the jaw does not follow the chin (r ")
