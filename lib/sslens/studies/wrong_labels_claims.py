"""The claims about wrong labels, what each of them measures, and the answer that follows from them."""

from collections.abc import Mapping
from typing import Any

from xarray import DataArray

from sslens.claims import Claim
from sslens.statistics import difference, ratio
from sslens.studies.study import Verdicts, in_one_line
from sslens.studies.wrong_labels_features import (
    BEST,
    CONTRASTIVE,
    END,
    HEAD,
    REDRAWN,
    SCRATCH,
    UNTRAINED,
    UNTRAINED_HEAD,
    at_best_snapshot,
    drop_after_the_classes,
)
from sslens.studies.wrong_labels_fine_tuning import FINE_TUNED
from sslens.studies.wrong_labels_jacobian import FRESH, NOISE, PRETRAINED, TRUE, in_leading


def share_kept(correct: DataArray) -> DataArray:
    """Of the accuracy above chance that true labels give, the share that is left under most noise: run x seed.

    Two networks of different accuracy lose to noise from different heights; this says how much each keeps of its own.

    >>> right = DataArray([[[[1.0, 1.0], [1.0, 0.0]]]], dims=("run", "seed", "share of labels redrawn", "sample"))
    >>> share_kept(right.assign_attrs(classes=4)).round(3).values.tolist()  # (0.5 - 0.25) / (1 - 0.25)
    [[0.333]]
    """
    accuracy = correct.mean("sample", skipna=False) - 1 / correct.attrs["classes"]
    found = ratio(accuracy.isel({REDRAWN: -1}, drop=True), accuracy.isel({REDRAWN: 0}, drop=True))
    attrs = {"unit": "", "setting": correct.attrs.get("setting", "")}
    return found.rename("share of accuracy above chance kept").assign_attrs(attrs)


def _keeps_more_than(other: str) -> Any:
    def measured(correct: DataArray) -> DataArray:
        share = share_kept(correct)
        return difference(share.sel(run=HEAD, drop=True), share.sel(run=other, drop=True))

    return measured


def _lost(correct: DataArray) -> DataArray:
    network = correct.sel(run=END, drop=True)
    return difference(network.isel({REDRAWN: 0}, drop=True), network.isel({REDRAWN: -1}, drop=True))


def _head_ahead_of(other: str) -> Any:
    def measured(correct: DataArray) -> DataArray:
        noisy = correct.isel({REDRAWN: -1}, drop=True)
        return difference(noisy.sel(run=HEAD, drop=True), noisy.sel(run=other, drop=True))

    return measured


def _falls(run: str) -> Any:
    def measured(correct: DataArray) -> DataArray:
        chosen = correct.sel(run=[run])
        return difference(at_best_snapshot(chosen), chosen.isel(step=-1, drop=True)).isel(run=0, drop=True)

    return measured


def _fine_tuned_ahead(correct: DataArray) -> DataArray:
    best = at_best_snapshot(correct)
    return difference(best.sel(run=FINE_TUNED, drop=True), best.sel(run=SCRATCH, drop=True))


def _drop_of(place: int) -> Any:
    return lambda spectra: drop_after_the_classes(spectra.isel(run=place, drop=True))


def _held(energy: DataArray, run: str, share: str) -> DataArray:
    return energy.sel(run=run, labels="true", share=share, drop=True)


def _rank_ratio(measure: str) -> Any:
    def measured(found: DataArray) -> DataArray:
        chosen = found.sel(measure=measure, drop=True)
        return ratio(chosen.sel(run=PRETRAINED, drop=True), chosen.sel(run=FRESH, drop=True))

    return measured


def _jacobian_energy(first: tuple[str, str], second: tuple[str, str]) -> Any:
    def measured(energy: DataArray) -> DataArray:
        shares = in_leading(energy)
        one, other = (shares.sel(run=run, labels=labels, drop=True) for run, labels in (first, second))
        return difference(one, other)

    return measured


XUE = "Xue et al. 2022"
learned_by_heart = Claim(
    "The network from scratch learns its noisy labels by heart.",
    source="Zhang et al. 2017",
    quantity="accuracy on its own noisy training labels",
    above=0.95,
    scale="share",
    exact=True,  # all of its training labels are counted: a fact about these runs, not an estimate
    measured=lambda given_back: given_back.isel(labels=0, step=-1, drop=True),
)
noise_ruins_it = Claim(
    "Noise ruins the network that learns it by heart.",
    source="Zhang et al. 2017",
    quantity="accuracy lost by the network",
    above=0,
    premise=learned_by_heart,
    scale="difference",
    measured=_lost,
)
falls = Claim(
    "It learns the classes first and forgets them: its accuracy on true labels rises and falls.",
    source="Arpit et al. 2017",
    quantity="best snapshot - end, from scratch",
    above=0,
    premise=learned_by_heart,
    scale="difference",
    measured=_falls(SCRATCH),
)
head_is_ahead = Claim(
    "Under most noise a linear head on contrastive features is ahead of that network.",
    source=XUE,
    quantity="accuracy, head - network",
    above=0,
    premise=learned_by_heart,
    scale="difference",
    measured=_head_ahead_of(END),
)
head_beats_best_snapshot = Claim(
    "The head is ahead even of the network's best snapshot.",
    source="ours",
    kind="ours",
    quantity="accuracy, head - best snapshot",
    above=0,
    premise=learned_by_heart,
    scale="difference",
    measured=_head_ahead_of(BEST),
)
head_keeps_more = Claim(
    "The head keeps a larger share of its own clean accuracy.",
    source=XUE,
    quantity="accuracy kept, head - network",
    above=0,
    premise=learned_by_heart,
    measured=_keeps_more_than(END),
)
features_decide = Claim(
    "The features resist, not the head: on untrained features it keeps a smaller share.",
    source="ours",
    kind="ours",
    quantity="accuracy kept, SimCLR - untrained features",
    above=0,
    measured=_keeps_more_than(UNTRAINED_HEAD),
)
labels_make_a_gap = Claim(
    "After training on true labels the spectrum of the features falls behind as many values as there are classes.",
    source="Papyan et al. 2020",
    quantity="last class value / next one, true labels",
    above=2,
    scale="ratio",
    measured=_drop_of(2),
)
one_value_a_class = Claim(
    "Contrastive features have one prominent singular value for each class.",
    source=XUE,
    quantity="last class value / next one, SimCLR",
    above=2,
    premise=labels_make_a_gap,
    scale="ratio",
    measured=_drop_of(0),
)
leading_directions_hold_classes = Claim(
    "As many leading directions as there are classes hold more than half of the labels that all directions hold.",
    source=XUE,
    quantity="label energy, leading / all directions",
    above=0.5,
    scale="share",
    measured=lambda energy: _held(energy, CONTRASTIVE, "of what is held"),
)
training_puts_them_there = Claim(
    "Contrastive training puts the classes there.",
    source=XUE,
    quantity="leading label energy, SimCLR - untrained",
    above=0,
    scale="difference",
    measured=lambda energy: difference(_held(energy, CONTRASTIVE, "of all"), _held(energy, UNTRAINED, "of all")),
)
stable_rank_is_lower = Claim(
    "Fine-tuning begins with a Jacobian of lower stable rank than a run from scratch.",
    source=XUE,
    quantity="stable rank, pre-trained / fresh",
    below=1,
    scale="ratio",
    measured=_rank_ratio("stable rank"),
)
entropy_rank_is_lower = Claim(
    "It begins with one of lower entropy rank.",
    source=XUE,
    quantity="entropy rank, pre-trained / fresh",
    below=1,
    scale="ratio",
    measured=_rank_ratio("entropy rank"),
)
fewer_directions_hold_it = Claim(
    "It begins with one of which fewer directions hold 90 %.",
    source=XUE,
    quantity="directions for 90 %, pre-trained / fresh",
    below=1,
    scale="ratio",
    measured=_rank_ratio("directions for 90%"),
)
jacobian_hears_classes = Claim(
    "The leading directions of that Jacobian hold more of true labels than of redrawn ones.",
    source=XUE,
    quantity="energy in J's leading tenth, true - redrawn",
    above=0,
    scale="difference",
    measured=_jacobian_energy((PRETRAINED, TRUE), (PRETRAINED, NOISE)),
)
hears_them_better_than_fresh = Claim(
    "They hold more of true labels than those of a fresh network.",
    source=XUE,
    quantity="energy in J's leading tenth, pre-trained - fresh",
    above=0,
    scale="difference",
    measured=_jacobian_energy((PRETRAINED, TRUE), (FRESH, TRUE)),
)
fine_tuning_is_ahead = Claim(
    "Fine-tuned on noisy labels, a pre-trained network is at first better than one from scratch ever is.",
    source=XUE,
    quantity="best snapshots, fine-tuned - scratch",
    above=0,
    premise=learned_by_heart,
    scale="difference",
    measured=_fine_tuned_ahead,
)
fine_tuning_falls_too = Claim(
    "Only at first: it forgets the classes as well.",
    source=XUE,
    quantity="best snapshot - end, fine-tuned",
    above=0,
    premise=learned_by_heart,
    scale="difference",
    measured=_falls(FINE_TUNED),
)
CLAUSES: Mapping[Claim, tuple[str, str]] = {
    noise_ruins_it: ("a network from scratch is ruined", "a network from scratch is not ruined"),
    head_is_ahead: ("a linear head on SimCLR features resists", "a linear head on SimCLR features does not resist"),
    fine_tuning_is_ahead: ("fine-tuning resists at first", "fine-tuning does not resist"),
}
"""What is said of a claim where it holds, and where it does not; the others are counted."""
OTHERS = (
    learned_by_heart,
    falls,
    head_beats_best_snapshot,
    head_keeps_more,
    features_decide,
    labels_make_a_gap,
    one_value_a_class,
    leading_directions_hold_classes,
    training_puts_them_there,
    stable_rank_is_lower,
    entropy_rank_is_lower,
    fewer_directions_hold_it,
    jacobian_hears_classes,
    hears_them_better_than_fresh,
    fine_tuning_falls_too,
)
CLAIMS = (*CLAUSES, *OTHERS)


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> answer({noise_ruins_it.quantity: True, fine_tuning_is_ahead.quantity: False})
    'A network from scratch is ruined, fine-tuning does not resist; 16 open.'
    """
    return in_one_line(verdicts, CLAUSES, others=OTHERS)
