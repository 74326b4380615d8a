"""Symmetric label noise: how many labels change, and which stay."""

import pytest
import torch

from sslens.datasets.label_noise import symmetric_label_noise
from sslens.runtime import stream
from sslens.types import InputError

LABELS = torch.arange(10).repeat(2000)


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_the_share_of_wrong_labels_is_the_share_redrawn_less_the_lucky_tenth(share):
    noisy = symmetric_label_noise(LABELS, share, classes=10, generator=stream(0, "noise"))
    expected, deviation = 0.9 * share, (0.25 / len(LABELS)) ** 0.5
    assert float((noisy != LABELS).double().mean()) == pytest.approx(expected, abs=5 * deviation)
    flows = torch.bincount(10 * LABELS + noisy, minlength=100).view(10, 10)
    flows.fill_diagonal_(0)
    assert flows.sum(0).max() < 1.3 * flows.sum(0).min()  # no class attracts more than another


def test_no_noise_leaves_every_label_and_a_seed_repeats_the_draw():
    assert torch.equal(symmetric_label_noise(LABELS, 0.0, classes=10, generator=stream(0, "noise")), LABELS)
    first, second = (symmetric_label_noise(LABELS, 0.5, classes=10, generator=stream(3, "noise")) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(InputError, match="share"):
        symmetric_label_noise(LABELS, share, classes=10, generator=stream(0, "noise"))
