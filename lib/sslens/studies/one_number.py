"""Can one number tell a good encoder? Sweeps of hyper-parameters, what orders their runs, and what fools it."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, final

import plotly.graph_objects as go
import torch
from jaxtyping import Float
from torch import Tensor
from xarray import DataArray

from sslens import datasets, figures
from sslens.encoders import ENCODERS
from sslens.measures import collapse, probe, spectrum
from sslens.presets import swept
from sslens.runtime import PROFILES, stream
from sslens.statistics import ratio
from sslens.studies.one_number_agreement import ALL, Groups, pooled
from sslens.studies.one_number_agreement import rank_correlations as rank_correlations  # all in one place for the
from sslens.studies.one_number_choice import by_choice as by_choice  # notebook
from sslens.studies.one_number_choice import regret as regret
from sslens.studies.one_number_choice import value_of_choice as value_of_choice
from sslens.studies.one_number_claims import BAD_ON_PURPOSE, ELSEWHERE, FACTORS_TASK, OWN, SWEPT, UNTRAINED
from sslens.studies.one_number_claims import CLAIMS as CLAIMS
from sslens.studies.one_number_claims import answer as answer
from sslens.studies.one_number_claims import blind_spot_verdicts as blind_spot_verdicts
from sslens.studies.one_number_claims import choice_verdicts as choice_verdicts
from sslens.studies.one_number_claims import factor_verdicts as factor_verdicts
from sslens.studies.one_number_claims import order_verdicts as order_verdicts
from sslens.studies.one_number_exercises import exercises as exercises
from sslens.studies.one_number_tasks import CLASSIFIERS, correct_on, own_task, task_elsewhere
from sslens.studies.one_number_tasks import read_factors as read_factors
from sslens.studies.study import from_namespace, stacked
from sslens.train import Config, Runs
from sslens.train.runs import Layer
from sslens.types import Features, OneOf, Range, checked_dataclass

NOTEBOOK = "10_one_number"
QUESTION = "Can one number tell a good encoder?"
LAYERS: tuple[Layer, ...] = ("embedding", "representation")
NUMBERS = ("RankMe", "RankMe, centred", "total variance", "exponent", "kNN accuracy")
"""What is measured of an embedding before and after it is changed."""
EPSILON = 1e-7
"""RankMe's own."""
MOST = {"smoke": 300, "lesson": 2400, "full": 10_000}
"""Images of a task, on either side."""


@final
@checked_dataclass
class Setting:
    """The notebook's parameters, and the field of the configs that each of them fills."""

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    dataset: str = "scattered_digits"
    """``data.name``."""
    encoder: Annotated[str, OneOf(tuple(ENCODERS))] = "convnet"
    """``encoder``, of a run and of all it is compared with: ranks compare at equal width only."""
    classifier: Annotated[str, OneOf(tuple(CLASSIFIERS))] = "kNN"
    """What reads the representation where an encoder's accuracy is judged."""
    sweeps: Annotated[str, OneOf(("all", *SWEPT))] = "all"
    """One of ``presets.SWEEPS``, or all of them."""
    steps: Annotated[int, Range(0, 10**6)] = 0
    """``optimisation.steps``; 0 means what the profile says."""
    seeds: Annotated[int, Range(1, 1000)] = 3

    def __post_init__(self) -> None:
        datasets.check_name(self.dataset)

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> "Setting":
        """The parameters as a notebook has assigned them."""
        return from_namespace(cls, namespace)


def configs(setting: Setting) -> dict[str, Config]:
    """Every run of the sweeps by its name, ``SimCLR temperature 0.2``; a run of two sweeps has the name of the first.

    Raises:
        InputError: no such data set.

    >>> len(configs(Setting())), len(configs(Setting(profile="smoke")))
    (31, 13)
    """
    return {name: config for config, name in _names(setting).items()}


def runs(setting: Setting) -> Runs:
    """Every run of the sweeps for every seed, trained side by side or read from the cache."""
    return Runs.of(configs(setting), seeds=setting.seeds, label="sweeps")


def members(setting: Setting, among: Runs) -> dict[str, dict[str, str]]:
    """The runs of each sweep by name, in order, with the value of the hyper-parameter; those that are there.

    >>> short = Setting(profile="smoke", sweeps="VICReg invariance", steps=1, seeds=1)
    >>> members(short, runs(short))
    {'VICReg invariance': {'VICReg invariance 12.5': '12.5', ...}, 'untrained': {'untrained': 'untrained'}}
    """
    names, found = _names(setting), {}
    for (sweep, value), config in _swept(setting).items():
        if names[config] in among.names:
            found.setdefault(sweep, {})[names[config]] = sweep if sweep == UNTRAINED else f"{value:g}"
    return found


def compared(runs: Runs) -> Runs:
    """The runs that are held against each other: those that reached their end with every seed."""
    finished = [name for name in runs if all(trace.status == "complete" for trace in runs[name])]
    return runs.select(*finished)


def judged(sweeps: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """The groups of runs whose order is judged: each sweep without what is bad on purpose, and all of them.

    >>> judged({"VICReg covariance": {"VICReg covariance 0": "0", "a": "1", "b": "2"}, "untrained": {"c": "c"}})
    {'VICReg covariance': ['a', 'b']}
    """
    bad = {run for runs in BAD_ON_PURPOSE.values() for run in runs}
    kept = {name: [run for run in sweeps[name] if run not in bad] for name in SWEPT if name in sweeps}
    return pooled({name: runs for name, runs in kept.items() if runs})


def single(groups: Groups) -> Groups:
    """The sweeps without the group that pools them."""
    return {name: runs for name, runs in groups.items() if name != ALL}


def spectra(runs: Runs, settings: Mapping[str, str], *, layer: Layer) -> DataArray:
    """Eigenvalues of the covariance at the end of training, over the first of them: run x seed x rank.

    Of the runs that ``settings`` names, each called by its value there; from the training side alone.
    """
    chosen = runs.select(*settings)
    found = chosen.along(spectrum.eigenvalues, of=layer, on="train", at="end", per="rank", name="eigenvalue")
    first = found.isel(rank=0, drop=True)
    relative = (found / first.where(first > 0, 1.0)).assign_coords(run=list(settings.values()))
    return relative.assign_attrs(found.attrs | {"unit": "relative to the first"})


def one_over_rank(spectra: DataArray) -> DataArray:
    """The power law of exponent 1 at the ranks of some spectra, for comparison."""
    return (1 / spectra["rank"]).rename(spectra.name).assign_attrs(spectra.attrs)


def exponent(h: Features) -> float:
    """Of the power law that the eigenvalues of the covariance come closest to; see ``spectrum.power_law``.

    Raises:
        InputError: as ``spectrum.eigenvalues`` and ``spectrum.power_law``.

    >>> round(exponent(torch.randn(500, 64, generator=torch.Generator().manual_seed(0))), 1)
    0.4
    """
    return spectrum.power_law(spectrum.eigenvalues(h)).exponent


def nearness_to_1(h: Features) -> float:
    """How near the exponent is to 1: the distance with a minus sign, so that the nearest is the highest.

    Raises:
        InputError: as ``exponent``.

    Reference: Agrawal, Mondal, Ghosh, Richards, "α-ReQ", NeurIPS 2022.

    >>> round(nearness_to_1(torch.randn(500, 64, generator=torch.Generator().manual_seed(0))), 1)
    -0.6
    """
    return -abs(exponent(h) - 1)


def five_label_accuracy(known: probe.Known, queries: probe.Queries) -> float:
    """Accuracy of a linear probe that knows 5 labels per class: the mean over ten draws, the same for every run.

    Raises:
        InputError: as ``probe.few_shot``.

    >>> known = torch.eye(2).repeat(5, 1), torch.tensor([0, 1]).repeat(5)
    >>> five_label_accuracy(known, known)
    1.0
    """
    return probe.few_shot(known, queries, generator=stream(0, "labels")).mean


def scores(runs: Runs, measures: Mapping[str, Callable[[Features], float]]) -> DataArray:
    """Each measure of both layers at the end of training, without labels: measure x layer x run x seed.

    Of the runs that are compared, on the training side of the reference images.
    """

    def of_both_layers(name: str) -> DataArray:
        tried = compared(runs)
        layers = {layer: tried.along(measures[name], of=layer, on="train", at="end") for layer in LAYERS}
        return stacked(layers, dim="layer")

    return stacked({name: of_both_layers(name) for name in measures}, dim="measure").assign_attrs(_attributes(runs))


def accuracies(runs: Runs, probes: Mapping[str, Callable[[probe.Known, probe.Queries], float]]) -> DataArray:
    """What each probe reads out of the representation at the end of training: probe x run x seed.

    Of the runs that are compared; fitted on the training side of the reference images, judged on the test side.
    """
    tried = compared(runs)
    found = {name: tried.probed(judged, of="representation", at="end") for name, judged in probes.items()}
    return stacked(found, dim="probe").assign_attrs(_attributes(runs))


def correct(setting: Setting, runs: Runs) -> DataArray:
    """Which test images a probe of each encoder gets right, of a larger draw: run x seed x sample."""
    task = own_task(setting.dataset, most=MOST[setting.profile])
    return correct_on(task, compared(runs), classifier=setting.classifier).assign_attrs(_attributes(runs))


def correct_elsewhere(setting: Setting, runs: Runs) -> DataArray:
    """The same on another data set, which no encoder has seen: run x seed x sample."""
    task = task_elsewhere(setting.dataset, most=MOST[setting.profile])
    return correct_on(task, compared(runs), classifier=setting.classifier).assign_attrs(_attributes(runs))


def qualities(correct: DataArray, elsewhere: DataArray, *, factors: DataArray | None) -> dict[str, DataArray]:
    """How good each encoder is at each task, by the task's name: run x seed.

    The shares of test images that are classified rightly on the data and elsewhere, and, where the images were made
    with known factors, the mean R² of place and rotation.
    """
    found = {OWN: correct.mean("sample"), ELSEWHERE: elsewhere.mean("sample").rename(f"{elsewhere.name} elsewhere")}
    if factors is not None:
        found[FACTORS_TASK] = factors.mean("factor", skipna=False).rename(f"R² of {FACTORS_TASK}")
    return {task: each.assign_attrs(unit="", setting=correct.attrs["setting"]) for task, each in found.items()}


def no_favourite(quality: DataArray) -> DataArray:
    """A number that is the same for all runs: a blind choice among them.

    >>> no_favourite(DataArray([0.5, 0.25])).values
    array([0., 0.])
    """
    return 0 * quality


def against(score: DataArray, *quantities: DataArray, sweeps: Mapping[str, Mapping[str, str]]) -> go.Figure:
    """Quantities of the runs against one score, the last of them on a logarithmic axis; what is bad on purpose, ringed.

    Raises:
        InputError: as ``figures.against``.
    """
    title, log = f"Does {score.name} know the {quantities[0].name}?", [str(quantities[-1].name)]
    return figures.against(score, *quantities, title=title, sweeps=sweeps, rings=BAD_ON_PURPOSE, log=log)


def changed(
    healthy: Runs,
    change: Callable[[Features], Features] = torch.clone,
    *,
    epsilon: float = EPSILON,
    samples: int | None = None,
) -> DataArray:
    """``NUMBERS`` of the embeddings of one run at the end of training, after a change over before: seed x number.

    Every embedding is changed first; then RankMe is taken with this ``epsilon``, and all of them from the first
    ``samples`` of the training side, of which each brings its label to the neighbours of the test side.
    """

    def after(known: probe.Known, queries: probe.Queries) -> Float[Tensor, "five"]:
        z, count = change(torch.cat([known[0], queries[0]])), len(known[0])
        fewer = z[:count][:samples], known[1][:samples]
        return numbers(fewer, (z[count:], queries[1]), epsilon=epsilon)

    found = [healthy.probed(each, of="embedding", at="end", per="number") for each in (after, numbers)]
    quotient = ratio(*found, name="after / before").isel(run=0, drop=True)
    return quotient.assign_coords(number=list(NUMBERS))


def numbers(known: probe.Known, queries: probe.Queries, *, epsilon: float = EPSILON) -> Float[Tensor, "five"]:
    """``NUMBERS`` of embeddings, in their order; only the neighbours make use of labels.

    >>> known = torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), torch.zeros(64, dtype=torch.long)
    >>> round(float(numbers(known, known)[-1]), 6)
    1.0
    """
    z = known[0]
    ranks = [spectrum.rankme(z, eps=epsilon, centre=centre) for centre in (False, True)]
    found = [*ranks, collapse.total_variance(z), exponent(z), probe.knn_accuracy(known, queries)]
    return torch.tensor(found, dtype=torch.float64, device="cpu")


def _swept(setting: Setting) -> dict[tuple[str, float], Config]:
    sweeps = () if setting.sweeps == "all" else (setting.sweeps, UNTRAINED)
    found = swept(setting.profile, dataset=setting.dataset, steps=setting.steps, sweeps=sweeps)
    encoder = ENCODERS[setting.encoder]()
    return {key: config.changed(encoder=encoder) for key, config in found.items()}


def _names(setting: Setting) -> dict[Config, str]:
    names: dict[Config, str] = {}
    for (sweep, value), config in _swept(setting).items():
        names.setdefault(config, _called(sweep, value))
    return names


def _called(sweep: str, value: float) -> str:
    return f"{sweep} {value:g}" if sweep in SWEPT else sweep


def _attributes(runs: Runs) -> dict[str, str]:
    """Unit and setting of what is measured: data, length of training, and how many settings take no part."""
    diverged = [name for name in runs if any(trace.status != "complete" for trace in runs[name])]
    trained = runs.select(compared(runs).names[0]).setting
    return {"unit": "", "setting": f"{trained}, {len(diverged)} diverged settings left out" if diverged else trained}
