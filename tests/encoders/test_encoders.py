"""Shapes and sizes of the networks, and how the model treats views, predictor and momentum branch."""

import pytest
import torch
from torch import nn

from sslens.encoders import (
    ENCODERS,
    MLP,
    PREDICTORS,
    Bottleneck,
    ConvNet,
    Model,
    PrefixHeads,
    Projector,
    ResNet18,
    Transformer,
    classifier,
    head,
    mlp,
    pooled,
)
from sslens.types import InputError, fields_of

IMAGES = [kind for kind in ENCODERS.values() if kind is not Transformer]
WIDENED = [kind for kind in IMAGES if "features" in fields_of(kind)]
"""Those whose representation has a width of its own."""
IMAGE = (1, 16, 16)


def small(kind):
    """A network of few weights, where the encoder can be made narrow."""
    return kind(width=16) if "width" in fields_of(kind) else kind()


def model(momentum=0.0):
    return Model(ConvNet().build(IMAGE), head(64, 32, 16), momentum=momentum)


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def test_parameter_counts_equal_the_architectures():
    assert count(mlp(64, 100, 100, 10)) == 64 * 100 + 100 + 100 * 100 + 100 + 100 * 10 + 10
    assert 60_000 <= count(ConvNet().build(IMAGE)) <= 80_000
    assert (
        count(ResNet18().build((3, 32, 32))) == 11_168_832
    )  # 11,173,962 of the published CIFAR ResNet-18 less its 10-class head
    assert count(head(64, 128, 64)) == 64 * 128 + 2 * 128 + 128 * 64 + 64


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize(("channels", "size"), [(1, 16), (3, 32), (1, 8), (3, 9)])
def test_every_encoder_of_images_takes_every_image(kind, channels, size):
    net = small(kind).build((channels, size, size)).eval()
    assert net(torch.zeros(2, channels, size, size)).shape[0] == 2


@pytest.mark.parametrize("sizes", [(), (5,), (5, 0)])
def test_an_mlp_needs_sizes(sizes):
    with pytest.raises(InputError, match="mlp sizes"):
        mlp(*sizes)


@pytest.mark.parametrize("width", [0, 6, -4])
def test_a_convnet_needs_a_multiple_of_four(width):
    with pytest.raises(InputError, match=r"multiple of 4|ConvNet\.width"):
        ConvNet(width=width)


def test_without_predictor_and_momentum_all_branches_are_the_embedding():
    outputs = model()([torch.rand(2, 4, *IMAGE)])
    assert torch.equal(outputs.prediction, outputs.embedding) and torch.equal(outputs.target, outputs.embedding)
    assert outputs.target.requires_grad


def test_batch_norm_sees_one_view_at_a_time():
    """The first view's outputs do not change with the second view."""
    net, views = model(), torch.rand(2, 4, *IMAGE)
    other = torch.stack([views[0], torch.rand(4, *IMAGE)])
    assert torch.equal(net([views]).embedding[0], net([other]).embedding[0])


def test_momentum_branch_follows_and_carries_no_gradient():
    net = model(momentum=0.9)
    outputs = net([torch.rand(2, 4, *IMAGE)])
    assert not outputs.target.requires_grad
    before = net.target[0][0][0].weight.clone()
    with torch.no_grad():
        net.encoder[0][0].weight.add_(1.0)
    net.after_step(outputs)
    assert torch.allclose(net.target[0][0][0].weight, before + 0.1, atol=1e-6)
    assert not any(parameter.requires_grad for parameter in net.target.parameters())


def test_the_momentum_branch_takes_over_the_statistics_of_batch_norm():
    net = model(momentum=0.9)
    net.after_step(net([torch.rand(2, 4, *IMAGE)]))
    for slow, fast in zip(net.target[0].buffers(), net.encoder.buffers(), strict=True):
        assert torch.equal(slow, fast)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_of_several_groups_every_view_is_encoded_and_the_first_group_alone_gives_targets_of_a_teacher(momentum):
    outputs = model(momentum=momentum)([torch.rand(2, 4, *IMAGE), torch.rand(3, 4, 1, 8, 8)])
    assert outputs.representation.shape == (5, 4, 64)
    assert outputs.embedding.shape == outputs.prediction.shape == (5, 4, 16)
    assert outputs.target.shape == ((2 if momentum else 5), 4, 16)


def test_the_predictor_stands_behind_the_projector():
    net = Model(ConvNet().build(IMAGE), head(64, 32, 16), predictor=Bottleneck(hidden=4).build(16)).eval()
    outputs = net([torch.rand(2, 4, *IMAGE)])
    torch.testing.assert_close(outputs.prediction[0], net.predictor(outputs.embedding[0]))
    assert torch.equal(outputs.target, outputs.embedding)


def test_heads_have_their_sizes():
    assert count(Projector(hidden=8, embedding=4).build(16)) == 16 * 8 + 2 * 8 + 8 * 4 + 4
    assert count(PREDICTORS["bottleneck"](hidden=8).build(4)) == 4 * 8 + 2 * 8 + 8 * 4 + 4
    assert count(classifier([16], 3)) == 16 * 3 + 3 and count(classifier([16], 3, bias=False)) == 16 * 3
    assert isinstance(classifier([8, 16], 3), PrefixHeads)


def test_features_of_a_text_are_pooled_over_its_characters():
    features = torch.rand(2, 5, 3)
    torch.testing.assert_close(pooled(features), features.mean(1))
    assert torch.equal(pooled(features[:, 0]), features[:, 0])


@pytest.mark.parametrize("kind", IMAGES)
def test_an_encoder_of_images_refuses_texts(kind):
    with pytest.raises(InputError, match=f"Config.encoder must be an encoder of texts.*{kind.__name__} and"):
        kind().build((64,))


def test_an_encoder_of_texts_refuses_images():
    with pytest.raises(InputError, match=r"Config.encoder must be an encoder of images.*Transformer"):
        Transformer().build(IMAGE)


def test_relu_modules_are_not_shared_so_that_each_layer_can_be_hooked():
    for net in (ConvNet().build(IMAGE), ResNet18(width=8).build(IMAGE), mlp(4, 5, 6)):
        seen = [module for module in net.modules() if isinstance(module, nn.ReLU)]
        assert len(seen) == len({id(module) for module in seen})
    block = ResNet18(width=8).build(IMAGE)[1]
    assert sum(isinstance(module, nn.ReLU) for module in block.modules()) == 2


@pytest.mark.parametrize("kind", WIDENED)
def test_features_change_the_width_of_the_representation_and_nothing_before(kind):
    usual, wide = kind(width=16).build(IMAGE), kind(width=16, features=100).build(IMAGE)
    assert usual(torch.zeros(2, *IMAGE)).shape[1] == (128 if kind is ResNet18 else 16)
    assert wide(torch.zeros(2, *IMAGE)).shape[1] == 100
    first = 1 if kind is MLP else 0
    assert repr(wide[first]) == repr(usual[first])


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_depth_of_a_perceptron_is_its_number_of_rectifiers(depth):
    net = MLP(width=16, depth=depth).build((1, 8, 8))
    assert sum(isinstance(each, nn.ReLU) for each in net) == depth and isinstance(net[-1], nn.ReLU)


def test_layer_norm_stands_before_every_rectifier():
    net = list(MLP(width=16, depth=4, features=6, layer_norm=True).build((1, 8, 8)))
    before = [net[place - 1] for place, each in enumerate(net) if isinstance(each, nn.ReLU)]
    assert [each.normalized_shape for each in before] == [(16,), (16,), (16,), (6,)]


def test_a_prefix_head_sees_its_prefix_only():
    heads = PrefixHeads((2, 5), 3)
    h = torch.randn(4, 5)
    changed = heads(h + torch.tensor([0.0, 0, 1, 1, 1]))
    assert torch.equal(changed[:, :3], heads(h)[:, :3]) and not torch.equal(changed[:, 3:], heads(h)[:, 3:])
