"""What networks and frozen features make of wrong labels: accuracy, leading directions, Jacobians.

Networks and linear heads are fitted to the very same labels, and judged on held-out reference images by their true
ones.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn
from xarray import DataArray

from sslens.datasets import symmetric_label_noise
from sslens.measures import probe
from sslens.measures.network_diagnostics import jacobian_spectrum
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
SHOWN, JUDGED = 30, 10
"""Directions in the figure, and in the verdicts."""


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


def by_head(trace: Trace, noisy: Sequence[Trace], *, index: int = -1) -> Float64[Tensor, "r"]:
    """Accuracy of linear heads on a run's frozen features, one for the labels that each of ``noisy`` was given.

    A ``probe.ridge_loo`` on all training images; its penalty is chosen by leave-one-out on the labels given, so that
    nothing but wrong labels is seen. At 80 % noise the penalty decides: one for all rates would favour some of them.
    NaN where the run had diverged.

    Raises:
        InputError: runs that learned from other images, or of another reference, or no such snapshot.

    Reference: Xue, Whitecross, Mirzasoleiman, "Investigating why contrastive learning benefits robustness against
    label noise", ICML 2022, arXiv 2201.12498, section 3 (a linear layer on fixed representations).

    >>> from sslens.train import record
    >>> short = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> noisy = short.changed(objective=CrossEntropy(), data={"label_noise": 1.0})
    >>> by_head(record(short), [record(noisy)]).shape
    torch.Size([1])
    """
    data = learned(Config.of_json(trace.config))
    held_out, truth = trace.held_out, trace.reference.labels[trace.held_out]
    given = [_given(other, data, truth) for other in noisy]
    if trace.snapshots[index].diverged:
        return torch.full((len(noisy),), float("nan"), dtype=torch.float64, device="cpu")
    h, queries = frozen(trace, data.images, index=index), trace.snapshots[index].representation[held_out]
    found = []
    for labels in given:
        chosen = probe.ridge_loo(h, labels, penalties=PENALTIES, classes=len(data.classes))
        found.append(probe.accuracy(chosen.probe.predict(queries), truth))
    return torch.tensor(found, dtype=torch.float64, device="cpu")


def _given(trace: Trace, data: Dataset, truth: Int[Tensor, "m"]) -> Labels:
    """The labels a run was given for these images, if it learned from them and is judged by these true labels."""
    config = Config.of_json(trace.config)
    if not (data.images.equal(learned(config).images) and truth.equal(trace.reference.labels[trace.held_out])):
        raise InputError("noisy", config.data, "runs on the same images and reference")
    return given_labels(config, data)


def accuracy_of_heads(contrastive: Runs, supervised: Runs, *, index: int = -1) -> DataArray:
    """``by_head`` for the labels of each supervised run, seed by seed: run x seed, named as the supervised ones.

    Raises:
        InputError: runs of different seeds, several runs without labels, or as for ``by_head``.

    >>> short = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> noisy = short.changed(objective=CrossEntropy(), data={"label_noise": 1.0})
    >>> accuracy_of_heads(Runs.of({"vicreg": short}), Runs.of({"noise": noisy})).dims
    ('run', 'seed')
    """
    if contrastive.seeds != supervised.seeds:
        raise InputError("supervised.seeds", supervised.seeds, f"those of the run without labels: {contrastive.seeds}")
    columns = []
    for seed, trace in enumerate(contrastive[_only(contrastive)]):
        noisy = [supervised[run][seed] for run in supervised]
        columns.append(by_head(trace, noisy, index=index))
    coords = {"run": list(supervised), "seed": list(supervised.seeds)}
    attrs = {"unit": "", "setting": supervised.setting}
    return DataArray(torch.stack(columns, 1).numpy(), coords, ("run", "seed"), "accuracy", attrs)


def _only(runs: Runs) -> str:
    if len(runs) != 1:
        raise InputError("contrastive", list(runs), "one run, for every seed")
    return runs.names[0]


def accuracy_of_networks(supervised: Runs) -> DataArray:
    """Accuracy of supervised runs' own classifiers at every snapshot: run x seed x step; NaN after divergence.

    Raises:
        InputError: a run without labels, or with nested classifiers.

    >>> config = Config.at("smoke", objective=CrossEntropy(), optimisation={"steps": 4}, snapshots={"count": 3})
    >>> accuracy_of_networks(Runs.of({"clean": config})).sizes["step"]
    3
    """
    for run in supervised:
        objective = Config.of_json(supervised[run][0].config).objective
        if not (isinstance(objective, SquaredError) or objective == CrossEntropy()):
            raise InputError(run, objective, "a supervised run with one classifier")

    def of_logits(known: probe.Known, queries: probe.Queries) -> float:
        return probe.accuracy(queries[0].argmax(1), queries[1])

    return supervised.probed(of_logits, of="embedding", name="accuracy")


def accuracy_by_noise(contrastive: Runs, supervised: Runs) -> DataArray:
    """What wrong labels cost whom: run x seed x share of labels redrawn.

    Supervised networks at their end and at their best snapshot on the test images; a linear head on the features of
    the network that never saw a label, trained and untrained.

    Raises:
        InputError: as for ``accuracy_of_heads`` and ``accuracy_of_networks``.

    >>> short = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> noisy = short.changed(objective=CrossEntropy(), data={"label_noise": 1.0})
    >>> found = accuracy_by_noise(Runs.of({"vicreg": short}), Runs.of({"noise": noisy}))
    >>> found["share of labels redrawn"].values.tolist()
    [1.0]
    """
    along = accuracy_of_networks(supervised)
    arrays = {
        "supervised, at its end": along.isel(step=-1, drop=True),
        "supervised, best snapshot": along.max("step", skipna=False),
        "SimCLR, linear head": accuracy_of_heads(contrastive, supervised),
        "untrained, linear head": accuracy_of_heads(contrastive, supervised, index=0),
    }
    shares = [Config.of_json(supervised[run][0].config).data.label_noise for run in supervised]
    by_share = {name: array.rename(run=REDRAWN).assign_coords({REDRAWN: shares}) for name, array in arrays.items()}
    return stacked(by_share, "run").transpose("run", "seed", REDRAWN)


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


def training_features(contrastive: Runs, supervised: Runs) -> dict[str, Features]:
    """Features of all training images, of the first seed: trained without labels, untrained, pixels, under most noise.

    Raises:
        InputError: as for ``learned``.

    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> noisy = config.changed(objective=CrossEntropy())
    >>> list(training_features(Runs.of({"SimCLR": config}), Runs.of({"80% redrawn": noisy})))
    ['SimCLR', 'untrained', 'pixels', 'supervised, 80% redrawn']
    """
    name, noisiest = _only(contrastive), supervised.names[-1]
    trace = contrastive[name][0]
    images = learned(Config.of_json(trace.config)).images
    found = {name: frozen(trace, images), "untrained": frozen(trace, images, index=0), "pixels": images.flatten(1)}
    return found | {f"supervised, {noisiest}": frozen(supervised[noisiest][0], images)}


def label_energy(features: Mapping[str, Features], labels: Labels, *, name: str) -> DataArray:
    """Share of a labelling in the first leading directions of each of the features: run x leading directions.

    Raises:
        InputError: as for ``probe.label_energy``.

    >>> h = torch.tensor([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]])
    >>> label_energy({"two": h}, torch.tensor([0, 0, 1, 1]), name="energy").round(6).values.tolist()
    [[1.0, 1.0]]
    """
    rows = [probe.label_energy(h, labels)[:SHOWN].cumsum(0) for h in features.values()]
    values = torch.stack(rows).numpy()
    coords = {"run": list(features), DIRECTIONS: range(1, values.shape[1] + 1)}
    return DataArray(values, coords, ("run", DIRECTIONS), name, {"unit": ""})


def energy_in_ten_directions(contrastive: Runs) -> DataArray:
    """Share of true labels and of pure noise in the ten leading directions of all training images: run x seed.

    True labels on trained and on untrained features, noise (a draw of its own for each seed) on trained ones. NaN
    where the run had diverged.

    Raises:
        InputError: several runs.

    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> energy_in_ten_directions(Runs.of({"SimCLR": config})).run.values.tolist()
    ['trained, true labels', 'untrained, true labels', 'trained, redrawn labels']
    """
    name = _only(contrastive)
    data = learned(Config.of_json(contrastive[name][0].config))
    columns = []
    for seed, trace in zip(contrastive.seeds, contrastive[name], strict=True):
        wanted = [(-1, data.labels), (0, data.labels), (-1, redrawn(data, 1.0, seed=seed))]
        columns.append([_energy(trace, data.images, labels, index=index) for index, labels in wanted])
    runs = ["trained, true labels", "untrained, true labels", "trained, redrawn labels"]
    attrs = {"unit": "", "setting": contrastive.setting}
    coords = {"run": runs, "seed": list(contrastive.seeds)}
    return DataArray(
        torch.tensor(columns, dtype=torch.float64, device="cpu").T, coords, ("run", "seed"), "label energy", attrs
    )


def _energy(trace: Trace, images: Images, labels: Labels, *, index: int) -> float:
    if trace.snapshots[index].diverged:
        return float("nan")
    return float(probe.label_energy(frozen(trace, images, index=index), labels)[:JUDGED].sum())


def jacobian_spectra(contrastive: Runs, images: Images) -> DataArray:
    """Singular values of the Jacobian in the weights on a few images, over the largest: run x seed x rank.

    Of the trained and of the untrained network; NaN where the run had diverged.

    Raises:
        InputError: several runs, or as for ``jacobian_spectrum``.

    >>> from sslens.encoders import MLP
    >>> config = Config.at("smoke", encoder=MLP(), optimisation={"steps": 4}, snapshots={"count": 3})
    >>> images = learned(config).images[:1]
    >>> jacobian_spectra(Runs.of({"SimCLR": config}), images).run.values.tolist()
    ['SimCLR', 'untrained']
    """
    name = _only(contrastive)

    def spectrum(network: nn.Module) -> Float[Tensor, "k"]:
        return jacobian_spectrum(network, images)

    ends = {
        name: contrastive.networks_along(spectrum, at="end", per="rank"),
        "untrained": contrastive.networks_along(spectrum, at="start", per="rank"),
    }
    found = stacked({run: values.isel(run=0, drop=True) for run, values in ends.items()}, "run")
    return (found / found.isel(rank=0, drop=True)).rename("singular value over the largest")


def share_given_back(trace: Trace) -> float:
    """Share of the wrong labels that a supervised run was given which it gives back on its own training images.

    Raises:
        InputError: a run whose labels were all right.

    >>> from sslens.train import record
    >>> short = {"optimisation": {"steps": 4}, "snapshots": {"count": 3}}
    >>> trace = record(Config.at("smoke", objective=CrossEntropy(), data={"label_noise": 0.8}, **short))
    >>> 0 <= share_given_back(trace) <= 1
    True
    """
    config = Config.of_json(trace.config)
    data = learned(config)
    given = given_labels(config, data)
    wrong = given != data.labels
    if not wrong.any():
        raise InputError("trace", config.data, "a run with wrong labels")
    with torch.no_grad():
        logits = restore(trace, head=True).double()(data.images[wrong].double())
    return probe.accuracy(logits.argmax(1), given[wrong])


def half_of_the_energy(h: Features, labels: Labels) -> int:
    """In how many leading directions half of the labels' energy lies that all of them hold together.

    >>> h = torch.tensor([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]])
    >>> half_of_the_energy(h, torch.tensor([0, 0, 1, 1]))
    1
    """
    held = probe.label_energy(h, labels).cumsum(0)
    return int((held < held[-1] / 2).sum()) + 1
