"""Features of texts: layer by layer what the single measures say, whatever the batches."""

import pytest
import torch

from sslens.language import Transformer, corpus, readings
from sslens.measures.regions import attention_dimension, spline_features, text_features, texts
from sslens.types import InputError


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Transformer(width=16, depth=2, heads=2).double().eval()


def test_columns_are_the_seven_of_each_layer_in_turn(model):
    ids = corpus(0, 2).ids[:, :20]
    found = text_features(model, ids)
    for place, layer in enumerate(readings(model, ids)):
        seven = spline_features(layer.gates, layer.gate_weights)
        assert torch.allclose(found.spline[:, 7 * place : 7 * place + 7], seven, rtol=1e-12)
        assert found.dimension[:, place].equal(attention_dimension(layer.attention))
    assert (found.spline.shape, found.dimension.shape) == ((10, 14), (10, 2, 20))


def test_batches_change_nothing(model, monkeypatch):
    ids = corpus(1, 2).ids[:, :12]
    whole = text_features(model, ids)
    monkeypatch.setattr(texts, "BATCH", 3)
    parts = text_features(model, ids)
    assert torch.allclose(whole.spline, parts.spline, rtol=1e-12) and whole.dimension.equal(parts.dimension)


def test_a_model_of_one_precision_gives_numbers_of_another(model):
    ids = corpus(0, 1).ids[:, :12]
    single = text_features(Transformer().eval(), ids)
    assert single.spline.dtype == torch.float64 and single.spline.shape == (5, 21)


@pytest.mark.parametrize("ids", [torch.zeros(2, 65).long(), torch.zeros(0, 4).long(), torch.full((1, 2), 99)])
def test_what_are_no_texts_is_refused(model, ids, unchecked):
    with pytest.raises(InputError, match="ids"):
        text_features(model, ids)
