"""What a run begins with: its data and their labels, its reference images, its model and its objective's state."""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from sslens import datasets
from sslens.datasets.label_noise import symmetric_label_noise
from sslens.encoders import Model, classifier, pooled
from sslens.runtime import data_root, initialisation, stream
from sslens.train.config import Config, Data
from sslens.types import Dataset, Dimensions, InputError, Labels

Source = tuple[str, tuple[tuple[str, Any], ...], Path, str]
"""Name and options of a data set, the folder it is kept under, the state of its files: what decides its content."""


@final
@dataclass(frozen=True, eq=False)
class Setup:
    """A config with its data: all that a run is trained from, prepared once and changed by nobody.

    >>> setup = prepare(Config.at("smoke", data={"name": "digits"}))
    >>> len(setup.train), len(setup.reference)
    (1200, 600)
    """

    config: Config
    train: Dataset
    """The images learned from, with their true labels."""
    reference: Dataset
    """The images that every snapshot holds features of, from the training and from the test side."""
    held_out: Bool[Tensor, "n"]
    """Which of the reference images come from the test side."""
    digest: str
    """Of the whole data set."""


def prepare(config: Config) -> Setup:
    """Load what the config names and choose from it; the same data are loaded and digested once per process.

    Where there are fewer images than a batch has, every step takes all of them: the config that the run has then says
    so, and so does a warning.

    Raises:
        InputError: as ``datasets.load``; fewer images than the config wants; a recipe that does not fit the data, or
            draws another number of views than the objective compares; more classes than reference images.

    >>> setup = prepare(Config(data={"name": "digits", "images": 300}))
    >>> setup.config.optimisation.batch_size, len(setup.train)
    (256, 300)
    """
    source, train = _source(config.data), learned(config)
    if (batch := config.optimisation.batch_size) > len(train):
        words = (
            f"The set has {len(train)} training images, fewer than a batch of {batch}: every step takes all of them."
        )
        warnings.warn(words, stacklevel=1)  # from here and not from each caller, so that it is shown once
        config = config.changed(optimisation={"batch_size": len(train)})
    _check_fit(config, train)
    reference, held_out = _reference(source, config.snapshots.reference)
    return Setup(config, train, reference, held_out, _loaded(source)[2])


def learned(config: Config) -> Dataset:
    """The images a run learns from, with their true labels; a run's reference holds others as well.

    Raises:
        InputError: as ``prepare``.

    >>> len(learned(Config(data={"name": "digits", "images": 300})))
    300
    """
    train = _chosen(_source(config.data), config.data.images)
    if len(train) < 2:
        raise InputError("Config.data", config.data.name, "a set of two training images or more")
    return train


def given_labels(config: Config, data: Dataset, *, task: int = 0) -> Labels:
    """The labels that a run is given for these images in one of its tasks, noise and all.

    Raises:
        InputError: the run has no such task.

    >>> config = Config(data={"name": "digits", "label_noise": 1.0})
    >>> data = learned(config)
    >>> bool((given_labels(config, data) == data.labels).all())
    False
    """
    if task not in range(config.data.tasks):
        raise InputError("task", task, f"a number from 0 to {config.data.tasks - 1}")
    if not config.data.label_noise:
        return data.labels
    noise, generator = config.data.label_noise, stream(config.seed, f"labels/{task}")
    return symmetric_label_noise(data.labels, noise, classes=len(data.classes), generator=generator)


def model_for(config: Config, data: Dataset) -> Model:
    """The model with its initial weights; its head gives logits where the objective wants them, else embeddings.

    >>> from sslens.objectives import CrossEntropy
    >>> config = Config(data={"name": "digits"}, objective=CrossEntropy())
    >>> model_for(config, learned(config)).projector
    Linear(in_features=64, out_features=10, bias=True)
    """
    return begin(config, data)[0]


@contextmanager
def usual_defaults(device: torch.device | str = "cpu") -> Iterator[None]:
    """Inside, what is made without saying where and of which type lies on this device and is float32.

    Whatever the caller has set with ``torch.set_default_device`` and ``set_default_dtype``, which are put back: layers,
    optimisers and objectives that others wrote make their tensors so.

    >>> with torch.device("meta"), usual_defaults():
    ...     torch.zeros(1).device
    device(type='cpu')
    """
    kind = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        # the mode asks every call of torch where it makes what: 5 % of a step that needs none
        with nullcontext() if torch.get_default_device() == torch.device("cpu") else torch.device(device):
            yield
    finally:
        torch.set_default_dtype(kind)


@usual_defaults()
def begin(config: Config, data: Dataset) -> tuple[Model, nn.Module | None]:
    """The model and the state of the objective, freshly drawn; no call shares a tensor with another.

    >>> config = Config(data={"name": "digits"})
    >>> begin(config, learned(config))[1] is None  # VICReg has no state
    True
    """
    objective, scale = config.objective, config.optimisation.initial_scale
    with initialisation(config.seed), torch.no_grad():
        encoder = config.encoder.build(tuple(data.images.shape[1:]))
        width = pooled(encoder.eval()(_blank(data))).shape[1]
        _check_sizes(config, data, encoder)
        projector = _projector(config, width, classes=len(data.classes))
        embedding = pooled(projector.eval()(encoder(_blank(data)))).shape[1]
        predictor = config.predictor.build(embedding) if objective.needs_predictor else None
        for weights in (*encoder.parameters(), *projector.parameters()):
            weights.mul_(scale)
        sizes = Dimensions(width, embedding, len(data.classes), config.optimisation.batch_size, len(data))
        state = objective.begin(sizes, stream(config.seed, "objective"))
    model = Model(encoder, projector, predictor=predictor, momentum=config.momentum).train()
    return _placed(model, data, config), None if state is None else _placed(state.train(), data, config)


def _source(data: Data) -> Source:
    kind, _, path = data.name.partition(":")
    if kind not in datasets.folder.KINDS:
        return data.name, data.options, data_root(), ""
    path = str(Path(path).expanduser().resolve())
    return f"{kind}:{path}", data.options, data_root(), datasets.folder.stamp(path)


@lru_cache(maxsize=2)
def _loaded(source: Source) -> tuple[Dataset, Dataset, str]:
    name, options, *_ = source
    train, test = datasets.load(name, **dict(options))
    return train, test, train.digest() + test.digest()


@lru_cache(maxsize=4)
def _chosen(source: Source, images: int) -> Dataset:
    train = _loaded(source)[0]
    if images > len(train):
        raise InputError("Config.data.images", images, f"at most the {len(train)} training images")
    if not images:
        return train
    return train.take(torch.randperm(len(train), generator=stream(0, "images"), device="cpu")[:images].sort().values)


def _check_fit(config: Config, train: Dataset) -> None:
    """Hold recipe, objective and data against each other; a text is its own only view."""
    views, objective = 1, config.objective
    if not train.images.is_floating_point():
        characters = int(train.images.max()) + 1
        if 0 < objective.logits(len(train.classes)) < characters:
            allowed = f"an objective of texts, with a logit for each of the {characters} characters"
            raise InputError("Config.objective", type(objective).__name__, allowed)
    else:
        recipe = config.augmentation(train.images.shape[1])
        recipe.check(train)
        views = sum(group.views or objective.views for group in recipe.groups)
    if not objective.compares(views):
        compared = f"as many views of each image as {type(objective).__name__} compares: {objective.views}"
        raise InputError("Config.recipe", f"{views} of them", compared)


@lru_cache(maxsize=4)
def _reference(source: Source, count: int) -> tuple[Dataset, Bool[Tensor, "n"]]:
    """A fixed draw from both sides, the same for every seed, so that runs are compared on the same images."""
    train, test, _ = _loaded(source)
    parts = []
    for name, part in (("train", train), ("test", test)):
        order = torch.randperm(len(part), generator=stream(0, f"reference/{name}"), device="cpu")
        parts.append(part.take(_with_every_class(order, part.labels, count=count).sort().values))
    both = parts[0].joined(parts[1])
    return both, torch.arange(len(both), device="cpu") >= len(parts[0])


def _with_every_class(order: Int64[Tensor, "n"], labels: Labels, *, count: int) -> Int64[Tensor, "m"]:
    """The first ``count`` of an order; the first of each class that is not among them takes the place of a late one.

    A probe that was fitted on a class, or is judged on one, needs an image of it. The places are those of classes that
    have another, from the end.
    """
    drawn = order[:count].tolist()
    held = Counter(labels[drawn].tolist())
    missing = [label for label in labels.unique().tolist() if label not in held]
    if len(missing) + len(held) > len(drawn):
        allowed = f"at least the {len(missing) + len(held)} classes of the data"
        raise InputError("Config.snapshots.reference", count, allowed)
    first = {label: int(order[labels[order] == label][0]) for label in missing}
    for place in reversed(range(len(drawn))):
        if not missing:
            break
        if held[label := int(labels[drawn[place]])] > 1:
            held[label] -= 1
            drawn[place] = first[missing.pop()]
    return torch.tensor(drawn, dtype=torch.int64, device="cpu")


def _projector(config: Config, width: int, *, classes: int) -> nn.Module:
    if logits := config.objective.logits(classes):
        texts = logits != classes
        return classifier(config.objective.prefixes(width), logits, bias=not texts)
    return config.projector.build(width)


def _check_sizes(config: Config, data: Dataset, encoder: nn.Module) -> None:
    """Try views of every size: a network without pooling reads one only."""
    groups = config.augmentation(data.images.shape[1]).groups if data.images.is_floating_point() else ()
    for size in {group.size for group in groups if group.size}:
        try:
            encoder(_blank(data)[..., :1, :1].expand(1, -1, size, size))
        except RuntimeError as error:
            allowed = f"views of a size that {type(config.encoder).__name__} reads"
            raise InputError("Config.recipe", f"{size} x {size} pixels", allowed) from error


def _blank(data: Dataset) -> Tensor:
    """One sample of the data's shape, to ask a network for its dimensions."""
    images = torch.zeros(1, *data.images.shape[1:], dtype=torch.get_default_dtype(), device="cpu")
    return images if data.images.is_floating_point() else images.long()


def _placed(module: Any, data: Dataset, config: Config) -> Any:
    """The module on the data's device, in the precision of the config."""
    return module.to(data.images.device, getattr(torch, config.compute.dtype), memory_format=torch.channels_last)
