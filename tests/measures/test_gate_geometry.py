"""Spline features and intrinsic dimension against loops, geometry and closed forms."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslens.measures.gate_geometry import (
    NORM_FEATURES,
    SPLINE_FEATURES,
    attention_dimension,
    hull_dimension,
    norm_features,
    spline_features,
)
from sslens.types import InputError

seeds = st.integers(0, 2**32)


def normal(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def causal(seed, n=2, heads=3, t=6, *, sharpness=3.0):
    scores = sharpness * normal(seed, n, heads, t, t)
    return scores.masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), -math.inf).softmax(3)


def features_by_loops(gates, weights):
    rows = []
    for text in gates.numpy():
        share, distance = [], []
        for token in text:
            share.append(sum(1 for h in token if h > 0) / len(token))
            lengths = [math.sqrt(sum(x * x for x in w)) for w in weights.numpy()]
            distance.append(min(abs(h) / length for h, length in zip(token, lengths, strict=True)))
        deviations = [math.sqrt(sum((x - sum(s) / len(s)) ** 2 for x in s) / (len(s) - 1)) for s in (share, distance)]
        t = len(share)
        rows.append([sum(share) / t, min(share), max(share), deviations[0]])
        rows[-1] += [min(distance), sum(distance) / t, deviations[1]]
    return np.array(rows)


def dimension_by_loops(attention, threshold, *, relative):
    n, heads, t, _ = attention.shape
    counts = np.zeros((n, t), dtype=int)
    for text in range(n):
        for i in range(t):
            for head in range(heads):
                row = attention[text, head, i].tolist()
                floor = threshold * max(row) if relative else threshold
                counts[text, i] += len([j for j in range(i + 1) if row[j] > floor])
    return counts


@given(seeds, st.sampled_from([(1, 2, 3, 4), (3, 5, 7, 2), (2, 20, 4, 9)]))
@settings(max_examples=20, deadline=None)
def test_the_seven_are_those_of_loops_over_tokens_and_units(seed, shape):
    n, t, k, d = shape
    gates, weights = normal(seed, n, t, k) + 0.2, normal(seed + 1, k, d)
    assert np.allclose(spline_features(gates, weights), features_by_loops(gates, weights), rtol=1e-12, atol=1e-14)


def test_seven_columns_have_seven_names():
    assert spline_features(torch.ones(2, 3, 4), torch.ones(4, 5)).shape[1] == len(set(SPLINE_FEATURES)) == 7


def test_closed_form_of_a_line_crossed_by_four_tokens():
    """One unit, w = 2, at x = −3, −1, 1, 5: shares 0 0 1 1, distances 3 1 1 5 because there is no bias."""
    gates = 2 * torch.tensor([-3.0, -1, 1, 5]).view(1, 4, 1)
    right = [0.5, 0, 1, math.sqrt(1 / 3), 1, 2.5, math.sqrt(11 / 3)]
    assert spline_features(gates, torch.tensor([[2.0]]))[0].tolist() == pytest.approx(right, rel=1e-12)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_the_distance_is_how_far_a_token_can_go_before_a_sign_changes(seed):
    x, weights = normal(seed, 3), normal(seed + 1, 5, 3)
    gates = weights @ x
    distance = float(spline_features(gates.view(1, 1, 5), weights)[0, 4])
    nearest = int((gates.abs() / weights.norm(dim=1)).argmin())
    straight = -gates[nearest].sign() * weights[nearest] / weights[nearest].norm()
    assert torch.equal((weights @ (x + 1.001 * distance * straight)).sign() != gates.sign(), torch.arange(5) == nearest)
    anywhere = normal(seed + 2, 100, 3)
    near = x + 0.999 * distance * anywhere / anywhere.norm(dim=1, keepdim=True)
    assert ((near @ weights.T).sign() == gates.sign()).all()


@given(seeds, st.floats(-20, 20))
@settings(max_examples=20, deadline=None)
def test_order_of_tokens_and_units_and_the_scale_of_weights_change_nothing(seed, decades):
    gates, weights = normal(seed, 2, 6, 5), normal(seed + 1, 5, 3)
    tokens, units = (torch.randperm(size, generator=torch.Generator().manual_seed(seed)) for size in (6, 5))
    before = spline_features(gates, weights)
    for other in ((gates[:, tokens], weights), (gates[:, :, units], weights[units])):
        assert torch.allclose(spline_features(*other), before, rtol=1e-12, atol=1e-14)
    scale = 10**decades * torch.linspace(1, 2, 5, dtype=torch.float64)
    assert torch.allclose(spline_features(gates * scale, weights * scale[:, None]), before, rtol=1e-9)


def test_texts_of_a_batch_do_not_see_each_other():
    gates, weights = normal(0, 4, 6, 5), normal(1, 5, 3)
    order = torch.tensor([2, 0, 3, 1])
    assert torch.equal(spline_features(gates[order], weights), spline_features(gates, weights)[order])


def test_a_single_token_deviates_from_nothing():
    assert spline_features(torch.tensor([[[2.0, -3.0]]]), torch.eye(2))[0].tolist() == [0.5, 0.5, 0.5, 0, 2, 2, 0]


def test_a_unit_without_weight_has_no_boundary_and_a_layer_without_any_is_infinitely_far_from_one():
    gates, weights = normal(0, 2, 6, 3), normal(1, 3, 4)
    gates[:, :, 1], weights[1] = 0, 0
    alive = spline_features(gates[:, :, [0, 2]], weights[[0, 2]])
    assert torch.equal(spline_features(gates, weights)[:, 4:], alive[:, 4:])
    dead = spline_features(torch.zeros(2, 6, 3), torch.zeros(3, 4))
    assert dead.tolist() == [[0, 0, 0, 0, math.inf, math.inf, 0]] * 2


def test_float32_is_measured_in_float64():
    gates, weights = normal(0, 2, 6, 3).float(), normal(1, 3, 4).float()
    assert torch.equal(spline_features(gates, weights), spline_features(gates.double(), weights.double()))


@given(seeds, st.sampled_from([(1, 2, 3), (3, 5, 7), (2, 20, 4)]))
@settings(max_examples=20, deadline=None)
def test_the_four_norms_are_those_of_loops_and_know_nothing_of_signs(seed, shape):
    gates = normal(seed, *shape)
    right = []
    for text in gates.tolist():
        norms = [math.sqrt(sum(h * h for h in token)) for token in text]
        mean = sum(norms) / len(norms)
        spread = math.sqrt(sum((each - mean) ** 2 for each in norms) / (len(norms) - 1))
        right.append([mean, min(norms), max(norms), spread])
    found = norm_features(gates)
    assert np.allclose(found, right, rtol=1e-12, atol=1e-14) and found.shape[1] == len(NORM_FEATURES)
    signs = (normal(seed + 1, *shape) > 0).double() * 2 - 1
    assert torch.equal(norm_features(signs * gates), found)


def test_norms_of_a_single_token_deviate_from_nothing_and_what_is_no_layer_is_refused(unchecked):
    assert norm_features(torch.tensor([[[3.0, -4.0]]]))[0].tolist() == [5, 5, 5, 0]
    for wrong in (torch.ones(2, 3), torch.ones(0, 2, 3), torch.full((2, 2, 3), math.nan), [[[1.0]]]):
        with pytest.raises(InputError, match="gates"):
            norm_features(wrong)


BAD_FEATURES = [
    (torch.ones(2, 3), torch.eye(3)),
    (torch.ones(2, 0, 3), torch.eye(3)),
    (torch.ones(0, 2, 3), torch.eye(3)),
    (torch.ones(2, 2, 0), torch.ones(0, 2)),
    (torch.ones(2, 2, 3) > 0, torch.eye(3)),
    (torch.ones(2, 2, 3), torch.eye(2)),
    (torch.ones(2, 2, 3), torch.ones(3)),
    (torch.full((2, 2, 3), math.nan), torch.eye(3)),
    (torch.ones(2, 2, 3), torch.full((3, 3), math.inf)),
    ([[[1.0]]], torch.eye(1)),
]


@pytest.mark.parametrize(("gates", "weights"), BAD_FEATURES)
def test_what_is_no_layer_is_refused(gates, weights, unchecked):
    with pytest.raises(InputError, match=r"gates|weights"):
        spline_features(gates, weights)


@given(seeds, st.floats(0, 1), st.booleans(), st.floats(0, 6))
@settings(max_examples=30, deadline=None)
def test_the_dimension_is_that_of_loops_over_heads_and_tokens(seed, threshold, relative, sharpness):
    attention = causal(seed, sharpness=sharpness)
    counts = attention_dimension(attention, threshold=threshold, relative=relative)
    assert np.array_equal(counts, dimension_by_loops(attention, threshold, relative=relative))


def test_even_attention_has_a_dimension_for_every_head_and_token_and_sharp_attention_one_for_every_head():
    even = torch.ones(1, 4, 8, 8).tril()
    even = even / even.sum(3, keepdim=True)
    assert attention_dimension(even)[0].tolist() == [4 * (i + 1) for i in range(8)]
    # An absolute tenth is more than each of ten even weights gets.
    wide = torch.ones(1, 1, 12, 12, dtype=torch.float64).tril() / torch.arange(1.0, 13)[:, None]
    assert attention_dimension(wide, relative=False)[0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0]
    assert attention_dimension(torch.eye(8).expand(1, 4, 8, 8))[0].tolist() == [4] * 8


def test_the_threshold_is_strict_and_a_fraction_of_the_rows_largest_weight():
    row = torch.tensor([0.5, 0.25, 0.125, 0.125])
    attention = torch.eye(4).repeat(1, 1, 1, 1)
    attention[0, 0, 3] = row
    assert [int(attention_dimension(attention, threshold=e)[0, 3]) for e in (0.24, 0.25, 0.5, 1.0)] == [4, 2, 1, 0]
    absolute = [
        int(attention_dimension(attention, threshold=e, relative=False)[0, 3]) for e in (0.12, 0.125, 0.25, 0.5)
    ]
    assert absolute == [4, 2, 1, 0]


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_the_dimension_ignores_the_order_of_heads_and_of_earlier_tokens_and_follows_that_of_texts(seed):
    attention = causal(seed, n=3, heads=4)
    generator = torch.Generator().manual_seed(seed)
    texts, heads, tokens = (torch.randperm(size, generator=generator) for size in (3, 4, 6))
    counts = attention_dimension(attention)
    assert torch.equal(attention_dimension(attention[texts][:, heads]), counts[texts])
    shuffled = attention.clone()
    shuffled[:, :, -1] = attention[:, :, -1, tokens]
    assert torch.equal(attention_dimension(shuffled), counts)


def test_a_prompt_has_the_dimension_of_its_last_token_in_a_longer_text():
    attention = causal(0)
    for t in range(1, 7):
        assert torch.equal(
            attention_dimension(attention[:, :, :t, :t])[:, -1], attention_dimension(attention)[:, t - 1]
        )


@given(seeds, st.integers(1, 6), st.integers(1, 12), st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_hulls_dimension_is_bounded_by_points_heads_and_width(seed, head_width, width, relative):
    attention = causal(seed)
    found = hull_dimension(attention, head_width=head_width, width=width, relative=relative)
    for text in range(2):
        for i in range(6):
            points = [
                dimension_by_loops(attention[text, h, None, None], 0.1, relative=relative)[0, i] for h in range(3)
            ]
            right = min(sum(min(max(m - 1, 0), head_width) for m in points), width)
            assert int(found[text, i]) == right


def test_mixtures_of_so_many_values_have_that_dimension():
    """Two heads, which attend to 2 and to 4 of 6 characters whose values have 2 numbers: 1 + 2 dimensions of 4."""
    attention = torch.zeros(1, 2, 6, 6, dtype=torch.float64)
    attention[0, :, :, 0] = 1
    attention[0, 0, 5, :2], attention[0, 1, 5, :4] = 0.5, 0.25
    attention[0, 0, 5, 2:], attention[0, 1, 5, 4:] = 0, 0
    values, mixed = normal(1, 2, 6, 2), []
    for draw in range(50):
        weights = normal(draw, 2, 6).abs() * (attention[0, :, 5] > 0)
        weights /= weights.sum(1, keepdim=True)
        mixed.append(torch.cat([weights[h] @ values[h] for h in range(2)]))
    rank = torch.linalg.matrix_rank(torch.stack(mixed) - mixed[0])
    assert int(rank) == int(hull_dimension(attention, head_width=2, width=4)[0, 5]) == 3
    assert int(hull_dimension(attention, head_width=2, width=2)[0, 5]) == 2


@pytest.mark.parametrize("wrong", [{"head_width": 0}, {"width": 0}, {"threshold": 2.0}])
def test_a_hull_in_no_space_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        hull_dimension(torch.eye(8).expand(1, 4, 8, 8), **{"head_width": 2, "width": 8} | wrong)


EVEN = torch.full((1, 1, 2, 2), 0.5)
BAD_ATTENTION = [
    (EVEN, "later token"),
    (torch.tensor([[[[2.0, 0.0], [3.0, 1.0]]]]), "sum to 1"),
    (torch.tensor([[[[1.0, 0.0], [-1.0, 2.0]]]]), "at least 0"),
    (torch.full((1, 1, 2, 2), math.nan), "finite"),
    (torch.ones(1, 1, 2, 3), "attention"),
    (torch.ones(1, 2, 2), "attention"),
    (torch.ones(1, 0, 2, 2), "attention"),
    (torch.ones(0, 1, 2, 2), "attention"),
    ((torch.eye(2) > 0).expand(1, 1, 2, 2), "attention"),
    ("attention", "attention"),
]


@pytest.mark.parametrize(("attention", "message"), BAD_ATTENTION)
def test_what_is_no_causal_attention_is_refused(attention, message, unchecked):
    with pytest.raises(InputError, match=message):
        attention_dimension(attention)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, math.nan])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(InputError, match="threshold"):
        attention_dimension(torch.eye(2).expand(1, 1, 2, 2), threshold=threshold)
