"""LiDAR against Σ_w^−½ Σ_b Σ_w^−½ built sample by sample; neural collapse against loops over samples and classes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, rotation, shuffled

from sslens.measures.probe import ridge
from sslens.measures.spectrum import effective_rank, lidar, neural_collapse
from sslens.types import InputError

pytestmark = pytest.mark.filterwarnings("ignore::sslens.measures.spectrum.FewSamples")
seeds = st.integers(0, 2**32)


def augmented(seed, v, n, d, noise=0.5):
    clean = normal(seed, n, d) * torch.arange(1, d + 1) + 2
    return torch.stack([clean + noise * normal(seed + 1 + i, n, d) for i in range(v)])


def lidar_of_the_paper(views, delta=1e-4, eps=0.0):
    """Eq. 1-2 of arXiv 2312.04000, outer product by outer product, with the symmetric root."""
    views = views.double().numpy()
    v, n, d = views.shape
    means = [views[:, i].mean(0) for i in range(n)]
    middle = sum(means) / n
    between = sum(np.outer(mean - middle, mean - middle) for mean in means) / (n - 1)
    within = delta * np.eye(d)
    for i in range(n):
        for j in range(v):
            within += np.outer(views[j, i] - means[i], views[j, i] - means[i]) / (n * (v - 1))
    values, vectors = np.linalg.eigh(within)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    spectrum = np.linalg.eigvalsh(root @ between @ root)
    shares = [value / spectrum.sum() + eps for value in spectrum if value > 1e-12 * spectrum.max() or eps]
    return math.exp(-sum(share * math.log(share) for share in shares))


@given(seeds, st.sampled_from([(2, 30, 4), (5, 12, 6), (3, 8, 1), (2, 5, 9), (2, 2, 3)]))
@settings(max_examples=30, deadline=None)
def test_lidar_is_that_of_the_paper(seed, shape):
    views = augmented(seed, *shape)
    assert lidar(views) == pytest.approx(lidar_of_the_paper(views), rel=1e-8)
    assert lidar(views, delta=0.3) == pytest.approx(lidar_of_the_paper(views, 0.3), rel=1e-8)


def test_an_epsilon_is_added_after_normalising_as_in_rankme():
    views = augmented(0, 4, 40, 6)
    assert lidar(views, eps=1e-3) == pytest.approx(lidar_of_the_paper(views, eps=1e-3), rel=1e-9)
    assert lidar(views, eps=1e-3) > lidar(views)


def test_lidar_counts_directions_that_tell_samples_apart_and_not_those_augmentation_moves():
    clean, moved = torch.zeros(200, 8).double(), normal(1, 3 * 200, 8).reshape(3, 200, 8)
    clean[:, :3] = normal(0, 200, 3)
    views = clean + 0.01 * moved
    views[:, :, 7] += 100 * normal(2, 600, 1).reshape(3, 200)
    assert effective_rank(views[0]) < 1.01 and lidar(views) == pytest.approx(3, abs=0.1)


def test_equal_views_leave_the_effective_rank_of_the_samples():
    h = normal(0, 60, 5) * torch.tensor([3.0, 2, 1, 1, 0.5])
    assert lidar(torch.stack([h, h, h])) == pytest.approx(effective_rank(h), rel=1e-10)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_lidar_ignores_order_rotation_offset_and_with_a_small_delta_any_invertible_map(seed):
    views = augmented(seed, 3, 20, 4)
    plain, order = lidar(views), shuffled(seed, 20)
    assert lidar(views[:, order].flip(0) @ rotation(seed, 4) + 3) == pytest.approx(plain, rel=1e-8)
    assert lidar(100 * views, delta=1.0) == pytest.approx(plain, rel=1e-8)  # delta goes with the square of the scale
    bent = views @ rotation(seed, 4) * torch.tensor([1.0, 5, 0.2, 2]) @ rotation(seed + 1, 4)
    assert lidar(bent, delta=1e-12) == pytest.approx(lidar(views, delta=1e-12), rel=1e-6)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_samples_that_do_not_differ_have_lidar_0(kind):
    assert lidar(torch.full((3, 20, 4), 0.1, dtype=kind)) == lidar(torch.zeros(2, 9, 3, dtype=kind)) == 0
    assert lidar((normal(0, 3, 4).to(kind)[:, None]).expand(3, 50, 4)) == 0


def test_views_that_are_none_are_refused(unchecked):
    good = augmented(0, 2, 6, 3)
    for wrong in (good[0], good[:1], good[:, :1], good[:, :, :0], good.long(), good[None], None, good.tolist()):
        with pytest.raises(InputError, match="views"):
            lidar(wrong)
    good[1, 4, 2] = math.inf
    with pytest.raises(InputError, match=r"views\[1\] must be finite.*1 of 18 values, first in row 4, column 2"):
        lidar(good)


@pytest.mark.parametrize(
    "options", [{"delta": 0.0}, {"delta": -1.0}, {"delta": math.nan}, {"eps": -1e-7}, {"eps": 2.0}]
)
def test_regularisation_out_of_range_is_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        lidar(augmented(0, 2, 6, 3), **options)


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
    with pytest.raises(InputError) as told:
        neural_collapse(H, labels, **options)
    assert told.value.field == field
