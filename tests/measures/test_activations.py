"""Activations against passes by hand, and what listening leaves behind."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import relu

from sslens.measures.activations import activations, listening
from sslens.types import InputError, UnknownName


def chain():
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.LeakyReLU(), nn.Linear(5, 2)).double()


def points(n=7):
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Twice(nn.Module):
    """One rectifier, called twice, in place."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.act = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.second(self.act(self.first(x))))


@pytest.mark.parametrize(
    ("of", "names"),
    [
        (nn.ReLU, ["1"]),
        ((nn.ReLU, nn.LeakyReLU), ["1", "3"]),
        (lambda name, module: name in ("2", "4"), ["2", "4"]),
        (lambda name, module: getattr(module, "out_features", 0) == 6, ["0"]),
    ],
    ids=["a class", "classes", "names", "a property"],
)
def test_what_is_returned_is_what_a_pass_by_hand_gives(of, names):
    net, x = chain(), points()
    found = activations(net, x, of=of)
    assert list(found) == names
    for name, h in found.items():
        assert torch.equal(h, net[: int(name) + 1](x)) and not h.requires_grad


def test_the_other_side_is_what_enters():
    net, x = chain(), points()
    found = activations(net, x, of=nn.ReLU, side="input")
    assert torch.equal(found["1"], net[0](x)) and bool((found["1"] < 0).any())


def test_a_module_called_twice_has_two_entries_that_work_in_place_does_not_change():
    net, x = Twice().double(), points()
    outputs, inputs = activations(net, x, of=nn.ReLU), activations(net, x, of=nn.ReLU, side="input")
    first = relu(net.first(x))
    assert list(outputs) == list(inputs) == ["act", "act:2"]
    assert torch.equal(inputs["act"], net.first(x)) and torch.equal(outputs["act"], first)
    assert torch.equal(inputs["act:2"], net.second(first))
    assert torch.equal(activations(net, x, of=lambda name, _: name == "first")["first"], net.first(x))


def test_a_name_that_begins_another_is_not_counted_for_it():
    net = nn.Sequential(*[nn.Identity() for _ in range(12)])
    assert list(activations(net, points(), of=nn.Identity)) == [str(place) for place in range(12)]


def test_batch_norm_and_dropout_are_in_eval_mode_and_every_mode_comes_back():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.9), nn.ReLU()).train()
    net[1].eval()
    before, modes = net[1].running_mean.clone(), [module.training for module in net.modules()]
    found = activations(net, points(), of=nn.ReLU)
    assert torch.equal(found["3"], activations(net, points(), of=nn.ReLU)["3"])
    assert torch.equal(net[1].running_mean, before)
    assert [module.training for module in net.modules()] == modes
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


@pytest.mark.parametrize("side", ["input", "output"])
def test_an_error_in_a_pass_leaves_no_hook(side):
    net = chain().train()

    def refuse(value, name):
        raise InputError(name, math.nan, "finite")

    with pytest.raises(InputError, match="finite"), listening(net, refuse, of=nn.ReLU, side=side):
        net(points())
    assert net.training and not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_images_follow_the_precision_of_the_model_and_whole_numbers_stay_whole():
    assert activations(chain().float(), points(), of=nn.ReLU)["1"].dtype == torch.float32
    words = nn.Sequential(nn.Embedding(5, 3), nn.ReLU())
    assert activations(words, torch.tensor([[0, 4]]), of=nn.ReLU)["1"].shape == (1, 2, 3)


def test_several_passes_are_reduced_one_by_one():
    net, x = chain(), points(10)
    with listening(net, lambda h, name: (h > 0).sum(0), of=nn.ReLU) as active, torch.no_grad():
        counts = []
        for batch in x.split(4):
            active.clear()
            net(batch)
            counts.append(active["1"])
    assert torch.equal(sum(counts), (net[:2](x) > 0).sum(0))


def test_the_layers_of_a_head_behind_an_encoder_are_found_by_their_names():
    encoder, head = (
        nn.Sequential(nn.Linear(4, 6), nn.ReLU()),
        nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)),
    )
    net, x = nn.Sequential(encoder, head).double(), points()
    found = activations(net, x, of=lambda name, _: name == "0" or name.startswith("1."))
    assert {name: tuple(h.shape) for name, h in found.items()} == {
        "0": (7, 6), "1.0": (7, 5), "1.1": (7, 5), "1.2": (7, 2),
    }  # fmt: skip
    assert torch.equal(found["1.2"], net(x))


def test_records_are_heard_but_are_no_activations():
    class Record(nn.Module):
        def forward(self, x):
            return {"gates": x, "attention": 2 * x}

    net = nn.Sequential(Record())
    with listening(net, lambda record, name: record["attention"], of=Record) as heard:
        net(points())
    assert torch.equal(heard["0"], 2 * points())
    with pytest.raises(InputError, match="one tensor"):
        activations(net, points(), of=Record)


def test_what_no_pass_meets_is_refused_by_name(unchecked):
    with pytest.raises(InputError, match="modules that Sequential calls"):
        activations(chain(), points(), of=nn.Conv2d)
    with pytest.raises(UnknownName, match="Did you mean 'input'"):
        activations(chain(), points(), of=nn.ReLU, side="inputs")


@pytest.mark.parametrize("kind", ["uint8", "int64", "array", "list"])
def test_images_of_any_type_of_numbers_are_taken(kind, unchecked):
    net, x = chain(), (3 * points().abs()).round()
    given = {"uint8": x.to(torch.uint8), "int64": x.long(), "array": x.numpy(), "list": x.tolist()}[kind]
    assert torch.equal(activations(net, given, of=nn.ReLU)["1"], net[:2](x))
    with pytest.raises(InputError, match="images must be a tensor, an array or a list"):
        activations(net, [[1, 2], [3]], of=nn.ReLU)


def test_words_in_a_list_stay_whole(unchecked):
    words = nn.Sequential(nn.Embedding(5, 3), nn.ReLU())
    assert torch.equal(activations(words, [[0, 4]], of=nn.Embedding)["0"], words[0].weight[[0, 4]][None])
