"""Images per second of the real training step, printed and never asserted."""

import sys
import time
from contextlib import nullcontext

import pytest
import torch

from sslens.encoders import ConvNet, ResNet18
from tests.benchmarks.steps import augmented, plain, training

WARM, TIMED = 20, 100
CASES = [(ConvNet, 256), (ConvNet, 512), (ResNet18, 256), (ResNet18, 512)]


@pytest.mark.parametrize(("kind", "batch"), CASES)
def test_throughput_is_printed(device, coloured, capsys, kind, batch):
    """Every image is augmented twice and both views are trained; 32x32x3, VICReg, the config's default heads."""
    batch, warm, timed = (8, 1, 2) if device == "cpu" else (batch, WARM, TIMED)
    changes = {"encoder": kind(width=4) if device == "cpu" else kind(), "optimisation": {"batch_size": batch}}
    going = training(compute={"device": device}, data={"name": coloured}, snapshots={"reference": 16}, **changes)
    full, bare = (seconds(made(going, 1), warm, timed) for made in (augmented, plain))
    assert full > 0 and bare > 0
    where = torch.cuda.get_device_name() if device == "cuda" else "a rehearsal on the CPU"
    speed = f"{batch / full:,.0f} images/s, {1e3 * full:.2f} ms a step, {bare / full:.2f} of one without augmentation"
    with capsys.disabled() if device == "cuda" else nullcontext():
        print(f"\n{kind.__name__}, batch {batch}, 32x32x3, {where}: {speed} ({sys.executable} -m tests.gpu)")


def seconds(step, warm, timed):
    """One step, on average, once the device has caught up."""
    for _ in range(warm):
        step()
    finish()
    start = time.perf_counter()
    for _ in range(timed):
        step()
    finish()
    return (time.perf_counter() - start) / timed


def finish():
    if torch.cuda.is_available():
        torch.cuda.synchronize()
