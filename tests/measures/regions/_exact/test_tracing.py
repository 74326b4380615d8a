"""How a network may be written: wrappers, options, asserts, modules made on the spot; and what is said of others."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from sslens.measures.regions import Plane, count_regions, partition, square
from sslens.types import InputError

PLANE, DOMAIN = Plane.identity(), square(2.0)


class Net(nn.Module):
    """Two layers, put together by the function given."""

    def __init__(self, forward=lambda net, x: net.usual(x)):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.last, self.written = nn.Linear(2, 6), nn.Linear(6, 3), forward
        self.scale = torch.tensor(1.0)

    def usual(self, x):
        return self.last(self.first(x).relu())

    def forward(self, x):
        return self.written(self, x)


class Options(Net):
    def forward(self, x, mask=None, *rest, flag=False, **others):
        return self.usual(x if mask is None else x * mask)


def branching(net, x):
    assert x.dim() == 2 and x.shape[1] == 2, "two numbers"
    if x.ndim == 4 or x.dtype == torch.int64:
        x = x.flatten(1)
    count, _ = x.shape
    for _ in range(x.size(1)):
        x = x * 1
    x = torch.cat([each for each in x.chunk(2, 1)], 1)
    return net.usual(x).view(count, -1)


def in_a_sequence(net, x):
    return nn.Sequential(net.first, nn.ReLU(), nn.Sequential(nn.Identity()))(x)


WRITTEN = {
    "asserts and sizes": branching,
    "modules made on the spot": lambda net, x: net.last(nn.ReLU()(nn.Identity()(net.first(x)))),
    "view": lambda net, x: net.last(net.first(x).relu().view(x.size(0), -1)),
    "len of a shape": lambda net, x: net.usual(x) if len(x.shape) == 2 else x,
    "float": lambda net, x: net.usual(x.float()),
    "to float32": lambda net, x: net.usual(x.to(torch.float32)),
    "type_as": lambda net, x: net.usual(x.type_as(net.first.weight)),
    "constants": lambda net, x: net.usual(x @ torch.eye(2)) * net.scale,
    "no gradients": lambda net, x: torch.no_grad()(net.usual)(x),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_whatever_depends_on_sizes_alone_is_taken(written):
    expected = partition(Net(), PLANE, DOMAIN)
    cells = partition(Net(written), PLANE, DOMAIN)
    assert cells.count == expected.count > 10
    assert torch.allclose(cells.slope, expected.slope, atol=1e-12)


def quietly(make, *given):
    """What torch calls deprecated, and calls itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*given)


def weighted(wrap, eager=False):
    net = nn.Sequential(quietly(wrap, nn.Linear(2, 6)), nn.ReLU())
    if eager:
        net(torch.ones(3, 2)).sum()
    return net


def wrapped():
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(2, 6), nn.ReLU())
    yield "options", Options()
    yield "DataParallel", nn.DataParallel(inner)
    yield "compiled", quietly(torch.compile, inner)
    yield "wrapped inside", nn.Sequential(nn.DataParallel(inner), nn.Identity())
    yield "weight_norm", weighted(nn.utils.parametrizations.weight_norm)
    yield "older weight_norm", weighted(nn.utils.weight_norm, eager=True)
    yield "spectral_norm", weighted(nn.utils.parametrizations.spectral_norm)
    yield "older spectral_norm", weighted(nn.utils.spectral_norm, eager=True)


@pytest.mark.parametrize(("name", "net"), list(wrapped()), ids=lambda value: value if isinstance(value, str) else "")
def test_wrappers_options_and_norms_of_weights_are_taken(name, net):
    cells = partition(net, PLANE, DOMAIN)
    mapped = (cells.slope @ cells.centres[:, :, None]).squeeze(2) + cells.offset
    assert cells.count > 5
    assert torch.allclose(mapped.float(), net.eval()(cells.centres.float()), atol=1e-5)


class TwoInputs(Net):
    def forward(self, x, other):
        return self.usual(x + other)


def scripted(make):
    return quietly(make, nn.Sequential(nn.Linear(2, 6), nn.ReLU()))


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (Net(lambda net, x: net.usual(x) if x.sum() > 0 else x), r"line \d+ of test_tracing.py.*numbers in a batch"),
        (Net(lambda net, x: net.usual(x) * x.mean().item()), r"line \d+ of test_tracing.py|keeps its samples apart"),
        (Net(lambda net, x: net.usual(x).view(len(x), -1)), r"write x\.shape\[0\]"),
        (Net(lambda net, x: net.usual(x) if x.shape[0] > 4 else x), "numbers in a batch"),
        (Net(lambda net, x: nn.Linear(2, 2)(x).relu()), "a new Linear with random weights at every call"),
        (Net(lambda net, x: {"logits": net.usual(x), "h": x}), "logits, h'. Wrap it in a module that returns one"),
        (Net(lambda net, x: (net.usual(x), x)), "returns a tuple"),
        (Net(lambda net, x: functional.dropout(net.usual(x), 0.5, training=True)), "is it random"),
        (TwoInputs(), "one input.*takes one batch and gives other itself"),
        (scripted(torch.jit.script), "as it was before torch.jit.script"),
        (scripted(lambda net: torch.jit.trace(net, torch.ones(1, 2))), "as it was before torch.jit.script"),
        (nn.ReLU, "a torch.nn.Module"),
    ],
)
def test_what_cannot_be_listed_says_where_and_what_to_change(net, message, unchecked):
    with pytest.raises(InputError, match=f"(?s){message}"):
        count_regions(net, PLANE, DOMAIN)


def test_hooks_that_change_what_a_network_gives_are_not_left_out():
    net = Net()
    net.register_forward_hook(lambda module, given, found: found.abs())
    with pytest.raises(InputError, match="does it have hooks"):
        count_regions(net, PLANE, DOMAIN)


def written_over(net, x):
    h = net.first(x)
    flat = h.view(-1, 2, 3)
    flat.sub_(1).relu_()
    return net.last(h)


def test_views_of_what_is_overwritten_are_refused_where_they_are_read():
    with pytest.raises(InputError, match="writes over 'first', which is read again"):
        count_regions(Net(written_over), PLANE, DOMAIN)


def test_tracing_moves_no_generator_and_leaves_the_network_as_it_was():
    net, before = Net(WRITTEN["modules made on the spot"]), torch.random.get_rng_state()
    kept = list(vars(net)["_modules"])
    count_regions(net, PLANE, DOMAIN)
    assert torch.equal(before, torch.random.get_rng_state())
    assert list(vars(net)["_modules"]) == kept and net.training and net.first.weight.dtype == torch.float32
