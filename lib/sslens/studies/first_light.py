"""What does an encoder learn without labels? A healthy run and a collapsing one, and what tells them apart."""

from collections.abc import Mapping
from typing import Annotated, Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from xarray import DataArray, concat

from sslens import datasets
from sslens.claims import Claim
from sslens.measures import classes, collapse, probe, projection, regions, spectrum
from sslens.objectives import SimCLR, SimSiam, VICReg
from sslens.runtime import PROFILES, stream
from sslens.statistics import difference, ratio
from sslens.studies.study import Verdicts, from_namespace, outcomes, stated
from sslens.train import Config, Runs, learned
from sslens.types import OneOf, Range, checked_dataclass
from sslens.views import augment

NOTEBOOK = "00_first_light"
QUESTION = "What does an encoder learn without labels?"
COLLAPSING = "simsiam, no stop-gradient"
SHOWN = 5
"""Classes of which views are shown."""
DIRECTIONS, POINTS = 25, 24
"""Of the neighbourhoods in which folds are counted, and how many there are."""


@final
@checked_dataclass
class Setting:
    """The notebook's parameters, and the field of the config that each of them fills."""

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    dataset: str = "scattered_digits"
    """``data.name``."""
    healthy: Annotated[str, OneOf(("simclr", "vicreg"))] = "simclr"
    """``objective`` of the healthy run."""
    temperature: Annotated[float, Range(0, 1e3, above=True)] = 0.2
    """``objective.temperature`` of SimCLR."""
    seeds: Annotated[int, Range(1, 1000)] = 5
    radius: Annotated[float, Range(0, 1e3, above=True)] = 0.5
    """Of the neighbourhoods in which folds of the network are counted."""

    def __post_init__(self) -> None:
        datasets.check_name(self.dataset)

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> "Setting":
        """The parameters as a notebook has assigned them."""
        return from_namespace(cls, namespace)


def configs(setting: Setting) -> dict[str, Config]:
    """The healthy run, and SimSiam with its stop-gradient taken out, on the same views."""
    healthy = {"simclr": SimCLR(temperature=setting.temperature), "vicreg": VICReg()}[setting.healthy]
    base = Config.at(setting.profile, data={"name": setting.dataset})
    collapsing = SimSiam(stop_gradient=False)
    return {setting.healthy: base.changed(objective=healthy), COLLAPSING: base.changed(objective=collapsing)}


def runs(setting: Setting) -> Runs:
    """Both runs for every seed, trained side by side or read from the cache."""
    return Runs.of(configs(setting), seeds=setting.seeds, label="two runs")


def views_of_each_class(setting: Setting, *, count: int) -> dict[str, Any]:
    """The first image of five classes and some views of it, with their names: what ``figures.images`` draws."""
    config = next(iter(configs(setting).values()))
    data = learned(config)
    first = [int((data.labels == label).nonzero()[0]) for label in data.labels.unique()[:SHOWN]]
    chosen = data.take(torch.tensor(first, device="cpu"))
    recipe = config.augmentation(chosen.images.shape[1])
    (drawn,) = augment(chosen.images, recipe, stream(0, "shown"), views=count)
    pixels = torch.cat([chosen.images.unsqueeze(1), drawn.transpose(0, 1)], 1)  # (image, view, c, h, w)
    columns = ["original", *(f"view {view}" for view in range(1, count + 1))]
    return {"pixels": pixels, "rows": [data.classes[label] for label in chosen.labels], "columns": columns}


def map_of_test_images(runs: Runs, *, run: str, step: int, method: str) -> DataArray:
    """The representation of the test images of seed 0 at one step, projected onto a plane: sample x component."""
    trace = runs[run][0]
    h = trace.snapshots[trace.steps.index(step)].representation[trace.held_out]
    labels, classes = trace.reference.labels[trace.held_out], trace.reference.classes
    axes = ["PC 1", "PC 2"] if method == "pca" else ["UMAP 1", "UMAP 2"]
    coords = {"component": axes, "class": ("sample", [classes[label] for label in labels])}
    return DataArray(projection.project(h, method=method).numpy(), coords, ("sample", "component"))


def accuracy_by_class(runs: Runs) -> DataArray:
    """Accuracy of kNN in each class: of the untrained network, and of both runs at their end; run x seed x class."""

    def of_each_class(known: probe.Known, queries: probe.Queries) -> Float[Tensor, "c"]:
        predicted = probe.knn(*known, queries[0])
        return classes.accuracy_by_class(predicted, queries[1], classes=int(known[1].max()) + 1)

    ends = runs.probed(of_each_class, per="class", at="end", name="kNN accuracy")
    start = runs.probed(of_each_class, per="class", at="start", name="kNN accuracy")
    untrained = start.isel(run=[0]).assign_coords(run=["untrained"])
    return concat([untrained, ends], "run")


def folds_around_test_images(runs: Runs, *, radius: float) -> DataArray:
    """Local complexity along training: how many folds cross a neighbourhood of a test image, on average.

    The same random directions around each image at every step.
    """
    trace = next(iter(runs.traces.values()))[0]
    points = trace.reference.images[trace.held_out][:POINTS]

    def local_complexity(network: nn.Module) -> float:
        frame = stream(0, "frame")
        return regions.local_complexity(network, points, radius=radius, directions=DIRECTIONS, generator=frame).mean

    found = runs.networks_along(local_complexity)
    return found.assign_attrs(unit="folds per neighbourhood")


def exercise_truths(runs: Runs, *, eigenvalues: DataArray, by_class: DataArray) -> tuple[float, int, str]:
    """The right answers to the three exercises."""
    z = runs[runs.names[0]][0].snapshots[-1].embedding
    factors = [measure(100 * z) / measure(z) for measure in (spectrum.rankme, collapse.total_variance)]
    last = _collapsing(eigenvalues).sel(seed=0).isel(step=-1).values
    healthy = by_class.sel(run=runs.names[0], seed=0)
    return factors[0] * factors[1], int((last > last[0] / 100).sum()), str(healthy.idxmax("class").item())


def _healthy(array: DataArray) -> DataArray:
    return array.isel(run=0)


def _collapsing(array: DataArray) -> DataArray:
    return array.isel(run=1)


def _gain(correct: DataArray) -> DataArray:
    """Test image by test image: 1 where one is found at the end only, -1 where at the start only; seed x sample."""
    healthy = _healthy(correct)
    return difference(healthy.isel(step=-1), healthy.isel(step=0))


classes_are_learned = Claim(
    "Classes are learned without labels.",
    source="Chen et al. 2020",
    quantity="gain of kNN accuracy",
    above=0,
    scale="difference",
    measured=_gain,
)
collapses_without_stop_gradient = Claim(
    "Without stop-gradient, collapse.",
    source="Chen & He 2021",
    quantity="normalised deviation, collapsed",
    below=0.1,
    scale="ratio",
    measured=lambda deviation: _collapsing(deviation).isel(step=-1),
)
loss_calls_it_a_success = Claim(
    "The loss calls a collapse a success.",
    source="Chen & He 2021",
    quantity="loss left, healthy - collapsed",
    above=0,
    premise=collapses_without_stop_gradient,
    measured=lambda left: difference(_healthy(left).isel(step=-1), _collapsing(left).isel(step=-1)),
)
rank_sees_it = Claim(
    "RankMe sees the collapse.",
    source="Garrido et al. 2023",
    quantity="RankMe, collapsed / healthy",
    below=0.5,
    premise=collapses_without_stop_gradient,
    scale="ratio",
    measured=lambda rank: ratio(_collapsing(rank).isel(step=-1), _healthy(rank).isel(step=-1)),
)
CLAIMS = (classes_are_learned, collapses_without_stop_gradient, loss_calls_it_a_success, rank_sees_it)


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> answer({claim.quantity: True for claim in CLAIMS})
    'Classes, unless it collapses; RankMe sees a collapse, the loss does not.'
    """
    found = outcomes(verdicts)
    learned = stated(classes_are_learned, found, ("Classes", "No classes", "Perhaps classes"))
    words = ("unless it collapses", "and it does not collapse", "and it may collapse")
    when = stated(collapses_without_stop_gradient, found, words)
    words = ("RankMe sees a collapse", "RankMe does not see a collapse", "RankMe may see a collapse")
    rank = stated(rank_sees_it, found, words)
    loss = stated(loss_calls_it_a_success, found, ("the loss does not", "so does the loss", "the loss perhaps not"))
    return f"{learned}, {when}; {rank}, {loss}."
