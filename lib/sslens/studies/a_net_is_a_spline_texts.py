"""Is a neural network a spline? What the partitions of a small language model know of the texts it reads."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor
from xarray import DataArray

from sslens.datasets.languages import LANGUAGES, LENGTH, bag_of_characters, corpus
from sslens.encoders import Reading, Transformer, pooled, readings
from sslens.encoders.transformer import CausalTransformer, Layer
from sslens.measures import probe
from sslens.measures.classes import accuracy_by_class as by_class
from sslens.measures.gate_geometry import attention_dimension, hull_dimension, norm_features, spline_features
from sslens.objectives import NextCharacter
from sslens.runtime import initialisation
from sslens.train import Config, Data, Runs, record_all, restore
from sslens.types import Dataset

STEPS = {"smoke": 50, "lesson": 500, "full": 4000}
TEXTS = {"smoke": 100, "lesson": 400, "full": 400}
"""Texts of each language that the networks have not seen."""
LANGUAGE_MODEL = "language model"
SPLINE, NORMS, HIDDEN, BAG = "21 spline numbers", "12 norms", "hidden state", "bag of characters"
UNTRAINED, TRAINED = "untrained", "trained"
SNAPSHOTS = {TRAINED: -1, UNTRAINED: 0}
READ = "characters read"
COUNT, DIMENSION = "characters attended to, in all heads", "dimensions that they span, about"
STEP, MISFIT = "step, in distances to the nearest border", "misfit"
SHARES = (0.25, 0.5, 0.75, 0.9, 0.99, 1.01, 1.1, 1.5, 2.0, 4.0)
"""Steps towards the nearest border, in distances to it: five that stay in the region, five that leave it."""
PENALTY = 1e-6
"""Of the probe: next to none, as there are few numbers and many texts."""
REFERENCE = 16
"""Texts whose features a snapshot holds: as few as there may be, since the networks are restored to read others."""
BATCH = 64
"""Texts in memory at a time: attention takes heads · t² numbers a text and layer."""
SIGNED = 200
"""Texts whose gates are turned, at most; an even number, for every second one is known."""
CHECKED = 10
"""Texts of which every character is checked against the affine map of its region."""


@final
@dataclass(frozen=True, eq=False)
class TextFeatures:
    """Numbers for each text, from ``text_features``.

    >>> text_features(Transformer().build((5,)), torch.zeros(2, 5, dtype=torch.int64)).spline.shape
    torch.Size([2, 21])
    """

    spline: Float64[Tensor, "n features"]
    """The seven ``SPLINE_FEATURES`` of the first layer, then those of the next, and so on."""
    norms: Float64[Tensor, "n norms"]
    """The four ``NORM_FEATURES`` of every layer."""
    hidden: Float64[Tensor, "n width"]
    """The representation, in the mean over characters."""
    attended: Int64[Tensor, "n layers t"]
    """``attention_dimension`` of every layer at every character."""
    dimension: Int64[Tensor, "n layers t"]
    """``hull_dimension`` of every layer at every character."""


def text_features(model: CausalTransformer, ids: Int[Tensor, "n t"]) -> TextFeatures:
    """What all layers make of texts, with the definitions of the functions of these names.

    Raises:
        InputError: ids that are no texts the model takes.

    Reference: Balestriero, Cosentino, Shekkizhar, "Characterizing large language model geometry helps solve toxicity
    detection and generation", ICML 2024, arXiv 2312.01648.

    >>> found = text_features(Transformer(depth=2).build((5,)), torch.zeros(3, 5, dtype=torch.int64))
    >>> found.spline.shape, found.norms.shape, found.dimension.shape
    (torch.Size([3, 14]), torch.Size([3, 8]), torch.Size([3, 2, 5]))
    """
    parts = [_of_layers(model, readings(model, some)) for some in ids.split(BATCH)]
    return TextFeatures(*(torch.cat(part) for part in zip(*parts, strict=True)))


@final
@dataclass(frozen=True, eq=False)
class FeaturesOfRuns:
    """What the networks of some runs make of texts, before and after training, from ``features_of_texts``."""

    of: Mapping[str, Sequence[TextFeatures]]
    """By ``trained`` and ``untrained``: one for each seed."""
    setting: str
    """Data and length of training."""


def language_config(profile: str, seed: int, *, gate: str = "relu") -> Config:
    """A transformer that learns to predict the next character of five small languages, from texts of its own.

    >>> language_config("lesson", 1).data.options
    (('seed', 1),)
    """
    constant = {"learning_rate": 3e-3, "weight_decay": 0.01, "warmup": 0.0, "schedule": "constant"}
    return Config.at(
        profile,
        data=Data("languages", options={"seed": seed}),  # type: ignore[arg-type]
        recipe="none",
        encoder=Transformer(gate=gate),
        objective=NextCharacter(),
        optimisation=constant | {"steps": STEPS[profile], "batch_size": 32},
        snapshots={"count": 6, "reference": REFERENCE},
        seed=seed,
    )


def language_models(profile: str, *, seeds: int, gate: str = "relu") -> Runs:
    """A transformer for each seed, trained side by side or read from the cache; their texts differ as well."""
    configs = [language_config(profile, seed, gate=gate) for seed in range(seeds)]
    return Runs({LANGUAGE_MODEL: record_all(configs, label="language models")}, tuple(range(seeds)))


def unseen_texts(profile: str, *, seeds: int) -> list[Dataset]:
    """For each seed as many new texts of every language, in turn.

    >>> [len(texts) for texts in unseen_texts("smoke", seeds=2)]
    [500, 500]
    """
    return [corpus(seed, TEXTS[profile], part="test") for seed in range(seeds)]


def features_of_texts(runs: Runs, texts: Sequence[Dataset]) -> FeaturesOfRuns:
    """``text_features`` of every seed's texts, by its network as it was before and after training.

    Raises:
        InputError: texts that the networks do not take.
        ValueError: not one set of texts for each seed.
    """
    found = {
        name: [text_features(model, text.images) for model, text in zip(_models(runs, name), texts, strict=True)]  # type: ignore[arg-type]
        for name in SNAPSHOTS
    }
    return FeaturesOfRuns(found, runs.setting)


def misfit_along_steps(runs: Runs, texts: Sequence[Dataset]) -> DataArray:
    """How far feed-forwards are from the affine map of a region, in it and behind its border: run x seed x step.

    From what the gates of every layer read at every character of some texts, u, a step leads towards the nearest
    border; steps are in distances to it, so that those below 1 stay in the region. Misfit: the largest of
    ‖f(u + step) − f(u) − J(u) step‖ / ‖f(u)‖, with the derivative J of the feed-forward f at u. If f is affine in the
    region it is rounding there, and not behind the border. The control are networks with a smooth gate, which bend at
    once; they are untrained. In float64.

    Raises:
        ValueError: not one set of texts for each seed.
    """
    trained = _models(runs, TRAINED)
    models = {f"{_gate(trained[0])} gate, {TRAINED}": trained, "silu gate, untrained": _smooth(runs.seeds)}
    found = [
        [_misfits(model, text.images[:CHECKED]) for model, text in zip(row, texts, strict=True)]  # type: ignore[arg-type]
        for row in models.values()
    ]
    labels = {"run": list(models), "seed": list(runs.seeds), STEP: list(SHARES)}
    known = {"unit": "", "setting": runs.setting}
    return DataArray(np.array(found), labels, ("run", "seed", STEP), MISFIT, known)


def accuracy_by_language(features: FeaturesOfRuns, texts: Sequence[Dataset]) -> DataArray:
    """Accuracy of a linear probe within each language: run x seed x class.

    On the spline numbers of trained and of untrained networks, on norms and on the mean hidden state of the trained
    ones, and on a bag of characters. Every second text is known, the others are queries.

    Raises:
        ValueError: not one set of texts for each seed.
    """
    trained, untrained = features.of[TRAINED], features.of[UNTRAINED]
    rows = {
        f"{SPLINE}, {TRAINED}": [each.spline for each in trained],
        f"{SPLINE}, {UNTRAINED}": [each.spline for each in untrained],
        NORMS: [each.norms for each in trained],
        HIDDEN: [each.hidden for each in trained],
        BAG: [bag_of_characters(text.images) for text in texts],
    }
    found = [
        [_probed(h, text.labels, classes=LANGUAGES).numpy() for h, text in zip(row, texts, strict=True)]
        for row in rows.values()
    ]
    labels = {"run": list(rows), "seed": list(range(len(texts))), "class": list(LANGUAGES)}
    return DataArray(
        np.array(found), labels, ("run", "seed", "class"), "accuracy", {"unit": "", "setting": features.setting}
    )


def accuracy_on_signs(runs: Runs, texts: Sequence[Dataset]) -> DataArray:
    """The control: texts whose gates are taken as they are, or all with the other sign. Which are which? run x seed.

    Norms and distances are the same in both, so only what sees signs can tell; the probe is that of the languages.

    Raises:
        ValueError: not one set of texts for each seed.
    """
    found = [
        [_of_signs(model, text.images, of) for model, text in zip(_models(runs, TRAINED), texts, strict=True)]  # type: ignore[arg-type]
        for of in (_splines, _norms)
    ]
    labels = {"run": [SPLINE, NORMS], "seed": list(runs.seeds)}
    return DataArray(np.array(found), labels, ("run", "seed"), "accuracy", {"unit": "", "setting": runs.setting})


def attention_along(features: FeaturesOfRuns) -> tuple[DataArray, DataArray]:
    """How many characters are attended to, and how many dimensions those span at most: run x seed x characters read.

    Means over texts and layers.
    """
    return (
        _along_text(features, lambda each: each.attended, COUNT),
        _along_text(features, lambda each: each.dimension, DIMENSION),
    )


def _along_text(features: FeaturesOfRuns, of: Callable[[TextFeatures], Tensor], name: str) -> DataArray:
    rows = {run: [of(each).double().mean((0, 1)).numpy() for each in row] for run, row in features.of.items()}
    values = np.array(list(rows.values()))
    labels = {"run": list(rows), "seed": list(range(values.shape[1])), READ: np.arange(1, values.shape[2] + 1)}
    return DataArray(values, labels, ("run", "seed", READ), name, {"unit": "", "setting": features.setting})


def _models(runs: Runs, name: str) -> list[CausalTransformer]:
    return [restore(trace, SNAPSHOTS[name]) for trace in runs[LANGUAGE_MODEL]]  # type: ignore[misc]


def _smooth(seeds: Sequence[int]) -> list[CausalTransformer]:
    """Transformers with a smooth gate and fresh weights."""
    found = []
    for seed in seeds:
        with initialisation(seed):
            found.append(Transformer(gate="silu").build((LENGTH,)).eval())
    return found


def _gate(model: CausalTransformer) -> str:
    return "relu" if model.layers[0].up is None else "silu"


def _misfits(model: CausalTransformer, ids: Int[Tensor, "n t"]) -> list[float]:
    """The largest misfit over layers and characters for each of ``SHARES``."""
    exact = model.double()
    layers = [
        (layer, each.gate_inputs.flatten(0, 1)) for layer, each in zip(exact.layers, readings(exact, ids), strict=True)
    ]
    return [max(_misfit(layer, u, share=share) for layer, u in layers) for share in SHARES]  # type: ignore[arg-type]


@torch.no_grad()
def _misfit(layer: Layer, u: Float64[Tensor, "n d"], *, share: float) -> float:
    weights = layer.gate.weight
    away = layer.gate(u) / weights.norm(dim=1)  # signed distances to all borders
    nearest = away.abs().argmin(1, keepdim=True)
    normal = (weights / weights.norm(dim=1, keepdim=True))[nearest[:, 0]]
    step = -share * away.gather(1, nearest) * normal
    both: Any = torch.autograd.functional.jvp(layer.feed_forward, u, step)
    value, tangent = both
    return float(((layer.feed_forward(u + step) - value - tangent).norm(dim=1) / value.norm(dim=1)).max())


def _of_signs(model: CausalTransformer, ids: Int[Tensor, "n t"], of: Callable[..., Tensor]) -> float:
    layers = readings(model, ids[:SIGNED])
    h = torch.stack([of(layers), of(layers, sign=-1)], 1).flatten(0, 1)  # as it is, then turned, text by text
    labels = torch.arange(len(h), device="cpu") % 2
    order = torch.arange(len(h), device="cpu").view(-1, 2, 2).transpose(1, 2).flatten()  # both of a text on one side
    return float(_probed(h[order], labels[order], classes=("as it is", "turned")).mean())


def _probed(h: Float[Tensor, "n d"], labels: Int[Tensor, "n"], *, classes: Sequence[str]) -> Float[Tensor, "c"]:
    known, queries = slice(0, None, 2), slice(1, None, 2)
    predicted = probe.classify_by_ridge(h[known], labels[known], h[queries], penalty=PENALTY)
    return by_class(predicted, labels[queries], classes=len(classes))


def _splines(layers: Sequence[Reading], sign: int = 1) -> Float64[Tensor, "n features"]:
    return torch.cat([spline_features(sign * each.gates, each.gate_weights) for each in layers], 1)


def _norms(layers: Sequence[Reading], sign: int = 1) -> Float64[Tensor, "n norms"]:
    return torch.cat([norm_features(sign * each.gates) for each in layers], 1)


@torch.no_grad()
def _of_layers(model: CausalTransformer, layers: Sequence[Reading]) -> tuple[Tensor, ...]:
    width, heads = layers[0].output.shape[2], layers[0].attention.shape[1]
    hidden = pooled(model.norm(layers[-1].output)).double()
    attended = [attention_dimension(each.attention) for each in layers]
    spanned = [hull_dimension(each.attention, head_width=width // heads, width=width) for each in layers]
    return _splines(layers), _norms(layers), hidden, torch.stack(attended, 1), torch.stack(spanned, 1)
