"""Right or wrong, sample by sample: the mean is the accuracy of every classifier."""

from functools import partial

import numpy as np
import pytest
import torch

from sslens.measures import probe
from sslens.train import Config, Runs
from sslens.types import InputError


def side(count, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    return torch.randn(count, 4, generator=generator) + labels[:, None], labels


@pytest.mark.parametrize("classify", [probe.knn, probe.classify_by_ridge, probe.classify_by_nearest_mean])
def test_it_says_of_each_sample_whether_it_is_predicted(classify):
    known, queries = side(60, 0), side(40, 1)
    found = probe.correct(known, queries, classify=classify)
    predicted = classify(*known, queries[0])
    assert found.tolist() == [float(one == other) for one, other in zip(predicted, queries[1], strict=True)]
    assert found.mean().item() == probe.accuracy(predicted, queries[1]) and 0 < found.mean() < 1


def test_not_one_true_label_for_each_query_is_our_error(unchecked):
    known = side(60, 0)
    with pytest.raises(InputError, match="truth"):
        probe.correct(known, (known[0], known[1][:-1]))


def test_of_runs_it_is_labelled_by_seed_sample_and_original():
    runs = Runs.of({"simclr": Config.at("smoke", optimisation={"steps": 2}, snapshots={"count": 2})}, seeds=2)
    found = runs.probed(probe.correct, of="representation", at="end")
    assert found.dims == ("run", "seed", "sample") and found["origin"].dims == ("sample",)
    accuracy = runs.probed(probe.knn_accuracy, of="representation", at="end")
    assert found.mean("sample").values == pytest.approx(accuracy.values)
    strict = runs.probed(partial(probe.correct, classify=partial(probe.knn, k=1)), of="representation", at="end")
    assert not np.array_equal(strict.values, found.values)
