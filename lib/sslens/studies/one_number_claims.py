"""What is claimed of RankMe and of the exponent: the sentences, what decides each of them, and the answer in a line."""

from collections.abc import Mapping

from xarray import DataArray

from sslens.claims import Claim, Verdict
from sslens.statistics import difference, labels, ratio
from sslens.studies.one_number_agreement import ALL, Groups
from sslens.studies.one_number_choice import by_choice, value_of_choice
from sslens.studies.study import Verdicts, outcomes, stated

RANKME, NEARNESS, BLIND = "RankMe, embedding", "exponent near 1", "blind"
"""What the claims choose by."""
TEMPERATURE, RATE = "SimCLR temperature", "SimCLR learning rate"
COVARIANCE, INVARIANCE = "VICReg covariance", "VICReg invariance"
SWEPT = (TEMPERATURE, RATE, COVARIANCE, INVARIANCE)
"""Sweeps whose order is judged."""
OWN, ELSEWHERE, FACTORS_TASK = "its own data", "another data set", "place and rotation"
"""What a representation is used for."""
UNTRAINED = "untrained"
TRAINED = f"{TEMPERATURE} 0.2"
"""SimCLR at its defaults, also the middle of the sweep over the learning rate."""
UNDERTRAINED = (f"{RATE} 2e-05", f"{RATE} 0.0002")
STARVED, WHITENED = f"{COVARIANCE} 0", f"{COVARIANCE} 400"
SHRUNK = "VICReg without variance"
BAD_ON_PURPOSE = {
    "undertrained": list(UNDERTRAINED),
    "starved of dimensions": [STARVED],
    "over-whitened": [WHITENED],
    "shrunk": [SHRUNK],
}
"""Runs whose settings are bad for a known reason; they take no part in the orders and choices that are judged."""
RANKME_PAPER, ALPHA_PAPER = "Garrido et al. 2023", "Agrawal et al. 2022"
WORDS = {TEMPERATURE: "temperatures", RATE: "learning rates", COVARIANCE: "covariance", INVARIANCE: "invariance"}
"""Of the sweeps, in an answer."""

classes_are_learned = Claim(
    "The encoders learn classes.",
    source="Ours: the premise of all others",
    kind="ours",
    quantity="gain over the untrained encoder",
    above=0,
    scale="difference",
    measured=lambda correct: difference(
        correct.drop_sel(run=UNTRAINED).mean("run"), correct.sel(run=UNTRAINED, drop=True)
    ),
)


def _higher(group: str) -> Claim:
    published = group != ALL
    return Claim(
        f"The higher RankMe, the better: {group}.",
        source=RANKME_PAPER if published else "Ours: the paper compares runs of one method only",
        kind="published" if published else "ours",
        quantity=f"Spearman, {group}",
        above=0,
        scale="rank correlation",
        premise=classes_are_learned,
        measured=lambda order: order.sel(choice=RANKME, sweep=group),
    )


higher_is_better = {group: _higher(group) for group in (*SWEPT, ALL)}
"""A claim for each sweep, and for all of them together."""
higher_is_better_elsewhere = Claim(
    f"The higher RankMe, the better, on another data set as well: {TEMPERATURE}.",
    source=RANKME_PAPER,
    quantity=f"Spearman elsewhere, {TEMPERATURE}",
    above=0,
    scale="rank correlation",
    premise=higher_is_better[TEMPERATURE],
    measured=lambda order: order.sel(choice=RANKME, sweep=TEMPERATURE),
)
choosing_is_cheap = Claim(
    "Choosing by RankMe costs less than half a point on average.",
    source=RANKME_PAPER,
    quantity="accuracy lost by RankMe's choice",
    below=0.005,
    scale="difference",
    premise=classes_are_learned,
    measured=lambda lost: lost.sel(choice=RANKME).mean("sweep", skipna=False),
)
choosing_is_cheap_elsewhere = Claim(
    "Choosing by RankMe costs less than half a point on another data set as well.",
    source=RANKME_PAPER,
    quantity="accuracy lost elsewhere",
    below=0.005,
    scale="difference",
    premise=classes_are_learned,
    measured=lambda lost: lost.sel(choice=RANKME).mean("sweep", skipna=False),
)
choosing_beats_chance = Claim(
    "Choosing by RankMe is better than choosing blindly.",
    source="ours",
    kind="ours",
    quantity="accuracy won over a blind choice",
    above=0,
    scale="difference",
    premise=classes_are_learned,
    measured=lambda lost: difference(lost.sel(choice=BLIND), lost.sel(choice=RANKME)).mean("sweep", skipna=False),
)
factors_come_along = Claim(
    "The chosen encoder also knows more of place and rotation than a blind choice.",
    source=f"Ours, after the other tasks of {RANKME_PAPER}",
    kind="ours",
    quantity="R² won over a blind choice",
    above=0,
    premise=classes_are_learned,
    measured=lambda chosen: difference(chosen.sel(choice=RANKME), chosen.sel(choice=BLIND)).mean("sweep", skipna=False),
)
starved_ranks_last = Claim(
    "RankMe ranks the encoder that is starved of dimensions last.",
    source="Ours: a control, it must",
    kind="ours",
    quantity="RankMe, starved / lowest of the others",
    below=1,
    scale="ratio",
    measured=lambda rank: ratio(
        rank.sel(run=STARVED, drop=True), rank.sel(run=_others(rank, COVARIANCE)).min("run", skipna=False)
    ),
)
undertrained_know_less = Claim(
    "Undertrained encoders know less.",
    source="Ours: the premise of the next",
    kind="ours",
    quantity="accuracy, undertrained - trained",
    below=0,
    scale="difference",
    measured=lambda correct: difference(
        correct.sel(run=list(UNDERTRAINED)).mean("run"), correct.sel(run=TRAINED, drop=True)
    ),
)
undertrained_rank_lower = Claim(
    "RankMe ranks undertrained encoders below trained ones.",
    source="Ours: whoever chooses by it relies on this",
    kind="ours",
    quantity="RankMe, undertrained / trained",
    below=1,
    scale="ratio",
    premise=undertrained_know_less,
    measured=lambda rank: ratio(rank.sel(run=list(UNDERTRAINED)).mean("run"), rank.sel(run=TRAINED, drop=True)),
)
nearer_is_better = Claim(
    "The nearer the exponent of the representation to 1, the better.",
    source=ALPHA_PAPER,
    quantity="Spearman with nearness to 1",
    above=0,
    scale="rank correlation",
    premise=classes_are_learned,
    measured=lambda order: order.sel(choice=NEARNESS).isel(sweep=-1),
)
CLAIMS = (
    *higher_is_better.values(),
    higher_is_better_elsewhere,
    choosing_is_cheap,
    choosing_beats_chance,
    choosing_is_cheap_elsewhere,
    factors_come_along,
    undertrained_rank_lower,
    starved_ranks_last,
    nearer_is_better,
)


def order_verdicts(order: DataArray, *, elsewhere: DataArray, correct: DataArray) -> list[Verdict]:
    """Whether RankMe orders the runs of each sweep, and those of the temperature on another data set as well.

    From rank correlations, choice x sweep x seed with their tests, and from what the runs get right, the premise.
    """
    premise = classes_are_learned.judge(correct)
    groups = [str(group) for group in labels(order, "sweep")]
    found = {group: higher_is_better[group].judge(order, premise=premise) for group in groups}
    if TEMPERATURE not in found:
        return list(found.values())
    return [*found.values(), higher_is_better_elsewhere.judge(elsewhere, premise=found[TEMPERATURE])]


def choice_verdicts(lost: DataArray, *, elsewhere: DataArray, correct: DataArray) -> list[Verdict]:
    """What choosing by RankMe costs and wins on the data, and what it costs on another data set."""
    premise = classes_are_learned.judge(correct)
    found = [each.judge(lost, premise=premise) for each in (choosing_is_cheap, choosing_beats_chance)]
    return [*found, choosing_is_cheap_elsewhere.judge(elsewhere, premise=premise)]


def factor_verdicts(
    chosen_by: DataArray, tasks: Mapping[str, DataArray], *, groups: Groups, correct: DataArray
) -> list[Verdict]:
    """What choosing by RankMe wins for place and rotation; no verdict where the images have none that is known."""
    if FACTORS_TASK not in tasks:
        return []
    chosen = by_choice(chosen_by, tasks[FACTORS_TASK], groups=groups, agree=value_of_choice)
    return [factors_come_along.judge(chosen, premise=classes_are_learned.judge(correct))]


def blind_spot_verdicts(rank: DataArray, *, order: DataArray, correct: DataArray) -> list[Verdict]:
    """What RankMe cannot see and what it must see, of the runs that are there; and its rival, the exponent.

    The exponent is judged over all sweeps together, or along the one that there is.
    """
    found, runs = [], set(labels(rank, "run"))
    if {TRAINED, *UNDERTRAINED} <= runs:
        premise = undertrained_know_less.judge(correct)
        found.append(undertrained_rank_lower.judge(rank, premise=premise))
    if STARVED in runs:
        found.append(starved_ranks_last.judge(rank))
    return [*found, nearer_is_better.judge(order, premise=classes_are_learned.judge(correct))]


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one sentence, as the verdicts have it.

    >>> answer({claim.quantity: claim is not higher_is_better[RATE] for claim in CLAIMS})
    'RankMe orders temperatures, covariance, invariance, not learning rates; its choice costs little ...'
    """
    found = outcomes(verdicts)
    choice = stated(choosing_beats_chance, found, ("beats", "does not beat", "is not known to beat"))
    cost = stated(choosing_is_cheap, found, ("costs little", "costs accuracy", "may cost accuracy"))
    blind = stated(undertrained_rank_lower, found, ("sees", "does not see", "may see"))
    said = {
        choosing_beats_chance,
        choosing_is_cheap,
        undertrained_rank_lower,
        *(higher_is_better[sweep] for sweep in SWEPT),
    }
    others = [found.get(claim.quantity) for claim in CLAIMS if claim not in said]
    hold, fail = others.count(True), others.count(False)
    rest = f"of {len(others)} others {hold} hold{'s' * (hold == 1)}, {fail} fail{'s' * (fail == 1)}"
    return f"RankMe {_orders(found)}; its choice {cost} and {choice} a blind one; it {blind} undertraining; {rest}."


def _orders(found: Mapping[str, bool | None]) -> str:
    """Along which sweeps the order was found, and along which it was found turned round; open ones go unsaid."""
    right, wrong = (
        ", ".join(word for sweep, word in WORDS.items() if found.get(higher_is_better[sweep].quantity) is holds)
        for holds in (True, False)
    )
    if not right:
        return f"does not order {wrong}" if wrong else "orders nothing for sure"
    return f"orders {right}, not {wrong}" if wrong else f"orders {right}"


def _others(rank: DataArray, sweep: str) -> list[object]:
    """The runs of a sweep that are not bad on purpose."""
    bad = {run for runs in BAD_ON_PURPOSE.values() for run in runs}
    return [run for run in labels(rank, "run") if str(run).startswith(sweep) and run not in bad]
