"""Another default device or type of torch, which users set for themselves, changes no number and breaks nothing."""

import dataclasses
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

import sslens
from sslens import datasets
from sslens.encoders import ConvNet, Transformer, random_network
from sslens.measures import activations, network_diagnostics, phases, regions, robustness
from sslens.objectives import CrossEntropy, NextCharacter, SimCLR, SimSiam, VICReg
from sslens.train import fit, record, restore, setup
from sslens.views import RECIPES, apply, augment, draw
from sslens.views.pixels import _planes
from tests.measures.test_every_measure import CASES, OF_FEATURES, numbers
from tests.train.cases import Centred, DirectPredictor, tiny

LIBRARY = str(Path(sslens.__file__).parent)
TORCH = str(Path(torch.__file__).parent)
CONFIGS = {
    "SimCLR": {"objective": SimCLR(), "data": {"name": "scattered_digits"}, "encoder": ConvNet(width=8)},
    "SimSiam with a momentum branch": {"objective": SimSiam(), "momentum": 0.9},
    "several crops": {
        "objective": VICReg(),
        "recipe": dataclasses.replace(RECIPES["digits"], size=6),
        "encoder": ConvNet(width=8),
    },
    "an objective and a predictor with a state": {
        "objective": Centred(),
        "predictor": DirectPredictor(),
        "momentum": 0.5,
    },
    "noisy labels": {"objective": CrossEntropy(nested=True), "data": {"label_noise": 0.5, "tasks": 2}},
    "texts": {
        "objective": NextCharacter(),
        "encoder": Transformer(width=8, heads=2),
        "data": {"name": "languages", "options": {"per_language": 20, "test_per_language": 10}},
    },
}


@contextmanager
def other_device():
    """On the meta device there are no numbers: whatever is made there by accident cannot be read, as on a GPU."""
    with torch.device("meta"):
        yield


@contextmanager
def other_type():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


class MetaForTheLibrary(TorchFunctionMode):
    """What the library makes without naming a device lies on meta; what its caller makes is left alone."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in _device_constructors() and kwargs.get("device") is None and self.is_ours():
            kwargs["device"] = torch.device("meta")
        return function(*args, **kwargs)

    def is_ours(self):
        frame = sys._getframe(2)
        while frame.f_back and (frame.f_code.co_filename.startswith(TORCH) or "jaxtyping" in frame.f_code.co_filename):
            frame = frame.f_back
        return frame.f_code.co_filename.startswith(LIBRARY)


@pytest.fixture(autouse=True)
def fresh():
    """Nothing that an earlier test has left in memory is used, and nothing is left."""
    cached = (setup._loaded, setup._chosen, setup._reference, _planes)
    for each in cached:
        each.cache_clear()
    yield
    torch.set_default_dtype(torch.float32)
    for each in cached:
        each.cache_clear()


@pytest.mark.parametrize("other", [other_device, other_type])
@pytest.mark.parametrize("name", ["digits", "scattered_digits", "languages"])
def test_a_set_is_the_same_set(name, other):
    options = {"per_language": 20, "test_per_language": 10} if name == "languages" else {}
    usual = [side.digest() for side in datasets.load(name, **options)]
    with other():
        assert [side.digest() for side in datasets.load(name, **options)] == usual


@pytest.mark.parametrize("other", [other_device, other_type])
def test_a_folder_is_the_same_set(tmp_path, monkeypatch, other):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "data"))
    for name, count in {"a": 3, "b": 2}.items():
        (tmp_path / "tree" / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (9, 9), (90 * number, 7, 9)).save(tmp_path / "tree" / name / f"{number}.png")
    with other():  # decoded here, read from the cache there
        found = [side.digest() for side in datasets.load(f"folder:{tmp_path / 'tree'}", size=8)]
    assert [side.digest() for side in datasets.load(f"folder:{tmp_path / 'tree'}", size=8)] == found


@pytest.mark.parametrize("other", [other_device, other_type])
def test_views_are_the_same_views(other):
    generators = [torch.Generator("cpu").manual_seed(3) for _ in range(4)]
    images = torch.rand(8, 3, 12, 12, generator=generators[0])
    usual = augment(images, RECIPES["natural"], generators[1], views=2)
    again = draw(RECIPES["natural"], 8, torch.Generator("cpu").manual_seed(5))
    _planes.cache_clear()
    with other():
        found = augment(images, RECIPES["natural"], generators[2], views=2)
        assert torch.equal(
            apply(images, draw(RECIPES["natural"], 8, generators[3].manual_seed(5))), apply(images, again)
        )
    assert all(torch.equal(one, two) for one, two in zip(usual, found, strict=True))


@pytest.mark.parametrize("other", [other_device, other_type])
@pytest.mark.parametrize("name", CONFIGS)
def test_training_gives_the_same_bits(name, other):
    config = tiny(optimisation={"steps": 3}, snapshots={"count": 2}).changed(**CONFIGS[name])
    usual = list(fit(config))
    for each in (setup._loaded, setup._chosen, setup._reference):
        each.cache_clear()
    with other():
        found = list(fit(config))
        resumed = list(fit(config, after=found[0]))
    for last in (found[-1], resumed[-1]):
        assert torch.equal(last.embedding, usual[-1].embedding)
        assert last.state.keys() == usual[-1].state.keys()
        for key, value in usual[-1].state.items():
            assert (last.state[key].dtype, last.state[key].device.type) == (value.dtype, "cpu")
            assert torch.equal(last.state[key], value)


def test_the_caller_keeps_what_was_set():
    with other_device(), other_type():
        going = fit(tiny())
        for _ in (next(going), next(going)):
            assert torch.zeros(1).device.type == "meta" and torch.zeros(1).dtype == torch.float64


@pytest.mark.parametrize("other", [other_device, other_type])
def test_a_recorded_run_is_restored(other):
    run = record(tiny())
    usual = restore(run, head=True)(run.reference.images)
    with other():
        assert torch.equal(restore(run, head=True)(run.reference.images), usual)
        assert torch.equal(record(tiny()).snapshots[-1].embedding, run.snapshots[-1].embedding)
        assert len(run.loss()) == 6


@pytest.mark.filterwarnings("ignore::sslens.measures.spectrum.FewSamples")  # tables are small
@pytest.mark.parametrize("name", OF_FEATURES)
def test_a_measure_of_features_gives_the_same_number(name):
    usual = numbers(OF_FEATURES[name](CASES["float64"]))
    with MetaForTheLibrary():
        assert numbers(OF_FEATURES[name](CASES["float64"])) == usual


def network():
    generator = torch.Generator("cpu").manual_seed(0)
    net = random_network(6, 2, generator=generator)
    conv = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3)).double()
    for weights in conv.parameters():
        nn.init.normal_(weights, generator=generator)
    return net, conv, torch.randn(4, 1, 6, 6, dtype=torch.float64, generator=generator)


def of_regions():
    """Every exact and every sampled count, of a plain net and of one with convolutions and pools."""
    net, conv, images = NETWORKS
    plane = regions.Plane.through(images[:3])
    for each, where, domain in ((net, regions.Plane.identity(), 2.0), (conv, plane, 0.5)):
        found = regions.partition(each, where, regions.square(domain))
        yield from (found.count, found.linear_count, found.area.sum(), found.edges.unit.sum(), found.unpack().sum())
        yield found.picture(boundary=True).vertices.sum()
        yield regions.count_regions(each, where, regions.square(domain))
        yield regions.count_sampled(each, where, domain * regions.grid(20))
    flat = torch.tensor([[0.0, 1.0], [2.0, -1.0]], dtype=torch.float64, device="cpu")
    yield regions.segment(net, flat[0], flat[1]).count
    yield regions.segment(conv, images[0], images[1]).slope.sum()
    for measure, options in ((regions.local_complexity, {"directions": 2}), (regions.exact_complexity, {})):
        generator = torch.Generator("cpu").manual_seed(1)
        found = measure(net, flat, radius=0.5, generator=generator, **options)
        yield from (values.sum() for values in vars(found).values() if isinstance(values, torch.Tensor))


def of_networks():
    net, conv, images = NETWORKS
    flat = torch.tensor([[0.0, 1.0], [2.0, -1.0]], dtype=torch.float64, device="cpu")
    yield network_diagnostics.jacobian_spectrum(net, flat).sum()
    yield network_diagnostics.jacobian_spectrum(net, flat, of="inputs").sum()
    yield network_diagnostics.slope_norms(conv, images).sum()
    yield vars(network_diagnostics.dead_units(conv, images))
    yield network_diagnostics.curvature(
        net, flat, loss=lambda y: y.square().mean(), generator=torch.Generator("cpu").manual_seed(0)
    ).value
    yield {
        name: values.sum() for name, values in activations.activations(conv, images, of=(nn.ReLU, nn.Linear)).items()
    }
    labels = torch.tensor([0, 1, 2, 0], device="cpu")
    pixels, generator = images.sigmoid(), torch.Generator("cpu").manual_seed(0)
    yield robustness.adversarial(conv, pixels, labels=labels, epsilon=0.1, generator=generator)
    curves = torch.tensor([[3.0, 1.0, 2.0, 0.5], [1.0, 2.0, 3.0, 0.1]], dtype=torch.float64, device="cpu")
    yield from (phases.reached(curves, 2.5).sum(), phases.turning_points(curves).peak.sum())


NETWORKS = network()


@pytest.mark.parametrize("other", [other_device, other_type, MetaForTheLibrary])
@pytest.mark.parametrize("answers", [of_regions, of_networks])
def test_a_measure_of_networks_gives_the_same_number(answers, other):
    usual = list(answers())
    with other():
        found = list(answers())
    assert len(usual) > 5
    assert str(found) == str(usual)
