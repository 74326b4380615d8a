"""The transformer against its equations written out in numpy, one token at a time; what causality must mean."""

import numpy as np
import pytest
import torch

from sslens.datasets.languages import LENGTH, VOCABULARY, corpus, encode
from sslens.encoders import Transformer, readings
from sslens.encoders.transformer import GATES
from sslens.runtime import initialisation
from sslens.types import InputError


@pytest.fixture(scope="module", params=GATES)
def net(request):
    with initialisation(1):
        return Transformer(width=12, depth=2, heads=3, gate=request.param).build((LENGTH,)).eval()


@pytest.fixture(scope="module")
def ids():
    return corpus(0, 1).images[:, :20]


def normal(x, scale):
    return x / np.sqrt((x**2).mean() + np.finfo(np.float64).eps) * scale


def layer_of_the_papers(w, x, heads):
    """One layer on the (t, d) input of one text, token by token and head by head."""
    t, d = x.shape
    size = d // heads
    inside = [normal(row, w["before_attention.weight"]) for row in x]
    query, key, value = ([w[f"{name}.weight"] @ row for row in inside] for name in ("query", "key", "value"))
    attention, after, gates = np.zeros((heads, t, t)), [], []
    for i in range(t):
        mixed = np.zeros(d)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            raw = np.exp([query[i][part] @ key[j][part] / size**0.5 for j in range(i + 1)])
            attention[head, i, : i + 1] = raw / raw.sum()
            mixed[part] = sum(attention[head, i, j] * value[j][part] for j in range(i + 1))
        between = x[i] + w["mix.weight"] @ mixed
        gate = w["gate.weight"] @ normal(between, w["before_gates.weight"])
        gates.append(gate)
        if "up.weight" in w:  # SwiGLU
            hidden = gate / (1 + np.exp(-gate)) * (w["up.weight"] @ normal(between, w["before_gates.weight"]))
        else:
            hidden = np.maximum(gate, 0)
        after.append(between + w["down.weight"] @ hidden)
    return np.array(gates), attention, np.array(after)


def test_every_layer_and_the_representation_are_those_of_the_equations(net, ids):
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    read, representation = readings(net, ids), net(ids)
    assert len(read) == 2
    for n, text in enumerate(ids.tolist()):
        x = np.array([weights["characters.weight"][c] + weights["places.weight"][i] for i, c in enumerate(text)])
        for depth, reading in enumerate(read):
            mine = {name.removeprefix(f"layers.{depth}."): value for name, value in weights.items()}
            gates, attention, x = layer_of_the_papers(mine, x, heads=3)
            assert np.allclose(reading.gates[n], gates, rtol=1e-10, atol=1e-12)
            assert np.allclose(reading.attention[n], attention, rtol=1e-10, atol=1e-12)
            assert np.allclose(reading.output[n], x, rtol=1e-10, atol=1e-12)
        rows = np.array([normal(row, weights["norm.weight"]) for row in x])
        assert np.allclose(representation[n].detach(), rows, rtol=1e-10, atol=1e-12)


def test_a_later_character_changes_nothing_before_it_and_something_from_it_on(net, ids):
    other = ids.clone()
    other[:, 10] = (other[:, 10] + 1) % len(VOCABULARY)
    before, after = net(ids), net(other)
    assert torch.equal(before[:, :10], after[:, :10])
    assert (before[:, 10:] != after[:, 10:]).any(2).all()


def test_a_prompt_is_read_as_the_beginning_of_a_longer_text_is(net, ids):
    for short, long in zip(readings(net, ids[:, :7]), readings(net, ids), strict=True):
        assert torch.allclose(short.gates, long.gates[:, :7], rtol=1e-12, atol=1e-14)
        assert torch.allclose(short.attention, long.attention[:, :, :7, :7], rtol=1e-12, atol=1e-14)


def test_texts_of_a_batch_do_not_see_each_other(net, ids):
    order = torch.tensor([3, 1, 4, 0, 2])
    for some, all_ in zip(readings(net, ids[order]), readings(net, ids), strict=True):
        assert torch.allclose(some.gates, all_.gates[order], rtol=1e-12, atol=1e-14)
    assert torch.allclose(net(ids[2:3]), net(ids)[2:3], rtol=1e-12, atol=1e-14)


def test_the_order_of_earlier_characters_is_seen(net):
    assert not torch.allclose(net(encode(["abc"]))[:, -1], net(encode(["bac"]))[:, -1])


def test_attention_is_shares_of_the_characters_so_far(net, ids):
    for reading in readings(net, ids):
        assert torch.allclose(reading.attention.sum(3), torch.ones((), dtype=torch.float64))
        assert (reading.attention >= 0).all() and not reading.attention.triu(1).any()


def test_readings_carry_no_gradient_and_training_does(net, ids):
    assert not any(tensor.requires_grad for reading in readings(net, ids) for tensor in (reading.gates, reading.output))
    net(ids).logsumexp(2).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())


def test_the_gates_are_their_weights_times_the_input_so_that_distances_to_them_mean_something(net, ids):
    for reading in readings(net, ids):
        rank = torch.linalg.matrix_rank(torch.cat([reading.gate_weights.T, reading.gates.flatten(0, 1)]))
        assert rank == reading.gate_weights.shape[1] == 12
        assert torch.allclose(reading.gate_inputs @ reading.gate_weights.T, reading.gates, rtol=1e-12, atol=1e-14)


def test_both_gates_have_as_many_weights():
    plain, gated = (Transformer(gate=gate).build((LENGTH,)) for gate in ("relu", "silu"))
    assert sum(each.numel() for each in plain.parameters()) == sum(each.numel() for each in gated.parameters())


def test_the_plain_feed_forward_is_linear_where_no_gate_changes_sign():
    with initialisation(0):
        layer = Transformer(width=12, gate="relu").build((LENGTH,)).requires_grad_(requires_grad=False).layers[0]
    u, away = torch.randn(12, dtype=torch.float64), torch.randn(12, dtype=torch.float64)
    on = (layer.gate(u) > 0).double()
    linear = layer.down.weight @ torch.diag(on) @ layer.gate.weight
    nearest = float((layer.gate(u).abs() / layer.gate.weight.norm(dim=1)).min())
    near = u + 0.99 * nearest * away / away.norm()
    assert torch.allclose(layer.feed_forward(near), linear @ near, rtol=1e-12, atol=1e-14)
    assert torch.allclose(layer.feed_forward(3 * u), 3 * layer.feed_forward(u), rtol=1e-12)


@pytest.mark.parametrize(
    "ids", [torch.zeros(1, LENGTH + 1), torch.full((1, 3), len(VOCABULARY)), torch.full((1, 3), -1), torch.zeros(0, 3)]
)
def test_texts_that_are_too_long_or_not_in_the_vocabulary_are_refused(net, ids):
    for read in (net, lambda ids: readings(net, ids)):
        with pytest.raises(InputError, match="ids"):
            read(ids.long())


def test_another_gate_is_refused():
    with pytest.raises(InputError, match=r"Transformer\.gate"):
        Transformer(gate="gelu")


@pytest.mark.parametrize("sizes", [{"width": 10, "heads": 4}, {"depth": 0}, {"heads": 0}, {"width": -4}])
def test_sizes_that_do_not_fit_are_refused(sizes):
    with pytest.raises(InputError, match=f"Transformer.{next(iter(sizes))}"):
        Transformer(**sizes)


def test_the_vocabulary_may_be_another_one():
    net = Transformer(width=12, heads=3, vocabulary=5).build((7,))
    assert net(torch.tensor([[0, 4]])).shape == (1, 2, 12)
    with pytest.raises(InputError, match="whole numbers from 0 to 4"):
        net(torch.tensor([[0, 5]]))
