"""The loop: training as a generator of snapshots."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from sslens.config import Config
from sslens.datasets.noise import mislabelled
from sslens.encoders import Model
from sslens.objectives import Objective
from sslens.runtime import settle, stream
from sslens.trace import Snapshot
from sslens.train.material import chosen, load_for, model_for, objective_for, reference_of
from sslens.types import Dataset, Images, Labels, Outputs, Scalar
from sslens.views import views

TENSORS = ("representation", "embedding", "prediction", "target")


@final
@dataclass(frozen=True, eq=False)
class _Bench:
    """What a running training holds in its hands."""

    config: Config
    train: Dataset
    reference: Dataset
    model: Model
    objective: Objective
    optimizer: AdamW


def fit(config: Config, *, after: Snapshot | None = None) -> Iterator[Snapshot]:
    """Train, and hand out a snapshot at every step of ``config.looks()``; whoever consumes them is in charge.

    Pass ``after`` to go on from a snapshot: the run ends in the same bits as one that never stopped, because every
    random draw has a stream of its own for every step. A run that diverges hands out one last snapshot that says so.

    Raises:
        InputError: the data set has fewer images than a batch needs, or the device is not there.

    >>> [snapshot.step for snapshot in fit(Config.at("smoke", steps=4, snapshots=3))]
    [0, 1, 4]
    """
    bench = _bench(config)
    if after is None:
        yield _look(bench, 0, [])
    else:
        _resume(bench, after)
    looks, start = set(config.looks()), after.step if after else 0
    terms: list[dict[str, Scalar]] = []
    for step, (images, labels) in enumerate(_batches(bench, start), start):
        for group in bench.optimizer.param_groups:
            group["lr"] = config.rate(step)
        terms.append(_step(bench, step, images, labels))
        if step + 1 in looks:
            snapshot, terms = _look(bench, step + 1, terms), []
            yield snapshot
            if snapshot.diverged:
                return


def _bench(config: Config) -> _Bench:
    device = settle(config.device)
    train, test = load_for(config)
    parts = chosen(config, train), reference_of(config, train, test)[0]
    train, reference = (part.to(device, getattr(torch, config.dtype)) for part in parts)
    model = model_for(config, train)
    optimizer = AdamW((each for each in model.parameters() if each.requires_grad), weight_decay=config.weight_decay)
    return _Bench(config, train, reference, model, objective_for(config), optimizer)


def _batches(bench: _Bench, start: int) -> Iterator[tuple[Images, Labels]]:
    """One batch after another from step ``start`` on; the order of every epoch has its own stream, so have its labels.

    Labels are redrawn with every task, for the share of them that is noise.
    """
    config, train, device = bench.config, bench.train, bench.train.labels.device
    order, labels = torch.empty(0, dtype=torch.int64), train.labels
    for step in range(start, config.steps):
        epoch, place = divmod(step, len(train) // config.batch_size)
        if place == 0 or step == start:
            order = torch.randperm(len(train), generator=stream(config.seed, f"order/{epoch}", device), device=device)
        task = step * config.tasks // config.steps
        if config.label_noise and (step == start or task != (step - 1) * config.tasks // config.steps):
            drawn = {"classes": len(train.classes), "generator": stream(config.seed, f"labels/{task}")}
            labels = mislabelled(train.labels, config.label_noise, **drawn)
        index = order[place * config.batch_size : (place + 1) * config.batch_size]
        yield train.images[index], labels[index]


def _step(bench: _Bench, step: int, images: Images, labels: Labels) -> dict[str, Scalar]:
    """One training step; nothing in it waits for the device."""
    config, device = bench.config, images.device
    half = device.type == "cuda" and config.dtype == "float32"
    generator = stream(config.seed, f"views/{step}", device)
    strength = torch.full((len(images),), config.strength, device=device, dtype=images.dtype)
    recipe, count = config.augmentation(images.shape[1]), 1 if bench.objective.supervised else 2
    seen = views(images, recipe, generator, count=count, strength=strength)
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        outputs = bench.model(seen)
    # The objective sees full precision: terms of three digits would be recorded otherwise.
    full = {name: getattr(outputs, name).to(images.dtype) for name in TENSORS}
    terms = bench.objective.terms(outputs := Outputs(**full, labels=labels))
    bench.optimizer.zero_grad()
    torch.stack(list(terms.values())).sum().backward()
    bench.optimizer.step()
    bench.model.follow()
    bench.objective.after_step(outputs)
    return {name: term.detach() for name, term in terms.items()}


@torch.no_grad()
def _look(bench: _Bench, step: int, terms: list[dict[str, Scalar]]) -> Snapshot:
    encoder, projector = bench.model.encoder.eval(), bench.model.projector.eval()
    representation = torch.cat([encoder(images) for images in bench.reference.images.split(512)])
    embedding = projector(representation)
    bench.model.train()
    curves = {name: torch.stack([each[name] for each in terms]).cpu() for name in terms[0]} if terms else {}
    return Snapshot(step, representation.cpu(), embedding.cpu(), curves, _state(bench))


def _state(bench: _Bench) -> dict[str, Tensor]:
    """Every tensor that training goes on from, copied; random streams need none, they start anew at every step."""
    state = {f"model.{name}": value for name, value in bench.model.state_dict().items()}
    for name, parameter in bench.model.named_parameters():
        for key, value in bench.optimizer.state.get(parameter, {}).items():
            state[f"optimizer.{key}.{name}"] = value
    if isinstance(bench.objective, nn.Module):
        state |= {f"objective.{name}": value for name, value in bench.objective.state_dict().items()}
    return {name: value.detach().cpu().clone() for name, value in state.items()}


def _resume(bench: _Bench, snapshot: Snapshot) -> None:
    """Put a snapshot's state back; moments keep their parameter's memory layout, which decides how sums are rounded."""
    bench.model.load_state_dict(snapshot.part("model"))
    moments = snapshot.part("optimizer")
    for name, parameter in bench.model.named_parameters():
        if f"step.{name}" in moments:
            means = {
                key: torch.empty_like(parameter).copy_(moments[f"{key}.{name}"]) for key in ("exp_avg", "exp_avg_sq")
            }
            bench.optimizer.state[parameter] = {"step": moments[f"step.{name}"].clone(), **means}
    if isinstance(bench.objective, nn.Module):
        bench.objective.load_state_dict(snapshot.part("objective"))
