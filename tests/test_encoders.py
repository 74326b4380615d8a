"""Shapes and sizes of the networks, and how the model treats views, predictor and momentum branch."""

import pytest
import torch
from torch import nn

from sslens.encoders import ENCODERS, Model, PrefixHeads, convnet, encoder, head, mlp, resnet18
from sslens.types import InputError


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def test_parameter_counts_equal_the_architectures():
    assert count(mlp(64, 100, 100, 10)) == 64 * 100 + 100 + 100 * 100 + 100 + 100 * 10 + 10
    assert 60_000 <= count(convnet(1)) <= 80_000
    assert count(resnet18(3)) == 11_168_832  # 11,173,962 of the published CIFAR ResNet-18 less its 10-class head
    assert count(head(64, 128, 64)) == 64 * 128 + 2 * 128 + 128 * 64 + 64


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize(("channels", "size"), [(1, 16), (3, 32), (1, 8), (3, 9)])
def test_every_encoder_takes_every_image(name, channels, size):
    net = encoder(name, (channels, size), width=16).eval()
    assert net(torch.zeros(2, channels, size, size)).shape[0] == 2


@pytest.mark.parametrize("sizes", [(), (5,), (5, 0)])
def test_an_mlp_needs_sizes(sizes):
    with pytest.raises(InputError, match="mlp sizes"):
        mlp(*sizes)


@pytest.mark.parametrize("width", [0, 6, -4])
def test_a_convnet_needs_a_multiple_of_four(width):
    with pytest.raises(InputError, match="multiple of 4"):
        convnet(1, width)


def test_without_predictor_and_momentum_all_branches_are_the_embedding():
    outputs = Model(convnet(1), head(64, 32, 16))(torch.rand(2, 4, 1, 16, 16))
    assert torch.equal(outputs.prediction, outputs.embedding) and torch.equal(outputs.target, outputs.embedding)
    assert outputs.target.requires_grad


def test_batch_norm_sees_one_view_at_a_time():
    """The first view's outputs do not change with the second view."""
    model, views = Model(convnet(1), head(64, 32, 16)), torch.rand(2, 4, 1, 16, 16)
    other = torch.stack([views[0], torch.rand(4, 1, 16, 16)])
    assert torch.equal(model(views).embedding[0], model(other).embedding[0])


def test_momentum_branch_follows_and_carries_no_gradient():
    model = Model(convnet(1), head(64, 32, 16), momentum=0.9)
    assert not model(torch.rand(2, 4, 1, 16, 16)).target.requires_grad
    before = model.target[0][0][0].weight.clone()
    with torch.no_grad():
        model.encoder[0][0].weight.add_(1.0)
    model.follow()
    assert torch.allclose(model.target[0][0][0].weight, before + 0.1, atol=1e-6)
    assert not any(parameter.requires_grad for parameter in model.target.parameters())


def test_relu_modules_are_not_shared_so_that_each_layer_can_be_hooked():
    for net in (convnet(1), resnet18(1, 8), mlp(4, 5, 6)):
        seen = [module for module in net.modules() if isinstance(module, nn.ReLU)]
        assert len(seen) == len({id(module) for module in seen})
    block = resnet18(1, 8)[1]
    assert sum(isinstance(module, nn.ReLU) for module in block.modules()) == 2


@pytest.mark.parametrize("name", ENCODERS)
def test_features_change_the_width_of_the_representation_and_nothing_before(name):
    usual, wide = encoder(name, (1, 16), width=16), encoder(name, (1, 16), width=16, features=100)
    assert usual(torch.zeros(2, 1, 16, 16)).shape[1] == (128 if name == "resnet18" else 16)
    assert wide(torch.zeros(2, 1, 16, 16)).shape[1] == 100
    assert wide[1 if name.startswith("mlp") else 0].__repr__() == usual[1 if name.startswith("mlp") else 0].__repr__()


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_depth_of_a_perceptron_is_its_number_of_rectifiers(depth):
    net = encoder("mlp", (1, 8), width=16, depth=depth)
    assert sum(isinstance(each, nn.ReLU) for each in net) == depth and isinstance(net[-1], nn.ReLU)


def test_layer_norm_stands_before_every_rectifier():
    net = list(encoder("mlp_layernorm", (1, 8), width=16, depth=4, features=6))
    before = [net[place - 1] for place, each in enumerate(net) if isinstance(each, nn.ReLU)]
    assert [each.normalized_shape for each in before] == [(16,), (16,), (16,), (6,)]


def test_a_prefix_head_sees_its_prefix_only():
    heads = PrefixHeads((2, 5), 3)
    h = torch.randn(4, 5)
    changed = heads(h + torch.tensor([0.0, 0, 1, 1, 1]))
    assert torch.equal(changed[:, :3], heads(h)[:, :3]) and not torch.equal(changed[:, 3:], heads(h)[:, 3:])
