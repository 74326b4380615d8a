"""What changes numbers behind the back of the operations: each is taken for what it does, or refused by name."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from sslens.measures.regions import Plane, count_regions, count_sampled, grid, partition, segment, square
from sslens.types import InputError

DOMAIN = square(2.0)


class Net(nn.Module):
    """Eight units, then a function of them, then three outputs."""

    def __init__(self, function=torch.relu, width=8):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(2, 8).double(), nn.Linear(width, 3).double()
        self.function = function

    def forward(self, x):
        return self.last(self.function(self.first(x)))


def layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3)).double()


def count(net):
    return count_regions(net, Plane.identity(), DOMAIN)


@pytest.mark.parametrize(
    "curve",
    [torch.log1p, torch.cosh, lambda h: torch.log2(h + 1), lambda h: h.float_power(0.5), lambda h: torch.asin(0.01 * h),
     lambda h: torch.atanh(0.1 * h), torch.special.entr, lambda h: (h / 0.0).nan_to_num(0, 1, -1)],
)  # fmt: skip
def test_what_is_not_finite_everywhere_is_no_affine_operation(curve):
    with pytest.raises(InputError, match="made of affine maps"):
        count(Net(lambda h: curve(h.relu())))


class Unpacked(Net):
    """A max-pool that gives its places, too."""

    def __init__(self, reads=False):
        super().__init__(width=5)
        self.pool, self.between, self.reads = nn.MaxPool1d(2, return_indices=True), nn.Linear(4, 5).double(), reads

    def forward(self, x):
        h, places = self.pool(self.first(x)[:, None])
        h = h + 0 * places if self.reads else h
        return self.last(self.between(h[:, 0]).relu())


class Pooled(Unpacked):
    def forward(self, x):
        return self.last(self.between(functional.max_pool1d(self.first(x)[:, None], 2)[:, 0]).relu())


def test_a_max_pool_whose_places_are_unpacked_and_left_folds_as_any_other():
    assert count(Unpacked()) == count(Pooled()) > 20


def test_a_network_that_reads_where_maxima_lie_is_refused():
    with pytest.raises(InputError, match=r"reads where the maxima of 'pool' lie.*leave return_indices out"):
        count(Unpacked(reads=True))


def hooked(place, hook, before=False):
    net = layers()
    (net[place].register_forward_pre_hook if before else net[place].register_forward_hook)(hook)
    return net


HOOKS = {
    "before a linear layer": lambda: hooked(2, lambda _, given: ((given[0] - 0.3).abs(),), before=True),
    "before a fold": lambda: hooked(1, lambda _, given: (given[0] - 0.5,), before=True),
    "after a fold": lambda: hooked(1, lambda _, given, found: found * found),
}


@pytest.mark.parametrize("net", HOOKS.values(), ids=HOOKS)
def test_a_hook_that_changes_what_comes_out_is_refused(net):
    with pytest.raises(InputError, match="does it have hooks"):
        count(net())


def test_a_module_with_a_forward_of_its_own_is_refused():
    net = layers()
    net[2].forward = lambda x: x.abs()
    with pytest.raises(InputError, match="whose '2' has another forward than its class"):
        count(net)


def test_a_hook_that_returns_nothing_changes_nothing():
    assert count(hooked(1, lambda *_: None)) == count(layers())


@pytest.mark.parametrize("wrap", [nn.utils.weight_norm, nn.utils.spectral_norm], ids=["weight_norm", "spectral_norm"])
@pytest.mark.filterwarnings("ignore:`?torch.nn.utils.weight_norm:FutureWarning")
def test_weights_that_a_hook_computes_are_the_networks_own(wrap):
    net = layers()
    net[0] = wrap(net[0])
    plain = layers().eval()
    net.eval()(torch.zeros(1, 2).double())
    plain[0].weight.data = net[0].weight.detach().clone()
    assert count(net) == count(plain)


class Split(Net):
    def forward(self, x):
        return torch.cat([super(Split, self).forward(part) for part in x.split(64)])


class Counted(Net):
    def forward(self, x):
        return self.last(self.first(x).relu() - 1.0 * (x.shape[0] > 100))


class Shifted(Net):
    def forward(self, x):
        h = self.first(x)
        return self.last(torch.cat([h[:64], h[64:] - 1]).relu())


@pytest.mark.parametrize("net", [Split, Counted, Shifted])
def test_a_network_that_treats_many_samples_otherwise_than_few_is_refused(net):
    with pytest.raises(InputError, match=r"any number of samples|however many they are"):
        count_sampled(net(), Plane.identity(), 2 * grid(40))


def test_a_pool_over_what_has_no_channels_is_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"max_pool1d.*unsqueeze\(1\)"):
        count(Net(lambda h: functional.max_pool1d(h, 2), width=4))


def test_maps_are_had_in_inference_mode():
    right = partition(layers(), Plane.identity(), DOMAIN)
    with torch.inference_mode():
        found = partition(layers(), Plane.identity(), DOMAIN)
        assert torch.equal(found.slope, right.slope) and found.linear_count == right.linear_count
        assert segment(layers(), torch.zeros(2), torch.ones(2)).slope.isfinite().all()


@pytest.mark.parametrize(
    "net", [nn.Sequential(nn.LazyLinear(3), nn.ReLU()), nn.Sequential(nn.Linear(2, 3, device="meta"), nn.ReLU())]
)
def test_weights_without_numbers_are_refused(net):
    with pytest.raises(InputError, match="whose weights have numbers"):
        count(net)
