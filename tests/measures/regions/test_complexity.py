"""Local complexity against its closed form in the first layer and a loop over corners."""

import math
from itertools import combinations, pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import nn

from sslens import datasets, encoders
from sslens.measures.regions import complexity, local_complexity
from sslens.measures.regions.complexity import exact_complexity
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
    drawn = complexity._frames(x, directions=directions, generator=stream(seed, "frames"))
    return torch.cat([axes.flatten(2) for _, axes in drawn])


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
    monkeypatch.setattr(complexity, "CORNER_VALUES", 2 * 6 * 6 * 8)
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


class Plain(nn.Module):
    """A network of which nothing is known but what it answers."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)


def lively(net):
    """With batch-norm statistics as after a training, in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for _ in range(20):
            net(torch.rand(32, 1, 8, 8) * 3 + 1)
    return net.double().eval()


IMAGE_NETS = {
    "linear": lambda: encoders.mlp(64, 30, 20, 10),
    "convolution and batch norm": lambda: encoders.ConvNet(width=8).build((1, 8, 8)),
    "linear and batch norm": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 60), nn.BatchNorm1d(60), nn.LeakyReLU()),
    "residual": lambda: encoders.ResNet18(width=2).build((1, 8, 8)),
    "reflecting borders": lambda: nn.Sequential(nn.Conv2d(1, 3, 3, padding=1, padding_mode="reflect"), nn.ReLU()),
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGE_NETS)
@pytest.mark.parametrize("radius", [0.2, 1.0])
def test_passing_the_first_layer_by_its_linear_part_changes_no_count(name, radius):
    net, x = lively(IMAGE_NETS[name]()), points(n=9, d=64).unflatten(1, (1, 8, 8))
    ask = {"radius": radius, "directions": 12}
    found = local_complexity(net, x, generator=stream(0, "frames"), **ask)
    plain = local_complexity(Plain(net), x, generator=stream(0, "frames"), **ask)
    assert torch.equal(found.counts, plain.counts) and found.counts.any()
    assert [f"net.{layer}" for layer in found.layers] == list(plain.layers)


@pytest.mark.parametrize("name, first", [("linear", "Linear"), ("convolution and batch norm", "BatchNorm2d")])
def test_no_corner_passes_the_first_layer(name, first, monkeypatch):
    net, x, rows = lively(IMAGE_NETS[name]()), points(n=9, d=64).unflatten(1, (1, 8, 8)), []
    layer = next(module for module in net.modules() if type(module).__name__ == first)
    forward, shape = type(layer).forward, layer.weight.shape

    def counted(module, inputs):
        if module.weight.shape == shape:
            rows.append(len(inputs))
        return forward(module, inputs)

    monkeypatch.setattr(type(layer), "forward", counted)
    local_complexity(net, x, radius=1.0, directions=20, generator=stream(0, "frames"))
    assert rows[-1] == max(rows) == 9 + 9 * 20 + 1  # the points, their steps, and zero; before them trials of fewer


def test_corners_pass_in_parts_that_fit_in_memory(monkeypatch):
    net, x = lively(IMAGE_NETS["residual"]()), points(n=9, d=64).unflatten(1, (1, 8, 8))
    ask = {"radius": 0.5, "directions": 12}
    whole = local_complexity(net, x, generator=stream(0, "frames"), **ask).counts
    monkeypatch.setattr(complexity, "VALUES", 1)
    assert torch.equal(local_complexity(net, x, generator=stream(0, "frames"), **ask).counts, whole)


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


def chords(net, point, frame, radius):
    """Where the folds of the first layer cross the square around a point: their ends, in coordinates of its plane."""
    corners = radius * torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    for unit in net[0](point + corners @ frame).T.tolist():
        sides = [(a, b) for a, b in zip(range(4), (1, 2, 3, 0), strict=True) if (unit[a] > 0) != (unit[b] > 0)]
        if sides:
            yield [corners[a] + (corners[b] - corners[a]) * unit[a] / (unit[a] - unit[b]) for a, b in sides]


def meet(one, other):
    """Whether two chords cross: each has the other's ends on both of its sides."""

    def side(line, p):
        (ax, ay), (bx, by), (px, py) = line[0].tolist(), line[1].tolist(), p.tolist()
        return (bx - ax) * (py - ay) - (by - ay) * (px - ax) > 0

    return side(one, other[0]) != side(one, other[1]) and side(other, one[0]) != side(other, one[1])


@pytest.mark.parametrize("radius", [0.3, 2.0])
def test_exact_regions_of_one_layer_are_one_more_than_its_chords_and_their_crossings(radius):
    net, x = mlp(3, (6, 20, 3)), points()
    found = exact_complexity(net, x, radius=radius, generator=stream(0, "frames"))
    for place, frame, regions, crossings in zip(x, frames_of(x, 2, 0), found.regions, found.crossings, strict=True):
        folds = list(chords(net, place, frame, radius))
        assert crossings == len(folds)
        assert regions == 1 + len(folds) + sum(meet(*pair) for pair in combinations(folds, 2))


@pytest.mark.parametrize("radius", [0.1, 0.5, 2.0])
def test_local_complexity_never_exceeds_the_exact_crossings_which_are_fewer_than_the_regions(radius):
    net, x = mlp(1, (8, 40, 40, 40, 5)), 0.7 * points(n=20, d=8)
    exact = exact_complexity(net, x, radius=radius, generator=stream(0, "frames"))
    counts = local_complexity(net, x, radius=radius, directions=2, generator=stream(0, "frames")).counts.sum(0)
    assert (counts <= exact.crossings).all() and (exact.crossings < exact.regions).all()
    assert float(counts.sum() / exact.crossings.sum()) > 0.9


def test_local_complexity_ranks_points_along_a_training_as_the_exact_regions_do():
    digits, _ = datasets.load("digits")
    images, labels = digits.images[:500].double(), digits.labels[:500]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = encoders.mlp(64, 40, 40, 10).double()
    optimizer, batches, counts, regions = torch.optim.AdamW(net.parameters(), lr=3e-3), stream(0, "batches"), [], []
    for step in range(201):
        if step in (0, 25, 200):
            exact = exact_complexity(net, images[:20], radius=1.0, generator=stream(0, "frames"))
            found = local_complexity(net, images[:20], radius=1.0, directions=2, generator=stream(0, "frames"))
            counts.append(found.counts.sum(0))
            regions.append(exact.regions)
        batch = torch.randint(500, (100,), generator=batches)
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
        optimizer.step()
    assert counts[1].mean() < counts[0].mean() and regions[1].double().mean() < regions[0].double().mean()
    assert spearmanr(torch.cat(counts), torch.cat(regions)).statistic >= 0.9


def test_points_and_activation_patterns_of_a_grid_find_no_more_than_the_exact_count(monkeypatch):
    net, x, radius = mlp(), points(n=5), 0.8
    monkeypatch.setattr(complexity, "CORNER_VALUES", 2 * 2 * 6 * 2)
    exact = exact_complexity(net, x, radius=radius, generator=stream(0, "frames"))
    steps = torch.cartesian_prod(*[torch.linspace(-radius, radius, 200, dtype=torch.float64)] * 2)
    steps = steps[steps.abs().sum(1) < radius]
    for place, frame, regions, crossings in zip(x, frames_of(x, 2, 0), exact.regions, exact.crossings, strict=True):
        inside = place + steps @ frame
        signs = torch.cat([net[:1](inside), net[:3](inside)], 1) > 0
        seen, split = len(signs.unique(dim=0)), int((signs.any(0) & ~signs.all(0)).sum())
        assert 0.5 * regions < seen <= regions and crossings - 2 <= split <= crossings


def test_exact_complexity_takes_images_batch_norm_and_any_precision_and_leaves_the_net_alone():
    net = lively(encoders.ConvNet(width=4).build((1, 8, 8))).float().train()
    x = points(n=4, d=64).unflatten(1, (1, 8, 8)).float()
    before = [module.training for module in net.modules()]
    exact = exact_complexity(net, x, radius=0.5, generator=stream(0, "frames"))
    found = local_complexity(net, x, radius=0.5, directions=2, generator=stream(0, "frames"))
    assert (found.counts.sum(0) <= exact.crossings).all() and exact.regions.shape == (4,)
    assert [module.training for module in net.modules()] == before and next(net.parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    "change, field",
    [({"radius": 0.0}, "radius"), ({"radius": math.inf}, "radius"), ({"x": torch.zeros(5)}, "x"),
     ({"x": torch.zeros(0, 6)}, "x"), ({"x": torch.full((2, 6), math.nan)}, "x"), ({"x": torch.zeros(2, 1)}, "x"),
     ({"net": nn.Sequential(nn.Linear(6, 2), nn.GELU())}, "net")],
)  # fmt: skip
def test_bad_questions_about_the_exact_count_are_refused(change, field, unchecked):
    ask = {"net": mlp(), "x": points(), "radius": 0.1, "generator": stream(0, "frames"), **change}
    with pytest.raises(InputError, match=field):
        exact_complexity(ask.pop("net"), ask.pop("x"), **ask)


def test_given_directions_are_those_the_measure_would_draw():
    net, x, ask = mlp(), points(), {"radius": 0.5}
    drawn = local_complexity(net, x, directions=3, generator=stream(0, "frames"), **ask)
    given = local_complexity(net, x, directions=frames_of(x, 3, 0), **ask)
    assert torch.equal(given.counts, drawn.counts) and given.error == math.inf and given.counts.any()


def test_given_directions_may_be_shared_by_all_points_and_have_any_length():
    net, x, axes = mlp(), points(), 3 * points(seed=5, n=4)
    shared = local_complexity(net, x, radius=0.2, directions=axes)
    each = local_complexity(net, x, radius=0.6, directions=(axes / 3).expand(len(x), 4, 6))
    assert torch.equal(shared.counts, each.counts) and shared.counts.any()
    net, x = lively(encoders.ConvNet(width=4).build((1, 8, 8))), points(n=4, d=64).unflatten(1, (1, 8, 8))
    counts = [local_complexity(net, x, radius=1.0, directions=a).counts for a in (x[:2], x[:2].expand(4, 2, 1, 8, 8))]
    assert torch.equal(*counts) and counts[0].any()


@pytest.mark.parametrize(
    ("change", "field"),
    [({"directions": torch.ones(2, 5)}, r"\(p, 6\) for all points or \(7, p, 6\) for each"),
     ({"directions": torch.ones(6, 2, 6)}, "directions"), ({"directions": torch.ones(6)}, "directions"),
     ({"directions": torch.ones(0, 6)}, "directions"), ({"directions": 2.5}, "a whole number"),
     ({"directions": torch.full((2, 6), math.nan)}, "directions must be finite"),
     ({"directions": torch.ones(2, 6), "generator": stream(0, "frames")}, "Given directions are taken as they are"),
     ({"directions": torch.ones(2, 6), "frames": 2}, "None and 1"), ({"directions": 2}, "generator")],
)  # fmt: skip
def test_directions_that_do_not_fit_are_refused(change, field, unchecked):
    with pytest.raises(InputError, match=field):
        local_complexity(mlp(), points(), radius=0.1, **change)


@pytest.mark.parametrize("kind", ["float32", "uint8", "array", "list", "int64"])
def test_samples_of_any_type_are_taken(kind, unchecked):
    net, pixels = mlp(), (points().abs() * 3).round()
    given = {"float32": pixels.float(), "uint8": pixels.to(torch.uint8), "array": pixels.numpy(),
             "list": pixels.tolist(), "int64": pixels.long()}[kind]  # fmt: skip
    right = local_complexity(net, pixels, radius=0.5, directions=2, generator=stream(0, "frames"))
    found = local_complexity(net, given, radius=0.5, directions=2, generator=stream(0, "frames"))
    assert torch.equal(found.counts, right.counts) and found.counts.any()
    exact = [exact_complexity(net, each, radius=0.5, generator=stream(0, "frames")) for each in (given, pixels)]
    assert torch.equal(exact[0].crossings, exact[1].crossings)
