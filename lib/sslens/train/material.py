"""What a run begins with: its data, its reference images, and its model."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from sslens import datasets
from sslens.config import Config
from sslens.encoders import Model, PrefixHeads, encoder, head
from sslens.objectives import OBJECTIVES, Objective
from sslens.runtime import initialisation, stream
from sslens.types import Dataset, InputError


def load_for(config: Config) -> tuple[Dataset, Dataset]:
    """Training and test side of the data set that the config names, as a whole.

    Raises:
        InputError: as ``datasets.load``.

    >>> [len(side) for side in load_for(Config(dataset="digits"))]
    [1200, 597]
    """
    options: dict[str, Any] = {"size": config.image_size} if config.dataset.startswith("folder:") else {}
    return datasets.load(config.dataset, **options)


def chosen(config: Config, train: Dataset) -> Dataset:
    """The training images that the run learns from.

    Raises:
        InputError: fewer images than the config asks for, or than a batch needs.

    >>> len(chosen(Config(dataset="digits", images=300), load_for(Config(dataset="digits"))[0]))
    300
    """
    if config.images > len(train):
        raise InputError("Config.images", config.images, f"at most the {len(train)} training images")
    if config.images:
        train = train.take(torch.randperm(len(train), generator=stream(0, "images"))[: config.images].sort().values)
    if len(train) < config.batch_size:
        raise InputError("Config.batch_size", config.batch_size, f"at most the {len(train)} training images")
    return train


def reference_of(config: Config, train: Dataset, test: Dataset) -> tuple[Dataset, Bool[Tensor, "n"]]:
    """A fixed draw from both sides, the same for every seed, so that runs are compared on the same images.

    >>> train, test = load_for(Config(dataset="digits"))
    >>> reference, held_out = reference_of(Config(reference=100), train, test)
    >>> len(reference), int(held_out.sum())
    (200, 100)
    """
    parts = []
    for name, part in (("train", train), ("test", test)):
        order = torch.randperm(len(part), generator=stream(0, f"reference/{name}"))
        parts.append(part.take(order[: config.reference].sort().values))
    first, second = parts
    factors = {name: torch.cat([values, second.factors[name]]) for name, values in first.factors.items()}
    images, labels = torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels])
    return Dataset(images, labels, train.classes, factors), torch.arange(len(labels)) >= len(first)


def model_for(config: Config, data: Dataset) -> Model:
    """The model with its initial weights; its head gives logits if the objective is supervised, else embeddings.

    >>> train, _ = load_for(Config(dataset="digits"))
    >>> model_for(Config(dataset="digits", objective="cross_entropy"), train).projector
    Linear(in_features=64, out_features=10, bias=True)
    """
    channels, size = data.images.shape[1], data.images.shape[-1]
    shape = {"width": config.width, "depth": config.depth, "features": config.features}
    objective, predictor = objective_for(config), None
    with initialisation(config.seed), torch.no_grad():
        network = encoder(config.encoder, (channels, size), **shape)
        dimensions = network.eval()(torch.zeros(1, channels, size, size)).shape[1]
        if objective.supervised:
            projector = _classifier(objective.prefixes(dimensions), len(data.classes))
        else:
            projector = head(dimensions, config.hidden, config.embedding)
        if objective.needs_predictor:
            predictor = head(config.embedding, config.hidden // 2, config.embedding)
        for weights in (*network.parameters(), *projector.parameters()):
            weights.mul_(config.initial_scale)
    model = Model(network, projector, predictor=predictor, momentum=config.momentum).train()
    return model.to(data.images, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - stubs lack it


def _classifier(prefixes: Sequence[int], classes: int) -> nn.Module:
    """A plain linear layer where there is one prefix, so that a network without nesting has no extra module."""
    return PrefixHeads(prefixes, classes) if len(prefixes) > 1 else nn.Linear(prefixes[0], classes)


def objective_for(config: Config) -> Objective:
    """The objective, with the fields of the config that its constructor names.

    >>> objective_for(Config(objective="simclr", temperature=0.5))
    SimCLR(temperature=0.5)
    """
    kind = OBJECTIVES[config.objective]
    return kind(**{name: getattr(config, name) for name in inspect.signature(kind).parameters})
