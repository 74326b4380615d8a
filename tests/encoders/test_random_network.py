"""Networks of random weights: their shape, their variances, their streams."""

import pytest
import torch
from torch import nn

from sslens.encoders import random_network
from sslens.measures.regions import Plane, count_regions, square
from sslens.runtime import stream
from sslens.types import InputError


def drawn(seed=0):
    """The generator behind the reference networks of this seed."""
    return stream(seed, "random network")


def linear(net):
    return [layer for layer in net if isinstance(layer, nn.Linear)]


def test_layers_are_of_the_width_and_depth_given_and_relus_stand_between_them():
    net = random_network(7, 3, inputs=5, generator=drawn())
    assert [(each.in_features, each.out_features) for each in linear(net)] == [(5, 7), (7, 7), (7, 7), (7, 1)]
    assert [type(each) for each in net[1::2]] == [nn.ReLU] * 3 and len(net) == 7


def test_weights_have_the_variance_of_he_and_biases_the_deviation_given():
    net = random_network(400, 2, inputs=50, bias=0.25, generator=drawn()).requires_grad_(requires_grad=False)
    (first, offset), (second, other), _ = (list(each.parameters()) for each in linear(net))
    assert float(first.var()) == pytest.approx(2 / 50, rel=0.05)
    assert float(second.var()) == pytest.approx(2 / 400, rel=0.05)
    assert float(torch.cat([offset, other]).std()) == pytest.approx(0.25, rel=0.1)
    assert abs(float(second.mean())) < 3 * (2 / 400) ** 0.5 / 400


def test_the_size_of_signals_survives_depth():
    net = random_network(300, 8, inputs=300, bias=0.0, generator=drawn())
    x = torch.randn(200, 300, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        assert 0.4 < float(net[:15](x).square().mean() / x.square().mean()) < 2.5


def test_a_seed_is_one_network_and_another_seed_another():
    one, same, other = (random_network(4, 1, generator=drawn(seed))[0].weight for seed in (3, 3, 4))
    assert one.equal(same) and not one.equal(other) and one.dtype == torch.float64


def test_the_reference_network_of_a_seed_is_the_one_it_has_always_been():
    weights = [layer.weight for layer in linear(random_network(4, 1, generator=drawn(3)))]
    assert weights[0].flatten()[:3].tolist() == [-1.068217580323313, 3.15190711554708, 0.8165864464590892]


def test_drawing_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    first = torch.rand(1)
    torch.manual_seed(0)
    random_network(4, 2, generator=drawn())
    assert torch.rand(1).equal(first)


def test_without_biases_all_folds_of_the_first_layer_meet_in_the_origin():
    net = random_network(9, 1, bias=0.0, generator=drawn())
    assert count_regions(net, Plane.identity(), square(1.0)) == 18
    assert count_regions(net, Plane.identity(), square(1e-6)) == 18


@pytest.mark.parametrize(
    ("field", "values"),
    [("width", {"width": 0}), ("depth", {"depth": 0}), ("inputs", {"inputs": 0}), ("bias", {"bias": -1.0})],
)
def test_what_makes_no_network_is_refused(field, values, unchecked):
    with pytest.raises(InputError) as error:
        random_network(**({"width": 2, "depth": 2, "generator": drawn()} | values))
    assert error.value.field == field
