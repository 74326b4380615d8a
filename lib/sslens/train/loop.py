"""The loop: training as a generator of snapshots."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from sslens.encoders import Model, pooled
from sslens.objectives import Objective
from sslens.runtime import configure_torch, stream
from sslens.trace import Snapshot
from sslens.train.config import Config
from sslens.train.setup import Setup, begin, given_labels, prepare, usual_defaults
from sslens.types import Dataset, InputError, Labels, Outputs, Scalar, Views
from sslens.views import augment

TENSORS = ("representation", "embedding", "prediction", "target")
Batch = tuple[Dataset, Labels]
"""Images with their true labels, and the labels that the run is given for them."""


@final
@dataclass(frozen=True, eq=False)
class TrainState:
    """A running training: its data on the device, and everything that changes with a step.

    >>> list(TrainState.of(prepare(Config(data={"name": "digits"}))).parts)
    ['model']
    """

    config: Config
    train: Dataset
    reference: Dataset
    model: Model
    state: nn.Module | None
    """Of the objective."""
    optimizer: AdamW

    @classmethod
    def of(cls, setup: Setup) -> "TrainState":
        """A training at its first step, on the device that the config names."""
        config = setup.config
        device, kind = configure_torch(config.compute.device), getattr(torch, config.compute.dtype)
        train, reference = (data.to(device, kind) for data in (setup.train, setup.reference))
        model, state = begin(config, train)
        trained = [*model.parameters(), *([] if state is None else state.parameters())]
        learnable = [parameter for parameter in trained if parameter.requires_grad]
        optimizer = AdamW(learnable, weight_decay=config.optimisation.weight_decay)
        return cls(config, train, reference, model, state, optimizer)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What is trained and saved, by name."""
        return {"model": self.model} | ({} if self.state is None else {"objective": self.state})


def fit(given: Config | Setup, *, after: Snapshot | None = None) -> Iterator[Snapshot]:
    """Train, and hand out a snapshot at every step that the config names; whoever consumes them is in charge.

    Pass ``after`` to go on from a snapshot: the run ends in the same bits as one that never stopped, because every
    random draw has a stream of its own for every step. A run that diverges hands out one last snapshot that says so.

    Raises:
        InputError: as ``prepare``; the device is not there, or ``after`` holds no state of the optimiser (``replay``
            gets it back).

    >>> short = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> [snapshot.step for snapshot in fit(short)]
    [0, 1, 4]
    """
    training = TrainState.of(prepare(given) if isinstance(given, Config) else given)
    if after is None:
        yield _snapshot(training, 0, [])
    else:
        _resume(training, after)
    config, start = training.config, after.step if after else 0
    measured = set(config.snapshots.steps(config.optimisation.steps))
    terms: list[dict[str, Scalar]] = []
    for step, (batch, labels) in enumerate(_batches(training, start), start):
        for group in training.optimizer.param_groups:
            group["lr"] = config.optimisation.rate(step)
        terms.append(_step(training, step, batch, labels))
        if step + 1 in measured:
            snapshot, terms = _snapshot(training, step + 1, terms), []
            yield snapshot
            if snapshot.diverged:
                return


def _batches(training: TrainState, start: int) -> Iterator[Batch]:
    """One batch after another from step ``start`` on; the order of every epoch has its own stream, so have its labels.

    Labels are redrawn with every task, for the share of them that is noise.
    """
    config, train, device = training.config, training.train, training.train.labels.device
    order, labels = torch.empty(0, dtype=torch.int64, device=device), train.labels
    size, steps, tasks = config.optimisation.batch_size, config.optimisation.steps, config.data.tasks
    for step in range(start, steps):
        epoch, place = divmod(step, len(train) // size)
        if place == 0 or step == start:
            order = torch.randperm(len(train), generator=stream(config.seed, f"order/{epoch}", device), device=device)
        task = step * tasks // steps
        if step == start or task != (step - 1) * tasks // steps:
            labels = given_labels(config, train, task=task)
        index = order[place * size : (place + 1) * size]
        yield train.take(index), labels[index]


def _step(training: TrainState, step: int, batch: Dataset, labels: Labels) -> dict[str, Scalar]:
    """One training step; nothing in it waits for the device."""
    with usual_defaults(batch.images.device):
        outputs, terms = _terms(training, step, batch, labels)
        training.optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
    with usual_defaults():  # the optimiser's count of steps, for which a GPU would be waited for
        training.optimizer.step()
    with usual_defaults(batch.images.device):
        training.model.after_step(outputs)
        with torch.no_grad():
            training.config.objective.after_step(outputs, training.state)
    return {name: term.detach() for name, term in terms.items()}


def _terms(training: TrainState, step: int, batch: Dataset, labels: Labels) -> tuple[Outputs, dict[str, Scalar]]:
    """What the model says of a batch, and the terms of the loss."""
    config, objective, images = training.config, training.config.objective, batch.images
    groups = _views(config, step, batch)
    half = config.compute.autocast or (images.device.type == "cuda" and config.compute.dtype == "float32")
    with torch.autocast(images.device.type, torch.bfloat16, enabled=half):
        outputs = training.model(groups)
    # The objective sees full precision: terms of three digits would be recorded otherwise.
    kind = getattr(torch, config.compute.dtype)
    full = {name: getattr(outputs, name).to(kind) for name in TENSORS}
    outputs = Outputs(**full, labels=labels, inputs=None if images.is_floating_point() else images)
    return outputs, _checked_terms(objective, objective.terms(outputs, training.state))


def _checked_terms(objective: Objective, terms: Any) -> dict[str, Scalar]:
    """Terms that can be summed and recorded; of a row of numbers nobody asked for the sum."""
    if not isinstance(terms, Mapping) or not terms or any(getattr(term, "ndim", -1) for term in terms.values()):
        raise InputError(
            f"terms of {type(objective).__name__}", terms, "one number, a 0-d tensor, for each of their names"
        )
    return dict(terms)


def _views(config: Config, step: int, batch: Dataset) -> tuple[Views, ...]:
    """The augmented images of a step, in groups of one size; a text is its own only view."""
    images = batch.images
    if not images.is_floating_point():
        return (images[None],)
    recipe, generator = config.augmentation(images.shape[1]), stream(config.seed, f"views/{step}", images.device)
    known = {"labels": batch.labels, "factors": batch.factors}
    return augment(images, recipe, generator, views=config.objective.views, **known)


@torch.no_grad()
def _snapshot(training: TrainState, step: int, terms: list[dict[str, Scalar]]) -> Snapshot:
    encoder, projector = training.model.encoder.eval(), training.model.projector.eval()
    with usual_defaults(training.reference.images.device):
        h = torch.cat([encoder(images) for images in training.reference.images.split(512)])
        representation, embedding = pooled(h), pooled(projector(h))
    training.model.train()
    curves = {name: torch.stack([each[name] for each in terms]).cpu() for name in terms[0]} if terms else {}
    return Snapshot(step, representation.cpu(), embedding.cpu(), curves, _state(training))


def _state(training: TrainState) -> dict[str, Tensor]:
    """Every tensor that training goes on from, copied; random streams need none, they start anew at every step."""
    state: dict[str, Tensor] = {}
    for part, module in training.parts.items():
        state |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
        for name, parameter in module.named_parameters():
            for key, value in training.optimizer.state.get(parameter, {}).items():
                state[f"optimizer.{key}.{part}.{name}"] = value
    return {name: value.detach().cpu().clone() for name, value in state.items()}


def _resume(training: TrainState, snapshot: Snapshot) -> None:
    """Put a snapshot's state back; moments keep their parameter's memory layout, which decides how sums are rounded."""
    moments = snapshot.part("optimizer")
    if snapshot.step and not moments:
        raise InputError("after", f"a snapshot of step {snapshot.step}", "one with the state of the optimiser")
    for part, module in training.parts.items():
        module.load_state_dict(snapshot.part(part))
        for name, parameter in module.named_parameters():
            key = f"{part}.{name}"
            if f"step.{key}" in moments:
                means = {
                    moment: torch.empty_like(parameter).copy_(moments[f"{moment}.{key}"])
                    for moment in ("exp_avg", "exp_avg_sq")
                }
                training.optimizer.state[parameter] = {"step": moments[f"step.{key}"].clone(), **means}
