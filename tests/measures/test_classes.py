"""Confusion and accuracy per class against counting by hand and scikit-learn."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, recall_score

from sslens.measures.classes import accuracy_by_class, confusion
from sslens.measures.probe import accuracy
from sslens.types import InputError

pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(pairs)
def test_confusion_is_scikit_learns(pairs):
    predicted, truth = torch.tensor(pairs).T
    oracle = confusion_matrix(truth, predicted, labels=range(4))
    assert confusion(predicted, truth, classes=4).tolist() == oracle.tolist()


@given(pairs)
def test_accuracy_by_class_is_recall_and_averages_to_the_accuracy(pairs):
    predicted, truth = torch.tensor(pairs + [(0, label) for label in range(4)]).T
    by_class = accuracy_by_class(predicted, truth, classes=4)
    assert by_class.tolist() == pytest.approx(recall_score(truth, predicted, average=None))
    share = truth.bincount().double() / len(truth)
    assert float((by_class * share).sum()) == pytest.approx(accuracy(predicted, truth))


def test_a_class_without_samples_is_named_instead_of_averaged():
    with pytest.raises(InputError, match="None of class 1, 3"):
        accuracy_by_class(torch.tensor([0, 1, 2]), torch.tensor([0, 2, 2]), classes=4)


@pytest.mark.parametrize(
    "predicted, truth, classes",
    [([0, 1], [0], 2), ([0], [0, 1], 2), ([0, 2], [0, 1], 2), ([0, 1], [0, 2], 2), ([0, -1], [0, 1], 2), ([], [], 2),
     ([0], [0], 0)],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused(predicted, truth, classes, unchecked):
    with pytest.raises(InputError):
        confusion(torch.tensor(predicted).long(), torch.tensor(truth).long(), classes=classes)
