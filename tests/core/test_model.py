# SPDX-License-Identifier: GPL-3.0-or-later
"""The face model: skinning, a jaw that stays rigid, anatomical fields in their ranges, and their plain twins."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from aim_blender.core.geometry.rigid import apply_motion
from aim_blender.core.geometry.skinning import linear_blend_skinning
from aim_blender.core.model.model import UNIT_MM, FaceModel, rigid_motion
from tests.core.geometry import random_motions

COUNT, POINTS = 4, 30


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)


def model(**choices) -> FaceModel:
    generator = torch.Generator().manual_seed(0)
    return FaceModel(5, COUNT, hidden=16, depth=2, generator=generator, **choices).double()


def template() -> torch.Tensor:
    return torch.randn(POINTS, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_skinning_is_the_formula_point_by_point(random):
    points, weight = random.normal(size=(POINTS, 3)), random.random((POINTS, 1))
    motion = random_motions(6, random)
    found = linear_blend_skinning(*map(torch.as_tensor, (points, motion.reshape(2, 3, 4, 4), weight)))
    assert found.shape == (2, 3, POINTS, 3)
    for j, matrix in enumerate(motion):
        for v in range(POINTS):
            blended = (1 - weight[v]) * np.eye(4) + weight[v] * matrix
            wanted = (blended @ [*points[v], 1.0])[:3]
            assert np.allclose(found.reshape(6, POINTS, 3)[j, v], wanted, atol=1e-12)


def test_skinning_equals_its_numpy_twin(random):
    points, weight, motion = random.normal(size=(POINTS, 3)), random.random((POINTS, 1)), random_motions(3, random)
    found = linear_blend_skinning(*map(torch.as_tensor, (points, motion, weight)))
    assert np.allclose(found, linear_blend_skinning(points, motion, weight), atol=1e-12)
    everywhere = linear_blend_skinning(*map(torch.as_tensor, (points, motion, np.ones((POINTS, 1)))))
    assert np.allclose(everywhere, apply_motion(np.stack([points] * 3), motion), atol=1e-12)
    nowhere = linear_blend_skinning(*map(torch.as_tensor, (points, motion, np.zeros((POINTS, 1)))))
    assert np.array_equal(nowhere, np.stack([points] * 3))


def test_skinning_gradients_equal_central_differences(random):
    inputs = (random.normal(size=(5, 3)), random_motions(2, random), random.random((5, 1)))
    assert gradcheck(linear_blend_skinning, tuple(torch.as_tensor(value).requires_grad_() for value in inputs))


def test_rigid_motion_turns_then_slides(random):
    motion = random_motions(3, random)
    made = rigid_motion(torch.as_tensor(motion[:, :3, :3]), torch.as_tensor(motion[:, :3, 3]))
    assert np.allclose(made, motion)


def test_jaw_comes_back_as_it_was_set(random):
    face, motion = model(), random_motions(COUNT, random, slide=0.1)
    face.set_jaw(motion, np.array([0.1, -0.4, 0.2]))
    assert np.allclose(face.jaw().detach(), motion, atol=1e-12)


def test_jaw_starts_at_rest():
    assert np.allclose(model().jaw().detach(), np.tile(np.eye(4), (COUNT, 1, 1)))


def test_jaw_stays_rigid_whatever_is_learned(random):
    face = model()
    face.set_jaw(random_motions(COUNT, random, slide=0.1), np.array([0.1, -0.4, 0.2]))
    with torch.no_grad():
        face.jaw_rotation.add_(torch.randn(COUNT, 3, 2, generator=torch.Generator().manual_seed(2)) * 0.3)
        face.jaw_slide.add_(0.2)
    motion = face.jaw().detach().numpy()
    turn = motion[:, :3, :3]
    assert np.allclose(turn @ turn.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(turn), 1.0)
    assert np.array_equal(motion[:, 3], np.tile([0.0, 0.0, 0.0, 1.0], (COUNT, 1)))


def test_jaw_turns_about_its_hinge(random):
    face, centre = model(), np.array([0.1, -0.4, 0.2])
    face.set_jaw(np.tile(np.eye(4), (COUNT, 1, 1)), centre)
    with torch.no_grad():
        face.jaw_rotation.add_(torch.randn(COUNT, 3, 2, generator=torch.Generator().manual_seed(2)) * 0.3)
    motion = face.jaw().detach().numpy()
    assert not np.allclose(motion, np.eye(4), atol=0.01)
    assert np.allclose(motion[:, :3, :3] @ centre + motion[:, :3, 3], centre, atol=1e-12)


def test_jaw_gradients_equal_central_differences(random):
    face = model()
    face.set_jaw(random_motions(COUNT, random, slide=0.1), np.array([0.1, -0.4, 0.2]))

    def jaw(rotation, slide):
        return torch.func.functional_call(JawOnly(face), {"face.jaw_rotation": rotation, "face.jaw_slide": slide}, ())

    assert gradcheck(jaw, (face.jaw_rotation.detach().requires_grad_(), face.jaw_slide.detach().requires_grad_()))


class JawOnly(torch.nn.Module):
    """A model whose forward is the jaw."""

    def __init__(self, face: FaceModel) -> None:
        super().__init__()
        self.face = face

    def forward(self) -> torch.Tensor:
        return self.face.jaw()


@pytest.mark.parametrize("activation", ["siren", "gelu", "relu"])
def test_anatomy_is_in_its_ranges(activation):
    face = model(activation=activation)
    with torch.no_grad():
        for weight in face.anatomy_networks.output_weights.values():
            weight *= 200  # far from where it starts
        anatomy = face.anatomy(template())
    assert np.allclose(anatomy.normal.norm(dim=1), 1.0)
    assert anatomy.thickness.min() >= 0
    assert anatomy.skin_weight.min() >= 0
    assert anatomy.skin_weight.max() <= 1
    assert anatomy.skin_weight.max() - anatomy.skin_weight.min() > 0.1
    assert torch.equal(anatomy.neutral, anatomy.bone + anatomy.thickness * anatomy.normal)


def test_anatomy_starts_as_bone_under_skin():
    with torch.no_grad():
        anatomy = model().anatomy(template())
    position = template()[:, :3]
    assert (anatomy.bone - position).norm(dim=1).max() * UNIT_MM < 30
    assert anatomy.thickness.mean() * UNIT_MM == pytest.approx(5.0, abs=1.0)
    assert ((anatomy.normal * position).sum(1) > 0).all()


def test_anatomy_equals_its_plain_twin():
    with torch.no_grad():
        batched, plain = model().anatomy(template()), model().anatomy(template(), plain=True)
    for name in ("bone", "normal", "thickness", "skin_weight"):
        assert torch.allclose(getattr(batched, name), getattr(plain, name), rtol=1e-12, atol=1e-14)


def test_shapes_are_skinned_neutral_plus_expressions(random):
    face, motion = model(), random_motions(COUNT, random, slide=0.1)
    face.set_jaw(motion, np.zeros(3))
    with torch.no_grad():
        shapes, anatomy, expressions = face.shapes(template()), face.anatomy(template()), face.expressions(template())
    assert shapes.shape == (COUNT + 1, POINTS, 3)
    assert expressions.shape == (POINTS, COUNT, 3)
    assert torch.equal(shapes[0], anatomy.neutral)
    wanted = linear_blend_skinning(anatomy.neutral.numpy(), motion, anatomy.skin_weight.numpy())
    assert np.allclose(shapes[1:], wanted + expressions.numpy().transpose(1, 0, 2), atol=1e-12)


def test_saved_state_holds_the_hinge(random):
    face, again = model(), model()
    face.set_jaw(random_motions(COUNT, random, slide=0.1), np.array([0.1, -0.4, 0.2]))
    again.load_state_dict(face.state_dict())
    assert torch.equal(face.jaw(), again.jaw())
