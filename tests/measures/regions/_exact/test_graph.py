"""Networks as graphs: what is found in them, what stays untouched, what cannot be walked."""

import pytest
import torch
from tests.measures.regions.arrangements import on_plane, relu_stack
from torch import nn
from torch.nn import functional

from sslens.measures.regions import segment
from sslens.types import InputError


@pytest.fixture(params=["numba", "torch"])
def engine(request):
    return request.param


class Functional(nn.Module):
    """Kinks without modules, one module called twice, in-place, a size taken early, a shortcut."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second, self.third = nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        rows = x.shape[0]
        x = self.relu(self.first(x))
        y = functional.leaky_relu(self.second(x), 0.1)
        y = self.relu(x + self.third(y))
        return y.abs().relu_().view(rows, -1)


def test_functions_methods_shortcuts_and_a_module_called_twice_are_found(engine):
    net = Functional()
    cells = on_plane(net, engine=engine)
    assert cells.layers == ("relu", "leaky_relu", "relu:2", "abs_1", "relu_")
    copy = Functional().double()
    entering = copy.first(cells.centres)
    x = entering.clamp(min=0)
    second = copy.second(x)
    third = x + copy.third(functional.leaky_relu(second, 0.1))
    for layer, units in zip(cells.layers, (entering, second, third), strict=False):
        assert torch.equal(cells.unpack(layer), units > 0)
    own = copy(cells.centres)
    mapped = (cells.slope @ cells.centres[:, :, None]).squeeze(2) + cells.offset
    assert torch.allclose(mapped, own, atol=1e-12)
    assert cells.count == len(torch.cat([entering > 0, second > 0, third > 0], 1).unique(dim=0))


class Overwriting(nn.Module):
    """What enters a rectifier is used after it, overwritten."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second = nn.Linear(2, 7), nn.Linear(7, 2)

    def forward(self, x):
        x = self.first(x)
        functional.relu(x, inplace=True)
        return self.second(x.abs_())


def test_what_is_overwritten_in_place_is_so_in_cells_and_maps():
    cells, plain = on_plane(Overwriting()), Overwriting().double()
    usual = on_plane(nn.Sequential(plain.first, nn.ReLU(), plain.second))
    assert cells.layers == ("relu", "abs_")
    assert cells.count == usual.count > 10
    assert torch.equal(cells.unpack("relu"), usual.unpack()) and torch.equal(cells.slope, usual.slope)


def test_the_network_given_is_not_touched():
    net = nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.ReLU(), nn.Linear(5, 2)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    one, two = on_plane(net), on_plane(net.eval())
    assert torch.equal(one.vertices, two.vertices) and torch.equal(one.slope, two.slope)
    net.train()
    on_plane(net)
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert next(net.parameters()).dtype == torch.float32 and next(net.parameters()).requires_grad


class Square(nn.Module):
    def forward(self, x):
        return functional.relu(x) * x


class Pair(nn.Module):
    def forward(self, x, y):
        return functional.relu(x + y)


class Branch(nn.Module):
    def forward(self, x):
        return functional.relu(x) if x.sum() > 0 else x


class Mixing(nn.Module):
    def forward(self, x):
        return functional.relu(x.mean())


class Many(nn.Module):
    def forward(self, x):
        return functional.relu(x), x


@pytest.mark.parametrize(
    "net, message",
    [
        (Square(), "Got \"mul in 'mul'\""),
        (Pair(), "one input"),
        (Branch(), r"torch\.fx"),
        (Mixing(), "samples apart"),
        (Many(), "one tensor"),
        (nn.Linear(2, 2), "with a fold"),
        (nn.Sequential(nn.Linear(3, 2), nn.ReLU()), "inputs that Sequential takes"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_networks_that_cannot_be_partitioned_are_refused(net, message):
    with pytest.raises(InputError, match=message):
        on_plane(net)


def test_values_that_are_not_finite_are_refused():
    net = relu_stack(0, 2, 4, 4)
    net[2].weight.data[1, 1] = float("nan")
    with pytest.raises(InputError, match="not finite before '3'"):
        on_plane(net)
    with pytest.raises(InputError, match="not finite before '3'"):
        segment(net, torch.zeros(2), torch.ones(2))


class Cancelling(nn.Module):
    """A linear layer that takes what it is given from itself: rounding is left, another for every number of rows."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.second = nn.Linear(2, 4).double(), nn.Linear(8, 1).double()
        self.second.weight.data[:, 4:] = -self.second.weight.data[:, :4]
        self.second.bias.data.zero_()

    def forward(self, x):
        x = self.first(x).relu()
        return self.second(torch.cat([x, x], 1)).relu() + x


@pytest.mark.parametrize("seed", range(5))
def test_what_cancels_up_to_rounding_is_not_taken_for_mixed_samples(seed):
    alone = nn.Sequential(Cancelling(seed).first, nn.ReLU())
    assert on_plane(Cancelling(seed)).linear_count == on_plane(alone).count
