"""Local complexity of networks of every kind of fold: against hooks, pairs of corners, exact crossings and twins."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from sslens import encoders
from sslens.measures.activations import listening
from sslens.measures.regions import RECTIFIERS, complexity, exact_complexity, local_complexity, segment
from sslens.measures.regions._exact.graph import Network
from sslens.runtime import stream
from sslens.types import InputError

SIDE = 4
SHAPE = (2, SIDE, SIDE)
SLOPES = torch.tensor([-0.5, 0.1, 0.3])


class Folded(nn.Module):
    """Two convolutions with a fold after each, then a linear layer and a fold."""

    def __init__(self, fold, *, channels=3, places=SIDE * SIDE):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(channels, 3, 3, padding=1)
        self.last, self.fold = nn.Linear(places * 3, 5), fold

    def forward(self, x):
        return self.last(self.fold(self.second(self.fold(self.first(x)))).flatten(1)).relu()


class Joined(nn.Module):
    """A shortcut around a fold, which is used a second time after the sum."""

    def __init__(self):
        super().__init__()
        self.conv, self.fold, self.last = nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(inplace=True), nn.Linear(32, 4)

    def forward(self, x):
        return functional.leaky_relu(self.last(self.fold(x - 0.1 + self.fold(self.conv(x))).flatten(1)), -0.3)


def prelu():
    module = nn.PReLU(3)
    module.weight.data.copy_(SLOPES)
    return module


FOLDS = {
    "ReLU": nn.ReLU,
    "ReLU in place": lambda: nn.ReLU(inplace=True),
    "relu": lambda: torch.relu,
    "relu in place": lambda: functional.relu_,
    "method": lambda: lambda h: h.relu(),
    "LeakyReLU": lambda: nn.LeakyReLU(0.2),
    "leaky_relu": lambda: lambda h: functional.leaky_relu(h, 0.2),
    "PReLU": prelu,
    "prelu": lambda: lambda h: functional.prelu(h, SLOPES.to(h)),
    "abs": lambda: torch.abs,
    "absolute method": lambda: lambda h: h.abs(),
    "where": lambda: lambda h: torch.where(h > 0, h, torch.zeros_like(h)),
    "by hand": lambda: lambda h: h * (h > 0).float(),
    "hardtanh": lambda: lambda h: functional.hardtanh(h, -0.2, 0.5),
}
"""What bends number by number."""
NETS = {
    **{name: lambda fold=fold: Folded(fold()) for name, fold in FOLDS.items()},
    "max-pool": lambda: Folded(nn.MaxPool2d(2, 1, 1), places=36),
    "max_pool2d": lambda: Folded(lambda h: functional.max_pool2d(h, 3, stride=1, padding=1)),
    "max-pool of one axis": lambda: nn.Sequential(
        nn.Flatten(2), nn.Conv1d(2, 3, 3), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(21, 4), nn.ReLU()
    ),
    "shortcut": Joined,
    "mixed": lambda: Folded(lambda h: torch.cat([functional.relu(h), -h.abs()], 1), channels=6, places=32),
}


def net_of(name, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return NETS[name]().double().eval()


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def frames_of(x, directions, seed=0):
    drawn = complexity._frames(x, directions=directions, generator=stream(seed, "frames"))
    return torch.cat([axes for _, axes in drawn])


def corners_of(point, axes, radius):
    return torch.cat([point + radius * axes, point - radius * axes])


@torch.no_grad()
def signs_of(net, corners):
    """What decides each fold of the traced network, by layer: one row of numbers for each corner."""
    network, found = Network(net, corners[0], norms=True), []
    walk = network.walk(corners)
    for layer in network.layers:
        walk.advance()
        if layer.windows is None:
            found.append(walk.units())
        else:  # of each window's places the first of the largest is above zero, padding never
            padded = torch.cat([walk.entering(), torch.full((len(corners), 1), -torch.inf)], 1)
            found.append(torch.cat([one_of(padded[:, window]) for window in layer.windows], 1))
        walk.step()
    return found


def one_of(places):
    return functional.one_hot(places.argmax(1), places.shape[1]).double()


def parted(units):
    """Units for which some two corners lie on different sides, pair by pair."""
    return sum(any(a <= 0 < b for a in unit for b in unit) for unit in units.T.tolist())


@pytest.mark.parametrize("name", NETS)
@given(seed=st.integers(0, 10_000), directions=st.integers(1, 4), radius=st.sampled_from([0.1, 0.5, 2.0]))
@settings(max_examples=3, deadline=None)
def test_counted_are_the_units_that_part_two_corners(name, seed, directions, radius):
    net, x = net_of(name, seed), normal(seed, 3, *SHAPE)
    axes = frames_of(x, directions, seed)
    found = local_complexity(net, x, radius=radius, directions=axes)
    for point, own, counts in zip(x, axes, found.counts.T, strict=True):
        layers = signs_of(net, corners_of(point, own, radius))
        assert counts.tolist() == [parted(units) for units in layers]


@pytest.mark.parametrize("name", NETS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=3, deadline=None)
def test_on_a_line_counts_are_the_units_that_end_elsewhere_than_they_began(name, seed):
    net, x, radius = net_of(name, seed), normal(seed, 3, *SHAPE), 1.5
    axes = frames_of(x, 1, seed)
    found = local_complexity(net, x, radius=radius, directions=axes)
    for point, step, counts in zip(x, axes[:, 0], found.counts.T, strict=True):
        way = segment(net, point - radius * step, point + radius * step)
        assert found.layers == way.layers
        sizes = [layer.units for layer in way.network.layers]
        ends = (way.bits[0] ^ way.bits[-1]).split(sizes)
        crossed = (way.bits.any(0) & ~way.bits.all(0)).split(sizes)
        assert counts.tolist() == [int(layer.sum()) for layer in ends]
        assert all(bool((end <= layer).all()) for end, layer in zip(ends, crossed, strict=True))


@pytest.mark.parametrize("name", NETS)
def test_counts_never_exceed_the_exact_crossings(name):
    net, x = net_of(name), normal(1, 4, *SHAPE)
    ask = {"radius": 0.3}
    found = local_complexity(net, x, directions=2, generator=stream(0, "frames"), **ask).counts.sum(0)
    exact = exact_complexity(net, x, generator=stream(0, "frames"), **ask)
    assert (found <= exact.crossings).all() and found.sum() > 0.9 * exact.crossings.sum() > 0
    assert exact.regions.max() > 1


HEARD = {
    "linear": lambda: encoders.mlp(32, 20, 20, 10),
    "layer norm": lambda: encoders.MLP(layer_norm=True, width=16).build(SHAPE),
    "layer norm first": lambda: nn.Sequential(nn.LayerNorm(SIDE), nn.ReLU(), nn.Flatten(), nn.Linear(32, 9), nn.ReLU()),
    "convolutions": lambda: encoders.ConvNet(width=8).build(SHAPE),
    "residual": lambda: encoders.ResNet18(width=2).build(SHAPE),
    "PReLU": lambda: Folded(prelu()),
}


def heard(net, corners):
    """The count as hooks on the modules hear it, all corners passing the network as it is."""
    names, counts = [], []
    with torch.no_grad(), listening(net, of=RECTIFIERS, side="input") as entering:
        net(corners)
    for name, z in entering.items():
        low, high = z.flatten(1).amin(0), z.flatten(1).amax(0)
        names.append(name)
        counts.append(int(((low <= 0) & (high > 0)).sum()))
    return names, counts


@pytest.mark.parametrize("name", HEARD)
@pytest.mark.parametrize("radius", [0.05, 1.0])
def test_where_all_folds_are_modules_counts_are_those_of_hooks(name, radius):
    with torch.random.fork_rng():
        torch.manual_seed(2)
        net = HEARD[name]().double().eval()
    x = normal(3, 6, *SHAPE)
    axes = frames_of(x, 8)
    found = local_complexity(net, x, radius=radius, directions=8, generator=stream(0, "frames"))
    for point, own, counts in zip(x, axes, found.counts.T, strict=True):
        names, right = heard(net, corners_of(point, own, radius))
        assert counts[[found.layers.index(each) for each in names]].tolist() == right
    assert found.counts.any()


TWINS = [
    ("ReLU", "relu"),
    ("ReLU", "relu in place"),
    ("ReLU", "method"),
    ("ReLU", "ReLU in place"),
    ("LeakyReLU", "leaky_relu"),
    ("PReLU", "prelu"),
    ("abs", "absolute method"),
    ("ReLU", "where"),
    ("ReLU", "by hand"),
]


@pytest.mark.parametrize(("one", "other"), TWINS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=3, deadline=None)
def test_a_fold_counts_the_same_as_a_module_and_as_a_function(one, other, seed):
    nets = [net_of(name, seed) for name in (one, other)]
    nets[1].load_state_dict(nets[0].state_dict(), strict=False)
    counts = [
        local_complexity(net, normal(seed, 4, *SHAPE), radius=0.7, directions=3, generator=stream(seed, "frames"))
        for net in nets
    ]
    assert torch.equal(counts[0].counts, counts[1].counts) and counts[0].counts.any()


@pytest.mark.parametrize("convert", [lambda h: h.float(), lambda h: h.double().to(torch.float32)])
def test_a_network_in_float32_may_name_its_precision(convert):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        one = Folded(functional.relu).eval()
    other = Folded(lambda h: functional.relu(convert(h))).eval()
    other.load_state_dict(one.state_dict())
    ask = {"radius": 0.7, "directions": 3}
    counts = [
        local_complexity(net, normal(0, 4, *SHAPE), generator=stream(0, "frames"), **ask).counts for net in (one, other)
    ]
    assert torch.equal(*counts) and counts[0].any()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_a_shared_module_counts_at_each_use(seed):
    shared = net_of("ReLU", seed)
    apart = nn.Sequential(
        shared.first, nn.ReLU(), shared.second, nn.ReLU(), nn.Flatten(), shared.last, nn.ReLU(inplace=True)
    )
    ask = {"radius": 0.7, "directions": 3}
    one, other = (
        local_complexity(net, normal(seed, 4, *SHAPE), generator=stream(seed, "frames"), **ask)
        for net in (shared, apart)
    )
    assert torch.equal(one.counts, other.counts)
    assert one.layers == ("fold", "fold:2", "relu") and other.layers == ("1", "3", "6")


@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU", "PReLU", "abs", "shortcut"])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=3, deadline=None)
def test_positive_scaling_of_units_moves_no_fold(name, seed):
    net, x = net_of(name, seed), normal(seed, 4, *SHAPE)
    ask = {"radius": 0.7, "directions": 3}
    before = local_complexity(net, x, generator=stream(seed, "frames"), **ask).counts
    last = net.last
    scale = 2.0 ** torch.randint(-9, 9, (len(last.weight),), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        last.weight.mul_(scale[:, None])
        last.bias.mul_(scale)
        if name != "shortcut":  # a power of two scales without rounding
            factors = scale[: net.first.out_channels]
            net.first.weight.mul_(factors[:, None, None, None])
            net.first.bias.mul_(factors)
            net.second.weight.div_(factors[:, None, None])
    assert torch.equal(local_complexity(net, x, generator=stream(seed, "frames"), **ask).counts, before)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.last, self.fold = nn.LSTM(4, 5, batch_first=True), nn.Linear(20, 3), nn.ReLU()

    def forward(self, x):
        return self.fold(self.last(self.lstm(x.flatten(1, 2)[:, :4])[0].flatten(1)))


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.last, self.fold = nn.Linear(4, 3), nn.ReLU()

    def forward(self, x):
        tokens = x.flatten(1, 2)
        return self.fold(self.last((tokens @ tokens.mT).softmax(2) @ tokens)).flatten(1)


class Choosing(nn.Module):
    """Which of its folds are used depends on the numbers: it cannot be traced."""

    def forward(self, x):
        return nn.functional.relu(x) if x.sum() > 0 else x


REFUSED = {
    "LSTM": (Recurrent, "LSTM in 'lstm'"),
    "attention": (Attending, "softmax"),
    "smooth": (lambda: Folded(nn.GELU()), "GELU in 'fold'.*partition and segment take proxy=True"),
    "a jump": (lambda: Folded(lambda h: h + (h > 0)), "gt"),
    "batch statistics": (lambda: nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False), nn.ReLU()), "BatchNorm2d"),
    "not traceable": (Choosing, "operations can be listed"),
    "no fold": (lambda: nn.Conv2d(2, 3, 3), "a network with a fold"),
    "no network": (lambda: torch.relu, "torch.nn.Module"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_bends_unheard_is_refused_by_name(name, unchecked):
    make, match = REFUSED[name]
    net = make()
    with pytest.raises(InputError, match=match):
        local_complexity(net, normal(0, 3, *SHAPE), radius=1.0, directions=2, generator=stream(0, "frames"))
    with pytest.raises(InputError, match=match):
        exact_complexity(net, normal(0, 3, *SHAPE), radius=1.0, generator=stream(0, "frames"))


def test_layer_norm_is_refused_only_where_regions_are_counted():
    net = nn.Sequential(nn.Flatten(), nn.Linear(32, 6), nn.LayerNorm(6), nn.ReLU())
    with pytest.raises(InputError, match="LayerNorm in '2'"):
        exact_complexity(net, normal(0, 3, *SHAPE), radius=1.0, generator=stream(0, "frames"))
    assert local_complexity(net, normal(0, 3, *SHAPE), radius=1e3, directions=2, generator=stream(0, "frames")).mean > 1
