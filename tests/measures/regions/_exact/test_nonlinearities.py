"""What bends, for every entry point alike; what is refused by name; which places of a max-pool meet."""

import numpy as np
import pytest
import torch
from tests.measures.regions.arrangements import on_plane, relu_stack
from torch import fx, nn
from torch.nn import functional

from sslens.measures.regions import (
    Plane,
    count_regions,
    count_sampled,
    grid,
    local_complexity,
    partition,
    segment,
    square,
)
from sslens.measures.regions._exact import nonlinearities
from sslens.types import InputError


@pytest.mark.parametrize(
    "bend, message",
    [
        (nn.GELU(), "GELU in '1'.*proxy=True"),
        (nn.SiLU(), "SiLU.*proxy=True"),
        (nn.Tanh(), "Tanh"),
        (nn.Sigmoid(), "Sigmoid"),
        (nn.Softmax(1), "Softmax"),
        (nn.LayerNorm(3), "LayerNorm"),
        (nn.Hardswish(), "Hardswish"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_piecewise_affine_is_refused_by_name(bend, message):
    net = nn.Sequential(nn.Linear(2, 3), bend, nn.Linear(3, 3), nn.ReLU())
    for ask in (on_plane, lambda net: segment(net, torch.zeros(2), torch.ones(2))):
        with pytest.raises(InputError, match=f"(?s)net must.*{message}"):
            ask(net)


def test_the_proxy_of_a_smooth_network_is_the_one_with_relu_in_its_place():
    net = relu_stack(0, 2, 16, 16)
    smooth = nn.Sequential(*(nn.GELU() if isinstance(each, nn.ReLU) else each for each in net))
    assert on_plane(smooth, proxy=True).count == on_plane(net).count == 225
    with pytest.raises(InputError, match="Tanh"):
        on_plane(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), proxy=True)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 1, "padding": 1},
        {"kernel_size": 2, "stride": 3, "ceil_mode": True},
        {"kernel_size": (2, 3), "stride": (2, 1), "dilation": (2, 1)},
    ],
    ids=str,
)
def test_windows_of_a_pool_hold_the_places_that_torch_compares(options):
    pool, shape = nn.MaxPool2d(**options), (6, 7)
    kernel, stride, padding, dilation = (
        (value, value) if isinstance(value, int) else value
        for value in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    )
    rows, columns = pool(torch.zeros(1, *shape)).shape[1:]
    expected = []
    for y, x in np.ndindex(rows, columns):
        inside = [
            (y * stride[0] - padding[0] + i * dilation[0], x * stride[1] - padding[1] + j * dilation[1])
            for i, j in np.ndindex(*kernel)
        ]
        expected.append([i * shape[1] + j if 0 <= i < shape[0] and 0 <= j < shape[1] else -1 for i, j in inside])
    both = expected + [[42 + place if place >= 0 else -1 for place in window] for window in expected]
    for net in (nn.Sequential(pool), Pooled(options)):
        graph = fx.symbolic_trace(net)
        found = nonlinearities.windows_of(list(graph.graph.nodes)[1], graph, x=torch.zeros(1, 2, *shape))
        assert found.tolist() == both


class Pooled(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.options = options

    def forward(self, x):
        return functional.max_pool2d(x, **self.options)


@pytest.mark.parametrize(
    "options",
    [{"kernel_size": 1}, {"kernel_size": 2, "stride": 2, "padding": 1}],
    ids=["windows of one place", "windows with one place inside"],
)
@pytest.mark.parametrize("pooled", [lambda options: nn.MaxPool2d(**options), lambda options: Pooled(options)])
@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_a_pool_in_whose_windows_no_places_meet_changes_nothing(options, pooled, engine):
    torch.manual_seed(0)
    *before, last = nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Sequential(nn.Flatten(), nn.Linear(8, 4), nn.ReLU())
    net, plain = nn.Sequential(*before, pooled(options), last), nn.Sequential(*before, last)
    plane, domain = Plane.through(torch.randn(3, 1, 4, 4).double()), square(4.0)
    cells, expected = (partition(each, plane, domain, engine=engine) for each in (net, plain))
    assert cells.count == expected.count == count_regions(net, plane, domain, engine=engine) > 20
    assert torch.equal(cells.vertices, expected.vertices) and torch.equal(cells.slope, expected.slope)
    ends = torch.randn(2, 1, 4, 4)
    assert torch.equal(segment(net, *ends).breaks, segment(plain, *ends).breaks)


def test_a_pool_that_never_bends_may_be_the_last_but_not_the_only_operation():
    pool, plane = nn.MaxPool2d(1), Plane.through(torch.eye(16)[:3].reshape(3, 1, 4, 4).double())
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    assert count_regions(nn.Sequential(*net, pool), plane, square(1.0)) == count_regions(net, plane, square(1.0)) > 1
    with pytest.raises(InputError, match="a network with a fold"):
        count_regions(pool, plane, square(1.0))


def bent(kink):
    """Two units whose zero lines are the axes, behind them a kink, and one output."""
    net = nn.Sequential(nn.Linear(2, 2, bias=False), kink, nn.Linear(2, 1)).double()
    net[0].weight.data = torch.eye(2).double()
    return net


@pytest.mark.parametrize("rectifier", nonlinearities.RECTIFIERS)
def test_whatever_asks_counts_the_same_rectifiers(rectifier):
    net, plane = bent(rectifier()), Plane.identity()
    assert on_plane(net).count == count_regions(net, plane, square(1.0)) == count_sampled(net, plane, grid(4)) == 4
    assert len(on_plane(net).boundary().classes) <= 4
    assert segment(net, torch.tensor([-1.0, 0.5]), torch.tensor([1.0, 0.5])).count == 2
    generator = torch.Generator().manual_seed(0)
    found = local_complexity(net, torch.zeros(3, 2), radius=1.0, directions=2, generator=generator)
    assert found.layers == ("1",) and found.mean == 2


@pytest.mark.parametrize("rectifier", nonlinearities.RECTIFIERS)
def test_a_rectifier_s_maps_are_those_of_the_network(rectifier):
    net = bent(rectifier())
    cells = on_plane(net)
    mapped = (cells.slope @ cells.centres[:, :, None]).squeeze(2) + cells.offset
    assert torch.allclose(mapped, net(cells.centres), atol=1e-12)


def test_whatever_asks_refuses_the_same_operations():
    net, plane = bent(nn.GELU()), Plane.identity()
    for ask in (
        lambda: on_plane(net),
        lambda: count_regions(net, plane, square(1.0)),
        lambda: count_sampled(net, plane, grid(4)),
        lambda: segment(net, torch.zeros(2), torch.ones(2)),
    ):
        with pytest.raises(InputError, match=r"GELU in '1'.*proxy=True"):
            ask()
