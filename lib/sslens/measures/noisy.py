"""How well what was learned from wrong labels names true ones: a network of its own, a linear head on frozen features.

Both are fitted to the very same labels, and judged on a run's held-out reference images by their true labels.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float64

from sslens import journeys
from sslens.measures import probe
from sslens.trace import Trace
from sslens.train import restore
from sslens.types import Features, Images, InputError

STRENGTHS = tuple(10.0**power for power in range(-2, 4))
"""Of a head's penalty; leave-one-out on the noisy labels chooses among them."""


@torch.no_grad()
def frozen(run: Trace, images: Images, *, index: int = -1) -> Features:
    """A run's representation of any images at one of its looks, in eval mode and float64.

    Raises:
        InputError: the trace has no such snapshot.

    >>> from sslens.train import Config, record
    >>> run = record(Config.at("smoke", steps=4, snapshots=3))
    >>> frozen(run, run.reference.images[:5]).shape
    torch.Size([5, 64])
    """
    encoder = restore(run, index).double()
    return torch.cat([encoder(part.double()) for part in images.split(512)])


def by_head(run: Trace, noisy: Sequence[Trace], *, index: int = -1) -> Float64[torch.Tensor, "r"]:
    """Accuracy of linear heads on a run's frozen features, one for the labels that each of ``noisy`` was given.

    A ``probe.ridge_loo`` on all training images; its strength is chosen by leave-one-out on the labels given, so that
    nothing but wrong labels is seen. At 80 % noise the strength decides: one for all rates would favour some of them.

    Raises:
        InputError: runs that learned from other images, or of another reference, or no such snapshot.

    Reference: Xue, Whitecross, Mirzasoleiman, "Investigating why contrastive learning benefits robustness against
    label noise", ICML 2022, arXiv 2201.12498, section 3 (a linear layer on fixed representations).

    >>> from sslens.train import Config, record
    >>> kinds = {"objective": "simclr"}, {"objective": "cross_entropy", "label_noise": 1.0}
    >>> learned, noisy = (record(Config.at("smoke", steps=4, snapshots=3, **kind)) for kind in kinds)
    >>> by_head(learned, [noisy]).shape
    torch.Size([1])
    """
    data = journeys.learned(run)
    held_out, truth = run.held_out, run.reference.labels[run.held_out]
    for other in noisy:
        if not (data.images.equal(journeys.learned(other).images) and truth.equal(other.reference.labels[held_out])):
            raise InputError("noisy", dict(other.config), "runs on the same images and reference")
    h, asked = frozen(run, data.images, index=index), run.snapshots[index].representation[held_out]
    given = (journeys.labels(other) for other in noisy)
    chosen = [probe.ridge_loo(h, labels, strengths=STRENGTHS, classes=len(data.classes)) for labels in given]
    found = [probe.accuracy(each.probe.predict(asked), truth) for each in chosen]
    return torch.tensor(found, dtype=torch.float64)


def by_network(run: Trace) -> Float64[torch.Tensor, "t"]:
    """Accuracy of a supervised run's own classifier at every look; NaN where the run had diverged.

    Raises:
        InputError: a run without labels.

    >>> from sslens.train import Config, record
    >>> by_network(record(Config.at("smoke", objective="cross_entropy", steps=4, snapshots=3))).shape
    torch.Size([3])
    """
    if run.config["objective"] not in ("cross_entropy", "squared_error") or run.config["nested"]:
        raise InputError("run", run.config["objective"], "a supervised run with one classifier")
    held_out, truth = run.held_out, run.reference.labels[run.held_out]
    return run.along(lambda logits: probe.accuracy(logits[held_out].argmax(1), truth), "embedding")
