"""Runs recorded once: read from the cache where they stand, trained to their end where not, and restored."""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, final

from filelock import FileLock
from torch import nn

from sslens.config import Config
from sslens.runtime import canonical, data_root, library_version, numerics, progress, settle, threads
from sslens.trace import MANIFEST, Trace, load
from sslens.train.loop import fit
from sslens.train.material import chosen, load_for, model_for, reference_of
from sslens.types import DamagedFile, Dataset, InputError


def record(config: Config, folder: Path | str | None = None) -> Trace:
    """The trace of a run: read from the cache where it stands complete, otherwise trained, or trained to its end.

    Runs are kept by config, content of the data, version of the training code, device and threads. Two processes that
    ask for the same run do not train it twice. A damaged run is set aside and trained anew, with a warning.

    Raises:
        InputError: as ``fit``; or ``folder`` holds another run.

    >>> record(Config.at("smoke", steps=4, snapshots=3)).steps
    [0, 1, 4]
    """
    return _recorded(config, _Material.of(config), folder)


def record_all(configs: Sequence[Config], *, label: str = "runs") -> tuple[Trace, ...]:
    """The traces of many runs, in the order asked for; those not in the cache are trained beside each other.

    A run computes in one process; on a CPU as many of them run at a time as there are processors, on a GPU one. When
    interrupted, every run keeps what it had recorded, and the next call goes on from there.

    Raises:
        InputError: as ``record``, for any of the runs, before the first of them is trained.

    >>> [trace.steps for trace in record_all([Config.at("smoke", steps=steps, snapshots=2) for steps in (1, 2)])]
    [[0, 1], [0, 2]]
    """
    settings = {(config.dataset, config.image_size): config for config in configs}
    materials = {setting: _Material.of(config) for setting, config in settings.items()}
    known = [(config, materials[config.dataset, config.image_size]) for config in configs]
    missing = [config for config, material in dict(known).items() if _status(material.place(config)) == "running"]
    for _ in progress(_trained(missing), total=len(missing), label=label) if missing else ():
        pass
    return tuple(_recorded(config, material) for config, material in known)


def restore(trace: Trace, index: int = -1, *, head: bool = False) -> nn.Module:
    """The encoder as it was at a snapshot, in eval mode on the CPU; with its ``head`` behind it where asked.

    The head is the projector, or of a supervised run the classifier: then the outputs are logits.

    Raises:
        InputError: the trace has no such snapshot.

    >>> trace = record(Config.at("smoke", steps=4, snapshots=3))
    >>> restore(trace, 0).training, len(restore(trace, head=True))
    (False, 2)
    """
    if not -len(trace.snapshots) <= index < len(trace.snapshots):
        raise InputError("index", index, f"a position among the {len(trace.snapshots)} snapshots")
    model = model_for(Config(**trace.config), trace.reference)
    parts = {"encoder": model.encoder, "projector": model.projector}
    for name, part in parts.items():
        part.load_state_dict(trace.snapshots[index].part(f"model.{name}"))
    return nn.Sequential(*parts.values()).eval() if head else model.encoder.eval()


@final
@dataclass(frozen=True, eq=False)
class _Material:
    """A data set with its digest, which takes a second for large ones, shared by the runs that learn from it."""

    train: Dataset
    test: Dataset
    digest: str

    @classmethod
    def of(cls, config: Config) -> "_Material":
        train, test = load_for(config)
        return cls(train, test, train.digest() + test.digest())

    def provenance(self, config: Config) -> dict[str, Any]:
        return {"library": library_version(), "data": self.digest, **numerics(settle(config.device))}

    def place(self, config: Config) -> Path:
        """Where the cache keeps a run; asking for it refuses a config that this material cannot serve."""
        chosen(config, self.train)
        name = hashlib.sha256(canonical([asdict(config), self.provenance(config)]).encode()).hexdigest()[:24]
        return data_root() / "cache" / "runs" / name


def _recorded(config: Config, material: _Material, folder: Path | str | None = None) -> Trace:
    place = material.place(config) if folder is None else Path(folder)
    provenance = material.provenance(config)
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(place.name + ".lock")):
        trace = _kept(place)
        if trace is None:
            reference, held_out = reference_of(config, material.train, material.test)
            trace = Trace(asdict(config), reference, held_out, (), provenance)
        if (trace.config, trace.provenance) != (asdict(config), provenance):
            raise InputError("folder", str(place), "an empty folder or one that holds this very run")
        if trace.status != "running":
            return trace
        going = fit(config, after=trace.snapshots[-1] if trace.snapshots else None)
        for snapshot in progress(going, total=config.steps, label=f"{config.objective}, seed {config.seed}"):
            trace = replace(trace, snapshots=(*trace.snapshots, snapshot))
            trace.save(place)
        return trace


def _trained(configs: Sequence[Config]) -> Iterator[Config]:
    """Train each of them into the cache, and name it when it is there."""
    beside = min(len(configs), len(os.sched_getaffinity(0)) // threads())
    if beside < 2 or any(settle(config.device).type == "cuda" for config in configs):
        for config in configs:
            record(config)
            yield config
        return
    # Fresh processes: a fork would copy torch's threads in whatever state they are.
    with ProcessPoolExecutor(beside, mp_context=get_context("spawn"), initializer=_in_silence) as pool:
        going = {pool.submit(_train, config): config for config in configs}
        try:
            for done in as_completed(going):
                done.result()
                yield going[done]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _train(config: Config) -> None:
    record(config)  # the trace is not sent back: it is larger than what the parent reads from the cache


def _in_silence() -> None:
    """A worker shows no progress: the parent does, for all of them."""
    os.environ["SSLENS_LIVE"] = "0"
    os.environ.pop("SSLENS_PROGRESS", None)


def _status(place: Path) -> str:
    """What a run's manifest says of it; ``running`` where there is none or it cannot be read."""
    try:
        return str(json.loads((place / MANIFEST).read_text())["status"])
    except (OSError, ValueError, KeyError, TypeError):
        return "running"


def _kept(place: Path) -> Trace | None:
    """What an earlier call left behind; a damaged run is moved out of the way, never deleted."""
    if not (place / MANIFEST).is_file():
        return None
    try:
        return load(place)
    except DamagedFile as damage:
        aside = place.with_name(f"{place.name}.damaged-{len(list(place.parent.glob(place.name + '.damaged-*')))}")
        warnings.warn(f"{damage} The run is set aside in {aside.name} and trained anew.", stacklevel=4)
        place.rename(aside)
        return None
