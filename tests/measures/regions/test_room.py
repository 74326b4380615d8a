"""Memory: what does not fit is refused before it begins, with what would fit; what fits is walked in small parts."""

import pytest
import torch
from tests.measures.regions.nets import he_normal_b
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from sslens.measures.regions import Plane, count_regions, count_sampled, grid, partition, partitions, segment, square
from sslens.measures.regions._exact import room
from sslens.measures.regions._exact.graph import Network
from sslens.types import InputError


class Largest(TorchDispatchMode):
    """Remembers how many bytes the largest tensor took that an operation gave."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else [result]:
            if isinstance(each, torch.Tensor):
                self.bytes = max(self.bytes, each.numel() * each.element_size())
        return result


def block(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()


def detector():
    """Some 400,000 units for an image of 3 x 128 x 128."""
    torch.manual_seed(0)
    first = (*block(3, 16, 2), *block(16, 16), nn.MaxPool2d(3, stride=2, padding=1))
    second = (*block(16, 32), *block(32, 32), nn.MaxPool2d(2), *block(32, 64), *block(64, 64, 2))
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(64 * 64, 16)).eval()


def images(scale=1.0):
    first, second = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    return first, first + scale * (second - first)


def allowing(monkeypatch, size):
    monkeypatch.setattr(room, "free_memory", lambda device="cpu": size)


def test_no_tensor_of_a_long_segment_is_larger_than_its_share_of_the_memory(monkeypatch):
    net, (start, end) = detector(), images(0.0005)
    network = Network(net, start)
    assert sum(layer.units for layer in network.layers) > 390_000
    allowing(monkeypatch, 300_000_000)
    points = room.points_that_fit(network)
    with Largest() as largest:
        way = segment(net, start, end)
    assert way.count > 2 * points > 8  # all at once they would not have fitted
    assert largest.bytes <= 8 * network.width * (points + 1)


def test_a_segment_is_the_same_in_small_parts(monkeypatch):
    net, ends = he_normal_b(0, 7, 16, 16, 16), torch.randn(2, 7, generator=torch.Generator().manual_seed(1))
    whole = segment(net, *ends)
    allowing(monkeypatch, 12_000)
    assert room.points_that_fit(Network(net, ends[0])) < 10 < whole.count
    parts = segment(net, *ends)
    assert torch.allclose(parts.breaks, whole.breaks, rtol=0, atol=1e-13)
    assert torch.equal(parts.bits, whole.bits)
    assert torch.equal(parts.layer, whole.layer) and torch.equal(parts.unit, whole.unit)
    assert torch.equal(torch.cat([whole.unpack(name) for name in whole.layers], 1), whole.bits)


@pytest.mark.parametrize(
    "ask",
    [
        lambda net, plane: partition(net, plane, square(1.0)),
        lambda net, plane: list(partitions(net, plane, square(1.0))),
        lambda net, plane: count_regions(net, plane, square(1.0)),
        lambda net, plane: count_sampled(net, plane, grid(3)),
        lambda net, plane: segment(net, plane.origin, plane.origin + plane.first),
    ],
    ids=["partition", "partitions", "count_regions", "count_sampled", "segment"],
)
def test_a_network_of_which_no_points_fit_is_refused_with_what_fits(ask, monkeypatch):
    allowing(monkeypatch, 1_000)
    with pytest.raises(InputError, match=r"memory that is free, 1 kB.*2 numbers take .* kB.*numbers fit"):
        ask(he_normal_b(0, 2, 64, 64), Plane.identity())


def test_little_memory_makes_small_chunks_and_the_same_regions(monkeypatch):
    net = he_normal_b(0, 2, 16, 16)
    allowing(monkeypatch, 20 * 8 * (2 * 16 + 2 * 16) * 2)
    assert count_regions(net, Plane.identity(), square(1.0)) == 225
    parts = list(partitions(net, Plane.identity(), square(1.0)))
    assert sum(part.count for part in parts) == 225 and len(parts) > 5


def test_results_that_do_not_fit_are_refused_and_those_that_do_are_not(monkeypatch):
    net = he_normal_b(0, 2, 16, 16)
    cells, way = partition(net, Plane.identity(), square(1.0)), segment(net, -torch.ones(2), torch.ones(2))
    allowing(monkeypatch, 4_000)
    with pytest.raises(
        InputError, match=r"layer must be .*Got '225 patterns of 32 units, which takes 14.4 kB'.*patterns"
    ):
        cells.unpack()
    with pytest.raises(InputError, match="slope and offset must be"):
        cells.slope  # noqa: B018
    with pytest.raises(InputError, match="domain must be"):
        monkeypatch.setattr(room, "free_memory", lambda device="cpu", left=[10**6]: left.pop() if left else 4_000)
        partition(net, Plane.identity(), square(1.0))
    allowing(monkeypatch, 8_000)
    assert cells.unpack("1").shape == (225, 16) and len(way.unpack("1")) == way.count
