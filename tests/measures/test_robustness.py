"""Accuracy under attack against the closed form of linear classifiers, and a loop over images and steps."""

import math
from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sslens import encoders
from sslens.measures import robustness
from sslens.measures.robustness import adversarial
from sslens.runtime import stream
from sslens.types import InputError

seeds = st.integers(0, 2**32)


def linear(seed=0, classes=2, size=4):
    """A linear classifier whose boundary passes near the middle of the cube of images."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(size * size, classes)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.randn(net[1].weight.shape, generator=torch.Generator().manual_seed(seed)))
        net[1].bias.copy_(-net[1].weight.sum(1) / 2)
    return net


def images(seed=0, n=40, low=0.0, high=1.0, size=4):
    uniform = torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return low + (high - low) * uniform


def predicted(net, x):
    return net(x).argmax(1)


@given(seeds, st.floats(0, 0.2), st.booleans())
@settings(max_examples=30, deadline=None)
def test_an_image_withstands_if_its_margin_is_above_epsilon_times_the_one_norm(seed, epsilon, random_start):
    net, x = linear(seed), images(seed, low=0.3, high=0.7)
    labels = torch.arange(len(x)) % 2
    weight = (net[1].weight[1] - net[1].weight[0]).detach()
    margin = (2 * labels - 1) * (net(x)[:, 1] - net(x)[:, 0]).detach()
    oracle = float((margin > epsilon * weight.abs().sum()).double().mean())
    generator = stream(seed, "attack") if random_start else None
    assert adversarial(net, x, labels=labels, epsilon=epsilon, steps=4, generator=generator) == pytest.approx(oracle)


@pytest.mark.parametrize("epsilon", [0.05, 0.3, 1.0])
def test_no_pixel_leaves_the_unit_interval(epsilon):
    net, x = linear(3), images(3, n=300)
    labels = predicted(net, x)
    weight, robust = (net[1].weight[1] - net[1].weight[0]).tolist(), 0
    for image, label in zip(x, labels, strict=True):
        sign, margin = 2 * int(label) - 1, 0.0
        for w, pixel in zip(weight, image.flatten().tolist(), strict=True):
            worst = max(pixel - epsilon, 0) if sign * w > 0 else min(pixel + epsilon, 1)
            margin += sign * w * (worst - 0.5)
        robust += margin > 0
    assert adversarial(net, x, labels=labels, epsilon=epsilon) == pytest.approx(robust / 300)


@given(seeds, st.integers(2, 6))
@settings(max_examples=20, deadline=None)
def test_epsilon_zero_is_the_accuracy_and_more_never_helps_a_linear_classifier(seed, classes):
    net, x = linear(seed, classes), images(seed)
    labels = (predicted(net, x) + (torch.arange(len(x)) % 5 == 0)) % classes
    epsilons = (0.0, 0.01, 0.05, 0.2, 1.0)
    found = [adversarial(net, x, labels=labels, epsilon=epsilon) for epsilon in epsilons]
    assert found[0] == pytest.approx(float((predicted(net, x) == labels).double().mean()))
    assert found == sorted(found, reverse=True)


@given(seeds, st.floats(0.001, 0.1))
@settings(max_examples=20, deadline=None)
def test_the_attack_never_does_better_than_the_best_attack_on_a_linear_classifier(seed, epsilon):
    net, x = linear(seed, 5), images(seed, low=0.2, high=0.8)
    labels, weight = predicted(net, x), net[1].weight.detach()
    reach = epsilon * (weight[labels][:, None] - weight).abs().sum(2)
    gap = net(x).gather(1, labels[:, None]) - net(x)
    safe = ((gap > reach) | (torch.arange(5) == labels[:, None])).all(1)
    assert adversarial(net, x, labels=labels, epsilon=epsilon) >= float(safe.double().mean())


def oracle(net, x, labels, *, epsilon, steps):
    """Image by image, with the gradient of cross-entropy, as the paper writes it."""
    robust = []
    for image, label in zip(x, labels, strict=True):
        point, correct = image.clone(), []
        for step in range(steps + 1):
            point.requires_grad_()
            scores = net(point[None])
            correct.append(int(scores.argmax()) == int(label))
            if step == steps:
                break
            nn.functional.cross_entropy(scores, label[None]).backward()
            moved = point.detach() + 2.5 * epsilon / steps * point.grad.sign()
            moved = torch.min(torch.max(moved, image - epsilon), image + epsilon)
            point = moved.clamp(0, 1)
        robust.append(all(correct))
    return sum(robust) / len(robust)


@pytest.mark.parametrize("name", ["mlp", "convnet"])
def test_a_network_is_attacked_with_the_steps_of_the_paper(name, monkeypatch):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name == "mlp":
            net = encoders.mlp(64, 30, 4)
        else:
            net = nn.Sequential(encoders.ConvNet(width=8).build((1, 8, 8)), nn.Linear(8, 4))
        for _ in range(20):
            net(torch.rand(50, 1, 8, 8))
    net, x = net.double().eval(), images(n=30, size=8)
    with torch.no_grad():
        net[-1].bias.sub_(net(x).mean(0))
    labels = predicted(net, x)
    monkeypatch.setattr(robustness, "CHUNK", 7)
    epsilons = (0.003, 0.01, 0.03)
    found = [adversarial(net, x, labels=labels, epsilon=epsilon, steps=5) for epsilon in epsilons]
    assert found == [oracle(net, x, labels, epsilon=epsilon, steps=5) for epsilon in epsilons]
    assert found[0] > found[-1] and any(0 < share < 1 for share in found)


@pytest.mark.parametrize("loudness", [1e-6, 1.0, 1e6])
def test_a_network_is_not_safer_for_being_sure(loudness):
    net, x = linear(1, 4), images(1)
    labels = predicted(net, x)
    quiet = adversarial(net, x, labels=labels, epsilon=0.03)
    with torch.no_grad():
        net[1].weight.mul_(loudness)
        net[1].bias.mul_(loudness)
    assert 0 < adversarial(net, x, labels=labels, epsilon=0.03) < 1
    assert adversarial(net, x, labels=labels, epsilon=0.03) == pytest.approx(quiet, abs=0.05)


class Wave(nn.Module):
    """Class 0 around 0.35 and 0.75, class 1 between them: a step can lead past its target."""

    def forward(self, x):
        z = -torch.cos(5 * math.pi * (x.flatten(1).sum(1) - 0.55))
        return torch.stack([z, torch.zeros_like(z)], 1)


@pytest.mark.parametrize("way, epsilon", [((0.6, 0.35), 0.25), ((0.42, 0.62, 0.37), 0.2)])
def test_an_image_misclassified_anywhere_on_the_way_does_not_count_even_if_the_attack_rights_it(way, epsilon):
    points = torch.tensor(way).reshape(-1, 1, 1, 1)
    assert 1 in predicted(Wave(), points) and predicted(Wave(), points)[-1] == 0
    assert adversarial(Wave(), points[:1], labels=torch.tensor([0]), epsilon=epsilon, steps=len(way) - 1) == 0


def test_a_random_start_is_drawn_by_the_generator_alone(monkeypatch):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net, x = encoders.mlp(16, 40, 40, 3).double(), images(2)
    labels = predicted(net, x)
    ask = {"labels": labels, "epsilon": 0.1, "steps": 1}
    first = adversarial(net, x, generator=stream(0, "attack"), **ask)
    monkeypatch.setattr(robustness, "CHUNK", 8)
    torch.rand(3)
    assert adversarial(net, x, generator=stream(0, "attack"), **ask) == first
    assert len({adversarial(net, x, generator=stream(seed, "attack"), **ask) for seed in range(9)}) > 1


def test_the_net_is_left_as_it_was_and_runs_in_eval_mode():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        hidden = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout())
        net = nn.Sequential(nn.Flatten(), hidden, nn.Linear(32, 3))
    net[2].eval()
    modes = [module.training for module in net.modules()]
    x = images(size=8).float()
    with torch.no_grad():
        net[2].bias.sub_(deepcopy(net).eval()(x).mean(0))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    labels = predicted(deepcopy(net).double().eval(), x.double())
    assert adversarial(net, x, labels=labels, epsilon=0.0) == 1
    assert adversarial(net, x, labels=labels, epsilon=0.5) < 1
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(each.grad is None and each.requires_grad for each in net.parameters())
    assert not x.requires_grad and x.grad is None


def test_it_works_where_gradients_are_off():
    net, x = linear(), images()
    labels = predicted(net, x)
    with torch.no_grad():
        assert adversarial(net, x, labels=labels, epsilon=1.0) < 1


@pytest.mark.parametrize(
    "change, field",
    [({"epsilon": -0.1}, "epsilon"), ({"epsilon": math.nan}, "epsilon"), ({"epsilon": 2.0}, "epsilon"),
     ({"steps": 0}, "steps"), ({"images": images() + 0.5}, "pixels"), ({"images": images() * math.nan}, "images"),
     ({"images": images()[:0]}, "images"), ({"images": torch.rand(40, 16)}, "images"),
     ({"labels": torch.zeros(3).long()}, "labels"), ({"labels": torch.full((40,), 2)}, "from 0 to 1"),
     ({"net": nn.Flatten(2)}, "classifier"), ({"net": linear(classes=1)}, "classifier"),
     ({"net": nn.Sequential(linear(), nn.Threshold(1e9, math.nan))}, "finite scores")],
)  # fmt: skip
def test_bad_questions_are_refused_before_any_work(change, field, unchecked):
    ask = {"net": linear(), "images": images(), "labels": torch.zeros(40).long(), "epsilon": 0.1, **change}
    with pytest.raises(InputError, match=field):
        adversarial(ask.pop("net"), ask.pop("images"), **ask)


def test_images_of_any_type_of_numbers_are_taken_and_pixels_beyond_1_get_a_hint(unchecked):
    net, x = linear(), images().round()
    labels = predicted(net, x)
    right = adversarial(net, x, labels=labels, epsilon=0.3)
    for same in (x.float(), x.to(torch.uint8), x.long(), x.numpy(), x.tolist()):
        assert adversarial(net, same, labels=labels, epsilon=0.3) == right < 1
    with pytest.raises(InputError, match="Divide pixels from 0 to 255 by 255"):
        adversarial(net, (255 * x).to(torch.uint8), labels=labels, epsilon=0.3)
