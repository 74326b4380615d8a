"""What is claimed of boosters under noise and of pseudo-labels under shift, with the bounds; and the answer."""

from xarray import DataArray

from sslens.claims import Claim
from sslens.statistics import difference
from sslens.studies.boosters_and_pseudo_labels_self_training import (
    ANGLE,
    CAPPED,
    PAIR,
    SELF,
    SKEW,
    SUPERVISED,
    ahead_of_the_better,
)
from sslens.studies.boosters_and_pseudo_labels_trees import DEPTH
from sslens.studies.study import Verdicts, outcomes, stated


def _lost(correct: DataArray, *, deepest: bool) -> DataArray:
    """What noise takes from trees of depth one, which are lines, or from the deepest, sample by sample."""
    of_depth = correct.isel({DEPTH: -1 if deepest else 0}, drop=True)
    return difference(of_depth.isel(run=0, drop=True), of_depth.isel(run=1, drop=True))


def _shifted(correct: DataArray) -> DataArray:
    """Without the pool that is not shifted."""
    return correct.isel({next(dim for dim in (ANGLE, SKEW) if dim in correct.dims): slice(1, None)})


def _between(correct: DataArray, first: str, second: str) -> DataArray:
    """One method minus another, mean over the shifted pools: seed x sample."""
    kind = next(dim for dim in (ANGLE, SKEW) if dim in correct.dims)
    shifted = _shifted(correct)
    of_both = (shifted.sel(run=name, drop=True) for name in (first, second))
    return difference(*of_both).mean(kind, skipna=False, keep_attrs=True)


def _no_shift(correct: DataArray) -> DataArray:
    plain = correct.isel({ANGLE: 0}, drop=True)
    return difference(plain.sel(run=SELF, drop=True), plain.sel(run=SUPERVISED, drop=True))


def _capping_costs(turned: DataArray, skewed: DataArray) -> DataArray:
    """Free weights minus weights up to 1, mean over both kinds of shift: seed x sample."""
    both = [_between(each, PAIR, CAPPED) for each in (turned, skewed)]
    counts = [turned.sizes[ANGLE] - 1, skewed.sizes[SKEW] - 1]
    return (both[0] * counts[0] + both[1] * counts[1]) / sum(counts)


noise_defeats_lines = Claim(
    "For every share of flipped labels there is a margin at which boosted lines fail.",
    source="Long & Servedio 2010",
    quantity="critical margin, smaller of both losses",
    above=0,
    kind="theorem",
    repetition="noise rates",
    exact=True,
    measured=lambda critical: critical.min("run", skipna=False).rename({"share of labels flipped": "noise rate"}),
)
trees_keep_the_points = Claim(
    "With trees in place of lines the same loss keeps all points.",
    source="Mansour et al. 2022",
    quantity="points right at half the critical margin, trees - lines",
    above=0,
    repetition="noise rates",
    exact=True,
    measured=lambda kept: difference(kept.sel(run="trees", drop=True), kept.sel(run="lines", drop=True)),
)
noise_costs_lines = Claim(
    "Noise costs boosted lines accuracy on drawn examples.",
    source="Long & Servedio 2010",
    quantity="accuracy lost to noise, boosted lines",
    above=0,
    scale="difference",
    measured=lambda correct: _lost(correct, deepest=False),
)
trees_lose_less = Claim(
    "It costs boosted trees less.",
    source="Mansour et al. 2022",
    quantity="accuracy lost to noise, lines - trees",
    above=0,
    premise=noise_costs_lines,
    measured=lambda correct: difference(_lost(correct, deepest=False), _lost(correct, deepest=True)),
)
pool_helps = Claim(
    "Pseudo-labels of a pool without shift help.",
    source="Jia et al. 2023",
    quantity="no shift, self-training - supervised",
    above=0,
    scale="difference",
    measured=_no_shift,
)
shift_harms = Claim(
    "Pseudo-labels of a turned pool do harm.",
    source="Jia et al. 2023",
    quantity="turned pools, self-training - supervised",
    below=0,
    scale="difference",
    premise=pool_helps,
    measured=lambda turned: _between(turned, SELF, SUPERVISED),
)
pair_repairs = Claim(
    "Two predictors suffer less from a turned pool than one.",
    source="Jia et al. 2023",
    quantity="turned pools, bidirectional - self-training",
    above=0,
    scale="difference",
    premise=pool_helps,
    measured=lambda turned: _between(turned, PAIR, SELF),
)
useful_when_turned = Claim(
    "Two predictors make a turned pool useful.",
    source="Jia et al. 2023",
    quantity="turned pools, bidirectional - better of the others",
    above=0,
    scale="difference",
    premise=pool_helps,
    measured=lambda turned: ahead_of_the_better(_shifted(turned), run=PAIR),
)
useful_when_skewed = Claim(
    "Two predictors make a pool with rare classes more useful.",
    source="Jia et al. 2023",
    quantity="skewed pools, bidirectional - better of the others",
    above=0,
    scale="difference",
    premise=pool_helps,
    measured=lambda skewed: ahead_of_the_better(_shifted(skewed), run=PAIR),
)
free_weights_help = Claim(
    "Weights above 1 are worth having.",
    source="Jia et al. 2023",
    quantity="all shifts, free weights - weights up to 1",
    above=0,
    scale="difference",
    premise=pool_helps,
    measured=_capping_costs,
)
CLAIMS = (
    noise_defeats_lines,
    trees_keep_the_points,
    noise_costs_lines,
    trees_lose_less,
    pool_helps,
    shift_harms,
    pair_repairs,
    useful_when_turned,
    useful_when_skewed,
    free_weights_help,
)
SAID = {
    noise_defeats_lines: (
        "Noise defeats boosted lines",
        "Noise spares boosted lines",
        "Noise may defeat boosted lines",
    ),
    trees_lose_less: ("trees less", "trees no less", "trees perhaps less"),
    shift_harms: (
        "pseudo-labels of a turned pool do harm",
        "pseudo-labels of a turned pool do no harm",
        "pseudo-labels of a turned pool may do harm",
    ),
    useful_when_turned: (
        "two predictors make it useful",
        "two predictors do not make it useful",
        "two predictors may make it useful",
    ),
}
"""What is said of a claim where it holds, where it does not and where it is open; the others are counted."""


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> answer({claim.quantity: True for claim in CLAIMS})
    'Noise defeats boosted lines, trees less; pseudo-labels of a turned pool do harm, two predictors make it useful; 6
    more hold.'
    """
    found = outcomes(verdicts)
    first, second, third, fourth = (stated(claim, found, words) for claim, words in SAID.items())
    rest = [found.get(claim.quantity) for claim in CLAIMS if claim not in SAID]
    counts = {"more hold": rest.count(True), "more fail": rest.count(False), "more open": rest.count(None)}
    counted = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    return f"{first}, {second}; {third}, {fourth}; {counted}."
