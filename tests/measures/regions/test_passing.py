"""Units that pass gradient, and dead ones, against the gradients that autograd hands to the weights before them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from sslens import encoders
from sslens.measures.activations import listening
from sslens.measures.network_diagnostics import dead_units
from sslens.types import InputError


class Net(nn.Module):
    """Linear, a fold, linear, ReLU by a function, linear."""

    def __init__(self, fold):
        super().__init__()
        self.first, self.second, self.third, self.fold = nn.Linear(3, 9), nn.Linear(9, 7), nn.Linear(7, 2), fold

    def forward(self, x):
        return self.third(torch.relu(self.second(self.fold(self.first(x)))))


def prelu():
    module = nn.PReLU(9)
    module.weight.data.copy_(torch.arange(9) % 3 / 2)
    return module


FLAT = {
    "ReLU": nn.ReLU,
    "in place": lambda: nn.ReLU(inplace=True),
    "relu": lambda: functional.relu,
    "method": lambda: lambda h: h.relu(),
    "in place method": lambda: lambda h: h.relu_(),
    "PReLU with weights of 0": prelu,
    "LeakyReLU of slope 0": lambda: nn.LeakyReLU(0.0),
    "where, zeros like it": lambda: lambda h: torch.where(h > 0, h, torch.zeros_like(h)),
    "maximum, new zeros": lambda: lambda h: torch.maximum(h, h.new_zeros(h.shape)),
    "by hand": lambda: lambda h: h * (h > 0).float(),
    "hardtanh": lambda: functional.hardtanh,
    "clamp": lambda: lambda h: h.clamp(-0.2, 0.3),
    "ReLU6": nn.ReLU6,
}


def seeded(make, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make().double().eval()


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def silent(net, layer, x):
    """Units of a linear layer whose weights get no gradient of any output of any sample."""
    reached = torch.zeros(layer.out_features, dtype=torch.bool)
    for one in x:
        for output in net(one[None])[0]:
            reached |= (torch.autograd.grad(output, layer.bias, retain_graph=True)[0] != 0).cpu()
    return ~reached


@pytest.mark.parametrize("name", FLAT)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 6))
@settings(max_examples=5, deadline=None)
def test_dead_are_the_units_whose_weights_get_no_gradient(name, seed, n):
    net, x = seeded(lambda: Net(FLAT[name]()), seed), normal(seed, n, 3)
    found = dead_units(net, x)
    last = silent(net, net.second, x)
    behind = silent(
        nn.Sequential(net.first, net.fold if isinstance(net.fold, nn.Module) else Calling(net.fold)), net.first, x
    )
    assert found.shares.tolist() == pytest.approx([float(behind.double().mean()), float(last.double().mean())])
    assert len(found.layers) == 2 and found.share == pytest.approx(float(torch.cat([behind, last]).double().mean()))


class Calling(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


PASSING = {
    "LeakyReLU": nn.LeakyReLU,
    "PReLU": nn.PReLU,
    "abs": lambda: torch.abs,
    "maximum of two": lambda: lambda h: torch.maximum(h, h / 2),
    "max-pool": lambda: lambda h: functional.max_pool1d(h[:, None], 3, stride=1, padding=1)[:, 0],
}


@pytest.mark.parametrize("name", PASSING)
def test_what_always_passes_gradient_does_not_count(name):
    found = dead_units(seeded(lambda: Net(PASSING[name]()), 0), normal(0, 20, 3))
    assert found.layers == ("relu",)


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoders.mlp(16, 40, 30, 5),
        lambda: encoders.MLP(layer_norm=True, width=24).build((1, 4, 4)),
        lambda: encoders.ConvNet(width=8).build((1, 4, 4)),
        lambda: encoders.ResNet18(width=2).build((1, 4, 4)),
    ],
    ids=["linear", "layer norm", "convolutions", "residual"],
)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_where_all_relus_are_modules_the_dead_are_those_that_hooks_hear_silent(make, kind):
    net, x = seeded(make, 1).to(kind), torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), listening(net, of=nn.ReLU, side="input") as heard:
        net(x.to(kind))
    dead = {name: (z <= 0).transpose(0, 1).flatten(1).all(1) for name, z in heard.items()}
    found = dead_units(net, x)
    assert found.layers == tuple(dead)
    assert found.shares.tolist() == [float(units.double().mean()) for units in dead.values()]
    assert found.share == float(torch.cat(list(dead.values())).double().mean())


class LastFunction(nn.Sequential):
    """A single ReLU by a function, behind ReLUs that are modules."""

    def forward(self, x):
        return functional.relu(super().forward(x))


def test_a_last_relu_by_a_function_is_not_left_out():
    net = seeded(lambda: LastFunction(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4)), 0)
    net[2].bias.data.fill_(-100)
    found = dead_units(net, normal(0, 5, 3))
    assert found.layers == ("1", "relu") and found.shares[1] == 1


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Softmax(1)), "Softmax in '2'"),
        (lambda: nn.Sequential(nn.LSTM(3, 4), nn.ReLU()), "LSTM in '0'"),
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.GELU()), "GELU in '1'"),
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU()), "Tanh in '1'"),
    ],
)
def test_other_nets_are_refused_by_name(make, match):
    with pytest.raises(InputError, match=match):
        dead_units(make(), torch.ones(2, 3))


@pytest.mark.parametrize("kind", ["uint8", "array", "list", "int64"])
def test_samples_of_any_type_are_taken(kind, unchecked):
    net, x = seeded(lambda: Net(nn.ReLU()), 0), (normal(0, 5, 3).abs() * 3).round()
    given = {"uint8": x.to(torch.uint8), "array": x.numpy(), "list": x.tolist(), "int64": x.long()}[kind]
    assert str(dead_units(net, given)) == str(dead_units(net, x))
