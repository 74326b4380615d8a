"""What does an encoder learn without labels? Four families, one collapse with its healthy twin, what tells them apart.

Where a knob says nothing of it here: radius belongs to the count of folds alone, temperature to SimCLR's loss.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from xarray import DataArray, concat

from sslens import datasets
from sslens.claims import Claim
from sslens.encoders import ENCODERS, Model
from sslens.measures import classes, probe, projection, regions
from sslens.presets import FAMILIES, of_family
from sslens.runtime import PROFILES, stream
from sslens.statistics import difference, ratio
from sslens.studies.first_light_exercises import exercises
from sslens.studies.study import Verdicts, from_namespace, in_one_line
from sslens.train import Config, Runs, fit, learned, model_for
from sslens.types import Images, OneOf, Range, checked_dataclass
from sslens.views import augment

__all__ = ["exercises"]

NOTEBOOK = "00_first_light"
QUESTION = "What does an encoder learn without labels?"
TWIN, COLLAPSING = "simsiam", "simsiam, no stop-gradient"
SHOWN = 5
"""Classes of which views are shown."""
DIRECTIONS, POINTS = 25, 24
"""Of the neighbourhoods in which folds are counted, and how many there are."""
SMOKE_STEPS = 80
BY_HAND = 20
"""Steps of the loop that is shown whole."""
NEIGHBOURS = 10
"""Of each image on a map, and how many of them are so in the features."""


@final
@checked_dataclass
class Setting:
    """The notebook's parameters, and the field of the config that each of them fills."""

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    dataset: str = "scattered_digits"
    """``data.name``."""
    encoder: Annotated[str, OneOf([name for name in ENCODERS if name != "transformer"])] = "convnet"
    """``encoder``, one that reads images."""
    healthy: Annotated[str, OneOf(FAMILIES)] = "simclr"
    """The family that is shown in the figures, beside the collapse."""
    temperature: Annotated[float, Range(0, 1e3, above=True)] = 0.2
    """``objective.temperature`` of SimCLR."""
    strength: Annotated[float, Range(0, 1)] = 1.0
    """``recipe.strength``."""
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
    """A run of each family, and SimSiam once more without its stop-gradient; all on the same views, equally long."""
    base = _base(setting)
    found = {name: of_family(name, base) for name in FAMILIES}
    found["simclr"] = found["simclr"].changed(objective={"temperature": setting.temperature})
    return found | {COLLAPSING: found[TWIN].changed(objective={"stop_gradient": False})}


def _base(setting: Setting) -> Config:
    """What all runs share: beyond smoke twice the profile's steps on half its batch, as self-distillation needs steps.

    That is as many images, and about as much time. At smoke the steps are fewer than the profile's: self-distillation
    amplifies rounding, and after 120 steps two processors no longer agree to the checks' tolerance, even in float64.
    """
    config = Config.at(setting.profile, data={"name": setting.dataset}, encoder=ENCODERS[setting.encoder]())
    if setting.profile == "smoke":
        config = config.changed(optimisation={"steps": SMOKE_STEPS})
    else:
        usual = config.optimisation
        config = config.changed(optimisation={"steps": 2 * usual.steps, "batch_size": usual.batch_size // 2})
    if setting.strength == 1:
        return config
    recipe = config.augmentation(learned(config).images.shape[1])
    return config.changed(recipe=replace(recipe, strength=setting.strength))


def runs(setting: Setting) -> Runs:
    """All runs for every seed, trained side by side or read from the cache."""
    return Runs.of(configs(setting), seeds=setting.seeds, label="five runs")


def shown(setting: Setting) -> list[str]:
    """The runs that are watched along training: the healthy one, the collapsing one, and its twin."""
    return list(dict.fromkeys([setting.healthy, TWIN, COLLAPSING]))


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


def by_hand(setting: Setting) -> Config:
    """A SimCLR run of 20 steps on the CPU: what the notebook trains in one cell, and ``fit`` trains as well."""
    config = configs(setting)["simclr"]
    return config.changed(optimisation={"steps": BY_HAND}, snapshots={"count": 2}, compute={"device": "cpu"})


def fresh_model(config: Config) -> Model:
    """The model of a run with its initial weights."""
    return model_for(config, learned(config))


def batches(config: Config) -> Iterator[tuple[int, Images]]:
    """The images of each step of a run, one epoch after another, in the order in which ``fit`` takes them."""
    images = learned(config).images.to(getattr(torch, config.compute.dtype))
    size, order = min(config.optimisation.batch_size, len(images)), torch.empty(0, dtype=torch.int64, device="cpu")
    for step in range(config.optimisation.steps):
        epoch, place = divmod(step, len(images) // size)
        if place == 0:
            order = torch.randperm(len(images), generator=stream(config.seed, f"order/{epoch}"), device="cpu")
        yield step, images[order[place * size : (place + 1) * size]]


def views_of(config: Config, images: Images, *, step: int) -> Float[Tensor, "v n c h w"]:
    """Two distorted copies of each image, those that ``fit`` draws in this step."""
    recipe = config.augmentation(images.shape[1])
    (views,) = augment(images, recipe, stream(config.seed, f"views/{step}"), views=2)
    return views


def largest_difference(model: Model, config: Config) -> float:
    """How far any weight of a model is from the one that ``fit`` ends in, at most."""
    *_, last = fit(config)
    ours = model.state_dict()
    return max(float((ours[name] - value).abs().max()) for name, value in last.part("model").items())


def map_of_test_images(runs: Runs, *, run: str, step: int, method: str) -> tuple[DataArray, str]:
    """The representation of the test images of seed 0 at one step on a plane, sample x component, and what it keeps.

    That is a sentence: the share of the ten nearest neighbours of each image that are so on the map as well.
    """
    trace = runs[run][0]
    h = trace.snapshots[trace.steps.index(step)].representation[trace.held_out]
    labels, classes = trace.reference.labels[trace.held_out], trace.reference.classes
    axes = ["PC 1", "PC 2"] if method == "pca" else ["UMAP 1", "UMAP 2"]
    coords = {"component": axes, "class": ("sample", [classes[label] for label in labels])}
    plane = projection.project(h, method=method)
    kept = projection.neighbours_kept(h, plane, k=min(NEIGHBOURS, len(h) - 1))
    words = f"{method.upper()} keeps {kept:.0%} of neighbours"
    return DataArray(plane.numpy(), coords, ("sample", "component")), words


def accuracy_by_class(runs: Runs, *, run: str) -> DataArray:
    """Accuracy of kNN in each class: untrained, one run at its end, and the collapsed one; run x seed x class."""

    def of_each_class(known: probe.Known, queries: probe.Queries) -> Float[Tensor, "c"]:
        predicted = probe.knn(*known, queries[0])
        return classes.accuracy_by_class(predicted, queries[1], classes=int(known[1].max()) + 1)

    both = runs.select(run, COLLAPSING)
    ends = both.probed(of_each_class, per="class", at="end", name="kNN accuracy")
    start = both.probed(of_each_class, per="class", at="start", name="kNN accuracy")
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


def _gain(correct: DataArray, run: str) -> DataArray:
    """Test image by test image: 1 where a class is found at the end only, -1 where at the start only; seed x sample."""
    chosen = correct.sel(run=run)
    return difference(chosen.isel(step=-1), chosen.isel(step=0))


def _over_half_of_simclr(run: str) -> Any:
    """How the gain of a family less half the gain of SimCLR follows from what kNN says of each test image."""

    def less_half(correct: DataArray) -> DataArray:
        return difference(_gain(correct, run), 0.5 * _gain(correct, "simclr"))

    return less_half


def _end(array: DataArray, run: str) -> DataArray:
    return array.sel(run=run).isel(step=-1)


SOURCE = "Balestriero et al. 2023"
classes_are_learned = Claim(
    "Classes are learned without labels.",
    source="Chen et al. 2020",
    quantity="gain of kNN accuracy, SimCLR",
    above=0,
    scale="difference",
    measured=lambda correct: _gain(correct, "simclr"),
)
vicreg_learns, simsiam_learns, byol_learns = (
    Claim(
        f"{name} learns, too: at least half of what SimCLR learns.",
        source=source,
        quantity=f"gain of kNN accuracy, {name} - half of SimCLR's",
        above=0,
        kind="ours",
        premise=classes_are_learned,
        measured=_over_half_of_simclr(name.lower()),
    )
    for name, source in (("VICReg", SOURCE), ("SimSiam", SOURCE), ("BYOL", SOURCE))
)
"""That each family learns is the cookbook's; the half is ours."""
collapses_without_stop_gradient = Claim(
    "Without stop-gradient, SimSiam collapses onto less than two directions.",
    source="Chen & He 2021",
    quantity="participation ratio, collapsed",
    below=2,
    scale="ratio",
    measured=lambda directions: _end(directions, COLLAPSING),
)
stop_gradient_keeps_it = Claim(
    "With stop-gradient, the same run keeps more than four.",
    source="Chen & He 2021",
    quantity="participation ratio, twin",
    above=4,
    scale="ratio",
    measured=lambda directions: _end(directions, TWIN),
)
stop_gradient_helps = Claim(
    "The stop-gradient is what lets SimSiam learn classes.",
    source="Chen & He 2021",
    quantity="gain of kNN accuracy, twin - collapsed",
    above=0,
    premise=collapses_without_stop_gradient,
    measured=lambda correct: difference(_gain(correct, TWIN), _gain(correct, COLLAPSING)),
)
loss_calls_it_a_success = Claim(
    "The loss calls a collapse a success.",
    source="Chen & He 2021",
    quantity="loss left, twin - collapsed",
    above=0,
    premise=collapses_without_stop_gradient,
    measured=lambda left: difference(_end(left, TWIN), _end(left, COLLAPSING)),
)
rank_sees_it = Claim(
    "RankMe sees the collapse.",
    source="Garrido et al. 2023",
    quantity="RankMe, collapsed / twin",
    below=0.5,
    premise=collapses_without_stop_gradient,
    scale="ratio",
    measured=lambda rank: ratio(_end(rank, COLLAPSING), _end(rank, TWIN)),
)
FAMILIES_LEARN = (vicreg_learns, simsiam_learns, byol_learns)
CLAIMS = (
    classes_are_learned,
    *FAMILIES_LEARN,
    collapses_without_stop_gradient,
    stop_gradient_keeps_it,
    stop_gradient_helps,
    loss_calls_it_a_success,
    rank_sees_it,
)


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> answer({claim.quantity: True for claim in CLAIMS})
    'SimCLR learns classes, so does VICReg, so does SimSiam, so does BYOL, RankMe sees a collapse, ...'
    """
    clauses = {
        classes_are_learned: ("SimCLR learns classes", "SimCLR learns no classes"),
        vicreg_learns: ("so does VICReg", "VICReg not half as well"),
        simsiam_learns: ("so does SimSiam", "SimSiam not half as well"),
        byol_learns: ("so does BYOL", "BYOL not half as well"),
        rank_sees_it: ("RankMe sees a collapse", "RankMe does not see a collapse"),
        loss_calls_it_a_success: ("the loss does not", "the loss does"),
    }
    others = (collapses_without_stop_gradient, stop_gradient_keeps_it, stop_gradient_helps)
    return in_one_line(verdicts, clauses, others=others)
