"""Per-sample Jacobians against differences, for every operation, with as many samples as units and with others."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune

from sslens.measures.network_diagnostics import curvature, dead_units, jacobian_spectrum, slope_norms
from sslens.types import InputError

STEP = 1e-6
SLOPES = torch.tensor([-0.5, 0.1, 0.3, 0.9], dtype=torch.float64)


class By(nn.Module):
    """A function in a network."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Residual(nn.Module):
    def __init__(self, fold):
        super().__init__()
        self.body, self.fold = nn.Linear(4, 4), fold

    def forward(self, x):
        return self.fold(self.body(self.fold(x)) + x)


def prelu(count):
    module = nn.PReLU(count)
    module.weight.data.copy_(SLOPES[:count])
    return module


def between(*fold):
    """Of three numbers and two outputs, with four units."""
    return nn.Sequential(nn.Linear(3, 4), *fold, nn.Linear(4, 2))


def on_images(*layers):
    return nn.Sequential(nn.Conv2d(2, 4, 3), *layers)


shared = prelu(4)
OF_NUMBERS = {
    "ReLU": [nn.ReLU()],
    "relu": [By(functional.relu)],
    "in place": [nn.ReLU(inplace=True)],
    "LeakyReLU": [nn.LeakyReLU(0.3)],
    "leaky_relu": [By(functional.leaky_relu)],
    "PReLU": [prelu(1)],
    "PReLU of each unit": [prelu(4)],
    "prelu": [By(lambda h: functional.prelu(h, SLOPES.to(h)))],
    "torch.prelu": [By(lambda h: torch.prelu(h, SLOPES.to(h)))],
    "PReLU twice": [shared, nn.Linear(4, 4), shared],
    "residual PReLU": [Residual(prelu(4))],
    "abs": [By(torch.abs)],
    "hardtanh": [nn.Hardtanh(-0.3, 0.4)],
    "relu6": [nn.ReLU6()],
    "clamp": [By(lambda h: h.clamp(-0.3, 0.4))],
    "clamp_min": [By(lambda h: h.clamp_min(0.1))],
    "maximum": [By(lambda h: torch.maximum(h, 0.3 * h.roll(1, 1)))],
    "minimum": [By(lambda h: torch.minimum(h, -2 * h))],
    "where": [By(lambda h: torch.where(h > 0, h, 0.2 * h))],
    "masked_fill": [By(lambda h: h.masked_fill(h < 0, 0.0))],
    "threshold": [nn.Threshold(0.1, 0.1)],
    "softshrink": [nn.Softshrink(0.2)],
    "hardsigmoid": [nn.Hardsigmoid()],
    "cat": [By(lambda h: torch.cat([h.relu(), -h.abs()], 1)), nn.Linear(8, 4)],
    "pad": [By(lambda h: functional.pad(h, (1, 2))), nn.Linear(7, 4)],
    "amax": [By(lambda h: h.amax(1, keepdim=True) - h)],
    "batch norm": [nn.BatchNorm1d(4), nn.ReLU()],
    "layer norm": [nn.LayerNorm(4), nn.ReLU()],
    "GELU": [nn.GELU()],
    "SiLU": [nn.SiLU()],
    "ELU": [nn.ELU()],
    "softplus": [nn.Softplus()],
    "tanh": [nn.Tanh()],
    "dropout": [nn.Dropout(0.5)],
    "RReLU": [nn.RReLU()],
}
OF_IMAGES = {
    "max-pool": [nn.MaxPool2d(2)],
    "max-pool, overlapping": [nn.MaxPool2d(3, 1, 1), prelu(4)],
    "max-pool of one axis": [nn.Flatten(2), nn.MaxPool1d(2), nn.PReLU()],
    "average pool": [nn.AvgPool2d(2), nn.ReLU()],
    "global average": [nn.ReLU(), nn.AdaptiveAvgPool2d(1)],
    "batch norm": [nn.BatchNorm2d(4), prelu(4)],
    "group norm": [nn.GroupNorm(2, 4), nn.ReLU()],
    "PReLU": [prelu(4), nn.Conv2d(4, 1, 2)],
    "prelu": [By(lambda h: functional.prelu(h, SLOPES.to(h)))],
    "interpolate": [By(lambda h: functional.interpolate(h, scale_factor=2, mode="bilinear")), nn.ReLU()],
    "upsample": [nn.Upsample(scale_factor=2), prelu(4)],
    "reflecting borders": [nn.Conv2d(4, 2, 3, padding=1, padding_mode="reflect"), prelu(2)],
    "transposed convolution": [nn.ConvTranspose2d(4, 2, 2), prelu(2)],
}
NETS = {
    **{name: (between(*fold), (3,)) for name, fold in OF_NUMBERS.items()},
    **{f"{name} of images": (on_images(*layers, nn.Flatten()), (2, 6, 6)) for name, layers in OF_IMAGES.items()},
    "PReLU alone": (nn.Sequential(prelu(1)), (3,)),
    "PReLU of sequences": (nn.Sequential(nn.Conv1d(2, 4, 3), prelu(4), nn.Flatten()), (2, 5)),
    "several axes out": (nn.Sequential(nn.Conv2d(2, 4, 2), prelu(4)), (2, 3, 3)),
}


def case(name, n):
    net, shape = NETS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for module in net.modules():
            if hasattr(module, "reset_parameters") and not isinstance(module, nn.PReLU):
                module.reset_parameters()
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        x = torch.randn(n, *shape, dtype=torch.float64)
    return net.double().eval(), x


@torch.no_grad()
def differences(answer, places):
    """Central differences of an answer in each of the numbers of a tensor, which is changed in place and put back."""
    columns = []
    for flat, i in [(place.view(-1), i) for place in places for i in range(place.numel())]:
        was, sides = float(flat[i]), []
        for sign in (1, -1):
            flat[i] = was + sign * STEP
            sides.append(answer().flatten().clone())
        flat[i] = was
        columns.append((sides[0] - sides[1]) / (2 * STEP))
    return torch.stack(columns, 1)


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("name", NETS)
def test_slopes_are_those_of_differences_at_each_sample(name, n):
    net, x = case(name, n)
    right = torch.stack([differences(lambda one=one: net(one), [one]) for one in x.clone().split(1)])
    net.train()
    assert slope_norms(net, x).tolist() == pytest.approx(right.flatten(1).norm(dim=1).tolist(), rel=1e-6)
    spectrum = torch.linalg.svdvals(right).flatten().sort(descending=True).values
    assert jacobian_spectrum(net, x, of="inputs").tolist() == pytest.approx(spectrum.tolist(), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("name", [name for name in NETS if next(NETS[name][0].parameters(), None) is not None])
def test_jacobians_in_the_weights_are_those_of_differences_at_each_sample(name, n):
    net, x = case(name, n)
    right = torch.linalg.svdvals(differences(lambda: net(x), list(net.parameters())))
    assert jacobian_spectrum(net, x)[: len(right)].tolist() == pytest.approx(right.tolist(), rel=1e-5, abs=1e-7)


def test_an_answer_that_does_not_depend_on_anything_has_no_slope():
    net = nn.Sequential(nn.Linear(3, 2), By(lambda h: torch.ones_like(h).detach()))
    assert slope_norms(net, torch.ones(2, 3)).tolist() == [0, 0]
    assert not jacobian_spectrum(net, torch.ones(2, 3)).any()


@pytest.mark.parametrize(
    "mix",
    [lambda h: h - h.mean(0), lambda h: h.flip(0), lambda h: h.sum(0, keepdim=True), lambda h: h.T],
    ids=["centred", "exchanged", "summed", "on another axis"],
)
@pytest.mark.parametrize("of", ["inputs", "parameters"])
def test_a_net_that_mixes_samples_is_refused(mix, of):
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="keeps its samples apart"):
        jacobian_spectrum(nn.Sequential(nn.Linear(3, 2), By(mix)), x, of=of)


@pytest.mark.parametrize("kind", ["float32", "uint8", "array", "list", "int64"])
def test_samples_of_any_type_are_taken(kind, unchecked):
    net, x = case("ReLU", 4)
    pixels = (3 * x.abs()).round()
    given = {"float32": pixels.float(), "uint8": pixels.to(torch.uint8), "array": pixels.numpy(),
             "list": pixels.tolist(), "int64": pixels.long()}[kind]  # fmt: skip
    assert torch.equal(slope_norms(net, given), slope_norms(net, pixels))
    assert torch.equal(jacobian_spectrum(net, given), jacobian_spectrum(net, pixels))


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("kind", ["weight norm", "spectral norm", "pruned"])
def test_weights_that_a_net_computes_at_each_call_are_those_of_a_plain_net(kind):
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    made = nn.Linear(3, 4).double()
    {"weight norm": nn.utils.weight_norm, "spectral norm": nn.utils.spectral_norm,
     "pruned": lambda layer: prune.l1_unstructured(layer, "weight", amount=0.3)}[kind](made)  # fmt: skip
    net = nn.Sequential(made, nn.ReLU())
    net(x)  # now its weight has a graph
    net.eval()
    right = [made.weight[row > 0].norm() for row in made(x)]
    assert slope_norms(net, x).tolist() == pytest.approx([each.item() for each in right], rel=1e-9)


def test_a_number_for_each_sample_is_an_answer_and_what_is_written_over_is_a_copy():
    x = torch.tensor([[3.0, -1.0], [-1.0, 2.0]])
    assert slope_norms(By(lambda h: 2 * h.sum(1)), x).tolist() == pytest.approx([8**0.5] * 2)
    assert slope_norms(nn.Sequential(nn.ReLU(inplace=True), By(lambda h: 3 * h)), x).tolist() == [3, 3]
    assert x.tolist() == [[3, -1], [-1, 2]]


@pytest.mark.parametrize(
    ("net", "message"),
    [(nn.Linear(5, 2), "x must be samples that Linear takes"), (By(torch.sum), "keeps its samples apart"),
     (nn.BatchNorm1d(3, track_running_stats=False), "x must be samples that BatchNorm1d takes, one or several")],
)  # fmt: skip
def test_a_net_that_does_not_take_the_samples_is_said(net, message):
    with pytest.raises(InputError, match=message):
        slope_norms(net, torch.ones(4, 3))


def test_inference_mode_changes_nothing():
    net, x = case("ReLU", 4)
    right = slope_norms(net, x), jacobian_spectrum(net, x), dead_units(net, x).shares
    sharpness = curvature(net, x, loss=lambda y: (y**2).sum(), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        y = x.clone()
        found = slope_norms(net, y), jacobian_spectrum(net, y), dead_units(net, y).shares
        again = curvature(net, y, loss=lambda y: (y**2).sum(), generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(one, other) for one, other in zip(found, right, strict=True)) and again == sharpness
