"""Which networks the study of whiteness trains: for spectra and layers, for widths, for prefixes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, final

from xarray import DataArray

from sslens import datasets
from sslens.encoders import ENCODERS
from sslens.objectives import CrossEntropy, SimCLR
from sslens.presets import SHORT
from sslens.runtime import PROFILES
from sslens.studies.study import from_namespace
from sslens.train import Config, Runs
from sslens.types import OneOf, Range, checked_dataclass

FEATURES = 64
"""Columns of a representation that is neither narrowed nor widened."""
WIDTHS = (16, FEATURES, 256)
"""Columns of the last layer, of which the narrowest and the widest are judged."""
NARROW = (4, 8, 16, 32)
"""Columns of the networks that are trained for one prefix each; the longest prefix is the whole representation."""
STRENGTHS = (0.25, 1.0)
"""Of the augmentation; 1 is the recipe as it stands."""
FEWER: Mapping[str, Mapping[str, tuple]] = {
    "smoke": {"widths": (16, FEATURES), "narrow": (8,)},
}
"""What a profile trains fewer of."""
EVERYTHING = 2400
"""Images of each side that the networks of spectra and layers are measured on, where there are as many."""
PREFIXED = 2000
"""The same of the networks of prefixes."""
MEASURED = ("convnet", "mlp", "resnet18")
"""Encoders whose last layer has a width of its own."""


@final
@checked_dataclass
class Setting:
    """The notebook's parameters, and the field of the config that each of them fills."""

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    dataset: str = "scattered_digits"
    """``data.name`` of all networks but those of prefixes; its first half of the classes for those of widths."""
    many_classes: str = "digit_pairs"
    """``data.name`` of the networks of prefixes."""
    encoder: Annotated[str, OneOf(MEASURED)] = "convnet"
    """``encoder``, by name; its last layer has as many ``features`` as each run says."""
    temperature: Annotated[float, Range(0, 1e3, above=True)] = 0.2
    """``objective.temperature`` of SimCLR."""
    seeds: Annotated[int, Range(1, 1000)] = 3

    def __post_init__(self) -> None:
        for name in (self.dataset, self.many_classes):
            datasets.check_name(name)

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> "Setting":
        """The parameters as a notebook has assigned them."""
        return from_namespace(cls, namespace)


def base(setting: Setting) -> Config:
    """What all networks share, trained by SimCLR."""
    objective, encoder = SimCLR(temperature=setting.temperature), ENCODERS[setting.encoder]()
    parts = {"objective": objective, "encoder": encoder, "snapshots": {"count": 2}}
    found = with_features(Config.at(setting.profile, data={"name": setting.dataset}, **parts), FEATURES)
    return found.changed(optimisation={"steps": SHORT}) if setting.profile == "smoke" else found


def of_spectra(setting: Setting) -> dict[str, Config]:
    """SimCLR on all classes, measured on as many images as there are: ``strength 0.25``, ``strength 1``."""
    found = _measured_on(base(setting), EVERYTHING, setting)
    return {f"strength {value:g}": found if value == 1 else _with_strength(found, value) for value in STRENGTHS}


def of_widths(setting: Setting) -> dict[str, Config]:
    """``SimCLR 16``, ``supervised 16``, ``untrained 16``, ...: on the first half of the classes, by width.

    Half of the images, so half of the batch: as many steps go as often through all of them.
    """
    found = base(setting).changed(data={"name": "first_classes", "options": {"of": setting.dataset}})
    found = found.changed(optimisation={"batch_size": found.optimisation.batch_size // 2})
    untrained = found.changed(optimisation={"steps": 0})
    kinds = {"SimCLR": found, "supervised": found.changed(objective=CrossEntropy()), "untrained": untrained}
    widths = FEWER.get(setting.profile, {}).get("widths", WIDTHS)
    return {f"{kind} {width}": with_features(config, width) for kind, config in kinds.items() for width in widths}


def of_prefixes(setting: Setting) -> dict[str, Config]:
    """With labels, on many classes: ``nested`` (a head on each prefix), ``width 64`` plain, ``width 4``, ... narrow.

    Twice as many steps of half the batch, which cost the same, under the weak augmentation: a hundred classes take
    longer to learn. (With the usual one a plain network finds half of the test images, with this one seven in ten.)
    """
    found = _measured_on(base(setting), PREFIXED, setting)
    found = found.changed(data={"name": setting.many_classes}, objective=CrossEntropy())
    steps, batch = found.optimisation.steps, found.optimisation.batch_size
    found = found.changed(optimisation={"steps": 2 * steps, "batch_size": batch // 2})
    found = _with_strength(found, STRENGTHS[0])
    widths = (*FEWER.get(setting.profile, {}).get("narrow", NARROW), FEATURES)
    separate = {f"width {width}": with_features(found, width) for width in widths}
    return {"nested": found.changed(objective=CrossEntropy(nested=True))} | separate


def with_features(config: Config, width: int) -> Config:
    """The config with another width of the encoder's last layer."""
    return config.changed(encoder={"features": width})


def _with_strength(config: Config, strength: float) -> Config:
    channels = datasets.load(config.data.name)[0].images.shape[1]
    return config.changed(recipe=replace(config.augmentation(channels), strength=strength))


def _measured_on(config: Config, count: int, setting: Setting) -> Config:
    return config if setting.profile == "smoke" else config.changed(snapshots={"reference": count})


def configs(setting: Setting) -> dict[str, Config]:
    """All networks of the notebook, those of spectra first."""
    return of_spectra(setting) | of_prefixes(setting) | of_widths(setting)


def runs(setting: Setting) -> Runs:
    """All of them for every seed, trained side by side or read from the cache."""
    return Runs.of(configs(setting), seeds=setting.seeds, label="encoders")


def of_kind(runs: Runs, *kinds: str) -> Runs:
    """The runs whose names begin with one of these words: ``strength``; ``nested`` and ``width``; ...

    Raises:
        InputError: no such run.
    """
    return runs.select(*(name for name in runs if name.split()[0] in kinds))


def by_value(array: DataArray, kind: str, *, dim: str) -> DataArray:
    """Of an array of runs those of one kind, over the values that their names end in.

    >>> array = DataArray([0.5, 0.7, 0.1], {"run": ["SimCLR 16", "SimCLR 64", "untrained 16"]})
    >>> by_value(array, "SimCLR", dim="width").width.values.tolist()
    [16.0, 64.0]
    """
    names = [name for name in array.run.values.tolist() if name.startswith(f"{kind} ")]
    values = [float(name.removeprefix(kind)) for name in names]
    return array.sel(run=names).rename(run=dim).assign_coords({dim: values})
