"""Accuracy by counting."""

import pytest
import torch

from sslens.measures.probe import accuracy


def test_accuracy_counts_matches():
    assert accuracy(torch.tensor([1, 1, 0]), torch.tensor([1, 0, 0])) == pytest.approx(2 / 3)
