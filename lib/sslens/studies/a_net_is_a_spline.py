"""Is a neural network a spline? Exact regions of random networks and of an encoder, and what gates know of a text."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, final

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import swa_utils
from xarray import DataArray

from sslens import figures
from sslens.claims import Claim
from sslens.encoders import random_network
from sslens.measures import regions
from sslens.objectives import SimCLR
from sslens.runtime import PROFILES, stream
from sslens.statistics import difference, ratio
from sslens.studies import a_net_is_a_spline_texts as of_texts
from sslens.studies.a_net_is_a_spline_texts import BAG, LANGUAGE_MODEL, TRAINED, UNTRAINED
from sslens.studies.a_net_is_a_spline_texts import accuracy_by_language as accuracy_by_language
from sslens.studies.a_net_is_a_spline_texts import features_of_texts as features_of_texts
from sslens.studies.study import Verdicts, from_namespace, outcomes, stated
from sslens.train import Config, Runs, restore
from sslens.types import Dataset, OneOf, Range, checked_dataclass

NOTEBOOK = "30_a_net_is_a_spline"
QUESTION = "Is a neural network a spline?"
ENCODER, FITTED = "simclr", "fitted"
DIGITS, MEAN = ("the 0", "the 1", "the 2"), "their mean"
WIDTHS, DEPTHS = (8, 16, 32, 64), (1, 2, 3, 4)
"""Of the random networks whose regions are counted."""
SIDES = {"smoke": (10, 30, 100, 250), "lesson": (10, 30, 100, 250, 1000), "full": (10, 30, 100, 250, 1000)}
"""Points along each side of a grid."""
UNITS, POINTS = "hidden units N", "points along each side"
"""Axes of the figures."""
NUMBERS = "21 numbers"
"""Of a language model's layers, three times seven."""


@final
@checked_dataclass
class Setting:
    """The notebook's parameters."""

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    radius: Annotated[float, Range(0, 1e3, above=True)] = 0.02
    """Half-side of the squares around images, in pixel values."""
    seeds: Annotated[int, Range(1, 1000)] = 5

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> "Setting":
        """The parameters as a notebook has assigned them."""
        return from_namespace(cls, namespace)


def configs(setting: Setting) -> dict[str, Config]:
    """The encoder, and a language model for each seed, as their texts differ too.

    >>> list(configs(Setting(seeds=2)))
    ['simclr', 'language model 0', 'language model 1']
    """
    length = {"optimisation": {"steps": 40}} if setting.profile == "smoke" else {}
    encoder = Config.at(setting.profile, objective=SimCLR(temperature=0.2), snapshots={"count": 2}, **length)
    found = {ENCODER: encoder}
    for seed in range(setting.seeds):
        found[f"{LANGUAGE_MODEL} {seed}"] = of_texts.language_config(setting.profile, seed)
    return found


def runs(setting: Setting) -> Runs:
    """The encoder for every seed, trained side by side or read from the cache."""
    return Runs.of({ENCODER: configs(setting)[ENCODER]}, seeds=setting.seeds, label="encoders")


def language_runs(setting: Setting) -> Runs:
    """A language model for each seed, trained side by side or read from the cache."""
    return of_texts.language_models(setting.profile, seeds=setting.seeds)


def unseen_texts(setting: Setting) -> list[Dataset]:
    """Texts of five languages that the language model of each seed has not read."""
    return of_texts.unseen_texts(setting.profile, seeds=setting.seeds)


def picture(
    found: regions.Partition, *, title: str = "", span: tuple[float, float] | None = None, patterns: bool = False
) -> go.Figure:
    """Regions coloured by the logarithm of their slope; under the pointer, where wanted, their area and pattern."""
    values: dict[str, Any] = {"log10 of the slope": found.slope_norm.log10()}
    if patterns:
        rows = found.unpack().int().tolist()
        values |= {"area": found.area, "pattern": ["".join(map(str, row)) for row in rows]}
    return figures.partition(found.picture(), values, title=title, span=span)


def network_to_zoom(setting: Setting) -> nn.Sequential:
    """A random network of three layers of 64 units, of 8 at ``smoke``."""
    return _random(8 if setting.profile == "smoke" else 64, 3, seed=0)


def on_grids(share_found: Callable[[nn.Module, int], float], setting: Setting) -> DataArray:
    """What grids of several sides find of the regions of networks of 3 x 64 units: seed x points along each side.

    ``share_found`` is given a network and the number of points along each side of a grid.
    """
    sides = SIDES[setting.profile]
    found = [[share_found(network, side) for side in sides] for network in _of_seeds(64, 3, seeds=setting.seeds)]
    known = {"unit": "", "setting": "random networks of 3 x 64 units"}
    labels = {"seed": list(range(setting.seeds)), POINTS: list(sides)}
    return DataArray(np.array(found), labels, ("seed", POINTS), "share of regions found", known)


def of_each_size(count: Callable[[nn.Module], float], setting: Setting) -> DataArray:
    """The regions that are counted of random networks of several depths and widths: depth x seed x width."""
    found = np.zeros((len(DEPTHS), setting.seeds, len(WIDTHS)))
    for row, depth in enumerate(DEPTHS):
        for column, width in enumerate(WIDTHS):
            found[row, :, column] = [count(network) for network in _of_seeds(width, depth, seeds=setting.seeds)]
    labels = {"depth": list(DEPTHS), "seed": list(range(setting.seeds)), "width": list(WIDTHS)}
    known = {"unit": "", "setting": "random networks"}
    return DataArray(found, labels, ("depth", "seed", "width"), "regions", known)


def along_units(counts: DataArray) -> list[DataArray]:
    """What ``of_each_size`` gives, a line for each depth, along the number N of hidden units."""
    lines = []
    for depth in counts["depth"].values:
        line = counts.sel(depth=[depth]).rename(width=UNITS)
        lines.append(line.assign_coords({UNITS: depth * line[UNITS].values}))
    return lines


def half_the_square(counts: DataArray) -> DataArray:
    """N²/2 along the number N of hidden units: what lines in general position come to.

    >>> counts = DataArray([[[7.0]]], {"depth": [2], "seed": [0], "width": [4]}, name="regions")
    >>> half_the_square(counts).values
    array([32.])
    """
    units = np.unique(np.outer(counts["depth"].values, counts["width"].values)).astype(float)
    return DataArray(units**2 / 2, {UNITS: units}, UNITS, counts.name)


def three_digits(runs: Runs) -> Float[Tensor, "3 c h w"]:
    """A 0, a 1 and a 2 that the encoders have not seen."""
    trace = runs[ENCODER][0]
    images, labels = (rows[trace.held_out] for rows in (trace.reference.images, trace.reference.labels))
    return torch.stack([images[labels == digit][0] for digit in range(3)]).double()


def encoders(runs: Runs) -> dict[str, list[nn.Module]]:
    """Three encoders of each seed: untrained, untrained with batch norm fitted to the training images, and trained.

    Reference for the second: Balestriero, Baraniuk, "Batch normalization explained", 2022, arXiv 2209.14778.
    """
    traces = runs[ENCODER]
    snapshots = {UNTRAINED: 0, FITTED: 0, TRAINED: -1}
    found = {name: [restore(trace, index) for trace in traces] for name, index in snapshots.items()}
    for trace, network in zip(traces, found[FITTED], strict=True):
        images = trace.reference.images[~trace.held_out]
        swa_utils.update_bn([images.to(next(network.parameters()))], network)
    return found


def places_of(digits: Float[Tensor, "3 c h w"], plane: regions.Plane) -> dict[str, tuple[float, float]]:
    """Where the three digits and their mean lie on the plane through them."""
    corners = [(u, v) for u, v in plane.coordinates(digits).tolist()]
    return dict(zip((*DIGITS, MEAN), [*corners, (0.0, 0.0)], strict=True))


def of_each_encoder(
    count: Callable[[nn.Module, tuple[float, float]], float],
    encoders: Mapping[str, Sequence[nn.Module]],
    *,
    places: Mapping[str, tuple[float, float]],
    setting: str = "",
) -> DataArray:
    """What is counted of each network at each place: run x seed x place."""
    rows = [_at_places(count, networks, places=places) for networks in encoders.values()]
    labels = {"run": list(encoders), "seed": list(range(len(rows[0]))), "place": list(places)}
    known = {"unit": "", "setting": setting}
    return DataArray(np.stack(rows), labels, ("run", "seed", "place"), "regions in the square", known)


def exercise_truths(encoders: Mapping[str, Sequence[nn.Module]], digits: Float[Tensor, "3 c h w"]) -> tuple[int, ...]:
    """The right answers to the three exercises: 1 + N + N (N - 1) / 2 for 3 lines, 2 N for 16 through one point."""
    way = regions.segment(encoders[TRAINED][0], digits[0], digits[1])
    return 1 + 3 + 3, 2 * 16, way.count


def _random(width: int, depth: int, *, seed: int) -> nn.Sequential:
    return random_network(width, depth, generator=stream(seed, "random network"))


def _of_seeds(width: int, depth: int, *, seeds: int) -> list[nn.Sequential]:
    return [_random(width, depth, seed=seed) for seed in range(seeds)]


def _at_places(
    count: Callable[[nn.Module, tuple[float, float]], float],
    networks: Sequence[nn.Module],
    *,
    places: Mapping[str, tuple[float, float]],
) -> np.ndarray:
    return np.array([[count(network, place) for place in places.values()] for network in networks])


def _over_half_the_square(counts: DataArray) -> DataArray:
    units = counts["depth"] * counts["width"]
    return (counts / (units**2 / 2)).mean(("depth", "width"), skipna=False)


def _around_digits(counts: DataArray, run: str) -> DataArray:
    return counts.sel(run=run, place=list(DIGITS)).sum("place", skipna=False)


def _accuracy(accuracy: DataArray, run: str) -> DataArray:
    return accuracy.sel(run=run).mean("class", skipna=False)


about_half_the_square = Claim(
    "Random networks have about N²/2 regions.",
    source="Hanin & Rolnick 2019",
    quantity="regions over N²/2",
    above=0.1,
    below=1,
    under_review=True,
    measured=_over_half_the_square,
)
grids_miss_regions = Claim(
    "A grid of 250 x 250 misses regions.",
    source="Balestriero & LeCun 2024",
    quantity="share found",
    below=0.9,
    measured=lambda share: share.sel({POINTS: 250}),
)
training_thins_regions = Claim(
    "Training thins regions around the data.",
    source="Humayun et al. 2023",
    quantity="trained / untrained",
    below=1,
    under_review=True,
    measured=lambda counts: ratio(_around_digits(counts, TRAINED), _around_digits(counts, UNTRAINED)),
)
numbers_tell_languages = Claim(
    "21 numbers tell the language.",
    source="Balestriero et al. 2023",
    quantity="accuracy of 21 numbers",
    above=0.5,
    under_review=True,
    measured=lambda accuracy: _accuracy(accuracy, f"{NUMBERS}, {TRAINED}"),
)
training_makes_them_tell_more = Claim(
    "Training makes the 21 numbers tell more.",
    source="Balestriero et al. 2023",
    quantity="trained - untrained",
    above=0,
    measured=lambda accuracy: difference(
        _accuracy(accuracy, f"{NUMBERS}, {TRAINED}"), _accuracy(accuracy, f"{NUMBERS}, {UNTRAINED}")
    ),
)
they_know_more_than_letters = Claim(
    "The 21 numbers know more than letters do.",
    source="Balestriero et al. 2023",
    quantity="trained - bag",
    above=0,
    kind="ours",
    measured=lambda accuracy: difference(_accuracy(accuracy, f"{NUMBERS}, {TRAINED}"), _accuracy(accuracy, BAG)),
)
CLAIMS = (
    about_half_the_square,
    grids_miss_regions,
    training_thins_regions,
    numbers_tell_languages,
    training_makes_them_tell_more,
    they_know_more_than_letters,
)


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> print(answer({claim.quantity: True for claim in CLAIMS}))
    About N²/2 pieces; grids miss some, training thins them; 21 numbers name languages, better trained, beyond letters.
    """
    found = outcomes(verdicts)
    words = ("About N²/2 pieces", "Other than N²/2 pieces", "Perhaps N²/2 pieces")
    pieces = stated(about_half_the_square, found, words)
    grids = stated(grids_miss_regions, found, ("grids miss some", "grids find most", "grids may miss some"))
    words = ("training thins them", "training does not thin them", "training may thin them")
    thinned = stated(training_thins_regions, found, words)
    apart = stated(numbers_tell_languages, found, ("name languages", "name no languages", "may name languages"))
    words = ("better trained", "trained no better", "perhaps better trained")
    trained = stated(training_makes_them_tell_more, found, words)
    words = ("beyond letters", "not beyond letters", "perhaps beyond letters")
    letters = stated(they_know_more_than_letters, found, words)
    return f"{pieces}; {grids}, {thinned}; {NUMBERS} {apart}, {trained}, {letters}."
