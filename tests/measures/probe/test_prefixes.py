"""Accuracy by the first columns, against one call for each length."""

import pytest
import torch

from sslens.measures import probe
from sslens.types import InputError


def labelled(rows=40, columns=6, seed=0):
    labels = torch.arange(rows) % 4
    noise = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)).double()
    scale = torch.arange(1, columns + 1).double() ** -0.7
    return noise * scale + 3 + torch.nn.functional.one_hot(labels, columns), labels


@pytest.mark.parametrize("classify", [probe.classify_by_ridge, probe.classify_by_nearest_mean, probe.knn])
def test_prefixes_are_classified_one_by_one(classify):
    (h, labels), (queries, truth) = labelled(), labelled(rows=20, seed=1)
    found = probe.prefixes((h, labels), (queries, truth), lengths=[1, 4, 6], classify=classify)
    right = [classify(h[:, :length], labels, queries[:, :length]) for length in (1, 4, 6)]
    assert found.tolist() == [probe.accuracy(predicted, truth) for predicted in right]


def test_neighbours_are_the_default():
    known, queries = labelled(), labelled(rows=20, seed=1)
    assert probe.prefixes(known, queries, lengths=[6]).item() == probe.knn_accuracy(known, queries)


def test_pca_finds_the_column_that_cutting_throws_away():
    labels = torch.arange(60) % 2
    h = torch.cat([torch.randn(60, 3, generator=torch.Generator().manual_seed(0)), labels[:, None] * 40.0], 1)
    side = h, labels
    options = {"lengths": [1], "classify": probe.classify_by_nearest_mean}
    cut, rotated = probe.prefixes(side, side, **options), probe.prefixes(side, side, pca=True, **options)
    assert rotated.item() == 1.0 > cut.item()


def test_lengths_that_are_none_are_refused(unchecked):
    sides = labelled(), labelled(rows=20, seed=1)
    with pytest.raises(InputError, match=r"lengths must be an int in \[1, 6\]"):
        probe.prefixes(*sides, lengths=[7])
    with pytest.raises(InputError, match="at least one length"):
        probe.prefixes(*sides, lengths=[])
