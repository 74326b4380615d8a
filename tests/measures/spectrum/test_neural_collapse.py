"""Neural collapse against loops over samples and classes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, rotation, shuffled

from sslens.measures.probe import ridge
from sslens.measures.spectrum import neural_collapse
from sslens.types import InputError

seeds = st.integers(0, 2**32)


def simplex(classes, d, each=3):
    """Class means of an equiangular frame, every sample at its class mean, and the labels."""
    frame = torch.eye(classes, dtype=torch.float64) - 1 / classes
    means = torch.cat([frame, torch.zeros(classes, d - classes)], 1) @ rotation(0, d)
    labels = torch.arange(classes).repeat(each)
    return means[labels] + 5, labels, means


def slow_collapse(h, labels, weight, bias):
    """NC1, both NC2, NC3 and NC4 by loops, with a pseudo-inverse of C − 1 directions as in the authors' notebook."""
    h, labels, weight = h.double().numpy(), labels.tolist(), weight.double().numpy()
    count = max(labels) + 1
    means = [np.mean([row for row, label in zip(h, labels, strict=True) if label == c], 0) for c in range(count)]
    middle = np.mean(means, 0)
    within = sum(np.outer(row - means[c], row - means[c]) for row, c in zip(h, labels, strict=True)) / len(h)
    centred = [mean - middle for mean in means]
    between = sum(np.outer(mean, mean) for mean in centred) / count
    values, vectors = np.linalg.eigh(between)
    kept = range(-1, -min(count - 1, h.shape[1]) - 1, -1)
    inverse = sum(np.outer(vectors[:, k], vectors[:, k]) / values[k] for k in kept)
    lengths = [math.sqrt(mean @ mean) for mean in centred]
    pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
    angles = [abs(centred[a] @ centred[b] / lengths[a] / lengths[b] + 1 / (count - 1)) for a, b in pairs]
    matrix = np.stack(centred, 1)
    dual = weight / math.sqrt((weight**2).sum()) - matrix / math.sqrt((matrix**2).sum())
    wrong = 0
    for row in h:
        nearest = min(range(count), key=lambda c: sum((row - means[c]) ** 2))
        wrong += nearest != int(np.argmax(row @ weight + np.asarray(bias)))
    equinorm = np.std(lengths, ddof=1) / np.mean(lengths)
    return np.trace(within @ inverse) / count, equinorm, np.mean(angles), (dual**2).sum(), wrong / len(h)


@given(seeds, st.sampled_from([(40, 6, 3), (30, 4, 2), (60, 3, 5), (20, 30, 4)]))
@settings(max_examples=30, deadline=None)
def test_neural_collapse_is_counted_by_hand(seed, shape):
    n, d, classes = shape
    labels = torch.cat([torch.arange(classes).repeat(2), torch.zeros(n - 2 * classes).long()])  # of unequal sizes
    h = 3 + 2 * normal(seed, classes, d)[labels] + normal(seed + 1, n, d)
    weight, bias = normal(seed + 2, d, classes), normal(seed + 3, 1, classes)[0]
    found = neural_collapse(h, labels, weight=weight, bias=bias)
    numbers = (found.variability, found.equinorm, found.equiangularity, found.duality, found.mismatch)
    assert numbers == pytest.approx(slow_collapse(h, labels, weight, bias.tolist()), rel=1e-7, abs=1e-9)
    plain = neural_collapse(h, labels)
    assert (plain.variability, plain.equinorm) == numbers[:2] and plain.duality is None is plain.mismatch


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_simplex_frame_with_its_means_as_weights_is_fully_collapsed(classes):
    h, labels, means = simplex(classes, 12)
    found = neural_collapse(h, labels, weight=7 * means.T, bias=-7 * (means @ torch.full((12,), 5.0).double()))
    for number in (found.variability, found.equinorm, found.equiangularity, found.duality):
        assert number == pytest.approx(0, abs=1e-12)
    assert found.mismatch == 0


def test_opposite_weights_are_as_far_from_duality_as_can_be():
    h, labels, means = simplex(3, 4)
    assert neural_collapse(h, labels, weight=-means.T).duality == pytest.approx(4, rel=1e-12)
    assert neural_collapse(h, labels, weight=torch.zeros(4, 3)).duality == pytest.approx(1, rel=1e-12)


def test_variability_grows_with_the_square_of_the_spread_and_blind_directions_do_not_count():
    h, labels, means = simplex(4, 9, each=200)
    noise = normal(3, 800, 9)
    near, far = (neural_collapse(h + spread * noise, labels).variability for spread in (0.001, 0.01))
    assert far == pytest.approx(100 * near, rel=1e-2)
    across = torch.linalg.svd(means).Vh[3:]  # no class mean lies there
    blind = noise @ across.T @ across
    sums = torch.zeros(4, 9).double().index_add_(0, labels, blind)
    assert neural_collapse(h + blind - sums[labels] / 200, labels).variability == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_features_that_tell_no_class_apart_are_not_taken_for_neural_collapse(kind):
    constant, labels = torch.full((12, 5), 0.1, dtype=kind), torch.arange(12) % 3
    found = neural_collapse(constant, labels, weight=torch.zeros(5, 3))
    assert found.variability == math.inf and found.equinorm == 0 and found.equiangularity == pytest.approx(0.5)
    assert (found.duality, found.mismatch) == (0, 0)


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_rotation_scale_offset_and_order_leave_neural_collapse(seed):
    labels, turn, order = torch.arange(30) % 3, rotation(seed, 5), shuffled(seed, 30)
    h, weight = normal(seed, 30, 5) + labels[:, None], normal(seed + 1, 5, 3)
    plain = neural_collapse(h, labels, weight=weight)
    moved = neural_collapse(9 * (h @ turn)[order], labels[order], weight=turn.T @ weight)
    for name in ("variability", "equinorm", "equiangularity", "duality", "mismatch"):
        assert getattr(moved, name) == pytest.approx(getattr(plain, name), rel=1e-8, abs=1e-10)
    assert neural_collapse(h + 100, labels).variability == pytest.approx(plain.variability, rel=1e-8)


def test_the_classifier_can_be_a_probe():
    labels = torch.arange(60) % 3
    h = 4 * torch.eye(3, 6)[labels] + normal(0, 60, 6)
    probe = ridge(h, labels)
    assert neural_collapse(h, labels, weight=probe.weight, bias=probe.bias).mismatch < 0.1


H, LABELS, WEIGHT = normal(0, 6, 4), torch.arange(6) % 3, normal(1, 4, 3)


@pytest.mark.parametrize(
    ("field", "labels", "options"),
    [("labels", LABELS[:5], {}), ("labels", torch.zeros(6).long(), {}), ("labels", 2 * LABELS, {}),
     ("labels", LABELS.float(), {}), ("labels", LABELS, {"weight": WEIGHT[:, :2]}),
     ("labels", LABELS, {"weight": normal(1, 4, 5)}), ("weight", LABELS, {"weight": WEIGHT.T}),
     ("weight", LABELS, {"weight": WEIGHT[:, :1]}), ("weight", LABELS, {"weight": WEIGHT / 0}),
     ("bias", LABELS, {"bias": WEIGHT[0]}), ("bias", LABELS, {"weight": WEIGHT, "bias": WEIGHT[:, 0]}),
     ("bias", LABELS, {"weight": WEIGHT, "bias": [1.0, 2.0, 3.0]}),
     ("bias", LABELS, {"weight": WEIGHT, "bias": torch.tensor([1.0, torch.nan, 0.0])})],
)  # fmt: skip
def test_labels_and_classifiers_that_do_not_fit_are_refused(field, labels, options, unchecked):
    with pytest.raises(InputError) as error:
        neural_collapse(H, labels, **options)
    assert error.value.field == field
