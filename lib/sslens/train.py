"""Work: training as a generator of snapshots; runs recorded once, continued where they stopped, restored."""

import hashlib
import inspect
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import final

import torch
from filelock import FileLock
from jaxtyping import Bool, Int
from torch import Tensor, nn
from torch.optim import AdamW

from sslens import datasets
from sslens.config import Config
from sslens.encoders import ENCODERS, Model, head
from sslens.objectives import OBJECTIVES, Objective
from sslens.runtime import canonical, data_root, initialisation, library_version, numerics, progress, settle, stream
from sslens.trace import MANIFEST, Snapshot, Trace, load
from sslens.types import DamagedFile, Dataset, Images, InputError, Outputs, Scalar
from sslens.views import views

__all__ = ["Config", "fit", "record", "restore"]


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
    for step, index in enumerate(_batches(bench, start), start):
        for group in bench.optimizer.param_groups:
            group["lr"] = config.rate(step)
        terms.append(_step(bench, step, bench.train.images[index]))
        if step + 1 in looks:
            snapshot, terms = _look(bench, step + 1, terms), []
            yield snapshot
            if snapshot.diverged:
                return


def record(config: Config, folder: Path | str | None = None) -> Trace:
    """The trace of a run: read from the cache where it stands complete, otherwise trained, or trained to its end.

    Runs are kept by config, content of the data, version of the training code, device and threads. Two processes that
    ask for the same run do not train it twice. A damaged run is set aside and trained anew, with a warning.

    Raises:
        InputError: as ``fit``; or ``folder`` holds another run.

    >>> record(Config.at("smoke", steps=4, snapshots=3)).steps
    [0, 1, 4]
    """
    device = settle(config.device)
    train, test = _material(config)
    reference, held_out = _reference(config, train, test)
    provenance = {"library": library_version(), "data": train.digest() + test.digest(), **numerics(device)}
    name = hashlib.sha256(canonical([asdict(config), provenance]).encode()).hexdigest()[:24]
    place = Path(folder) if folder is not None else data_root() / "cache" / "runs" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(place.name + ".lock")):
        trace = _kept(place) or Trace(asdict(config), reference, held_out, (), provenance)
        if (trace.config, trace.provenance) != (asdict(config), provenance):
            raise InputError("folder", str(place), "an empty folder or one that holds this very run")
        if trace.status != "running":
            return trace
        going = fit(config, after=trace.snapshots[-1] if trace.snapshots else None)
        for snapshot in progress(going, total=config.steps, label=f"{config.objective}, seed {config.seed}"):
            trace = replace(trace, snapshots=(*trace.snapshots, snapshot))
            trace.save(place)
        return trace


def restore(trace: Trace, index: int = -1) -> nn.Module:
    """The encoder as it was at a snapshot, in eval mode on the CPU.

    Raises:
        InputError: the trace has no such snapshot.

    >>> restore(record(Config.at("smoke", steps=4, snapshots=3)), 0).training
    False
    """
    if not -len(trace.snapshots) <= index < len(trace.snapshots):
        raise InputError("index", index, f"a position among the {len(trace.snapshots)} snapshots")
    config = Config(**trace.config)
    model = _model(config, trace.reference)
    model.encoder.load_state_dict(trace.snapshots[index].part("model.encoder"))
    return model.encoder.eval()


def _kept(place: Path) -> Trace | None:
    """What an earlier call left behind; a damaged run is moved out of the way, never deleted."""
    if not (place / MANIFEST).is_file():
        return None
    try:
        return load(place)
    except DamagedFile as damage:
        aside = place.with_name(f"{place.name}.damaged-{len(list(place.parent.glob(place.name + '.damaged-*')))}")
        warnings.warn(f"{damage} The run is set aside in {aside.name} and trained anew.", stacklevel=3)
        place.rename(aside)
        return None


def _material(config: Config) -> tuple[Dataset, Dataset]:
    folder = config.dataset.startswith("folder:")
    train, test = datasets.load(config.dataset, **({"size": config.image_size} if folder else {}))
    if len(train) < config.batch_size:
        raise InputError("Config.batch_size", config.batch_size, f"at most the {len(train)} training images")
    return train, test


def _reference(config: Config, train: Dataset, test: Dataset) -> tuple[Dataset, Bool[Tensor, "n"]]:
    """A fixed draw from both sets, the same for every seed, so that runs are compared on the same images."""
    parts = []
    for name, part in (("train", train), ("test", test)):
        order = torch.randperm(len(part), generator=stream(0, f"reference/{name}"))
        parts.append(part.take(order[: config.reference].sort().values))
    first, second = parts
    factors = {name: torch.cat([values, second.factors[name]]) for name, values in first.factors.items()}
    images, labels = torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels])
    return Dataset(images, labels, train.classes, factors), torch.arange(len(labels)) >= len(first)


def _model(config: Config, data: Dataset) -> Model:
    channels, size = data.images.shape[1], data.images.shape[-1]
    with initialisation(config.seed), torch.no_grad():
        encoder = ENCODERS[config.encoder](channels, size, config.width)
        dimensions = encoder.eval()(torch.zeros(1, channels, size, size)).shape[1]
        projector = head(dimensions, config.hidden, config.embedding)
        needed = _objective(config).needs_predictor
        predictor = head(config.embedding, config.hidden // 2, config.embedding) if needed else None
    model = Model(encoder, projector, predictor=predictor, momentum=config.momentum).train()
    return model.to(data.images, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - stubs lack it


def _objective(config: Config) -> Objective:
    """The objective takes from the config the fields that its constructor names."""
    kind = OBJECTIVES[config.objective]
    return kind(**{name: getattr(config, name) for name in inspect.signature(kind).parameters})


def _bench(config: Config) -> _Bench:
    device = settle(config.device)
    train, test = _material(config)
    train, reference = (
        part.to(device, getattr(torch, config.dtype)) for part in (train, _reference(config, train, test)[0])
    )
    model = _model(config, train)
    optimizer = AdamW((each for each in model.parameters() if each.requires_grad), weight_decay=config.weight_decay)
    return _Bench(config, train, reference, model, _objective(config), optimizer)


def _batches(bench: _Bench, start: int) -> Iterator[Int[Tensor, "b"]]:
    """Indices of one batch after another from step ``start`` on; the order of every epoch has its own stream."""
    config, device, count = bench.config, bench.train.labels.device, len(bench.train)
    order = torch.empty(0, dtype=torch.int64)
    for step in range(start, config.steps):
        epoch, place = divmod(step, count // config.batch_size)
        if place == 0 or step == start:
            order = torch.randperm(count, generator=stream(config.seed, f"order/{epoch}", device), device=device)
        yield order[place * config.batch_size : (place + 1) * config.batch_size]


def _step(bench: _Bench, step: int, images: Images) -> dict[str, Scalar]:
    """One training step; nothing in it waits for the device."""
    config, device = bench.config, images.device
    half = device.type == "cuda" and config.dtype == "float32"
    generator = stream(config.seed, f"views/{step}", device)
    strength = torch.full((len(images),), config.strength, device=device, dtype=images.dtype)
    pair = views(images, config.augmentation(images.shape[1]), generator, strength=strength)
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        outputs = bench.model(pair)
    # The objective sees full precision: terms of three digits would be recorded otherwise.
    outputs = Outputs(*(getattr(outputs, field.name).to(images.dtype) for field in fields(outputs)))
    terms = bench.objective.terms(outputs)
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
