"""Can one number tell a good encoder? Sweeps of hyper-parameters, what orders their runs, and what fools it."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, final

import plotly.graph_objects as go
import torch
from jaxtyping import Float
from torch import Tensor
from xarray import DataArray

from sslens import datasets, figures
from sslens.claims import Claim, Verdict
from sslens.measures import collapse, probe, spectrum
from sslens.presets import SWEEPS, swept
from sslens.runtime import PROFILES, stream
from sslens.statistics import labels, ratio
from sslens.studies.one_number_agreement import ALL
from sslens.studies.one_number_agreement import pooled as pooled  # the notebook finds all it needs in one place
from sslens.studies.one_number_agreement import rank_correlations as rank_correlations
from sslens.studies.one_number_agreement import regrets as regrets
from sslens.studies.study import Verdicts, from_namespace, outcomes, stacked, stated
from sslens.train import Config, Runs
from sslens.train.runs import Layer
from sslens.types import Features, OneOf, Range, checked_dataclass

NOTEBOOK = "10_one_number"
QUESTION = "Can one number tell a good encoder?"
LAYERS: tuple[Layer, ...] = ("embedding", "representation")
COMPARED = tuple(name for name, sweep in SWEEPS.items() if len(sweep.values) > 1)
"""Sweeps of several settings."""
SUPERVISED = "supervised"
BAD_ON_PURPOSE = {
    "undertrained": ["SimCLR learning rate 2e-05", "SimCLR learning rate 0.0002"],
    "shrunk": ["VICReg variance 0"],
    "over-whitened": ["VICReg covariance 400"],
}
"""Runs whose settings are bad for a known reason."""
RANKME, NEARNESS = "RankMe, embedding", "exponent near 1"
"""What the claims choose by."""
NUMBERS = ("RankMe", "RankMe, centred", "total variance", "exponent", "kNN accuracy")
"""What is measured of an embedding before and after it is changed."""
EPSILON = 1e-7
"""RankMe's own."""
WORDS = {
    "SimCLR temperature": "temperature",
    "SimCLR learning rate": "learning rate",
    "VICReg covariance": "covariance",
    "VICReg variance": "variance",
    ALL: ALL,
}
"""Of the groups, in an answer."""


@final
@checked_dataclass
class Setting:
    """The notebook's parameters, and the field of the configs that each of them fills."""

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    dataset: str = "scattered_digits"
    """``data.name``."""
    sweeps: Annotated[str, OneOf(("all", *COMPARED))] = "all"
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
    (20, 10)
    """
    return {name: config for config, name in _names(setting).items()}


def runs(setting: Setting) -> Runs:
    """Every run of the sweeps for every seed, trained side by side or read from the cache."""
    return Runs.of(configs(setting), seeds=setting.seeds, label="sweeps")


def members(setting: Setting, among: Runs) -> dict[str, dict[str, str]]:
    """The runs of each sweep by name, in order, with the value of the hyper-parameter; those that are there.

    >>> short = Setting(profile="smoke", sweeps="VICReg variance", steps=1, seeds=1)
    >>> members(short, runs(short))
    {'VICReg variance': {'VICReg variance 0': '0', 'VICReg variance 25': '25'}}
    """
    names, found = _names(setting), {}
    for (sweep, value), config in _swept(setting).items():
        if names[config] in among.names:
            found.setdefault(sweep, {})[names[config]] = f"{value:g}" if sweep in COMPARED else sweep
    return found


def compared(runs: Runs) -> Runs:
    """The runs that are held against each other: trained without labels, and to their end with every seed.

    The embedding of the supervised run has a column for each class, and ranks compare at equal width only.
    """
    finished = [name for name in runs if all(trace.status == "complete" for trace in runs[name])]
    return runs.select(*(name for name in finished if name != SUPERVISED))


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


def exercise_truths(healthy: Runs, correlation: DataArray) -> tuple[float, float, str]:
    """The right answers to the three exercises."""
    z = healthy[healthy.names[0]][0].snapshots[-1].embedding
    white = torch.eye(64, dtype=torch.float32, device="cpu")[:20].repeat(7, 1)
    worst = str(correlation.sel(choice=RANKME).mean("seed").idxmin("sweep").item())
    return spectrum.rankme(white), spectrum.rankme(torch.cat([z, z], 1)) / spectrum.rankme(z), worst


def _higher(group: str) -> Claim:
    return Claim(
        f"The higher RankMe, the better: {group}.",
        source="Garrido et al. 2023" if group != ALL else "Ours; Garrido et al. 2023 compare runs of one method",
        kind="published" if group != ALL else "ours",
        quantity=f"Spearman, {group}",
        above=0,
        scale="rank correlation",
        under_review=group in CONTESTED,
        measured=lambda correlation: correlation.sel(choice=RANKME, sweep=group),
    )


def nearer_is_better(group: str = ALL) -> Claim:
    """That the best exponent is near 1, within one group of runs.

    >>> nearer_is_better().quantity
    'Spearman with nearness, all runs'
    """
    return Claim(
        "The best exponent is near 1.",
        source="Agrawal et al. 2022",
        quantity=f"Spearman with nearness, {group}",
        above=0,
        scale="rank correlation",
        measured=lambda correlation: correlation.sel(choice=NEARNESS, sweep=group),
    )


TEMPERATURE = "SimCLR temperature"
CONTESTED = ("SimCLR learning rate",)
"""Groups whose verdicts are under review: half of the learning rates are known to be too low for so few steps."""
higher_is_better = {group: _higher(group) for group in (*COMPARED, ALL)}
"""A claim for each group of runs."""
choosing_is_cheap = Claim(
    "Choosing the temperature by RankMe costs less than half a point.",
    source="Garrido et al. 2023",
    quantity="regret",
    below=0.005,
    under_review=True,
    measured=lambda lost: lost.sel(choice=RANKME, sweep=TEMPERATURE, drop=True),
)
CLAIMS = (*higher_is_better.values(), nearer_is_better(), choosing_is_cheap)


def verdicts(correlation: DataArray, lost: DataArray) -> list[Verdict]:
    """What came of each claim about the groups that were compared, all of them or a single sweep.

    From the rank correlations, their tests beside them, and the regrets of choices: choice x sweep x seed.
    """
    groups = [str(group) for group in labels(correlation, "sweep")]
    found = [higher_is_better[group].judge(correlation) for group in groups]
    found.append(nearer_is_better(groups[-1]).judge(correlation))
    return [*found, choosing_is_cheap.judge(lost)] if TEMPERATURE in groups else found


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> answer({claim.quantity: claim is not choosing_is_cheap for claim in CLAIMS})
    'RankMe works for temperature, learning rate, covariance, variance, all runs; its choice costs; exponent 1 is best.'
    """
    found = outcomes(verdicts)
    words = {True: "works for", False: "fails for", None: "may work for"}
    parts = {verb: _groups_with(found, outcome) for outcome, verb in words.items()}
    orders = ", ".join(f"{verb} {', '.join(groups)}" for verb, groups in parts.items() if groups)
    choice = stated(choosing_is_cheap, found, ("its choice is cheap", "its choice costs", "its choice may cost"))
    words = ("exponent 1 is best", "exponent 1 is not", "exponent 1 may be")
    nearness = stated(nearer_is_better(), found, words)
    return f"RankMe {orders}; {choice}; {nearness}."


def _groups_with(found: Mapping[str, bool | None], outcome: bool | None) -> list[str]:
    """The groups of runs along which RankMe's order came out so; those that were not judged have no outcome."""
    judged = {group: claim.quantity for group, claim in higher_is_better.items() if claim.quantity in found}
    return [WORDS[group] for group, quantity in judged.items() if found[quantity] is outcome]


def _swept(setting: Setting) -> dict[tuple[str, float], Config]:
    sweeps = () if setting.sweeps == "all" else (setting.sweeps,)
    return swept(setting.profile, dataset=setting.dataset, steps=setting.steps, sweeps=sweeps)


def _names(setting: Setting) -> dict[Config, str]:
    names: dict[Config, str] = {}
    for (sweep, value), config in _swept(setting).items():
        names.setdefault(config, f"{sweep} {value:g}" if sweep in COMPARED else sweep)
    return names


def _attributes(runs: Runs) -> dict[str, str]:
    """Unit and setting of what is measured: data, length of training, and how many settings take no part."""
    diverged = [name for name in runs if any(trace.status != "complete" for trace in runs[name])]
    trained = runs.select(compared(runs).names[0]).setting
    return {"unit": "", "setting": f"{trained}, {len(diverged)} diverged settings left out" if diverged else trained}
