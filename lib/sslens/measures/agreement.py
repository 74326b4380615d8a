"""Whether a number that needs no labels orders encoders as their accuracy does, and what choosing by it costs."""

from collections.abc import Callable, Hashable, Mapping, Sequence

import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

from sslens.measures.features import checked_features
from sslens.types import InputError, Interval

Groups = Mapping[str, Sequence[Sequence[int]]]
"""Places of runs: by group, and within it one list for each seed."""


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


def regret(scores: Float[Tensor, "n"], qualities: Float[Tensor, "n"]) -> float:
    """What choosing the highest score loses: the best quality there is minus the quality of what is chosen.

    0 for the best choice, never negative; in the units of the qualities. Among equal scores any may be chosen, and the
    mean over them counts, so that equal scores for all give the regret of a blind choice.

    Raises:
        InputError: no two vectors of equally many, at least 1, finite floating-point numbers.

    Reference: Garrido, Balestriero, Najman, LeCun, "RankMe", ICML 2023, arXiv 2210.02885, where an
    "ImageNet oracle" chooses the best. There the first of the values on a plateau is taken.

    >>> qualities = torch.tensor([0.5, 0.75, 0.625])
    >>> regret(torch.tensor([1.0, 2.0, 3.0]), qualities), regret(torch.zeros(3), qualities)
    (0.125, 0.125)
    """
    x, y = _pair(scores, qualities, count=1)
    return float(y.max() - y[x == x.max()].mean())


def groups(runs: Sequence[tuple[str, int, Hashable]]) -> dict[str, list[list[int]]]:
    """The places of the runs that are to be compared with each other: one list per seed, for each sweep of a bank.

    ``runs``: sweep, seed and identity of each. Seeds are repetitions, so runs of different ones are never compared. A
    sweep with fewer than two runs of some seed has no order and is left out. Where at least two sweeps remain,
    ``all runs`` pools whatever there is of each seed; a run that stands in several sweeps counts once there.

    Raises:
        InputError: no run.

    >>> groups([("a", 0, "p"), ("a", 0, "q"), ("b", 0, "q"), ("b", 0, "r"), ("c", 0, "s")])
    {'a': [[0, 1]], 'b': [[2, 3]], 'all runs': [[0, 1, 3, 4]]}
    """
    if not runs:
        raise InputError("runs", runs, "at least one")
    seeds = dict.fromkeys(seed for _, seed, _ in runs)
    by_seed = [[place for place, (_, mine, _) in enumerate(runs) if mine == seed] for seed in seeds]
    found = {
        sweep: [[place for place in mine if runs[place][0] == sweep] for mine in by_seed]
        for sweep in dict.fromkeys(sweep for sweep, *_ in runs)
    }
    found = {sweep: each for sweep, each in found.items() if min(map(len, each)) > 1}
    if len(found) > 1:
        first = [{runs[place][2]: place for place in reversed(mine)} for mine in by_seed]
        found["all runs"] = [sorted(places.values()) for places in first]
    return found


def within(
    scores: Mapping[str, Float[Tensor, "n"]],
    qualities: Float[Tensor, "n"],
    *,
    agree: Callable[[Float[Tensor, "m"], Float[Tensor, "m"]], float],
    groups: Groups,
) -> dict[str, dict[str, Interval]]:
    """How each score agrees with the qualities in each group, ``found[group][score]``: the interval over its seeds.

    ``agree`` is ``rank_correlation``, ``regret``, or another function of scores and qualities.

    Raises:
        InputError: from ``agree``; or a group without a seed.

    >>> qualities = torch.tensor([0.1, 0.2, 0.3, 0.4])
    >>> within({"best": qualities}, qualities, agree=regret, groups={"sweep": [[0, 1], [2, 3]]})
    {'sweep': {'best': Interval(mean=0.0, low=0.0, high=0.0, n=2)}}
    """
    return {
        group: {
            name: Interval.of(agree(score[list(each)], qualities[list(each)]) for each in places)
            for name, score in scores.items()
        }
        for group, places in groups.items()
    }


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
