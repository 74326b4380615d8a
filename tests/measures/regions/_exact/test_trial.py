"""What no name says: networks that mix samples, keep them elsewhere, or bend unseen are refused."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from sslens.measures.regions import Plane, count_regions, count_sampled, grid, partition, segment, square
from sslens.types import InputError

PLANE, DOMAIN = Plane.identity(), square(2.0)
ENDS = torch.tensor([[-2.0, -1.0], [2.0, 1.5]])
ASK = {
    "partition": lambda net: partition(net, PLANE, DOMAIN).count,
    "count_regions": lambda net: count_regions(net, PLANE, DOMAIN),
    "segment": lambda net: segment(net, *ENDS).count,
    "count_sampled": lambda net: count_sampled(net, PLANE, 2 * grid(40)),
}


class Net(nn.Module):
    """An affine map, what is to be tried, and an affine map."""

    def __init__(self, tried, units=6):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.last, self.tried = nn.Linear(2, units), nn.Linear(units, 3), tried

    def forward(self, x):
        return self.last(self.tried(self.first(x)))


class Sideways(Net):
    """Keeps samples on the last axis on its way, which nothing shows in what it gives."""

    def forward(self, x):
        return self.last(torch.relu(self.first.weight @ x.T + self.first.bias[:, None]).T)


SLOPES = torch.tensor([0.1, 0.5, 0.0, 0.3, 2.0, -0.5])
BENDS = {
    "mul": lambda h: h.relu() * h,
    "gt": lambda h: h.relu() + h * (h > 0.3),
    "lt": lambda h: h.relu().masked_fill(h < -0.2, 0.0),
    "truediv": lambda h: h.relu() / (1 + h.abs().sum(1, keepdim=True)),
    "floordiv": lambda h: h.relu() + h // 2,
    "remainder": lambda h: h.relu() + torch.remainder(h, 1000.0),
    "prelu": lambda h: functional.prelu(h, h[0]),
    "batch_norm": lambda h: functional.batch_norm(h.relu(), None, None, training=True),
    "instance_norm": lambda h: functional.instance_norm(h.relu()[:, None])[:, 0],
    "softmax": lambda h: h.relu().softmax(1),
    "sort": lambda h: h.relu().sort(1).values,
    "argmax": lambda h: h.relu() + h.argmax(1, keepdim=True),
    "fft_fft": lambda h: torch.fft.fft(h.relu(), dim=1).abs(),
    "adaptive_max_pool1d": lambda h: functional.adaptive_max_pool1d(h.relu()[:, None], 6)[:, 0],
    "matmul": lambda h: (h.relu()[:, :, None] @ h[:, None]).flatten(1)[:, :6],
}
MIXES = {
    "sum": lambda h: h.relu() + h.sum(0, keepdim=True).expand_as(h),
    "roll": lambda h: h.relu().roll(1, 0),
    "flip": lambda h: h.relu().flip(0),
    "cumsum": lambda h: h.relu().cumsum(0),
    "interleaved": lambda h: h.relu().reshape(6, -1).T,
    "rows of others": lambda h: h.relu().view(-1, 2).repeat(1, 3)[: h.shape[0]],
    "counted": lambda h: h.relu() * h.shape[0],
}


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
@pytest.mark.parametrize(("name", "tried"), BENDS.items(), ids=BENDS)
def test_what_bends_unseen_is_refused_by_its_name(ask, name, tried):
    with pytest.raises(InputError, match=f'made of affine maps, ReLU, abs, max-pool. Got "{name} in'):
        ask(Net(tried))


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
@pytest.mark.parametrize("tried", MIXES.values(), ids=MIXES)
def test_what_mixes_samples_is_refused(ask, tried):
    with pytest.raises(InputError, match="keeps its samples apart"):
        ask(Net(tried))


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
@pytest.mark.parametrize("units", [2, 3, 5, 6, 8, 15, 24])
def test_samples_kept_on_another_axis_are_refused(ask, units):
    with pytest.raises(InputError, match="keeps its samples apart, on the first axis"):
        ask(Sideways(None, units))


def test_a_batch_norm_is_taken_with_statistics_of_its_own_and_refused_without():
    own, none = nn.BatchNorm1d(6, affine=False, momentum=None), nn.BatchNorm1d(6, track_running_stats=False)
    taken = Net(nn.Sequential(nn.ReLU(), own))
    assert count_regions(taken, PLANE, DOMAIN) == count_regions(Net(nn.ReLU()), PLANE, DOMAIN)
    with pytest.raises(InputError, match=r"BatchNorm1d in 'tried\.1'"):
        count_regions(Net(nn.Sequential(nn.ReLU(), none)), PLANE, DOMAIN)


AFFINE = {
    "pooled": lambda h: functional.avg_pool1d(h.relu()[:, None], 2, 1, 1)[:, 0, :6],
    "padded": lambda h: functional.pad(h.relu(), (2, 3))[:, 2:8],
    "resized": lambda h: functional.interpolate(h.relu()[:, None], size=6, mode="linear")[:, 0],
    "split": lambda h: torch.cat(h.relu().chunk(2, 1)[::-1], 1),
    "einsum": lambda h: torch.einsum("ni,ij->nj", h.relu(), torch.eye(6, dtype=h.dtype)),
    "negated": lambda h: 3 - h.relu() / 2,
    "transposed": lambda h: h.relu().view(-1, 2, 3).transpose(1, 2).reshape(h.shape[0], -1),
    "beside constants": lambda h: h.relu() + torch.zeros_like(h) + h.new_ones(h.shape[0], 1) + SLOPES.type_as(h),
    "dropped": lambda h: functional.dropout(h.relu(), 0.5, training=False),
}


@pytest.mark.parametrize("tried", AFFINE.values(), ids=AFFINE)
def test_what_is_affine_is_taken_under_any_name(tried):
    usual = Net(nn.ReLU())
    for name in ("count_regions", "segment", "count_sampled"):
        assert ASK[name](Net(tried)) == ASK[name](usual)
    cells = partition(Net(tried), PLANE, DOMAIN)
    centres = torch.stack([cells.polygon(cell).mean(0) for cell in range(cells.count)])
    mapped = (cells.slope @ centres[:, :, None]).squeeze(2) + cells.offset
    assert torch.allclose(mapped, Net(tried).double()(centres), atol=1e-12)


def test_a_functional_prelu_is_the_module():
    module = nn.PReLU(6)
    module.weight.data.copy_(SLOPES)
    usual, tried = Net(module), Net(lambda h: functional.prelu(h, SLOPES.to(h)))
    for ask in ASK.values():
        assert ask(tried) == ask(usual) > 1
    assert torch.equal(partition(tried, PLANE, DOMAIN).slope, partition(usual, PLANE, DOMAIN).slope)


def test_a_trial_moves_no_global_generator_and_its_answer_is_the_same_again():
    net = Net(nn.ReLU())
    before = torch.random.get_rng_state()
    assert ASK["partition"](net) == ASK["partition"](net)
    assert torch.equal(before, torch.random.get_rng_state())
