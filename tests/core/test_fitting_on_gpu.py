# SPDX-License-Identifier: GPL-3.0-or-later
"""Fits run on a GPU as on the CPU, as far as that shows without one.

The closed form computes with tensors that say they are on a GPU: an operation that mixes them with others, or asks for
their values other than by `cpu`, is refused as CUDA refuses it; and the result must be the CPU's to the last digit. The
networks learn on torch's device `meta`, whose tensors have no values.
"""

import dataclasses

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from aim_blender.core.fitting import fitting, fitting_neural, fitting_session
from aim_blender.core.fitting.fitting import FittingSettings, fit_performance
from aim_blender.core.fitting.fitting_neural import NeuralFitter
from aim_blender.core.live.live import LiveFit

GPU = torch.device("cuda")
# These may take tensors of two devices: an index, or a copy from one to the other.
HOST_ONLY = ("numpy", "__array__", "tolist", "__iter__")
VALUES = ("__bool__", "__float__", "__int__", "item", "__format__", "__repr__", "__len__")


class OnGpu(torch.Tensor):
    """A tensor of the CPU that says it is on a GPU."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(function, "__name__", str(function))
        if function == torch.Tensor.device.__get__:
            return GPU
        if name in HOST_ONLY:
            raise TypeError(f"can't convert a CUDA tensor to numpy by {name}; use cpu() first")
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if any(not isinstance(tensor, cls) and tensor.dim() > 0 for tensor in tensors):
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, cuda and cpu")
        plain = tree_map(lambda leaf: leaf.as_subclass(torch.Tensor) if isinstance(leaf, cls) else leaf, (args, kwargs))
        if name == "cpu":
            return plain[0][0].clone()
        if name == "to" and GPU in [*args, kwargs.get("device")]:
            return args[0]
        found = function(*plain[0], **{key: value for key, value in plain[1].items() if key != "device"})
        return tree_map(on_gpu, found) if name not in VALUES else found


def on_gpu(value):
    return value.as_subclass(OnGpu) if isinstance(value, torch.Tensor) else value


class PretendedGpu(TorchFunctionMode):
    """What is made on, or sent to, `cuda` becomes OnGpu."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        wanted = GPU in [kwargs.get("device"), *(part for part in args if isinstance(part, torch.device))]
        if not wanted or OnGpu in types:
            return function(*args, **kwargs)
        kwargs.pop("device", None)
        rest = [part for part in args if not (isinstance(part, torch.device) and part == GPU)]
        return on_gpu(
            function(*rest, **kwargs) if len(rest) > 1 or function is not torch.Tensor.to else rest[0].clone()
        )


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(fitting_session, "choose_device", lambda name: torch.device("cpu") if name == "cpu" else GPU)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2**30, 2**31))
    with PretendedGpu():
        yield


def spoilt(frames):
    """Three frames: a whole one, one with outliers, and one with a hole."""
    vertices = frames.vertices[3:6].copy()
    vertices[1, ::500] += 30.0
    vertices[2, :300] = np.nan
    return dataclasses.replace(frames, vertices=vertices, frames=frames.frames[3:6])


@pytest.mark.parametrize("choices", [{}, {"largest_weight": 1.0, "temporal": 4.0}])
def test_the_closed_form_is_the_same_on_a_gpu(demo_learned, demo_frames, gpu, choices):
    takes = [
        fit_performance(demo_learned, spoilt(demo_frames), FittingSettings(modes=8, device=device, **choices))
        for device in ("cuda", "cpu")
    ]
    assert takes[0].figures["outliers"] > 0
    for name in ("modes", "coefficients", "jaw", "head", "error_mm"):
        np.testing.assert_array_equal(getattr(takes[0], name), getattr(takes[1], name), err_msg=name)


def test_live_frames_are_the_same_on_a_gpu(demo_learned, demo_frames, gpu):
    fits = [LiveFit(demo_learned, FittingSettings(modes=8, device=device)) for device in ("cuda", "cpu")]
    vertices = np.arange(0, 8000, 400)
    frames = [
        (fit.mesh(demo_frames.vertices[5]), fit.handles(vertices, demo_frames.vertices[5, vertices])) for fit in fits
    ]
    for one, other in zip(*frames, strict=True):
        np.testing.assert_array_equal(one.vertices, other.vertices)


def test_what_mixes_devices_is_refused(demo_learned, demo_frames, gpu):
    session = fitting_session.FittingSession(demo_learned, FittingSettings(modes=4))
    assert session.solver.inverse.device == GPU
    still = demo_frames.vertices[:1].astype(np.float64)
    with pytest.raises(TypeError, match="CUDA tensor to numpy"):
        session.residual(still, np.eye(4)[None]).numpy()
    with pytest.raises(RuntimeError, match="same device"):
        session.residual(still, np.eye(4)[None]) + torch.zeros(still.shape)


class SameDevice(TorchDispatchMode):
    """Refuses operations that mix the device `meta` with another, or read the values of its tensors."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor) and leaf.dim() > 0]
        if len({tensor.device.type for tensor in tensors}) > 1 and "copy" not in str(operation):
            raise AssertionError(f"{operation} mixes devices")
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("warm_start", [True, False])
def test_a_step_of_the_networks_stays_on_one_device(demo_learned, demo_frames, demo_take, monkeypatch, warm_start):
    monkeypatch.setattr(fitting_neural, "choose_device", lambda _: torch.device("meta"))
    with SameDevice():
        settings = FittingSettings(solver="neural", warm_start=warm_start)
        fitter = NeuralFitter(demo_learned, demo_frames, demo_take, settings)
        found = fitter.step()
    assert {value.device.type for value in found.values()} == {"meta"}
    assert {value.device.type for value in fitter.model.parameters()} == {"meta"}


def test_frames_at_once_fit_into_a_gpus_memory(demo_frames, gpu):
    points = demo_frames.vertices.shape[1]
    per_frame = points * (2 * 19 + 12) * 4
    assert fitting.frames_at_once(points, 19, GPU) == int(0.25 * 2**30) // per_frame
    assert fitting.frames_at_once(points, 19, torch.device("cpu")) == fitting.MOST_FRAMES
