"""What a few labels of each class are worth."""

from functools import partial

import pytest
import torch
from tests.measures.probe.samples import blobs

from sslens.measures.probe import accuracy, classify_by_nearest_mean, few_labels, few_shot, knn, ridge
from sslens.runtime import stream
from sslens.statistics import Interval
from sslens.types import InputError


def test_few_labels_suffice_on_separate_blobs_and_are_chance_on_collapsed_features():
    h, labels = blobs(spread=0.1)
    easy = few_shot((h, labels), (h, labels), per_class=2, generator=stream(0, "few"))
    assert (easy.mean, easy.n) == (1.0, 10)
    flat = torch.ones_like(h)
    assert few_shot((flat, labels), (flat, labels), per_class=2, generator=stream(0, "few")).mean == 0.25


def test_few_shot_is_replayed_by_its_generator_and_widens_with_fewer_labels():
    known, test = blobs(0, spread=1.5), blobs(1, spread=1.5)
    once, again = (few_shot(known, test, per_class=3, generator=stream(1, "few")) for _ in range(2))
    assert once == again
    assert few_shot(known, test, per_class=40, generator=stream(1, "few")).mean > once.mean + 0.05


def test_every_draw_is_per_class_different_labels_of_each_class():
    (h, labels), seen = blobs(n=50), []

    def spy(known, names, queries):
        seen.append((known, names))
        assert torch.equal(queries, h)
        return classify_by_nearest_mean(known, names, queries)

    few_labels((h, labels), (h, labels), classify=spy, per_class=5, draws=3, generator=stream(0, "few"))
    for rows, chosen in seen:
        assert chosen.bincount().tolist() == [5] * 4 and len(rows.unique(dim=0)) == 20
        assert all(int(labels[(h == row).all(1)]) == int(label) for row, label in zip(rows, chosen, strict=True))
    assert len(seen) == 3 and not torch.equal(seen[0][0], seen[1][0])


def test_every_sample_of_a_class_is_drawn_equally_often():
    h, labels, times = torch.arange(10.0)[:, None], torch.tensor([0] * 6 + [1] * 4), torch.zeros(10)

    def count(known, names, queries):
        times[known[:, 0].long()] += 1
        return labels

    few_labels((h, labels), (h, labels), classify=count, per_class=2, draws=1000, generator=stream(0, "few"))
    assert times.tolist() == pytest.approx([1000 / 3] * 6 + [500] * 4, abs=5 * (1000 / 4) ** 0.5)


@pytest.mark.parametrize("penalty", [1e-3, 0.3, 30.0])
def test_few_shot_is_few_labels_with_a_ridge(penalty):
    known, test = blobs(0, spread=1.5), blobs(1, spread=1.5)

    def classify(h, labels, queries):
        return ridge(h, labels, penalty=penalty).predict(queries)

    options = {"per_class": 3, "draws": 4}
    expected = few_labels(known, test, classify=classify, generator=stream(0, "few"), **options)
    assert few_shot(known, test, penalty=penalty, generator=stream(0, "few"), **options) == expected


def test_few_labels_takes_any_probe_and_the_draws_do_not_depend_on_it():
    known, test = blobs(0, spread=1.5), blobs(1, spread=1.5)
    found = {}
    for name, classify in {"mean": classify_by_nearest_mean, "neighbours": partial(knn, k=1)}.items():
        each = []

        def keep(h, labels, queries, classify=classify, each=each):
            each.append(h)
            return classify(h, labels, queries)

        answer = few_labels(known, test, classify=keep, draws=3, generator=stream(0, "few"))
        slow = [accuracy(classify(h, torch.arange(4).repeat_interleave(5), test[0]), test[1]) for h in each]
        assert answer == Interval.of(slow)
        found[name] = (answer, each)
    assert all(torch.equal(a, b) for a, b in zip(found["mean"][1], found["neighbours"][1], strict=True))
    assert found["mean"][0].mean > found["neighbours"][0].mean > 0.4


@pytest.mark.parametrize("truth, hint", [([0, 0, 1, 2, 2], "Class 1 has 1"), ([0, 2, 2, 0, 0], "Class 1 has 0")])
def test_few_shot_names_the_class_that_has_too_few_samples(truth, hint):
    labels = torch.tensor(truth)
    with pytest.raises(InputError, match=hint):
        few_shot((torch.eye(5), labels), (torch.eye(5), labels), per_class=2, generator=stream(0, "few"))


@pytest.mark.parametrize("options", [{"per_class": 0}, {"draws": 0}, {"penalty": 0.0}])
def test_few_shot_refuses_nothing_to_draw_and_no_penalty(options):
    h, labels = blobs()
    with pytest.raises(InputError, match=next(iter(options))):
        few_shot((h, labels), (h, labels), generator=stream(0, "few"), **options)


def test_few_shot_refuses_queries_of_another_width(unchecked):
    h, labels = blobs()
    with pytest.raises(InputError, match="queries must be a matrix of 6 columns"):
        few_shot((h, labels), (h[:, :5], labels), generator=stream(0, "few"))
