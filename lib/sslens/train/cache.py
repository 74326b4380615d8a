"""Runs recorded once: read from the cache where they stand, trained to their end where not, replayed, restored."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from sslens import datasets, fingerprint
from sslens.places import ROOM, alone, require_room, set_aside
from sslens.progress import progress
from sslens.runtime import canonical_json, configure_torch, data_root, numerics
from sslens.store import MANIFEST, read_sealed
from sslens.trace import Snapshot, Trace, load
from sslens.train.config import Config
from sslens.train.estimate import side_by_side, space
from sslens.train.loop import fit
from sslens.train.naming import is_registered
from sslens.train.setup import Setup, model_for, prepare
from sslens.train.workers import trained_by_workers
from sslens.types import DamagedFile, InputError

FOLDER = "traces"
"""Below the cache of the data root."""


def record(config: Config, folder: Path | str | None = None) -> Trace:
    """The trace of a run: read from the cache where it stands complete, otherwise trained, or trained to its end.

    Runs are kept by what decides them: config, content of the data, the code of the loop and of the parts that the
    config names, torch, device and threads. Two processes that want the same run do not train it twice. A damaged run
    is set aside and trained anew, with a warning.

    Raises:
        InputError: as ``fit``; ``folder`` holds another run; or there is no room for the trace: this is found out
            before anything is trained; where a disk fills up meanwhile, what was recorded stays.

    >>> record(Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})).steps
    [0, 1, 4]
    """
    return _recorded(prepare(config), folder)


def record_all(configs: Sequence[Config], *, label: str = "runs") -> tuple[Trace, ...]:
    """The traces of many runs, in the order given; those not in the cache are trained beside each other.

    A run computes in one process; on a CPU as many of them run at a time as ``runtime.cores`` and the memory that is
    free allow, on a GPU one.
    When interrupted, every run keeps what it had recorded, and the next call goes on from there.

    Raises:
        InputError: as ``record``, for any of the runs, before the first of them is trained.

    >>> short = [Config.at("smoke", optimisation={"steps": steps}, snapshots={"count": 2}) for steps in (1, 2)]
    >>> [trace.steps for trace in record_all(short)]
    [[0, 1], [0, 2]]
    """
    setups = {config: prepare(config) for config in dict.fromkeys(configs)}
    missing = [setup for setup in setups.values() if _status(_place(setup)) == "running"]
    needed = {kind: space(kind) for kind in {setup.config.changed(seed=0): setup for setup in missing}.values()}
    if missing:  # a network that does not fit the data has been refused by now
        require_room(_place(missing[0]).parent, ROOM + len(missing) * max(needed.values()), field="cache")
    for _ in progress(_trained(missing), total=len(missing), label=label) if missing else ():
        pass
    traces = {config: _recorded(setup) for config, setup in setups.items()}
    return tuple(traces[config] for config in configs)


def key(config: Config) -> str:
    """The name a run is kept under: 24 hexadecimal digits of all that decides its numbers.

    Raises:
        InputError: as ``prepare``.

    >>> key(Config()) == key(Config()), key(Config()) == key(Config(seed=1))
    (True, False)
    """
    return _key(prepare(config))


def provenance(config: Config, *, data: str) -> dict[str, Any]:
    """What decides a run's numbers here besides its config: code, torch, device, threads, processor, its data's digest.

    Raises:
        InputError: a device that is not there.

    >>> sorted(provenance(Config(), data="0" * 32))
    ['code', 'data', 'device', 'processor', 'threads', 'torch']
    """
    code = fingerprint.of_modules(*modules_of(config))
    return {"code": code, "data": data, **numerics(configure_torch(config.compute.device))}


def name_of(config: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    """The key of a run from its config as JSON and its provenance.

    >>> len(name_of(Config().to_json(), provenance(Config(), data="0" * 32)))
    24
    """
    content = canonical_json([dict(config), dict(provenance)])
    return hashlib.sha256(content.encode()).hexdigest()[:24]


def modules_of(config: Config) -> tuple[str, ...]:
    """The modules that decide a run's numbers, before what they import: the loop, and those of the config's parts.

    >>> "sslens.objectives.vicreg" in modules_of(Config())
    True
    """
    parts = [type(part).__module__ for part in (config.encoder, config.predictor, config.objective)]
    ours = [name for name in parts if name.split(".")[0] == fingerprint.HOUSE]
    return ("sslens.train.loop", datasets.loader_module(config.data.name), *ours)


def replay(trace: Trace, index: int) -> Snapshot:
    """A snapshot with everything that training goes on from, where a trace kept its features and weights only.

    Trained again from the last full snapshot before it, to the same bits.

    Raises:
        InputError: the trace has no such snapshot.

    >>> run = record(Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 4}))
    >>> run.snapshots[1].resumable, replay(run, 1).resumable
    (False, True)
    """
    wanted = _snapshot_at(trace, index)
    if wanted.resumable:
        return wanted
    earlier = [each for each in trace.snapshots if each.step < wanted.step and each.resumable]
    going = fit(Config.of_json(trace.config), after=earlier[-1])
    return next(snapshot for snapshot in going if snapshot.step == wanted.step)


def restore(trace: Trace, index: int = -1, *, head: bool = False) -> nn.Module:
    """The encoder as it was at a snapshot, in eval mode, in its own precision, on the CPU; with its ``head`` if wanted.

    The head is the projector, or of a supervised run the classifier: then the outputs are logits.

    Raises:
        InputError: the trace has no such snapshot.

    >>> trace = record(Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3}))
    >>> restore(trace, 0).training, len(restore(trace, head=True))
    (False, 2)
    """
    snapshot = _snapshot_at(trace, index)
    model = model_for(Config.of_json(trace.config), trace.reference)
    parts = {"encoder": model.encoder, "projector": model.projector}
    for name, part in parts.items():
        part.load_state_dict(snapshot.part(f"model.{name}"))
    return nn.Sequential(*parts.values()).eval() if head else model.encoder.eval()


def _snapshot_at(trace: Trace, index: int) -> Snapshot:
    if not -len(trace.snapshots) <= index < len(trace.snapshots):
        raise InputError("index", index, f"a position among the {len(trace.snapshots)} snapshots")
    return trace.snapshots[index]


def _provenance(setup: Setup) -> dict[str, Any]:
    return provenance(setup.config, data=setup.digest)


def _key(setup: Setup) -> str:
    return name_of(setup.config.to_json(), _provenance(setup))


def _place(setup: Setup) -> Path:
    return data_root() / "cache" / FOLDER / _key(setup)


def _recorded(setup: Setup, folder: Path | str | None = None) -> Trace:
    place, ours = _place(setup) if folder is None else Path(folder), folder is None
    config, provenance = setup.config.to_json(), _provenance(setup)
    with alone(place.with_name(place.name + ".lock"), field="cache" if ours else "folder"):
        trace = _stored(place) or Trace(config, setup.reference, setup.held_out, (), provenance)
        if (trace.config, trace.provenance) != (config, provenance):
            if not ours:
                raise InputError("folder", str(place), "an empty folder or one that holds this very run")
            _set_aside(place, "It holds another run than its name says.")
            trace = Trace(config, setup.reference, setup.held_out, (), provenance)
        trace = replace(trace, reference=setup.reference, held_out=setup.held_out)  # one copy for all runs
        return trace if trace.status != "running" else _trained_to_its_end(trace, setup, place=place)


def _trained_to_its_end(trace: Trace, setup: Setup, *, place: Path) -> Trace:
    require_room(place.parent, ROOM + space(setup), field="cache")
    going = fit(setup, after=trace.snapshots[-1] if trace.snapshots else None)
    done, total = max(trace.steps, default=0), setup.config.optimisation.steps
    for snapshot in progress(going, total=total, label=setup.config.label, done=done):
        trace = trace.with_snapshot(snapshot)
        try:
            trace.save(place)
        except OSError as error:
            kept = f"What was recorded before step {snapshot.step} is whole, and the next call goes on from there."
            raise InputError("cache", str(place), "a folder that can be written to", f"{error}. {kept}") from error
    return trace


def _trained(setups: Sequence[Setup]) -> Iterator[Setup]:
    """Train each of them into the cache, and name it when it is there."""
    beside = side_by_side(setups)
    sent = [] if beside < 2 else [setup for setup in setups if _can_be_sent(setup.config)]
    for setup in setups:
        if setup not in sent:
            _recorded(setup)
            yield setup
    if sent:
        configs = [setup.config.to_json() for setup in sent]
        yield from (sent[place] for place in trained_by_workers(configs, beside))


def _can_be_sent(config: Config) -> bool:
    """Whether another process can make the same config: a class written in a notebook exists in this one only."""
    return all(is_registered(part) for part in (config.encoder, config.predictor, config.objective))


def _status(place: Path) -> str:
    """What a run's manifest says of it; ``running`` where there is none or it cannot be read."""
    try:
        return str(read_sealed(place)["status"])
    except (DamagedFile, KeyError):
        return "running"


def _stored(place: Path) -> Trace | None:
    """What an earlier call left behind; a damaged run is moved out of the way, never deleted."""
    if not (place / MANIFEST).exists():
        if _is_in_the_way(place):
            _set_aside(place, f"{place.name} is no run.")
        return None
    try:
        return load(place)
    except DamagedFile as damage:
        _set_aside(place, str(damage))
        return None


def _is_in_the_way(place: Path) -> bool:
    """Whether something without a manifest is more than the beginning of a run, whose files are written anew."""
    return place.exists() and not (place.is_dir() and all(each.is_file() for each in place.iterdir()))


def _set_aside(place: Path, why: str) -> None:
    aside = set_aside(place)
    warnings.warn(f"{why} The run is set aside in {aside.name} and trained anew.", stacklevel=5)
