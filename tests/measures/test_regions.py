"""Local complexity against its closed form in the first layer and a loop over corners."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sslens.measures import regions
from sslens.measures.regions import local_complexity
from sslens.runtime import stream
from sslens.types import InputError


def mlp(seed=0, sizes=(6, 20, 15, 10)):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1]).double()


def points(seed=0, n=7, d=6):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def frames_of(x, directions, seed):
    """The orthonormal directions drawn for each point, as the measure draws them."""
    seen = regions._corners(torch.zeros_like(x), radius=1.0, directions=directions, generator=stream(seed, "frames"))
    return seen[:, :directions].flatten(2)


def test_drawn_directions_are_orthonormal_and_different_for_every_point():
    frames = frames_of(points(), 4, 0)
    assert torch.allclose(frames @ frames.mT, torch.eye(4).double(), atol=1e-12)
    assert not torch.allclose(frames[0], frames[1])


@given(st.integers(0, 2**32), st.floats(0.01, 3), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_the_first_layer_is_exact(seed, radius, directions):
    net, x = mlp(seed % 100, (6, 20, 3)), points(seed % 1000)
    found = local_complexity(net, x, radius=radius, directions=directions, generator=stream(seed, "frames"))
    reach = (frames_of(x, directions, seed) @ net[0].weight.T).abs().amax(1)
    oracle = (net[0](x).abs() < radius * reach).sum(1)
    assert found.counts[0].tolist() == oracle.tolist()


def test_deeper_layers_count_the_units_that_part_the_images_of_the_corners():
    net, x, radius, directions = mlp(), points(), 0.5, 3
    found = local_complexity(net, x, radius=radius, directions=directions, generator=stream(0, "frames"))
    frames = frames_of(x, directions, 0)
    for place, frame, count in zip(x, frames, found.counts[1], strict=True):
        images = [net[:3](place + sign * radius * step).tolist() for step in frame for sign in (1, -1)]
        assert count == sum(min(unit) <= 0 < max(unit) for unit in zip(*images, strict=True))


def test_layers_are_named_logits_do_not_count_and_the_mean_is_their_sum():
    found = local_complexity(mlp(), points(), radius=100.0, directions=6, generator=stream(0, "frames"))
    assert found.layers == ("1", "3") and found.counts.shape == (2, 7)
    assert found.counts[0].tolist() == [20.0] * 7
    assert found.mean == pytest.approx(float(found.counts.sum(0).mean()))


def test_a_tiny_neighbourhood_crosses_nothing_and_a_larger_one_never_fewer_first_layer_folds():
    counts = [
        local_complexity(mlp(), points(), radius=radius, directions=4, generator=stream(0, "frames")).counts[0]
        for radius in (1e-9, 0.1, 0.5, 2.0)
    ]
    assert not counts[0].any()
    assert all((larger >= smaller).all() for smaller, larger in pairwise(counts))


def test_scaling_a_layer_moves_no_fold():
    net = mlp()
    ask = {"radius": 0.3, "directions": 4}
    before = local_complexity(net, points(), generator=stream(0, "frames"), **ask).counts
    with torch.no_grad():
        net[2].weight.mul_(50)
        net[2].bias.mul_(50)
    assert torch.equal(local_complexity(net, points(), generator=stream(0, "frames"), **ask).counts, before)


def test_frames_are_averaged_and_their_spread_is_the_standard_error():
    ask = {"radius": 0.3, "directions": 2}
    generator = stream(0, "frames")
    singles = [local_complexity(mlp(), points(), generator=generator, **ask) for _ in range(4)]
    found = local_complexity(mlp(), points(), generator=stream(0, "frames"), frames=4, **ask)
    means = torch.tensor([single.mean for single in singles], dtype=torch.float64)
    assert torch.allclose(found.counts, torch.stack([single.counts for single in singles]).mean(0))
    assert found.mean == pytest.approx(float(means.mean()))
    assert found.error == pytest.approx(float(means.std()) / 2)
    assert singles[0].error == math.inf


def test_points_pass_in_chunks_without_changing_their_order(monkeypatch):
    net, x = mlp(sizes=(6, 20, 3)), points(n=50)
    monkeypatch.setattr(regions, "CORNER_VALUES", 2 * 6 * 6 * 8)
    found = local_complexity(net, x, radius=100.0, directions=6, generator=stream(0, "frames"), frames=2)
    assert found.counts.shape == (1, 50)
    net[0].weight.data.zero_()
    net[0].weight.data[:, 0] = 1
    net[0].bias.data.zero_()
    x = torch.arange(-25.0, 25.0, dtype=torch.float64)[:, None] * torch.eye(6, dtype=torch.float64)[:1]
    near = local_complexity(net, x, radius=0.9, directions=6, generator=stream(0, "frames"), frames=2).counts[0]
    assert near.nonzero().flatten().tolist() == [25]


def test_convolutions_batch_norm_and_a_rectifier_used_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.act = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.LeakyReLU(inplace=True)

        def forward(self, x):
            return self.act(self.norm(self.act(self.conv(x))) - 0.1)

    net = Twice()
    found = local_complexity(net, torch.rand(5, 1, 8, 8), radius=1e3, directions=10, generator=stream(0, "frames"))
    assert found.layers == ("act", "act:2")
    assert found.counts[0].tolist() == [3 * 6 * 6] * 5 and found.counts.dtype == torch.float64
    assert net.norm.num_batches_tracked == 0


def test_the_points_follow_the_precision_of_the_net():
    ask = {"radius": 0.3, "directions": 2}
    single = local_complexity(mlp(), points().float(), generator=stream(0, "frames"), **ask)
    double = local_complexity(mlp(), points().float().double(), generator=stream(0, "frames"), **ask)
    assert torch.equal(single.counts, double.counts)


@pytest.mark.parametrize("fails", [False, True])
def test_modes_and_hooks_are_as_before_even_after_an_error(fails):
    net = nn.Sequential(*mlp(), nn.Dropout(), nn.Sequential(nn.BatchNorm1d(10).double())).train()
    net[-1].eval()
    modes = [module.training for module in net.modules()]
    if fails:
        net[2].weight.data[0, 0] = math.nan
        with pytest.raises(InputError, match="before '3'"):
            local_complexity(net, points(), radius=0.1, directions=2, generator=stream(0, "frames"))
    else:
        local_complexity(net, points(), radius=0.1, directions=2, generator=stream(0, "frames"))
    assert [module.training for module in net.modules()] == modes
    assert not any(module._forward_pre_hooks for module in net.modules())


@pytest.mark.parametrize(
    "change, field",
    [({"radius": 0.0}, "radius"), ({"radius": -1.0}, "radius"), ({"radius": math.nan}, "radius"),
     ({"directions": 0}, "directions"), ({"directions": 7}, r"\[1, 6\]"), ({"frames": 0}, "frames"),
     ({"net": nn.Linear(6, 2)}, "ReLU"), ({"net": nn.GELU()}, "ReLU"), ({"x": torch.zeros(0, 6)}, "x"),
     ({"x": torch.full((2, 6), math.inf)}, "x"), ({"x": torch.zeros(5)}, "x")],
)  # fmt: skip
def test_bad_questions_are_refused_before_any_work(change, field):
    ask = {"net": mlp(), "x": points(), "radius": 0.1, "directions": 2, "generator": stream(0, "frames"), **change}
    with pytest.raises(InputError, match=field):
        local_complexity(ask.pop("net"), ask.pop("x"), **ask)
