"""What choosing a setting by a number costs, with the choice and its judgement on different seeds and images."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float64
from xarray import DataArray, concat

from sslens.runtime import stream
from sslens.statistics import labels, paired
from sslens.studies.study import stacked
from sslens.types import InputError

Groups = Mapping[str, Sequence[str]]
"""Names of runs, by group."""
Judged = Callable[..., DataArray]
"""Takes scores, qualities and groups."""


def preferred(scores: DataArray) -> DataArray:
    """Which run the highest score chooses for each seed, as weights that sum to 1: run x seed.

    The scores of the *other* seeds choose, by their mean; of a single seed its own. So a lucky seed does not praise the
    setting it was drawn with. Equal scores share the choice: a number that is the same for all runs is a blind choice,
    the mean over the runs. NaN where a score is not finite.

    >>> score = DataArray([[1.0, 2.0], [3.0, 0.0]], {"run": ["cold", "hot"], "seed": [0, 1]}, ("run", "seed"))
    >>> preferred(score).values  # seed 0 is chosen for by seed 1, where cold has more
    array([[1., 0.],
           [0., 1.]])
    """
    table = scores.transpose("run", "seed")
    return table.copy(data=_weights(table.values))


def value_of_choice(scores: DataArray, qualities: DataArray, *, groups: Groups) -> DataArray:
    """The quality of the run that the highest score chooses in each group: sweep x seed (x sample).

    ``qualities`` are run x seed, or run x seed x sample; see ``preferred`` for who chooses.

    Raises:
        InputError: other runs or seeds in one of them, or a group with a run that is not there.

    >>> runs = {"run": ["cold", "hot"], "seed": [0, 1]}
    >>> score = DataArray([[1.0, 1.0], [2.0, 2.0]], runs, ("run", "seed"))
    >>> value_of_choice(score, 10 * score, groups={"temperature": ["cold", "hot"]}).values
    array([[20., 20.]])
    """
    _check(scores, qualities, groups)
    found = [_value(preferred(scores.sel(run=list(runs))), qualities.sel(run=list(runs))) for runs in groups.values()]
    return _by_group(found, groups, qualities)


def regret(scores: DataArray, correct: DataArray, *, groups: Groups) -> DataArray:
    """What choosing by a score loses against choosing by labels, image by image: sweep x seed x sample.

    ``correct`` is run x seed x sample, 1 where the run gets a test image right. For each seed and each half of the
    originals the labels choose the run that is best on average in the *other* seeds on the *other* half, and the score
    chooses by its mean over the other seeds; both are judged here. Whoever takes the best of some noisy accuracies and
    judges by the same accuracies finds a regret where all settings are equal (1.35 standard errors of seven). This one
    is then 0 on average, whatever the score; it can be negative, since labels can mislead as well.

    Raises:
        InputError: as ``value_of_choice``, or images of fewer than two originals.

    Reference: the "ImageNet oracle" of Garrido, Balestriero, Najman, LeCun, "RankMe", ICML 2023, arXiv 2210.02885,
    which takes the best of one accuracy each on 50,000 images.

    >>> runs = {"run": ["cold", "hot"], "seed": [0, 1], "sample": [0, 1]}
    >>> correct = DataArray([[[1.0, 1.0]] * 2, [[0.0, 0.0]] * 2], runs, ("run", "seed", "sample"))
    >>> score = DataArray([[1.0, 1.0], [2.0, 2.0]], dims=("run", "seed"), coords={"run": ["cold", "hot"]})
    >>> regret(score, correct, groups={"temperature": ["cold", "hot"]}).values  # hot is chosen, cold is right
    array([[[1., 1.],
            [1., 1.]]])
    """
    _check(scores, correct, groups)
    second = _second_half(correct)
    found = []
    for runs in groups.values():
        here = correct.sel(run=list(runs)).transpose("run", "seed", "sample")
        best = _best_elsewhere(here, second)
        chosen = _value(preferred(scores.sel(run=list(runs))), here)
        found.append(best - chosen)
    return _by_group(found, groups, correct).rename("accuracy lost")


def by_choice(scores: DataArray, qualities: DataArray, *, groups: Groups, agree: Judged) -> DataArray:
    """``regret`` or ``value_of_choice`` of each of several scores, which lie along ``choice``: choice x sweep x ...

    Raises:
        InputError: from ``agree``.

    >>> runs = {"choice": ["up", "down"], "run": ["cold", "hot"], "seed": [0]}
    >>> scores = DataArray([[[1.0], [2.0]], [[2.0], [1.0]]], runs, ("choice", "run", "seed"))
    >>> quality = scores.sel(choice="up", drop=True)
    >>> by_choice(scores, quality, groups={"heat": ["cold", "hot"]}, agree=value_of_choice).values.ravel()
    array([2., 1.])
    """
    found = {
        name: agree(scores.sel(choice=name, drop=True), qualities, groups=groups) for name in labels(scores, "choice")
    }
    return stacked(found, dim="choice")


def _best_elsewhere(correct: DataArray, second: Bool[np.ndarray, "n"]) -> DataArray:
    """What the labels' choice gets right: chosen in the other seeds and by the other half; seed x sample."""
    by_half = [correct.sel(sample=correct.sample[~side]).mean("sample") for side in (second, ~second)]
    judged_by = [_value(preferred(choosing), correct) for choosing in by_half]  # in the second half, in the first
    return judged_by[0].copy(data=np.where(second, judged_by[0].values, judged_by[1].values))


def _second_half(correct: DataArray) -> Bool[np.ndarray, "n"]:
    """Which samples belong to the second half of the originals: always the same random half."""
    known = correct["origin"].values if "origin" in correct.coords else np.arange(correct.sizes["sample"])
    originals, place = np.unique(known, return_inverse=True)
    if len(originals) < 2:
        raise InputError("correct", f"images of {len(originals)} original", "of two originals or more")
    order = torch.randperm(len(originals), generator=stream(0, "halves"), device="cpu").numpy()
    return (order < len(originals) // 2)[place]


def _weights(table: Float64[np.ndarray, "m s"]) -> Float64[np.ndarray, "m s"]:
    if not np.isfinite(table).all():
        return np.full(table.shape, np.nan)
    count = table.shape[1]
    others = (table.sum(1, keepdims=True) - table) / (count - 1) if count > 1 else table
    level = others.max(0) - 1e-9 * np.abs(others).max(0)  # what differs by rounding alone is equal
    best = (others >= level).astype(np.float64)
    return best / best.sum(0)


def _value(weights: DataArray, qualities: DataArray) -> DataArray:
    return (weights * qualities).sum("run", skipna=False)


def _check(scores: DataArray, qualities: DataArray, groups: Groups) -> None:
    paired(scores, qualities)
    known = labels(qualities, "run")
    strangers = [run for runs in groups.values() for run in runs if run not in known]
    if strangers or not groups or not all(groups.values()):
        raise InputError("groups", strangers or groups, f"at least one, of runs of {known}")


def _by_group(found: Sequence[DataArray], groups: Groups, qualities: DataArray) -> DataArray:
    attrs = {"unit": "", "setting": qualities.attrs.get("setting", "")}
    return concat(found, DataArray(list(groups), dims="sweep", name="sweep")).assign_attrs(attrs)
