"""Whether a number that needs no labels orders encoders as their accuracy does."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor
from xarray import DataArray, concat

from sslens.measures.features import checked_features
from sslens.statistics import RankTest, labels, paired, rank_test
from sslens.types import InputError

ALL = "all sweeps"
"""The group that pools all sweeps."""
Groups = Mapping[str, Sequence[str]]
"""Names of runs, by group."""
Agree = Callable[[Float[Tensor, "n"], Float[Tensor, "n"]], float]
"""A number for how scores and qualities agree."""


def rank_correlation(scores: Float[Tensor, "n"], qualities: Float[Tensor, "n"]) -> float:
    """Spearman's ρ: the Pearson correlation of the ranks, in [−1, 1].

    1 where the higher score always has the higher quality, −1 where it always has the lower one. Equal values share
    the mean of their ranks; 1 − 6 Σd²/(n(n² − 1)), d the difference of the ranks, is the same without ties only. Where
    all scores or all qualities are equal there is no order to agree on: 0. With n values chance alone has a standard
    deviation of 1/√(n − 1): read nothing into a few runs of one seed.

    Raises:
        InputError: no two vectors of equally many, at least 2, finite floating-point numbers.

    Reference: Spearman, "The proof and measurement of association between two things", 1904; with ties: Kendall, "Rank
    correlation methods", 1948, sec. 3.

    >>> scores, falling = torch.tensor([1.0, 2.0, 2.0, 30.0]), torch.tensor([4.0, 3.0, 2.0, 1.0])
    >>> rank_correlation(scores, scores.square()), rank_correlation(scores, falling)
    (1.0, -0.948...)
    """
    from scipy.stats import rankdata  # half a second of import that only correlations need

    x, y = _pair(scores, qualities, count=2)
    if bool((x == x[0]).all() or (y == y[0]).all()):
        return 0.0
    ranks = torch.stack([torch.from_numpy(rankdata(values.numpy())) for values in (x, y)])
    return float(torch.corrcoef(ranks)[0, 1])


def rank_correlations(scores: DataArray, qualities: DataArray, *, groups: Groups) -> DataArray:
    """Spearman's ρ of scores and qualities within each group of runs, for each seed; see ``within``.

    The coordinates of a ``statistics.RankTest`` of the mean over seeds stand beside it, for each sweep (and whatever
    else the scores have): how many settings there are, and what chance makes of them. NaN where a run had diverged.

    Raises:
        InputError: as ``within`` and ``rank_correlation``.

    >>> runs = {"run": ["cold", "warm", "hot"], "seed": [0]}
    >>> quality = DataArray([[0.3], [0.5], [0.4]], runs, ("run", "seed"), "accuracy")
    >>> found = rank_correlations(quality, quality, groups={"temperature": ["cold", "hot"]})
    >>> found.values, found["settings"].values, found["p_high"].values
    (array([[1.]]), array([2.]), array([0.5]))
    """
    found = within(scores, qualities, groups=groups, agree=rank_correlation)
    return _tested(found, scores, qualities, groups).rename(f"Spearman correlation with {qualities.name}")


def _tested(found: DataArray, scores: DataArray, qualities: DataArray, groups: Groups) -> DataArray:
    """Correlations (..., sweep, seed) with a permutation test beside each mean over seeds."""
    tests = found.isel(seed=0, drop=True)
    others = [dim for dim in tests.dims if dim != "sweep"]
    rows = scores.stack(place=others).transpose("place", "run", "seed") if others else scores.expand_dims("place")
    coordinates = [
        [_test(row.sel(run=list(runs)), qualities.sel(run=list(runs))) for runs in groups.values()] for row in rows
    ]
    values = np.reshape(coordinates, (*tests.shape, len(RankTest.COORDINATES)))
    names = enumerate(RankTest.COORDINATES)
    return found.assign_coords({name: (tests.dims, values[..., place]) for place, name in names})


def _test(scores: DataArray, qualities: DataArray) -> list[float]:
    if not (np.isfinite(scores.values).all() and np.isfinite(qualities.values).all()):
        return [scores.sizes["run"], np.nan, np.nan, np.nan]
    bare = [array.reset_coords(drop=True).drop_vars("place", errors="ignore") for array in (scores, qualities)]
    return list(rank_test(*bare).coords.values())


def pooled(sweeps: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The groups of runs that are held against each other: those of each sweep, and all of them.

    A sweep of fewer than two runs has no order and is left out. Where at least two sweeps remain, ``all sweeps`` pools
    whatever there is; a run that stands in several sweeps counts once there.

    Raises:
        InputError: no run.

    >>> pooled({"a": ["p", "q"], "b": ["q", "r"], "c": ["s"]})
    {'a': ['p', 'q'], 'b': ['q', 'r'], 'all sweeps': ['p', 'q', 'r', 's']}
    """
    members = {sweep: list(runs) for sweep, runs in sweeps.items()}
    everything = list(dict.fromkeys(run for runs in members.values() for run in runs))
    if not everything:
        raise InputError("sweeps", members, "at least one run")
    found = {sweep: runs for sweep, runs in members.items() if len(runs) > 1}
    return found | {ALL: everything} if len(found) > 1 else found


def within(scores: DataArray, qualities: DataArray, *, groups: Groups, agree: Agree) -> DataArray:
    """How scores agree with the qualities of the same runs, within each group: a number for each seed.

    Of ``scores`` (..., run, seed) and ``qualities`` (run, seed) becomes (..., sweep, seed). Seeds are repetitions, so
    runs of different ones are never compared. ``agree`` is ``rank_correlation`` or another function of two
    vectors. NaN where a run of the group had diverged: a part of a sweep is not the sweep.

    Raises:
        InputError: from ``agree``; no group, one with a run that is not there, or arrays of different runs or seeds.

    >>> runs = {"run": ["cold", "hot"], "seed": [0, 1]}
    >>> quality = DataArray([[0.25, 0.5], [0.5, 0.25]], runs, ("run", "seed"))
    >>> within(quality, quality, groups={"temperature": ["cold", "hot"]}, agree=rank_correlation).values
    array([[1., 1.]])
    """
    paired(scores, qualities)
    if not groups:
        raise InputError("groups", groups, "at least one")
    others = [dim for dim in scores.dims if dim not in ("run", "seed")]
    found = [_of_group(scores.transpose(*others, "seed", "run"), qualities, runs, agree) for runs in groups.values()]
    attrs = {"unit": "", "setting": qualities.attrs.get("setting", "")}
    sweeps = DataArray(list(groups), dims="sweep", name="sweep")
    return concat(found, sweeps).transpose(*others, "sweep", "seed").assign_attrs(attrs)


def _of_group(scores: DataArray, qualities: DataArray, runs: Sequence[str], agree: Agree) -> DataArray:
    """The agreement in one group, over the dimensions of ``scores`` (..., seed, run) but the last."""
    known = labels(qualities, "run")
    if strangers := [run for run in runs if run not in known]:
        raise InputError("groups", strangers, f"runs of {known}")
    chosen = scores.sel(run=list(runs))
    truth = qualities.sel(run=list(runs)).transpose("seed", "run").values
    rows = chosen.values.reshape(-1, *truth.shape)
    values = [[_agreement(*pair, agree) for pair in zip(row, truth, strict=True)] for row in rows]
    return chosen.isel(run=0, drop=True).copy(data=np.reshape(values, chosen.shape[:-1]))


def _agreement(scores: np.ndarray, qualities: np.ndarray, agree: Agree) -> float:
    if not (np.isfinite(scores).all() and np.isfinite(qualities).all()):
        return float("nan")
    return agree(torch.from_numpy(scores.copy()), torch.from_numpy(qualities.copy()))


def _pair(
    scores: Shaped[Tensor, "..."], qualities: Shaped[Tensor, "..."], *, count: int
) -> tuple[Float64[Tensor, "n"], Float64[Tensor, "n"]]:
    x, y = _vector(scores, name="scores"), _vector(qualities, name="qualities")
    if len(x) != len(y):
        raise InputError("qualities", f"{len(y)} numbers", f"one for each of the {len(x)} scores")
    if len(x) < count:
        raise InputError("scores", f"{len(x)} number(s)", f"at least {count}")
    return x, y


def _vector(values: Shaped[Tensor, "..."], *, name: str) -> Float64[Tensor, "n"]:
    if not (isinstance(values, Tensor) and values.is_floating_point() and values.ndim == 1):
        got = f"{values.dtype} {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise InputError(name, got, "a floating-point vector, one number per run")
    return checked_features(values[:, None], name=name)[:, 0].cpu()
