"""Dead units, curvature and Jacobians against closed forms, full matrices and loops over single derivatives."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from sslens import encoders
from sslens.measures import network_diagnostics
from sslens.measures.network_diagnostics import curvature, dead_units, jacobian, jacobian_spectrum, slope_norms
from sslens.runtime import stream
from sslens.types import InputError, UnknownName

seeds = st.integers(0, 2**32)
LABELS = torch.tensor([0, 1, 2, 1, 0, 2])


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded(make, *sizes, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make(*sizes).double()


def small(seed=0):
    return seeded(lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), seed=seed)


def images(n=6, size=8):
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(0))


def quadratic(eigenvalues, seed=0):
    """A net w ↦ Xw and a loss ½ Σ s_i (Xw)_i² whose Hessian Xᵀ diag(s) X has these eigenvalues."""
    d = len(eigenvalues)
    values = torch.tensor(eigenvalues, dtype=torch.float64)
    x = values.abs().sqrt()[:, None] * torch.linalg.qr(normal(seed, d, d)).Q
    return nn.Linear(d, 1, bias=False).double(), x, lambda y: 0.5 * (values.sign() * y[:, 0] ** 2).sum()


def full_hessian(net, x, loss):
    """Row by row, by differentiating each entry of the gradient."""
    parameters = [each for each in net.parameters() if each.requires_grad]
    gradient = torch.autograd.grad(loss(net(x)), parameters, create_graph=True)
    rows = [
        torch.cat([part.flatten() for part in torch.autograd.grad(entry, parameters, retain_graph=True)])
        for entry in torch.cat([each.flatten() for each in gradient])
    ]
    return torch.stack(rows)


def full_jacobian(net, x):
    rows = []
    for output in net(x).flatten():
        parts = torch.autograd.grad(output, list(net.parameters()), retain_graph=True)
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows)


def test_a_unit_is_dead_if_no_sample_activates_it():
    net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2), nn.ReLU()).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, 0]]))
        net[0].bias.copy_(torch.tensor([0.0, 0, -10, 0]))
        net[2].weight.copy_(torch.tensor([[1.0, 0, 0, 0], [-1, 0, 0, 0]]))
        net[2].bias.zero_()
    found = dead_units(net, torch.tensor([[1.0, 9.0], [2.0, 9.9], [0.0, 5.0]]))
    assert found.layers == ("1", "3") and found.shares.tolist() == [0.75, 0.5]  # one at 0 for all is dead, too
    assert found.share == pytest.approx(4 / 6)
    assert dead_units(net, torch.tensor([[1.0, 11.0], [-1.0, 0.0]])).shares.tolist() == [0.25, 0.5]


@given(seeds, st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_dead_are_the_columns_of_zeros_behind_each_relu(seed, n):
    net, x = seeded(encoders.mlp, 3, 12, 9, 2, seed=seed % 1000), normal(seed, n, 3)
    found = dead_units(net, x)
    first = [sum(activation) == 0 for activation in net[:3](x).T.tolist()]
    second = [sum(activation) == 0 for activation in net[:5](x).T.tolist()]
    assert found.shares.tolist() == pytest.approx([sum(first) / 12, sum(second) / 9])
    assert found.share == pytest.approx(sum(first + second) / 21)


def test_no_gradient_reaches_the_weights_of_a_dead_unit():
    net, x = seeded(encoders.mlp, 4, 40, 3), normal(0, 5, 4)
    found = dead_units(net, x)
    net(x).square().sum().backward()
    still = (net[1].weight.grad == 0).all(1)
    assert 0 < found.share == float(still.double().mean())


def test_a_channel_lives_if_one_of_its_positions_does():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU())
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1))
        net[0].bias.zero_()
    x = torch.zeros(3, 1, 4, 4)
    assert dead_units(net, x).share == 1
    x[2, 0, 3, 1] = 0.5
    assert dead_units(net, x).share == 0.5


def test_samples_pass_in_chunks_and_one_that_wakes_a_unit_is_enough():
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.LeakyReLU()).double()
    with torch.no_grad():
        net[0].weight.fill_(1)
        net[0].bias.zero_()
    x = torch.full((1000, 1), -1.0)
    assert dead_units(net, x).share == 1
    x[300] = 1
    assert dead_units(net, x).share == 0 and dead_units(net, x).layers == ("1",)


def test_a_relu_used_twice_counts_as_two_layers():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(-self.act(x) - 1)

    found = dead_units(Twice(), torch.ones(2, 3))
    assert found.layers == ("act", "act:2") and found.shares.tolist() == [0, 1]


EIGENVALUES = {
    "decaying": [5.0, 3, 1, 0.1, 0],
    "largest in size is negative": [-9.0, 4, 1, -0.5],
    "as far below zero as above": [3.0, -3, 1, -1],
    "twice the same": [2.0, 2, 1],
    "none above zero": [-1.0, -2, -3],
    "one": [7.0],
    "zero": [0.0, 0, 0],
    "far apart": [1e6, 1.0, 1e-6],
    "close": [1.0, 0.999, 0.5],
}


@pytest.mark.parametrize("name", EIGENVALUES)
def test_curvature_of_a_quadratic_is_its_algebraically_largest_eigenvalue(name):
    net, x, loss = quadratic(EIGENVALUES[name])
    found = curvature(net, x, loss=loss, generator=stream(0, "start"), tolerance=1e-10)
    assert found.value == pytest.approx(max(EIGENVALUES[name]), rel=1e-9, abs=1e-9)
    assert found.products <= len(EIGENVALUES[name])
    assert found.error <= 1e-10 * max(map(abs, EIGENVALUES[name]))


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_curvature_of_a_small_net_is_that_of_its_full_hessian(seed):
    net, x = small(seed % 1000), normal(seed, 6, 4)
    full = torch.linalg.eigvalsh(full_hessian(net, x, lambda y: cross_entropy(y, LABELS)))
    found = curvature(net, x, loss=lambda y: cross_entropy(y, LABELS), generator=stream(seed, "start"), tolerance=1e-8)
    assert found.value == pytest.approx(float(full[-1]), rel=1e-7)


def test_the_error_bounds_the_distance_to_an_eigenvalue_and_falls_with_the_tolerance():
    net, x = seeded(encoders.mlp, 64, 8, 6), images().double()
    labels = torch.arange(6)
    full = torch.linalg.eigvalsh(full_hessian(net, x, lambda y: cross_entropy(y, labels)))
    last = 0
    for tolerance in (0.3, 1e-2, 1e-4, 1e-6):
        found = curvature(
            net, x, loss=lambda y: cross_entropy(y, labels), generator=stream(0, "start"), tolerance=tolerance
        )
        assert float((full - found.value).abs().min()) <= found.error + 1e-12 and found.value <= full[-1] + 1e-12
        assert found.error <= tolerance * float(full.abs().max()) and last <= found.products < len(full) / 10
        last = found.products
    assert found.value == pytest.approx(float(full[-1]), rel=1e-8)


def test_curvature_that_runs_out_of_steps_says_how_far_it_came():
    net, x, loss = quadratic([float(k) for k in range(1, 60)])
    found = curvature(net, x, loss=loss, generator=stream(0, "start"), tolerance=1e-12, steps=5)
    assert found.products == 5 and found.error > 1e-3 and found.value < 59
    assert found.error >= min(abs(found.value - k) for k in range(1, 60))


def test_curvature_is_of_the_trained_parameters_only_and_of_any_answer():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.trained, self.frozen = nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)
            self.frozen.weight.requires_grad_(requires_grad=False)

        def forward(self, x):
            return {"sum": self.trained(x) + 3 * self.frozen(x)}

    ask = {"loss": lambda y: (y["sum"] ** 2).sum() / 2, "generator": stream(0, "start")}
    assert curvature(Two(), torch.eye(2) * torch.tensor([1.0, 2.0]), **ask).value == pytest.approx(4)


def test_curvature_is_the_same_in_either_memory_layout():
    net, x = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten())), normal(0, 5, 3, 6, 6)
    ask = {"loss": lambda y: y.square().mean(), "tolerance": 1e-8}
    straight, last = (
        curvature(net.to(memory_format=layout), x, generator=stream(0, "start"), **ask).value
        for layout in (torch.contiguous_format, torch.channels_last)
    )
    assert last == pytest.approx(straight, rel=1e-9)


def test_curvature_of_a_loss_linear_in_the_parameters_is_zero():
    net = nn.Linear(2, 1)
    assert curvature(net, torch.ones(3, 2), loss=lambda y: y.sum(), generator=stream(0, "start")).value == 0


def test_curvature_scales_with_the_loss():
    net, x = small(), normal(1, 6, 4)
    once, thrice = (
        curvature(net, x, loss=lambda y, k=k: k * cross_entropy(y, LABELS), generator=stream(0, "start"))
        for k in (1.0, 3.0)
    )
    assert thrice.value == pytest.approx(3 * once.value) and thrice.products == once.products


@pytest.mark.parametrize("bias", [False, True])
def test_the_jacobian_of_a_linear_map_has_the_spectrum_of_its_data_once_per_output(bias):
    x, net = normal(0, 7, 4), seeded(lambda: nn.Linear(4, 3, bias=bias))
    data = torch.cat([x, torch.ones(7, 1)], 1) if bias else x
    oracle = torch.linalg.svdvals(data).repeat_interleave(3)
    assert torch.allclose(jacobian_spectrum(net, x)[: len(oracle)], oracle)
    inputs = torch.linalg.svdvals(net.weight).repeat_interleave(7)
    assert torch.allclose(jacobian_spectrum(net, x, of="inputs"), inputs)
    assert torch.allclose(slope_norms(net, x), net.weight.norm().expand(7))


def test_a_jacobian_says_what_a_small_change_of_weights_or_input_does():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    x = torch.randn(5, 3, generator=stream(0, "x"), dtype=torch.float64)
    rows = jacobian(net, x)
    assert rows.shape == (5, 2, sum(each.numel() for each in net.parameters()))
    change = 1e-6 * torch.randn(rows.shape[2], generator=stream(0, "change"), dtype=torch.float64)
    before = net(x).detach()
    with torch.no_grad():
        nn.utils.vector_to_parameters(nn.utils.parameters_to_vector(net.parameters()) + change, net.parameters())
    assert torch.allclose((net(x) - before) / 1e-6, rows @ change / 1e-6, atol=1e-4)
    moved = 1e-6 * torch.randn(5, 3, generator=stream(0, "moved"), dtype=torch.float64)
    slopes = torch.einsum("ncd,nd->nc", jacobian(net, x, of="inputs"), moved)
    assert torch.allclose((net(x + moved) - net(x)) / 1e-6, slopes / 1e-6, atol=1e-4)


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_squares_of_the_parameter_spectrum_are_the_eigenvalues_of_the_tangent_kernel(seed):
    net, x = small(seed % 1000), normal(seed, 5, 4)
    jacobian = full_jacobian(net, x)
    kernel = torch.tensor([[float(a @ b) for a in jacobian] for b in jacobian], dtype=torch.float64)
    found = jacobian_spectrum(net, x)
    assert found.square().tolist() == pytest.approx(torch.linalg.eigvalsh(kernel).flip(0).tolist(), rel=1e-6, abs=1e-10)


def test_input_spectrum_and_slopes_are_those_of_differences_in_the_linear_region():
    net, x = seeded(encoders.mlp, 4, 9, 7, 3), normal(3, 6, 4)
    step, axes = 1e-7, torch.eye(4, dtype=torch.float64)
    with torch.no_grad():
        slopes = [torch.stack([(net(p + step * axis) - net(p))[0] / step for axis in axes]) for p in x[:, None]]
    values = sorted((float(value) for slope in slopes for value in torch.linalg.svdvals(slope)), reverse=True)
    assert jacobian_spectrum(net, x, of="inputs").tolist() == pytest.approx(values, abs=1e-5)
    assert slope_norms(net, x).tolist() == pytest.approx([float(slope.norm()) for slope in slopes], rel=1e-5)


def test_jacobians_of_a_convolutional_net_with_batch_norm_take_its_running_statistics(monkeypatch):
    net = seeded(lambda: encoders.ConvNet(width=4).build((1, 8, 8))).float()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net(torch.rand(20, 1, 8, 8) + 2)
    x = images(5).double()
    still = net.double().eval()
    oracle = torch.linalg.svdvals(full_jacobian(still, x))
    slopes = [torch.autograd.functional.jacobian(still, one[None]).norm() for one in x]
    net.train()
    monkeypatch.setattr(network_diagnostics, "CHUNK", 2)
    assert torch.allclose(jacobian_spectrum(net, x), oracle, rtol=1e-6, atol=1e-9)
    assert slope_norms(net, x).tolist() == pytest.approx([float(slope) for slope in slopes])


def test_a_dead_network_has_spectra_of_zeros():
    net = encoders.mlp(4, 5, 2)
    with torch.no_grad():
        net[1].bias.fill_(-100)
    assert (
        not jacobian_spectrum(net, normal(0, 3, 4), of="inputs").any() and not slope_norms(net, normal(0, 3, 4)).any()
    )
    assert jacobian_spectrum(net, normal(0, 3, 4))[:2].tolist() == pytest.approx([math.sqrt(3)] * 2)  # the last biases
    assert dead_units(net, normal(0, 3, 4)).share == 1


@pytest.mark.parametrize(
    "measure",
    [dead_units, lambda net, x: curvature(net, x, loss=lambda y: y.square().mean(), generator=stream(0, "start")),
     jacobian_spectrum, lambda net, x: jacobian_spectrum(net, x, of="inputs"), slope_norms],
)  # fmt: skip
def test_the_net_is_left_as_it_was(measure):
    net = nn.Sequential(encoders.ConvNet(width=4).build((1, 8, 8)), nn.Dropout(), nn.Linear(4, 2)).train()
    net[0].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    first = measure(net, images())
    assert [module.training for module in net.modules()] == modes
    assert not any(module._forward_pre_hooks for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(each.grad is None and each.requires_grad for each in net.parameters())
    assert str(measure(net, images())) == str(first)  # no dropout, no batch statistics, no state


def nan_net():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    net[0].weight.data[0, 0] = math.nan
    return net


@pytest.mark.parametrize("measure", [dead_units, jacobian_spectrum, slope_norms])
@pytest.mark.parametrize(
    "net, x, field",
    [(small(), torch.full((2, 4), math.nan), "x must be finite"), (small(), torch.zeros(0, 4), "x"),
     (small(), torch.zeros(4), "x"), (nan_net(), torch.ones(2, 4), "not finite")],
)  # fmt: skip
def test_samples_and_nets_that_are_not_finite_are_refused(measure, net, x, field, unchecked):
    with pytest.raises(InputError, match=field):
        measure(net, x)


@pytest.mark.parametrize("net", [nn.Linear(4, 2), nn.Sequential(nn.Linear(4, 2), nn.LeakyReLU())])
def test_dead_units_of_a_net_without_relus_are_refused(net):
    with pytest.raises(InputError, match=r"a network with a (ReLU|fold)"):
        dead_units(net, torch.ones(2, 4))


@pytest.mark.parametrize(
    "change, field",
    [({"tolerance": 0.0}, "tolerance"), ({"tolerance": math.nan}, "tolerance"), ({"steps": 0}, "steps"),
     ({"x": torch.full((2, 4), math.inf)}, "x"), ({"loss": lambda y: y}, "loss"),
     ({"loss": lambda y: y.sum() * math.nan}, "loss"), ({"loss": lambda y: torch.tensor(1.0)}, "loss"),
     ({"net": nn.Linear(4, 2).requires_grad_(requires_grad=False)}, "net"),
     ({"loss": lambda y: ((y - y.detach()).square() + 0.0).sqrt().sum()}, "second derivatives")],
)  # fmt: skip
def test_bad_questions_about_curvature_are_refused(change, field):
    ask = {"net": small(), "x": torch.ones(2, 4), "loss": lambda y: y.sum(), "generator": stream(0, "start"), **change}
    with pytest.raises(InputError, match=field):
        curvature(ask.pop("net"), ask.pop("x"), **ask)


class TwoAnswers(nn.Linear):
    """A network that does not give one tensor."""

    def forward(self, x):
        return super().forward(x), x


def test_bad_questions_about_jacobians_are_refused(monkeypatch):
    with pytest.raises(UnknownName, match="Did you mean 'inputs'"):
        jacobian_spectrum(small(), torch.ones(2, 4), of="input")
    with pytest.raises(InputError, match="answers with one tensor"):
        jacobian_spectrum(TwoAnswers(4, 2), torch.ones(2, 4))
    with pytest.raises(InputError, match="Jacobian of 0 entries"):
        jacobian_spectrum(small().requires_grad_(requires_grad=False), torch.ones(2, 4))
    monkeypatch.setattr(network_diagnostics, "LARGEST_JACOBIAN", 2 * 3 * 43 - 1)
    assert len(slope_norms(small(), torch.ones(2, 4))) == 2
    with pytest.raises(InputError, match="Jacobian of 258 entries"):
        jacobian_spectrum(small(), torch.ones(2, 4))
