"""Parts of the risk against refitting in numpy, their intervals against the binomial law."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.linear_model import Ridge

from sslens.measures.probe import ridge_accuracy, risk_decomposition
from sslens.runtime import stream
from sslens.types import InputError

seeds = st.integers(0, 2**32)
PARTS = ("approximation", "usability", "probe_generalisation", "encoder_generalisation")


def blobs(seed, n=60, d=4, classes=3, spread=2.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    noise = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return 2 * torch.eye(d, dtype=torch.float64)[labels] + spread * noise, labels


def slow_error(fitted, judged, penalty):
    """Error of scikit-learn's ridge on features of unit total variance."""
    (h, labels), (queries, truth) = fitted, judged
    scale = float((h - h.mean(0)).square().sum(1).mean().sqrt())
    scores = Ridge(alpha=penalty).fit(h / scale, np.eye(3)[labels]).predict(queries / scale)
    return float(np.mean(scores.argmax(1) != truth.numpy()))


@given(seeds, st.sampled_from([1, 10, 57]), st.floats(-3, 1))
@settings(max_examples=15, deadline=None)
def test_parts_are_differences_of_errors_refitted_by_scikit_learn(seed, held_out, decades):
    (h, labels), test, penalty = blobs(seed), blobs(seed + 1, 45), 10**decades
    found = risk_decomposition(
        (h, labels), test, approximation=0.05, held_out=held_out, penalty=penalty, generator=stream(seed, "risk")
    )
    order = torch.randperm(60, generator=stream(seed, "risk"))
    aside, rest = ((h[place], labels[place]) for place in (order[:held_out], order[held_out:]))
    fitted, unseen = slow_error((h, labels), (h, labels), penalty), slow_error(rest, aside, penalty)
    new = slow_error((h, labels), test, penalty)
    parts = [getattr(found, name).mean for name in PARTS]
    assert parts == pytest.approx([0.05, fitted - 0.05, unseen - fitted, new - unseen], abs=1e-12)
    assert sum(parts) == pytest.approx(found.total.mean, abs=1e-12)
    assert [getattr(found, name).n for name in (*PARTS, "total")] == [60, 60, held_out, min(held_out, 45), 45]


def test_the_total_is_the_error_of_the_probe_of_all_labels():
    train, test = blobs(0), blobs(1)
    found = risk_decomposition(train, test, approximation=0.0, held_out=20, generator=stream(0, "risk"))
    assert found.total.mean == pytest.approx(1 - ridge_accuracy(train, test), abs=1e-12)
    assert 0.1 < found.total.mean < 0.6


def test_random_labels_are_fitted_by_many_dimensions_and_then_cost_probe_generalisation():
    generator = torch.Generator().manual_seed(0)
    h, labels = torch.randn(150, 200, generator=generator), torch.randint(3, (150,), generator=generator)
    known, queries = (h[:100], labels[:100]), (h[100:], labels[100:])
    options = {"held_out": 50, "penalty": 1e-3, "generator": generator}
    found = risk_decomposition(known, queries, approximation=0.0, **options)
    assert found.usability.mean == 0 and found.probe_generalisation.low > 0.4
    assert found.encoder_generalisation.low < 0 < found.encoder_generalisation.high


def test_constant_features_cost_usability_and_nothing_else():
    h, labels = torch.ones(90, 4), torch.arange(90) % 3
    found = risk_decomposition((h, labels), (h, labels), approximation=0.0, held_out=30, generator=stream(0, "risk"))
    assert found.usability.mean == found.total.mean == pytest.approx(2 / 3)
    assert abs(found.probe_generalisation.mean) < 0.3


def test_test_images_worse_than_any_seen_cost_encoder_generalisation_alone():
    train, (queries, truth) = blobs(0, spread=0.1), blobs(1, spread=0.1)
    found = risk_decomposition(
        train, (queries, (truth + 1) % 3), approximation=0.0, held_out=20, generator=stream(0, "risk")
    )
    assert [getattr(found, name).mean for name in PARTS] == [0, 0, 0, 1]


def test_test_images_easier_than_those_seen_give_a_negative_part():
    (h, labels), test = blobs(0, spread=0.1), blobs(1, spread=0.1)
    wrong = torch.arange(60) % 9 % 4 == 0  # a third of each class is labelled as the next one
    train = h, (labels + wrong.long()) % 3
    found = risk_decomposition(train, test, approximation=0.0, held_out=30, generator=stream(0, "risk"))
    assert found.usability.mean == pytest.approx(1 / 3) and found.total.mean == 0
    assert found.encoder_generalisation.mean < 0 and found.encoder_generalisation.high < 0


def test_intervals_are_as_wide_as_independent_samples_make_them():
    train, test = blobs(0, 3000, spread=3.0), blobs(1, 1500, spread=3.0)
    found = risk_decomposition(train, test, approximation=0.1, held_out=600, generator=stream(0, "risk"))
    error = found.total.mean
    for interval, variance in (
        (found.total, error * (1 - error) / 1500),
        (found.encoder_generalisation, error * (1 - error) * (1 / 1500 + 1 / 600)),
        (found.usability, error * (1 - error) / 3000),
    ):
        assert interval.high - interval.low == pytest.approx(2 * norm.ppf(0.975) * variance**0.5, rel=0.15)
        assert interval.low < interval.mean < interval.high
    # An image held out counts in both errors, so their difference varies less than if they were of different images.
    apart = error * (1 - error) * (1 / 600 + 1 / 3000)
    together = error * (1 - error) * (1 / 600 - 1 / 3000)
    assert together < ((found.probe_generalisation.high - found.probe_generalisation.low) / 3.92) ** 2 * 1.15 < apart
    assert (found.approximation.low, found.approximation.high) == (0.1, 0.1)


def test_risk_is_replayed_by_its_generator():
    train, test = blobs(0), blobs(1)
    once, again, other = (
        risk_decomposition(train, test, approximation=0.0, held_out=20, generator=stream(seed, "risk"))
        for seed in (0, 0, 1)
    )
    assert once == again != other


@pytest.mark.parametrize(
    "options",
    [{"held_out": 0}, {"held_out": 60}, {"approximation": -0.1}, {"approximation": 1.5}, {"penalty": 0.0}],
    ids=str,
)
def test_risk_refuses_what_cannot_be_held_out_or_is_no_error(options):
    values = {"approximation": 0.0, "held_out": 20, **options}
    with pytest.raises(InputError, match=next(iter(options))):
        risk_decomposition(blobs(0), blobs(1), generator=stream(0, "risk"), **values)


def test_risk_refuses_queries_of_another_width(unchecked):
    with pytest.raises(InputError, match="queries must be a matrix of 4 columns"):
        risk_decomposition(blobs(0), blobs(1, d=5), approximation=0.0, held_out=20, generator=stream(0, "risk"))
