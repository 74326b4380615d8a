"""Runs by name and seed: trained side by side, and measured into labelled numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any, Literal, final

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from xarray import DataArray

from sslens.objectives import lowest
from sslens.trace import Snapshot, Trace
from sslens.train.cache import record_all, restore
from sslens.train.config import Config
from sslens.types import Features, InputError, Range, UnknownName, checked

Layer = Literal["representation", "embedding"]
Side = Literal["both", "train", "test"]
When = Literal["always", "start", "end"]
Labelled = tuple[Float[Tensor, "n d"], Int[Tensor, "n"]]
"""Features and labels, as every probe takes them."""
Seeds = int | Sequence[int] | np.integer | np.ndarray
Number = float | Shaped[Tensor, "*n"]
"""What a measure returns: one number, or one for each sample (its rank, whether it is right)."""


@final
@dataclass(frozen=True, eq=False)
class Runs:
    """Traces by name and seed. What is measured of them is an array over run, seed and step; nothing is left out.

    >>> runs = Runs.of({"simclr": Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})}, seeds=2)
    >>> runs.along(lambda z: z.var().item(), of="embedding", name="variance").dims
    ('run', 'seed', 'step')
    """

    traces: Mapping[str, tuple[Trace, ...]]
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, configs: Mapping[str, Config], *, seeds: Seeds = 1, label: str = "runs") -> "Runs":
        """Read each run for each seed (a number means 0, 1, ...), or train what is missing, side by side, resumably.

        Raises:
            InputError: no run, no seed, or what ``record`` refuses; nothing is trained then.
        """
        if not isinstance(configs, Mapping) or not all(isinstance(each, Config) for each in configs.values()):
            raise InputError("runs", configs, "a mapping of names to configs: Runs.of({'simclr': Config()})")
        chosen = _chosen(seeds)
        if not configs or not len(chosen) or len(set(chosen)) < len(chosen):
            raise InputError("runs, seeds", (list(configs), list(chosen)), "at least one of each, every seed once")
        wanted = [config.changed(seed=seed) for config in configs.values() for seed in chosen]
        traces = record_all(wanted, label=label)
        count = len(chosen)
        rows = [traces[place : place + count] for place in range(0, len(traces), count)]
        return cls(dict(zip(configs, rows, strict=True)), tuple(chosen))

    def __post_init__(self) -> None:
        if not self.traces:
            raise InputError("Runs.traces", {}, "at least one run")
        for name, row in self.traces.items():
            if len(row) != len(self.seeds):
                raise InputError(f"traces of {name}", len(row), f"one for each of the seeds {list(self.seeds)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the runs, in order."""
        return tuple(self.traces)

    @property
    def steps(self) -> list[int]:
        """The training step of each snapshot, the same for all runs.

        Raises:
            InputError: runs that were measured at different steps, with the steps of each.
        """
        known = {name: self._steps(name) for name in self.traces}
        if len({tuple(steps) for steps in known.values()}) > 1:
            ends = {name: f"{len(steps)} snapshots to step {steps[-1]}" for name, steps in known.items()}
            raise InputError("runs", ends, "measured at the same steps", "Select some of them, or ask at='end'.")
        return next(iter(known.values()))

    @property
    def setting(self) -> str:
        """Data and length of training, where all runs share them."""
        settings = {Config.of_json(trace.config).setting for row in self.traces.values() for trace in row}
        return settings.pop() if len(settings) == 1 else "several settings"

    def __getitem__(self, name: str) -> tuple[Trace, ...]:
        """The traces of one run, one for each seed.

        Raises:
            UnknownName: no such run.
        """
        if name not in self.traces:
            raise UnknownName("run", name, self.traces)
        return self.traces[name]

    def select(self, *names: str) -> "Runs":
        """Some of the runs, in this order.

        Raises:
            UnknownName: no such run.
        """
        return Runs({name: self[name] for name in names}, self.seeds)

    def along(
        self,
        measure: Callable[[Features], Number],
        *,
        of: Layer = "representation",
        on: Side = "both",
        at: When = "always",
        per: str = "sample",
        name: str = "",
    ) -> DataArray:
        """A measure of the features at every snapshot: run x seed x step, and one more where it gives several numbers.

        ``on`` chooses the reference images of the training or of the test side. ``per`` says what several numbers are
        of: one ``sample``, one ``class`` of the data, or another word, such as ``rank``, then numbered from 1. NaN
        where a run had diverged.

        Raises:
            InputError: runs that were measured at different steps, unless only their start or end is wanted; a measure
                that gives neither one number nor one for each image; one for each image, where the runs' images differ.
        """

        def of_features(trace: Trace, snapshot: Snapshot) -> Number:
            return measure(_rows(trace, snapshot, of, on))

        return self._measured(of_features, (per, on), at, _name(measure, name))

    def probed(
        self,
        probe: Callable[[Labelled, Labelled], Number],
        *,
        of: Layer = "representation",
        at: When = "always",
        per: str = "sample",
        name: str = "",
    ) -> DataArray:
        """A probe that is fitted on the training side of the reference images and judged on the test side.

        ``probe(known, queries)``: both features and labels, as the functions of ``measures.probe`` take them.

        Raises:
            InputError: as ``along``.
        """

        def judged(trace: Trace, snapshot: Snapshot) -> Number:
            sides: list[Any] = [
                (_rows(trace, snapshot, of, side), trace.reference.labels[_side(trace, side)])
                for side in ("train", "test")
            ]
            return probe(*sides)

        return self._measured(judged, (per, "test"), at, _name(probe, name))

    def networks_along(
        self,
        measure: Callable[[nn.Module], Number],
        *,
        head: bool = False,
        at: When = "always",
        per: str = "sample",
        name: str = "",
    ) -> DataArray:
        """A number of the network itself as it was at every snapshot, in eval mode, in its own precision, on the CPU.

        The encoder alone, or with its ``head`` behind it.

        Raises:
            InputError: as ``along``.
        """

        def of_network(trace: Trace, snapshot: Snapshot) -> Number:
            return measure(restore(trace, trace.snapshots.index(snapshot), head=head))

        return self._measured(of_network, (per, "both"), at, _name(measure, name))

    def loss_along(self, *, above_lowest: bool = False) -> DataArray:
        """The loss of the step before each snapshot; of the first step for the snapshot before it.

        With ``above_lowest``, how much of it is left: above the lowest value it could have, 1 at the start. NaN for a
        run without steps, which has no loss.

        Raises:
            InputError: as ``along``.
        """

        def of_loss(trace: Trace, snapshot: Snapshot) -> float:
            loss = trace.loss()
            if not len(loss):
                return float("nan")
            config = Config.of_json(trace.config)
            left = loss - lowest(config.objective, batch_size=config.optimisation.batch_size)
            return float((left / left[0] if above_lowest else loss)[max(snapshot.step - 1, 0)])

        return self._measured(of_loss, ("sample", "both"), "always", "loss left" if above_lowest else "loss")

    def table(self) -> list[dict[str, object]]:
        """One row for each run: its objective, encoder, length, seeds and how they ended."""
        rows = []
        for name, row in self.traces.items():
            config = Config.of_json(row[0].config)
            status = ", ".join(dict.fromkeys(trace.status for trace in row))
            parts = {"objective": _called(config.objective), "encoder": _called(config.encoder)}
            length = {"steps": config.optimisation.steps, "seeds": len(row), "status": status}
            rows.append({"run": name, **parts, **length})
        return rows

    def __repr__(self) -> str:
        rows = self.table()
        columns = {key: [key, *(str(row[key]) for row in rows)] for key in rows[0]}
        widths = {key: max(map(len, values)) for key, values in columns.items()}
        lines = (
            "  ".join(values[place].ljust(widths[key]) for key, values in columns.items()).rstrip()
            for place in range(len(rows) + 1)
        )
        return "\n".join(lines)

    def __iter__(self) -> Iterator[str]:
        return iter(self.traces)

    def __len__(self) -> int:
        return len(self.traces)

    def _steps(self, name: str) -> list[int]:
        """Where a run is measured: what its config says, since a diverged one ends before."""
        config = Config.of_json(self.traces[name][0].config)
        return config.snapshots.steps(config.optimisation.steps)

    def _measured(
        self, ask: Callable[[Trace, Snapshot], Number], several: tuple[str, Side], at: When, name: str
    ) -> DataArray:
        """What is asked of every snapshot; ``several``: what more than one number are of, and of which side."""
        per, on = several
        if per in ("run", "seed", "step", "status", ""):
            raise InputError("per", per, "a word of its own for what several numbers are of, such as 'rank'")
        if at not in ("always", "start", "end"):
            raise UnknownName("at", at, ("always", "start", "end"))
        answers = {run: self._of_run(run, ask, at) for run in self.traces}
        values = np.array(_filled(answers), dtype=np.float64)
        dims = ["run", "seed", "step", per][: values.ndim]
        coords: dict[str, Any] = {"run": list(self.traces), "seed": list(self.seeds)}
        if at == "always":
            coords["step"] = self.steps
        else:
            values = values[:, :, 0]
            dims.remove("step")
        if per in dims:
            coords |= self._samples(on, values.shape[-1]) if per == "sample" else self._places(per, values.shape[-1])
        status = [[trace.status for trace in row] for row in self.traces.values()]
        array = DataArray(values, coords, dims, name, {"unit": "", "setting": self.setting})
        return array.assign_coords(status=(("run", "seed"), status)) if _diverged(status) else array

    def _of_run(self, run: str, ask: Callable[[Trace, Snapshot], Number], at: When) -> list[list[Any]]:
        steps = self.steps if at == "always" else self._steps(run)
        wanted = steps if at == "always" else steps[:1] if at == "start" else steps[-1:]
        return [_answers(ask, trace, wanted) for trace in self.traces[run]]

    def _places(self, per: str, count: int) -> dict[str, Any]:
        """Names of the classes; numbers from 1 of anything else."""
        classes = next(iter(self.traces.values()))[0].reference.classes
        if per == "class" and len(classes) != count:
            raise InputError("measure", f"{count} numbers", f"one that gives {len(classes)}: one a class")
        return {per: list(classes) if per == "class" else list(range(1, count + 1))}

    def _samples(self, on: Side, count: int) -> dict[str, Any]:
        """Place of each sample among the reference images, and the original it was made from."""
        trace = next(iter(self.traces.values()))[0]
        images = {name: _images_of(row[0]) for name, row in self.traces.items()}
        if len(set(images.values())) > 1:
            raise InputError("runs", images, "measured on the same images, where each image is measured")
        places = torch.arange(len(trace.reference), device="cpu")[_side(trace, on)]
        if len(places) != count:
            raise InputError(
                "measure",
                f"{count} numbers",
                f"one that gives one number, or {len(places)}: one an image",
                "Say per= what they are of.",
            )
        origin = trace.reference.origin
        known = {} if origin is None else {"origin": ("sample", origin[_side(trace, on)].numpy())}
        return {"sample": places.numpy(), **known}


def _chosen(seeds: Any) -> Sequence[int]:
    """The seeds that are meant: a number of them stands for the first ones."""
    if isinstance(seeds, Sequence | np.ndarray):
        return np.asarray(seeds).tolist()
    plain = seeds.item() if isinstance(seeds, np.integer) else seeds
    return range(checked("seeds", plain, Annotated[int, Range(1, 1000)]))


def _side(trace: Trace, on: Side) -> Tensor:
    if on not in ("both", "train", "test"):
        raise UnknownName("on", on, ("both", "train", "test"))
    everything = torch.ones_like(trace.held_out)
    return {"both": everything, "train": ~trace.held_out, "test": trace.held_out}[on]


def _rows(trace: Trace, snapshot: Snapshot, of: Layer, on: Side) -> Features:
    if of not in ("representation", "embedding"):
        raise UnknownName("of", of, ("representation", "embedding"))
    return getattr(snapshot, of)[_side(trace, on)]


def _answers(ask: Callable[[Trace, Snapshot], Number], trace: Trace, steps: Sequence[int]) -> list[Any]:
    """An answer for each step; None where the run had diverged by then."""
    known = {each.step: each for each in trace.snapshots if not each.diverged}
    return [_plain(ask(trace, known[step])) if step in known else None for step in steps]


def _plain(number: Any) -> Any:
    """The answer of a measure as numbers of Python; scikit-learn's and numpy's are arrays."""
    numbers = number.detach().cpu().numpy() if isinstance(number, Tensor) else np.asarray(number)
    if numbers.dtype.kind not in "biuf":
        raise InputError("measure", number, "one that gives numbers")
    return numbers.astype(np.float64).tolist()


def _filled(rows: Mapping[str, list[list[Any]]]) -> list[list[list[Any]]]:
    """The answers with NaN in the place of those that are missing, in the shape of the others."""
    shapes = {name: _shapes(row) for name, row in rows.items()}
    every = set().union(*shapes.values())
    if len(every) > 1 or any(len(shape) > 1 for shape in every):
        raise InputError("measure", shapes, "one that gives one number, or one for each image, of every run alike")
    missing = np.full(every.pop() if every else (), np.nan)
    return [[[missing if each is None else each for each in answers] for answers in row] for row in rows.values()]


def _shapes(row: list[list[Any]]) -> set[tuple[int, ...]]:
    return {np.shape(each) for answers in row for each in answers if each is not None}


def _images_of(trace: Trace) -> str:
    """What tells reference images apart: the data they were drawn from, and how many."""
    return f"{len(trace.reference)} of {trace.config['data']['name']}, {trace.provenance.get('data', '')[:8]}"


def _diverged(status: list[list[str]]) -> bool:
    return any("diverged" in row for row in status)


def _name(measure: Callable[..., Any], name: str) -> str:
    plain = measure.func if isinstance(measure, partial) else measure
    return name or getattr(plain, "__name__", type(plain).__name__).replace("_", " ")


def _called(part: Any) -> str:
    """A part of a config with the parameters that are not its defaults: ``SimCLR(temperature=0.1)``."""
    given = {each.name: getattr(part, each.name) for each in fields(part) if getattr(part, each.name) != each.default}
    return f"{type(part).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"
