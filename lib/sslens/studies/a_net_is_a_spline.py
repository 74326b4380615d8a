"""Is a neural network a spline? Exact regions of random networks and of an encoder, and what gates know of a text."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, final

import plotly.graph_objects as go
import torch
from torch import Tensor, nn
from xarray import DataArray

from sslens import datasets, figures
from sslens.claims import Claim
from sslens.encoders.transformer import GATES
from sslens.exercises import Exercises, Question, Task
from sslens.measures import regions
from sslens.runtime import PROFILES
from sslens.statistics import difference, ratio
from sslens.studies import a_net_is_a_spline_images as of_images
from sslens.studies import a_net_is_a_spline_networks as of_networks
from sslens.studies import a_net_is_a_spline_texts as of_texts
from sslens.studies.a_net_is_a_spline_images import FITTED, TRAINED, UNTRAINED, Squares, around_images
from sslens.studies.a_net_is_a_spline_images import along_training as along_training
from sslens.studies.a_net_is_a_spline_images import of_each_network as of_each_network
from sslens.studies.a_net_is_a_spline_images import squares_alone as squares_alone
from sslens.studies.a_net_is_a_spline_images import squares_around as squares_around
from sslens.studies.a_net_is_a_spline_images import three_networks as three_networks
from sslens.studies.a_net_is_a_spline_networks import POINTS, growth_with_depth, most_of_lines
from sslens.studies.a_net_is_a_spline_networks import along_units as along_units
from sslens.studies.a_net_is_a_spline_networks import by_depth as by_depth
from sslens.studies.a_net_is_a_spline_networks import folded_on_purpose as folded_on_purpose
from sslens.studies.a_net_is_a_spline_networks import largest_misfit as largest_misfit
from sslens.studies.a_net_is_a_spline_networks import misfits as misfits
from sslens.studies.a_net_is_a_spline_networks import of_each_size as of_each_size
from sslens.studies.a_net_is_a_spline_networks import on_grids as on_grids
from sslens.studies.a_net_is_a_spline_networks import straight_lines as straight_lines
from sslens.studies.a_net_is_a_spline_texts import BAG, HIDDEN, NORMS, READ, SPLINE, STEP
from sslens.studies.a_net_is_a_spline_texts import accuracy_by_language as accuracy_by_language
from sslens.studies.a_net_is_a_spline_texts import accuracy_on_signs as accuracy_on_signs
from sslens.studies.a_net_is_a_spline_texts import attention_along as attention_along
from sslens.studies.a_net_is_a_spline_texts import features_of_texts as features_of_texts
from sslens.studies.a_net_is_a_spline_texts import misfit_along_steps as misfit_along_steps
from sslens.studies.study import Verdicts, from_namespace, in_one_line
from sslens.train import Config, Runs
from sslens.types import Dataset, OneOf, Range, checked_dataclass

NOTEBOOK = "30_a_net_is_a_spline"
QUESTION = "Is a neural network a spline?"
EARLY, LATE = slice(17, 32), slice(49, 64)
"""The second and the last quarter of a text, by the number of characters read."""
FEW = 3
"""Draws at ``smoke``."""
DESCENT = 25
"""Steps within which classifiers such as the control were seen to have fewest regions (the first descent)."""


@final
@checked_dataclass
class Setting:
    """The notebook's parameters.

    Random networks and the classifier are perceptrons, whatever ``encoder`` says: a convolution has nothing to slide
    over where there are two inputs, and the paper's regions were counted around the samples of perceptrons.
    """

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    dataset: str = "scattered_digits"
    """``data.name`` of the encoders; of three classes or more."""
    encoder: Annotated[str, OneOf(("convnet", "resnet18", "mlp"))] = "convnet"
    """What learns without labels: a name of ``ENCODERS`` that reads images."""
    width: Annotated[int, Range(2, 512)] = 64
    """Units in each layer of the random networks that are taken apart and sampled."""
    depth: Annotated[int, Range(1, 10)] = 3
    """Their layers."""
    draws: Annotated[int, Range(1, 1000)] = 10
    """Random networks of each size."""
    radius: Annotated[float, Range(0, 1e3, above=True)] = 0.02
    """Half-side of the squares around images, in pixel values."""
    gate: Annotated[str, OneOf(GATES)] = "relu"
    """What stands behind the gates of the language model."""
    seeds: Annotated[int, Range(1, 1000)] = 5
    """Trained networks of each kind."""

    def __post_init__(self) -> None:
        datasets.check_name(self.dataset)

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> "Setting":
        """The parameters as a notebook has assigned them; at ``smoke`` no more than three draws, as of seeds."""
        setting = from_namespace(cls, namespace)
        return replace(setting, draws=min(setting.draws, FEW)) if setting.profile == "smoke" else setting


def configs(setting: Setting) -> dict[str, Config]:
    """The encoder, a classifier, and a language model for each seed, as their texts differ too.

    >>> list(configs(Setting(seeds=2)))
    ['simclr', 'classifier', 'language model 0', 'language model 1']
    """
    found = of_images.encoder_configs(setting.profile, dataset=setting.dataset, encoder=setting.encoder)
    for seed in range(setting.seeds):
        found[f"{of_texts.LANGUAGE_MODEL} {seed}"] = of_texts.language_config(setting.profile, seed, gate=setting.gate)
    return found


def runs(setting: Setting) -> Runs:
    """The encoder and the classifier for every seed, trained side by side or read from the cache.

    Raises:
        InputError: data of fewer than three classes; nothing is trained then.
    """
    chosen = of_images.encoder_configs(setting.profile, dataset=setting.dataset, encoder=setting.encoder)
    return of_images.encoder_runs(chosen, seeds=setting.seeds)


def language_runs(setting: Setting) -> Runs:
    """A language model for each seed, trained side by side or read from the cache."""
    return of_texts.language_models(setting.profile, seeds=setting.seeds, gate=setting.gate)


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


def exercises(networks: Mapping[str, list[nn.Module]], squares: Squares, *, signs: DataArray) -> Exercises:
    """Pieces on a line, lines through one point, a walk between two images, and what sees the sign of a gate."""
    first, second, *_ = squares.images.values()
    walk = regions.segment(networks[TRAINED][0], first, second)
    return Exercises(
        Task(
            "pieces",
            like=of_networks.pieces_on_a_line,
            cases={
                "three units": _units((1.0, -0.5), (2.0, 0.5), (-1.0, 0.5)),
                "two units that bend at one place": _units((1.0, -0.5), (2.0, -1.0)),
                "a unit of weight 0": _units((1.0, 0.5), (0.0, 1.0)),
                "a unit that bends outside": _units((1.0, -5.0), (1.0, 0.0)),
            },
            hints=(
                "Where does one unit bend?",
                "At x = -b / w. Which of these places lie inside, and which are equal?",
            ),
            solution=of_networks.pieces_on_a_line,
        ),
        Question(
            "through_one_point",
            2 * 16,
            hints=("Set the biases to 0 in the first figure, at depth 1.", "How many rays do N lines through 0 make?"),
            solution="Without biases all 16 lines go through the origin and make {truth} rays, with a region between "
            "each and the next.",
        ),
        Question(
            "on_the_way",
            walk.count,
            hints=("`.count` says how many regions the way leads through.",),
            solution="`regions.segment(networks['trained'][0], first, second).count` is {truth}: each break on the way "
            "is a fold of one unit.",
        ),
        Question(
            "signs",
            float(signs.sel(run=NORMS).mean()),
            hints=("What becomes of the norm of a vector when its sign changes?", "It has two answers to choose from."),
            solution="{truth}: a vector and its negative have the same norm, so the probe can only guess between two.",
        ),
    )


def _units(*units: tuple[float, float]) -> tuple[Tensor, ...]:
    """Weights and biases of some units of one input."""
    return torch.tensor(units, dtype=torch.float64, device="cpu").unbind(1)


def _accuracy(accuracy: DataArray, run: str) -> DataArray:
    return accuracy.sel(run=run).mean("class", skipna=False)


def _gain(run: str, other: str) -> Any:
    """What measures how much more accurate the one is than the other, seed by seed."""
    return lambda accuracy: difference(_accuracy(accuracy, run), _accuracy(accuracy, other))


def _grown(along: DataArray) -> DataArray:
    trained = along.sel(run=TRAINED)
    return ratio(*(trained.sel({READ: part}).mean(READ, skipna=False) for part in (LATE, EARLY)))


def _over_lines(counts: DataArray) -> DataArray:
    return (counts / most_of_lines(counts["depth"] * counts["width"])).max(("depth", "width"), skipna=False)


networks_are_splines = Claim(
    "A network of ReLUs is a spline: affine on each of its regions.",
    source="Balestriero & Baraniuk 2018",
    quantity="largest misfit, ReLU",
    below=1e-9,
    kind="theorem",
    repetition="draws",
    exact=True,
    measured=lambda misfit: misfit.sel(run="ReLU"),
)
no_more_than_lines = Claim(
    "Random networks have no more regions than as many straight lines.",
    source="Hanin & Rolnick 2019",
    quantity="regions over those of lines, largest of all sizes",
    below=1,
    scale="ratio",
    repetition="draws",
    measured=_over_lines,
)
depth_adds_as_width_does = Claim(
    "However deep, their number grows no faster than N².",
    source="Hanin & Rolnick 2019",
    quantity="growth with depth, as a power of N",
    below=2,
    repetition="draws",
    measured=growth_with_depth,
)
grids_miss_regions = Claim(
    "A grid of 250 x 250 points misses regions.",
    source="Balestriero & LeCun 2024",
    quantity="share found",
    below=0.9,
    scale="share",
    repetition="draws",
    measured=lambda share: share.isel(run=-1).sel({POINTS: 250}),
)
a_classifier_loses_regions = Claim(
    "Early in training a classifier has fewer regions around images.",
    source="Humayun et al. 2023",
    quantity="classifier, after some 20 steps / untrained",
    below=1,
    scale="ratio",
    measured=lambda along: ratio(along.sel(step=slice(0, DESCENT)).isel(step=-1), along.isel(step=0)),
)
an_encoder_loses_regions = Claim(
    "So has an encoder trained without labels, after the first descent.",
    source="Humayun et al. 2023, for classifiers",
    quantity="encoder, trained / fitted",
    below=1,
    scale="ratio",
    kind="ours",
    premise=a_classifier_loses_regions,
    measured=lambda counts: ratio(around_images(counts, TRAINED), around_images(counts, FITTED)),
)
feed_forwards_are_affine = Claim(
    "A feed-forward is affine in each region of its gates.",
    source="Balestriero et al. 2023",
    quantity="largest misfit within a region",
    below=1e-9,
    kind="theorem",
    exact=True,
    measured=lambda misfit: misfit.isel(run=0).sel({STEP: slice(0, 1)}).max(STEP, skipna=False),
)
training_makes_them_tell_more = Claim(
    "Training makes the 21 numbers tell more.",
    source="Balestriero et al. 2023",
    quantity="trained - untrained",
    above=0,
    scale="difference",
    measured=_gain(f"{SPLINE}, {TRAINED}", f"{SPLINE}, {UNTRAINED}"),
)
they_tell_more_than_norms = Claim(
    "The 21 numbers tell more than the norms of the same gates.",
    source="Balestriero et al. 2023, who do not compare them",
    quantity="21 numbers - norms",
    above=0,
    scale="difference",
    kind="ours",
    measured=_gain(f"{SPLINE}, {TRAINED}", NORMS),
)
the_network_knows_more_than_letters = Claim(
    "The hidden state tells more than a bag of characters.",
    source="Observed here, as a control",
    quantity="hidden state - bag",
    above=0,
    scale="difference",
    kind="ours",
    measured=_gain(HIDDEN, BAG),
)
they_know_more_than_letters = Claim(
    "So do the 21 numbers.",
    source="Balestriero et al. 2023, who do not compare them",
    quantity="21 numbers - bag",
    above=0,
    scale="difference",
    kind="ours",
    premise=the_network_knows_more_than_letters,
    measured=_gain(f"{SPLINE}, {TRAINED}", BAG),
)
more_is_attended_to = Claim(
    "The longer a text, the more characters are attended to.",
    source="Balestriero et al. 2023",
    quantity="characters attended to, last quarter / second",
    above=1,
    scale="ratio",
    measured=_grown,
)
more_is_spanned = Claim(
    "And the more dimensions they span.",
    source="Balestriero et al. 2023, of the number of characters",
    quantity="dimensions, last quarter / second",
    above=1,
    scale="ratio",
    kind="ours",
    measured=_grown,
)
CLAUSES = {
    networks_are_splines: ("yes, affine on each region", "no"),
    depth_adds_as_width_does: ("few of them however deep", "many if deep"),
    an_encoder_loses_regions: ("training leaves fewer", "training leaves no fewer"),
    they_tell_more_than_norms: ("they tell more of a text than norms", "they tell no more of a text than norms"),
}
OTHERS = (
    no_more_than_lines,
    grids_miss_regions,
    a_classifier_loses_regions,
    feed_forwards_are_affine,
    training_makes_them_tell_more,
    the_network_knows_more_than_letters,
    they_know_more_than_letters,
    more_is_attended_to,
    more_is_spanned,
)
CLAIMS = (*CLAUSES, *OTHERS)


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> answer({claim.quantity: claim is not they_tell_more_than_norms for claim in CLAIMS})
    'Yes, affine on each region, few of them however deep, training leaves fewer, they tell no more of a text ...'
    """
    return in_one_line(verdicts, CLAUSES, others=OTHERS)
