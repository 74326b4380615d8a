"""One training step on a GPU: nothing waits, nothing leaves the device, and the arithmetic is the CPU's."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from sslens import runtime
from sslens.encoders import ConvNet, ResNet18
from sslens.objectives import CrossEntropy, SimCLR, SimSiam, VICReg
from sslens.types import Outputs
from sslens.views import RECIPES, Draw, apply, draw
from tests.benchmarks.steps import augmented, training

OBJECTIVES = (VICReg(), SimCLR(), SimSiam(), CrossEntropy())
SMALL: dict[str, Any] = {
    "encoder": ConvNet(width=16),
    "optimisation": {"batch_size": 64},
    "snapshots": {"reference": 32},
}


def on(device, **changes):
    return training(compute={"device": device}, **changes)


# where waiting is the question there is nothing to rehearse
on_cuda = pytest.mark.parametrize("device", [pytest.param("cuda", marks=pytest.mark.gpu)], indirect=True)


def resident(state):
    moments = [each for group in state.optimizer.state.values() for name, each in group.items() if name != "step"]
    data = (state.train.images, state.train.labels, state.reference.images)
    return {each.device.type for each in (*data, *state.model.parameters(), *state.model.buffers(), *moments)}


@on_cuda
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_call_inside_a_step_synchronises(device, objective, momentum):
    step = augmented(on(device, objective=objective, momentum=momentum), 1)
    for _ in range(3):  # constants are copied and memory is taken in the first steps
        step()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@on_cuda
def test_the_host_is_through_with_a_step_while_the_device_is_still_busy(device):
    """The debug mode above does not know every way of waiting; a device kept busy for a second shows the others."""
    step, busy = augmented(on(device), 1), torch.cuda.Event()
    for _ in range(3):
        step()
    torch.cuda.synchronize()
    torch.cuda._sleep(2 * 10**9)  # clock cycles
    busy.record()
    step()
    assert not busy.query()
    torch.cuda.synchronize()


def test_data_weights_and_moments_stay_on_the_device(device, coloured):
    going = on(device, data={"name": coloured}, momentum=0.9, **SMALL)
    augmented(going, 2)()
    assert resident(going) == {device}


@pytest.mark.parametrize("kind", [ConvNet, ResNet18])
def test_convolutions_and_their_moments_keep_their_channels_last(device, coloured, kind):
    going = on(device, data={"name": coloured}, **SMALL | {"encoder": kind(width=8)})
    augmented(going, 1)()
    kernels = [each for each in going.model.parameters() if each.ndim == 4]
    moments = [going.optimizer.state[each]["exp_avg"] for each in kernels]
    assert kernels and all(each.is_contiguous(memory_format=torch.channels_last) for each in (*kernels, *moments))


@pytest.mark.parametrize("recipe", ["digits", "natural"])
def test_a_draw_replays_on_the_device(device, recipe):
    """The same parameters move, colour and disturb the pixels as on the CPU, to a fortieth of an 8-bit level."""
    images = torch.rand(16, 3 if recipe == "natural" else 1, 32, 32, generator=runtime.stream(0, "images"))
    rows = draw(RECIPES[recipe], 16, runtime.stream(0, "views"))
    moved: dict[str, Any] = {
        name: each.to(device) if isinstance(each, torch.Tensor) else each for name, each in vars(rows).items()
    }
    torch.testing.assert_close(apply(images.to(device), Draw(**moved)).cpu(), apply(images, rows), atol=1e-4, rtol=0)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_in_float64_terms_and_gradients_are_those_of_the_cpu(device, objective):
    """On the same views and weights, where no random draw and no half precision can hide a difference."""
    pair = torch.rand(2, 64, 1, 16, 16, dtype=torch.float64, generator=runtime.stream(0, "pair"))
    found = [terms_and_gradients(where, objective, pair) for where in ("cpu", device)]
    torch.testing.assert_close(*found, atol=1e-9, rtol=1e-9)


def terms_and_gradients(where, objective, pair):
    going = training(compute={"device": where, "dtype": "float64"}, objective=objective, **SMALL)
    outputs = going.model([pair[: objective.views].to(where)])
    assert isinstance(outputs, Outputs)
    outputs = replace(outputs, labels=going.train.labels[:64])
    terms = objective.terms(outputs, going.state)
    torch.stack(list(terms.values())).sum().backward()
    gradients = {name: each.grad.cpu() for name, each in going.model.named_parameters() if each.grad is not None}
    return {name: term.detach().cpu() for name, term in terms.items()} | gradients
