"""Features between the encoder and the loss: what the layers of a head hand on."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from sslens.measures import probe, spectrum
from sslens.runtime import stream
from sslens.trace import Trace
from sslens.train import restore
from sslens.types import Features, InputError


def of_head(run: Trace, index: int = -1) -> dict[str, Float[Tensor, "n _"]]:
    """The reference images in each layer of a run's projector: ``backbone``, ``hidden 1``, ..., ``embedding``.

    The backbone is the representation itself; hidden layers are taken after their ReLU, as the next layer sees them.
    In eval mode and float64, as snapshots are. A supervised run's head is one linear layer: its embedding holds logits.

    Raises:
        InputError: the trace has no such snapshot, or a head that is not a chain of layers (nested prefixes).

    Reference: Bordes, Balestriero, Garrido, Bardes, Vincent, "Guillotine regularization", 2022, arXiv 2206.13378.

    >>> from sslens.train import Config, record
    >>> run = record(Config.at("smoke", steps=4, snapshots=3))
    >>> {name: tuple(h.shape) for name, h in of_head(run).items()}
    {'backbone': (600, 64), 'hidden 1': (600, 128), 'embedding': (600, 64)}
    """
    head: nn.Module = restore(run, index, head=True)[1].double()  # pyright: ignore[reportIndexIssue]
    layers = list(head) if isinstance(head, nn.Sequential) else [head]
    if not isinstance(layers[0], nn.Linear):
        raise InputError("run", type(head).__name__, "a run whose head is a chain of layers")
    h: Features = run.snapshots[index].representation.double()
    found = {"backbone": h}
    with torch.no_grad():
        for layer in layers:
            h = layer(h)
            if isinstance(layer, nn.ReLU):
                found[f"hidden {len(found)}"] = h
    return found | {"embedding": h}


def sides(
    run: Trace, h: Features | None = None
) -> tuple[tuple[Float[Tensor, "p d"], Int[Tensor, "p"]], tuple[Float[Tensor, "q d"], Int[Tensor, "q"]]]:
    """What a probe is fitted on and what it is judged on: features and labels of the training and of the test side.

    Of the run's reference images; their features are ``h``, or the last representation.

    Raises:
        InputError: not one row of features per reference image.

    >>> from sslens.train import Config, record
    >>> (h, labels), (queries, truth) = sides(record(Config.at("smoke", steps=4, snapshots=3)))
    >>> h.shape, len(truth)
    (torch.Size([300, 64]), 300)
    """
    h, held_out, labels = run.snapshots[-1].representation if h is None else h, run.held_out, run.reference.labels
    if len(h) != len(labels):
        raise InputError("features", len(h), f"one row for each of the {len(labels)} reference images")
    return (h[~held_out], labels[~held_out]), (h[held_out], labels[held_out])


def read(run: Trace, h: Features) -> dict[str, dict[str, float]]:
    """What readers get out of features of a run's reference images, fitted on its training side, judged on the other.

    ``class accuracy``: of nearest neighbours, of a ridge with 5 labels per class (mean of ten draws, the same for every
    layer and run) and of a ridge with all labels. ``RankMe`` and ``RankMe / width``: of all reference images.
    ``R² of a factor``: one for each factor that is known of the images, and their ``mean R²``; neither where none is.
    An image's number in its source is no factor.

    Raises:
        InputError: features that are not finite, or not one row per reference image.

    >>> from sslens.train import Config, record
    >>> run = record(Config.at("smoke", steps=4, snapshots=3))
    >>> list(read(run, run.snapshots[-1].representation)["R² of a factor"])
    ['contrast', 'rotation', 'scale', 'x', 'y']
    """
    bank, test = sides(run, h)
    (known, _), (asked, truth), held_out = bank, test, run.held_out
    accuracies = {
        "kNN": probe.accuracy(probe.knn(*bank, asked), truth),
        "5 labels per class": probe.few_shot(bank, test, generator=stream(0, "labels")).mean,
        "all labels": probe.accuracy(probe.ridge(*bank).predict(asked), truth),
    }
    factors = {name: values for name, values in sorted(run.reference.factors.items()) if name != "original"}
    told = {name: probe.r_squared((known, v[~held_out]), (asked, v[held_out])) for name, v in factors.items()}
    rank = spectrum.rankme(h)
    ranks = {"RankMe": {"RankMe": rank}, "RankMe / width": {"RankMe / width": rank / h.shape[1]}}
    told = {"R² of a factor": told, "mean R²": {"mean R²": sum(told.values()) / len(told)}} if told else {}
    return {"class accuracy": accuracies} | ranks | told


def over_head(runs: Sequence[Trace]) -> dict[str, dict[str, dict[str, Float64[Tensor, "s"]]]]:
    """What is ``read`` in each layer of the heads of runs that differ in their seed: ``[quantity][name][layer]``.

    Raises:
        InputError: no run, or as for ``of_head``.

    >>> from sslens.train import Config, record
    >>> run = record(Config.at("smoke", steps=4, snapshots=3))
    >>> list(over_head([run])["class accuracy"]["kNN"])
    ['backbone', 'hidden 1', 'embedding']
    """
    if not runs:
        raise InputError("runs", runs, "at least one run")
    told = [{layer: read(run, h) for layer, h in of_head(run).items()} for run in runs]

    def over_seeds(quantity: str, name: str) -> dict[str, Float64[Tensor, "s"]]:
        return {
            layer: torch.tensor([each[layer][quantity][name] for each in told], dtype=torch.float64)
            for layer in told[0]
        }

    first = told[0]["backbone"]
    return {quantity: {name: over_seeds(quantity, name) for name in names} for quantity, names in first.items()}
