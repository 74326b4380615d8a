"""The words that describe a run: small records of checked values, each of what one part of the run needs."""

import math
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, final

import torch

from sslens.datasets import check_name
from sslens.encoders import ENCODERS, PREDICTORS, Encoder, Predictor, Projector
from sslens.objectives import OBJECTIVES, Objective
from sslens.runtime import DEVICES
from sslens.train.naming import OLDER, from_json, home_of, named_class, to_json
from sslens.types import InputError, OneOf, Range, UnknownName, checked_dataclass, fields_of
from sslens.views import RECIPES, Recipe


@final
@checked_dataclass
class Data:
    """What is learned from, and what of it.

    >>> Data("digits", images=500).images
    500
    """

    name: str = "scattered_digits"
    """A name of ``datasets.LOADERS``; ``folder:PATH`` for a tree of class-named folders of images, ``folder+skip:PATH``
    for those of them that are not damaged."""
    options: tuple = ()
    """Options of that set's ``load``, as (name, value) pairs; may be given as a mapping: ``{"size": 32}``."""
    images: Annotated[int, Range(0, 10**7)] = 0
    """Training images used, the same for every seed; 0 means all."""
    label_noise: Annotated[float, Range(0, 1)] = 0.0
    """Share of the training labels redrawn among all classes; held-out labels stay true."""
    tasks: Annotated[int, Range(1, 10**4)] = 1
    """Equal parts of the run, each with its own draw of the noisy labels: new tasks for the same network."""

    def __post_init__(self) -> None:
        check_name(self.name)
        for option in self.options:
            if not (isinstance(option, tuple) and list(map(type, option))[:1] == [str] and _is_plain(option[1:])):
                raise InputError("Data.options", option, "a name and a plain value each, as {'size': 32}")


@final
@checked_dataclass
class Optimisation:
    """AdamW, its schedule, and where the weights start.

    >>> Optimisation(steps=1000).learning_rate
    0.002
    """

    steps: Annotated[int, Range(0, 10**6)] = 300
    batch_size: Annotated[int, Range(2, 65536)] = 256
    learning_rate: Annotated[float, Range(0, 1e9)] = 2e-3
    weight_decay: Annotated[float, Range(0, 100)] = 1e-4
    warmup: Annotated[float, Range(0, 1)] = 0.1
    """Share of the steps in which the learning rate rises linearly; then the schedule begins."""
    schedule: Annotated[str, OneOf(("cosine", "constant"))] = "cosine"
    """``cosine``: down to 0 along half a period."""
    initial_scale: Annotated[float, Range(0, 1e3, above=True)] = 1.0
    """Factor on all weights and biases of encoder and head at the start."""

    def rate(self, step: int) -> float:
        """The learning rate of a step: a linear rise, then half a cosine down to 0, or no change any more.

        >>> schedule = Optimisation(steps=10, warmup=0.2, learning_rate=1.0)
        >>> [round(schedule.rate(step), 2) for step in (0, 1, 2, 6, 10)]
        [0.33, 0.67, 1.0, 0.5, 0.0]
        """
        warmup = self.warmup * self.steps
        if step < warmup:
            return self.learning_rate * (step + 1) / (warmup + 1)
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * (1 + math.cos(math.pi * (step - warmup) / max(1, self.steps - warmup))) / 2


@final
@checked_dataclass
class Snapshots:
    """How often a run is measured, and on how many images.

    >>> Snapshots(count=3).steps(100)
    [0, 25, 100]
    """

    count: Annotated[int, Range(2, 1000)] = 16
    spacing: Annotated[str, OneOf(("quadratic", "logarithmic", "linear"))] = "quadratic"
    """Unless linear, snapshots lie closer together early on."""
    reference: Annotated[int, Range(16, 10**5)] = 600
    """Images whose features every snapshot holds, from the training and from the test set each."""

    def steps(self, length: int) -> list[int]:
        """The steps at which a run of this length is measured, the first and the last among them."""
        ramp = torch.linspace(0, 1, self.count, dtype=torch.float64, device="cpu")
        if self.spacing == "logarithmic":
            places = (length + 1) ** ramp - 1
        else:
            places = ramp ** (2 if self.spacing == "quadratic" else 1) * length
        return sorted({round(place) for place in places.tolist()})


@final
@checked_dataclass
class Compute:
    """Where and how precisely a run is computed.

    >>> Compute(dtype="float64").autocast
    False
    """

    dtype: Annotated[str, OneOf(("float32", "float64"))] = "float32"
    device: Annotated[str, OneOf(DEVICES)] = "auto"
    autocast: bool = False
    """Whether forward passes on a CPU run in bfloat16; worth it where the processor multiplies in that type. On a GPU
    they do whenever ``dtype`` is float32."""

    def __post_init__(self) -> None:
        if self.autocast and self.dtype != "float32":
            raise InputError("Compute.autocast", self.autocast, f"False where dtype is {self.dtype}")


@final
@checked_dataclass
class Config:
    """Everything that decides a run, in the records of its parts.

    A mapping in place of a record changes single fields of the default one.

    Raises:
        InputError: a value of the wrong type or out of range.
        UnknownName: no such part; where a part has a field of that name, the message writes the call out.

    >>> from sslens.objectives import SimCLR
    >>> Config(objective=SimCLR(temperature=0.1), optimisation={"steps": 50}).optimisation.steps
    50
    >>> Config(temperature=0.1)
    Traceback (most recent call last):
        ...
    sslens.types.UnknownName: Config must be one of: data, ... Got 'temperature'. Write
    Config(objective=SimCLR(temperature=0.1)).
    """

    data: Data = Data()
    recipe: str | Recipe = "auto"
    """Augmentation: a recipe or the name of one; ``auto`` is ``digits`` for one channel and ``natural`` for three."""
    encoder: Encoder = ENCODERS["convnet"]()
    projector: Projector = Projector()
    predictor: Predictor = PREDICTORS["bottleneck"]()
    """Built where the objective needs one."""
    momentum: Annotated[float, Range(0, 1)] = 0.0
    """Of the momentum branch that gives the targets; 0 means no such branch."""
    objective: Objective = OBJECTIVES["vicreg"]()
    optimisation: Optimisation = Optimisation()
    snapshots: Snapshots = Snapshots()
    compute: Compute = Compute()
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0

    def __new__(cls, /, **values: Any) -> "Config":
        """Meet what was meant for a part of the config with the call that says so."""
        parts = fields_of(cls)
        for name, value in values.items():
            misplaced = name not in parts or (name in OLDER and isinstance(value, int))
            if misplaced and (call := home_of(cls, name, value=value)):
                raise UnknownName("Config", name, parts, f"Write {call}.")
            if call := named_class(parts.get(name), value):
                raise InputError(f"Config.{name}", value, "an object", f"Write Config({name}={call}).")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        if isinstance(self.recipe, str) and self.recipe not in ("auto", *RECIPES):
            raise UnknownName("Config.recipe", self.recipe, ("auto", *RECIPES))

    @classmethod
    def at(cls, /, profile: str, **changes: Any) -> "Config":
        """The config of a profile: ``smoke`` in float64 for the checks, ``lesson`` in seconds, ``full`` for a GPU.

        Raises:
            UnknownName: no such profile, or no such field.

        >>> Config.at("smoke", seed=1).compute.dtype
        'float64'
        """
        if profile not in PROFILES:
            raise UnknownName("profile", profile, PROFILES)
        return cls().changed(**PROFILES[profile]).changed(**changes)

    def changed(self, /, **changes: Any) -> "Config":
        """The same config but for these fields; a mapping changes single fields of a part.

        Raises:
            InputError, UnknownName: as for a new config.

        >>> Config().changed(optimisation={"steps": 4}, seed=2).optimisation.batch_size
        256
        """
        parts = {name: getattr(self, name) for name in fields_of(type(self))}
        for name, change in changes.items():
            merged = isinstance(change, Mapping) and is_dataclass(parts.get(name))
            parts[name] = replace(parts[name], **change) if merged else change
        return type(self)(**parts)

    @property
    def label(self) -> str:
        """What a progress bar calls the run: its objective and seed."""
        return f"{type(self.objective).__name__}, seed {self.seed}"

    @property
    def setting(self) -> str:
        """What a verdict says of where it was measured: the data, of a folder its own name, and the length of training.

        >>> Config(data={"name": "folder:/somewhere/of/mine/flowers"}).setting
        'folder:flowers, 300 steps'
        """
        kind, _, path = self.data.name.partition(":")
        data = f"{kind}:{Path(path).name}" if path else kind
        return f"{data}, {self.optimisation.steps} steps"

    def augmentation(self, channels: int) -> Recipe:
        """The recipe, or the one that ``auto`` stands for.

        >>> Config().augmentation(1) == RECIPES["digits"], Config().augmentation(3) == RECIPES["natural"]
        (True, True)
        """
        automatic = "digits" if channels == 1 else "natural"
        return (
            self.recipe
            if isinstance(self.recipe, Recipe)
            else RECIPES[{"auto": automatic}.get(self.recipe, self.recipe)]
        )

    def to_json(self) -> dict[str, Any]:
        """The config as plain JSON values: parts by name, classes by the name they are registered under.

        >>> Config.of_json(Config().to_json()) == Config()
        True
        """
        return {name: to_json(getattr(self, name)) for name in fields_of(type(self))}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Config":
        """The config that ``to_json`` gave.

        Raises:
            InputError, UnknownName: other fields or values, or a class that is registered nowhere in this process.
        """
        kinds = fields_of(cls)
        return cls(**{name: from_json(value, kinds.get(name), name=name) for name, value in values.items()})


PROFILES: dict[str, dict[str, Any]] = {
    "smoke": {
        "optimisation": {"steps": 120, "batch_size": 64},
        "snapshots": {"count": 6, "reference": 300},
        "compute": {"dtype": "float64", "device": "cpu"},
    },
    "lesson": {},
    "full": {"optimisation": {"steps": 3000}, "snapshots": {"count": 24, "reference": 2000}},
}
"""What each profile changes: ``smoke`` computes in float64, which does not drift apart between machines."""


def _is_plain(values: tuple) -> bool:
    return len(values) == 1 and isinstance(values[0], bool | int | float | str)
