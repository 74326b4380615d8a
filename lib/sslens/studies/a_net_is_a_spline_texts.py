"""Is a neural network a spline? What the partitions of a small language model know of the texts it reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor
from xarray import DataArray

from sslens.datasets.languages import LANGUAGES, bag_of_characters, corpus
from sslens.encoders import Reading, Transformer, readings
from sslens.encoders.transformer import CausalTransformer
from sslens.measures import classes, probe
from sslens.measures.gate_geometry import attention_dimension, spline_features
from sslens.objectives import NextCharacter
from sslens.train import Config, Data, Runs, record_all, restore
from sslens.types import Dataset

STEPS = {"smoke": 50, "lesson": 500, "full": 4000}
TEXTS = {"smoke": 100, "lesson": 200, "full": 200}
"""Texts of each language that the networks have not seen."""
LANGUAGE_MODEL = "language model"
BAG = "bag of characters"
UNTRAINED, TRAINED = "untrained", "trained"
SNAPSHOTS = {TRAINED: -1, UNTRAINED: 0}
READ = "characters read"
PENALTY = 1e-6
"""Of the probe: next to none, as there are few numbers and many texts."""
REFERENCE = 16
"""Texts whose features a snapshot holds: as few as there may be, since the networks are restored to read others."""
BATCH = 64
"""Texts in memory at a time: attention takes heads · t² numbers a text and layer."""


@final
@dataclass(frozen=True, eq=False)
class TextFeatures:
    """Numbers for each text, from ``text_features``.

    >>> TextFeatures(torch.zeros(2, 21).double(), torch.ones(2, 3, 64).long()).spline.shape
    torch.Size([2, 21])
    """

    spline: Float64[Tensor, "n features"]
    """The seven ``SPLINE_FEATURES`` of the first layer, then those of the next, and so on."""
    dimension: Int64[Tensor, "n layers t"]
    """``attention_dimension`` of every layer at every character."""


def text_features(model: CausalTransformer, ids: Int[Tensor, "n t"]) -> TextFeatures:
    """Spline features and attention dimensions of all layers, with the definitions of the functions of these names.

    Raises:
        InputError: ids that are no texts the model takes.

    Reference: Balestriero, Cosentino, Shekkizhar, "Characterizing large language model geometry helps solve toxicity
    detection and generation", ICML 2024, arXiv 2312.01648.

    >>> found = text_features(Transformer(depth=2).build((5,)), torch.zeros(3, 5, dtype=torch.int64))
    >>> found.spline.shape, found.dimension.shape
    (torch.Size([3, 14]), torch.Size([3, 2, 5]))
    """
    parts = [_of_layers(readings(model, some)) for some in ids.split(BATCH)]
    spline, dimension = (torch.cat(part) for part in zip(*parts, strict=True))
    return TextFeatures(spline, dimension)


@final
@dataclass(frozen=True, eq=False)
class LabelledFeatures:
    """What the networks of some runs make of texts, before and after training, from ``features_of_texts``."""

    spline: DataArray
    """run x seed x text x feature: seven numbers of every layer."""
    attended: DataArray
    """run x seed x characters read: the mean of ``attention_dimension`` over texts and layers."""


def language_config(profile: str, seed: int) -> Config:
    """A transformer that learns to predict the next character of five small languages, from texts of its own.

    >>> language_config("lesson", 1).data.options
    (('seed', 1),)
    """
    constant = {"learning_rate": 3e-3, "weight_decay": 0.01, "warmup": 0.0, "schedule": "constant"}
    return Config.at(
        profile,
        data=Data("languages", options={"seed": seed}),  # type: ignore[arg-type]
        recipe="none",
        encoder=Transformer(),
        objective=NextCharacter(),
        optimisation=constant | {"steps": STEPS[profile], "batch_size": 32},
        snapshots={"count": 6, "reference": REFERENCE},
        seed=seed,
    )


def language_models(profile: str, *, seeds: int) -> Runs:
    """A transformer for each seed, trained side by side or read from the cache; their texts differ as well."""
    configs = [language_config(profile, seed) for seed in range(seeds)]
    return Runs({LANGUAGE_MODEL: record_all(configs, label="language models")}, tuple(range(seeds)))


def unseen_texts(profile: str, *, seeds: int) -> list[Dataset]:
    """For each seed as many new texts of every language, in turn.

    >>> [len(texts) for texts in unseen_texts("smoke", seeds=2)]
    [500, 500]
    """
    return [corpus(seed, TEXTS[profile], part="test") for seed in range(seeds)]


def features_of_texts(runs: Runs, texts: Sequence[Dataset]) -> LabelledFeatures:
    """``text_features`` of every seed's texts, by its network as it was before and after training.

    Raises:
        InputError: texts that the networks do not take.
        ValueError: not one set of texts for each seed.
    """
    spline, attended = [], []
    for index in SNAPSHOTS.values():
        models = [restore(trace, index) for trace in runs[LANGUAGE_MODEL]]
        found = [text_features(model, text.images) for model, text in zip(models, texts, strict=True)]  # type: ignore[arg-type]
        spline.append(np.stack([each.spline.numpy() for each in found]))
        attended.append(np.stack([each.dimension.double().mean((0, 1)).numpy() for each in found]))
    labels = {"run": list(SNAPSHOTS), "seed": list(runs.seeds)}
    known = {"unit": "", "setting": runs.setting}
    read = {READ: np.arange(1, attended[0].shape[-1] + 1)}
    return LabelledFeatures(
        DataArray(np.stack(spline), labels, ("run", "seed", "text", "feature"), "spline features", known),
        DataArray(np.stack(attended), labels | read, ("run", "seed", READ), "characters attended to, all heads", known),
    )


def accuracy_by_language(spline: DataArray, texts: Sequence[Dataset]) -> DataArray:
    """Accuracy of a linear probe within each language: run x seed x class.

    On the spline features of each network and on a bag of characters. Every second text is known, the others are
    queries.

    Raises:
        ValueError: not one set of texts for each seed.
    """
    count = spline.sizes["feature"]
    rows = {f"{count} numbers, {name}": spline.sel(run=name).values for name in SNAPSHOTS}
    rows[BAG] = np.stack([bag_of_characters(text.images).numpy() for text in texts])
    accuracies = [_of_each_seed(features, texts) for features in rows.values()]
    labels = {"run": list(rows), "seed": spline["seed"].values, "class": list(LANGUAGES)}
    return DataArray(np.stack(accuracies), labels, ("run", "seed", "class"), "accuracy", spline.attrs)


def _of_each_seed(features: np.ndarray, texts: Sequence[Dataset]) -> np.ndarray:
    pairs = zip(torch.from_numpy(features), texts, strict=True)
    return np.stack([_probed(h, text).numpy() for h, text in pairs])


def _probed(h: Float[Tensor, "n d"], text: Dataset) -> Float[Tensor, "c"]:
    known, queries = slice(0, None, 2), slice(1, None, 2)
    predicted = probe.classify_by_ridge(h[known], text.labels[known], h[queries], penalty=PENALTY)
    return classes.accuracy_by_class(predicted, text.labels[queries], classes=len(text.classes))


def _of_layers(layers: tuple[Reading, ...]) -> tuple[Tensor, Tensor]:
    splines = [spline_features(each.gates, each.gate_weights) for each in layers]
    return torch.cat(splines, 1), torch.stack([attention_dimension(each.attention) for each in layers], 1)
