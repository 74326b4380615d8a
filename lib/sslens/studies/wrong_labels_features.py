"""What networks and frozen features make of wrong labels: accuracy, singular values, leading directions.

Networks and linear heads are fitted to the very same labels, and judged on held-out reference images by their true
ones.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor
from xarray import DataArray

from sslens.datasets import symmetric_label_noise
from sslens.measures import probe, spectrum
from sslens.objectives import CrossEntropy, SquaredError
from sslens.runtime import stream
from sslens.studies.study import stacked
from sslens.trace import Trace
from sslens.train import Config, Runs, given_labels, learned, restore
from sslens.types import Dataset, Features, Images, InputError, Labels

PENALTIES = tuple(10.0**power for power in range(-2, 4))
"""Of a head; leave-one-out on the noisy labels chooses among them."""
REDRAWN = "share of labels redrawn"
DIRECTIONS = "leading directions"
CONTRASTIVE, UNTRAINED = "SimCLR", "untrained"
HEAD, UNTRAINED_HEAD = "linear head on SimCLR features", "linear head on untrained features"
SCRATCH = "from scratch"
END, BEST = "supervised, at its end", "supervised, best snapshot"
ByRun = Mapping[str, tuple[Features, ...]]
"""Features of all training images by run, one matrix for each seed."""


@torch.no_grad()
def frozen(trace: Trace, images: Images, *, index: int = -1) -> Features:
    """A run's representation of any images at one of its snapshots, in eval mode and float64.

    Raises:
        InputError: the trace has no such snapshot.

    >>> from sslens.train import record
    >>> trace = record(Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3}))
    >>> frozen(trace, trace.reference.images[:5]).shape
    torch.Size([5, 64])
    """
    encoder = restore(trace, index).double()
    return torch.cat([encoder(part.double()) for part in images.split(512)])


def correct_by_head(trace: Trace, noisy: Sequence[Trace], *, index: int = -1) -> Float64[Tensor, "r m"]:
    """Which test images linear heads get right on a run's frozen features, one for the labels of each of ``noisy``.

    A ``probe.ridge_loo`` on all training images; its penalty is chosen by leave-one-out on the labels given, so that
    nothing but wrong labels is seen. At 80 % noise the penalty decides: one for all rates would favour some of them.
    NaN where the run had diverged.

    Raises:
        InputError: runs that learned from other images, or of another reference, or no such snapshot.

    Reference: Xue, Whitecross, Mirzasoleiman, "Investigating why contrastive learning benefits robustness against
    label noise", ICML 2022, arXiv 2201.12498 (a linear layer on fixed representations).

    >>> from sslens.train import record
    >>> short = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> noisy = short.changed(objective=CrossEntropy(), data={"label_noise": 1.0})
    >>> correct_by_head(record(short), [record(noisy)]).shape
    torch.Size([1, 300])
    """
    data = learned(Config.of_json(trace.config))
    held_out, truth = trace.held_out, trace.reference.labels[trace.held_out]
    given = [_given(other, data, truth) for other in noisy]
    if trace.snapshots[index].diverged:
        return torch.full((len(noisy), len(truth)), float("nan"), dtype=torch.float64, device="cpu")
    h, queries = frozen(trace, data.images, index=index), trace.snapshots[index].representation[held_out]
    found = []
    for labels in given:
        chosen = probe.ridge_loo(h, labels, penalties=PENALTIES, classes=len(data.classes))
        found.append((chosen.probe.predict(queries) == truth).double())
    return torch.stack(found)


def _given(trace: Trace, data: Dataset, truth: Int[Tensor, "m"]) -> Labels:
    """The labels a run was given for these images, if it learned from them and is judged by these true labels."""
    config = Config.of_json(trace.config)
    if not (data.images.equal(learned(config).images) and truth.equal(trace.reference.labels[trace.held_out])):
        raise InputError("noisy", config.data, "runs on the same images and reference")
    return given_labels(config, data)


def correct_of_networks(runs: Runs) -> DataArray:
    """Which test images supervised networks get right with their own classifiers: run x seed x step x sample.

    NaN after divergence.

    Raises:
        InputError: a run without labels, or with nested classifiers.

    >>> config = Config.at("smoke", objective=CrossEntropy(), optimisation={"steps": 4}, snapshots={"count": 3})
    >>> correct_of_networks(Runs.of({"clean": config})).dims
    ('run', 'seed', 'step', 'sample')
    """
    for run in runs:
        objective = Config.of_json(runs[run][0].config).objective
        if not (isinstance(objective, SquaredError) or objective == CrossEntropy()):
            raise InputError(run, objective, "a supervised run with one classifier")

    def of_logits(known: probe.Known, queries: probe.Queries) -> Float64[Tensor, "m"]:
        return (queries[0].argmax(1) == queries[1]).double()

    return runs.probed(of_logits, of="embedding", name="accuracy")


def at_best_snapshot(correct: DataArray) -> DataArray:
    """Each test image at the snapshot that is best on other test images: without the dimension step.

    The best of many snapshots on the images it is judged by would be too good by chance. So the test images are halved
    by their originals, and each half is judged at the snapshot, of each run and seed, that is best on the other.

    >>> right = DataArray([[[[1.0, 1.0], [0.0, 1.0]]]], dims=("run", "seed", "step", "sample"))
    >>> at_best_snapshot(right).values.tolist()  # the second is best on the first image at step 0, and so on
    [[[1.0, 1.0]]]
    """
    table = correct.transpose("run", "seed", "step", "sample")
    origins = table["origin"].values if "origin" in table.coords else np.arange(table.sizes["sample"])
    found = table.isel(step=0, drop=True).copy(deep=True)
    for half in (0, 1):
        judged = origins % 2 == half
        best = table.values[..., ~judged].mean(-1).argmax(-1)[:, :, None, None]
        found.values[..., judged] = np.take_along_axis(table.values[..., judged], best, axis=2)[:, :, 0]
    return found


def correct_by_noise(contrastive: Runs, supervised: Runs) -> DataArray:
    """Which test images whom wrong labels leave right: run x seed x share of labels redrawn x sample.

    Supervised networks at their end and at their best snapshot; a linear head on the features of the network that
    never saw a label, trained and untrained, fitted to the labels that the supervised network of its seed was given.

    Raises:
        InputError: runs of different seeds, several runs without labels, or as for ``correct_by_head`` and
            ``correct_of_networks``.

    >>> short = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> noisy = short.changed(objective=CrossEntropy(), data={"label_noise": 1.0})
    >>> found = correct_by_noise(Runs.of({"vicreg": short}), Runs.of({"noise": noisy}))
    >>> found["share of labels redrawn"].values.tolist()
    [1.0]
    """
    if contrastive.seeds != supervised.seeds:
        raise InputError("supervised.seeds", supervised.seeds, f"those of the run without labels: {contrastive.seeds}")
    along, traces = correct_of_networks(supervised), contrastive[only(contrastive)]
    arrays = {END: along.isel(step=-1, drop=True), BEST: at_best_snapshot(along)}
    for name, index in ((HEAD, -1), (UNTRAINED_HEAD, 0)):
        rows = [
            correct_by_head(trace, [supervised[run][seed] for run in supervised], index=index)
            for seed, trace in enumerate(traces)
        ]
        arrays[name] = arrays[END].copy(data=torch.stack(rows, 1).numpy())
    configs = [Config.of_json(supervised[run][0].config) for run in supervised]
    shares = {REDRAWN: [config.data.label_noise for config in configs]}
    by_share = {name: array.rename(run=REDRAWN).assign_coords(shares) for name, array in arrays.items()}
    found = stacked(by_share, "run").transpose("run", "seed", REDRAWN, "sample")
    return found.assign_attrs(classes=len(traces[0].reference.classes))


def only(runs: Runs) -> str:
    """The name of the one run that there is.

    Raises:
        InputError: several runs.
    """
    if len(runs) != 1:
        raise InputError("contrastive", list(runs), "one run, for every seed")
    return runs.names[0]


def labels_given_back(supervised: Runs) -> DataArray:
    """What a run answers to its own training images along training: labels x seed x step.

    The share of all images to which it gives the label it was given; and where that label is wrong, the shares to
    which it gives this wrong one and the true one all the same. In eval mode, without augmentation.

    Raises:
        InputError: several runs, or one whose labels were all right.

    >>> noisy = {"objective": CrossEntropy(), "data": {"label_noise": 0.8}}
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3}, **noisy)
    >>> labels_given_back(Runs.of({"80% redrawn": config})).sizes["step"]
    3
    """
    rows = [_given_back(trace) for trace in supervised[only(supervised)]]
    kinds = [
        "the given label, all images",
        "the given label, where it is wrong",
        "the true label, where it is not given",
    ]
    coords = {"labels": kinds, "seed": list(supervised.seeds), "step": supervised.steps}
    attrs = {"unit": "", "setting": supervised.setting}
    return DataArray(np.stack(rows, 1), coords, ("labels", "seed", "step"), "share of training images", attrs)


@torch.no_grad()
def _given_back(trace: Trace) -> np.ndarray:
    """Three shares at each snapshot; NaN where the run had diverged."""
    config = Config.of_json(trace.config)
    data = learned(config)
    given = given_labels(config, data)
    wrong = given != data.labels
    if not wrong.any():
        raise InputError("supervised", config.data, "a run with wrong labels")
    found = np.full((3, len(config.snapshots.steps(config.optimisation.steps))), np.nan)
    for index, snapshot in enumerate(trace.snapshots):
        if not snapshot.diverged:
            network = restore(trace, index, head=True)
            kind = next(network.parameters()).dtype
            answers = torch.cat([network(part.to(kind)) for part in data.images.split(512)]).argmax(1)
            shares = (answers == given, answers[wrong] == given[wrong], answers[wrong] == data.labels[wrong])
            found[:, index] = [float(share.double().mean()) for share in shares]
    return found


def redrawn(data: Dataset, share: float, *, seed: int = 0) -> Labels:
    """The labels of the images with a share of them redrawn among all classes; of all of them: pure noise.

    Raises:
        InputError: a share outside [0, 1].

    >>> from sslens import datasets
    >>> digits = datasets.load("digits")[0]
    >>> bool(redrawn(digits, 0.0).equal(digits.labels))
    True
    """
    return symmetric_label_noise(data.labels, share, classes=len(data.classes), generator=stream(seed, "energy"))


def training_features(contrastive: Runs, supervised: Runs) -> ByRun:
    """Features of all training images by run, seed by seed: without labels, untrained, and supervised at their ends.

    Of the supervised runs the first and the last: no noise and most. NaN where a run had diverged.

    Raises:
        InputError: several runs without labels, or as for ``learned``.

    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> noisy = config.changed(objective=CrossEntropy())
    >>> list(training_features(Runs.of({"SimCLR": config}), Runs.of({"80% redrawn": noisy})))
    ['SimCLR', 'untrained', 'supervised, 80% redrawn']
    """
    name = only(contrastive)
    images = learned(Config.of_json(contrastive[name][0].config)).images

    def of(traces: Sequence[Trace], *, index: int = -1) -> tuple[Features, ...]:
        return tuple(frozen(trace, images, index=index) for trace in traces)

    found = {name: of(contrastive[name]), UNTRAINED: of(contrastive[name], index=0)}
    return found | {f"supervised, {run}": of(supervised[run]) for run in (supervised.names[0], supervised.names[-1])}


def spectra_of(features: ByRun, contrastive: Runs) -> DataArray:
    """Singular values of the features as they are, not centred, over the largest: run x seed x rank.

    The number of classes goes along, for ``drop_after_the_classes``. NaN where features are not finite.

    >>> runs = Runs.of({"SimCLR": Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})})
    >>> spectra_of({"two": (torch.diag(torch.tensor([4.0, 2.0])),)}, runs).values.tolist()
    [[[1.0, 0.5]]]
    """

    def relative(h: Features) -> np.ndarray:
        if not h.isfinite().all():
            return np.full(min(h.shape), np.nan)
        values = spectrum.singular_values(h)
        return (values / values[0]).numpy()

    table = np.stack([[relative(h) for h in row] for row in features.values()])
    coords = {"run": list(features), "seed": range(table.shape[1]), "rank": range(1, table.shape[2] + 1)}
    classes = len(contrastive[only(contrastive)][0].reference.classes)
    attrs = {"unit": "", "setting": contrastive.setting, "classes": classes}
    return DataArray(table, coords, ("run", "seed", "rank"), "singular value over the largest", attrs)


def drop_after_the_classes(spectra: DataArray) -> DataArray:
    """By which factor the spectrum falls behind the last of as many values as there are classes: σ_K / σ_(K+1).

    Raises:
        InputError: no more directions than classes.

    >>> drop_after_the_classes(DataArray([4.0, 2.0, 0.5], {"rank": [1, 2, 3]}, attrs={"classes": 2})).item()
    4.0
    """
    classes = spectra.attrs["classes"]
    if classes >= spectra.sizes["rank"]:
        raise InputError("classes of the data", classes, f"fewer than the {spectra.sizes['rank']} directions")
    last, first_of_the_rest = (spectra.sel(rank=rank, drop=True) for rank in (classes, classes + 1))
    return last / first_of_the_rest


def label_energy(features: Mapping[str, Features], labels: Labels, *, name: str) -> DataArray:
    """Share of a labelling in the first leading directions of each of the features: run x leading directions.

    As many directions as the narrowest of them has.

    Raises:
        InputError: as for ``probe.label_energy``.

    >>> h = torch.tensor([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]])
    >>> label_energy({"two": h}, torch.tensor([0, 0, 1, 1]), name="energy").round(6).values.tolist()
    [[1.0, 1.0]]
    """
    shown = min(min(h.shape) for h in features.values())
    values = torch.stack([probe.label_energy(h, labels).cumsum(0)[:shown] for h in features.values()]).numpy()
    coords = {"run": list(features), DIRECTIONS: range(1, shown + 1)}
    return DataArray(values, coords, ("run", DIRECTIONS), name, {"unit": ""})


def energy_in_leading(features: ByRun, contrastive: Runs) -> DataArray:
    """Share of labels in as many leading directions as there are classes: run x seed x labels x share.

    ``true``: of the labels of the training images; ``redrawn``: of pure noise, a draw of its own for each seed.

    ``of all``: of the labels' whole energy, ``of what is held``: of the part that all directions together hold. NaN
    where features are not finite.

    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> runs = Runs.of({"SimCLR": config})
    >>> labels = torch.nn.functional.one_hot(learned(config).labels).double()
    >>> energy_in_leading({"labels": (labels,)}, runs).sel(labels="true", share="of all").round(6).values.tolist()
    [[1.0]]
    """
    data = learned(Config.of_json(contrastive[only(contrastive)][0].config))
    coords = {"run": list(features), "seed": range(len(next(iter(features.values())))), "labels": ["true", "redrawn"]}
    table = np.full((*(len(each) for each in coords.values()), 2), np.nan)
    for place, row in enumerate(features.values()):
        for seed, h in enumerate(row):
            if h.isfinite().all():
                for which, labels in enumerate((data.labels, redrawn(data, 1.0, seed=seed))):
                    held = probe.label_energy(h, labels)
                    first, total = float(held[: len(data.classes)].sum()), float(held.sum())
                    table[place, seed, which] = first, first / total if total else 0.0
    shares, attrs = {"share": ["of all", "of what is held"]}, {"unit": "", "setting": contrastive.setting}
    return DataArray(table, coords | shares, ("run", "seed", "labels", "share"), "label energy", attrs)


def half_of_the_energy(h: Features, labels: Labels) -> int:
    """In how many leading directions half of the labels' energy lies that all of them hold together.

    >>> h = torch.tensor([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]])
    >>> half_of_the_energy(h, torch.tensor([0, 0, 1, 1]))
    1
    """
    held = probe.label_energy(h, labels).cumsum(0)
    return int((held < held[-1] / 2).sum()) + 1


def label_energy_by_hand(h: Features, labels: Labels) -> Float64[Tensor, "k"]:
    """The label energy in three lines: a solution of the exercise.

    >>> h = torch.tensor([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]])
    >>> label_energy_by_hand(h, torch.tensor([0, 0, 1, 1])).round(decimals=6)
    tensor([1., 0.], dtype=torch.float64)
    """
    left = torch.linalg.svd((h - h.mean(0)).double(), full_matrices=False).U
    y = torch.nn.functional.one_hot(labels).double()
    y = y - y.mean(0)
    return (left.T @ y).square().sum(1) / y.square().sum()
