"""Where the errors of a probe come from: the encoder's kind, its features, too few labels, or images never seen."""

from dataclasses import dataclass
from typing import Annotated, final

import torch
from jaxtyping import Float64
from torch import Tensor

from sslens.measures.features import as_tensor
from sslens.measures.probe.bootstrap import RESAMPLES, bootstrap
from sslens.measures.probe.inputs import Known, Positive, Queries, checked_sides
from sslens.measures.probe.linear_probe import LinearProbe
from sslens.measures.probe.ridge import ridge
from sslens.statistics import Interval
from sslens.types import Features, Labels, Range, checked


@final
@dataclass(frozen=True)
class RiskDecomposition:
    """Error of a probe on images it was not fitted on, and its four parts; shares of the samples, some may be negative.

    ``n`` of an interval counts the samples of the smaller set it compares.

    >>> none, some = Interval(0.0, 0.0, 0.0, 50), Interval(0.2, 0.1, 0.3, 50)
    >>> RiskDecomposition(none, some, none, none, total=some).usability
    Interval(mean=0.2, low=0.1, high=0.3, n=50)
    """

    approximation: Interval
    """What even a supervised network of the same kind gets wrong on its training images; given, so without width."""
    usability: Interval
    """What the features cost: a linear probe's error where it was fitted, beyond the approximation."""
    probe_generalisation: Interval
    """What the probe's finite labels cost: the error on images the encoder has seen and the probe has not."""
    encoder_generalisation: Interval
    """What images cost that neither has seen."""
    total: Interval
    """Error on the queries: the sum of the four."""


def risk_decomposition(
    known: Known,
    queries: Queries,
    *,
    approximation: float,
    held_out: int,
    penalty: float = 0.3,
    generator: torch.Generator,
) -> RiskDecomposition:
    """Risk decomposition of an encoder that was pre-trained on the images behind the known features.

    With error(fitted on, judged on) of the ``ridge`` probe, and S a random subset of ``held_out`` known samples:
    usability = error(known, known) − approximation, probe generalisation = error(known∖S, S) − error(known, known),
    encoder generalisation = error(known, queries) − error(known∖S, S). The sum is error(known, queries) to rounding;
    parts can be negative. ``approximation`` is the training error of a supervised network of the same architecture. An
    untrained encoder has seen no image: its encoder generalisation shows how far two sets differ by themselves
    (−0.03 on 2400 and 1194 scattered digits, within its interval).

    Intervals: 95 % percentile bootstrap over the samples judged (S, the rest and the queries resampled apart, an image
    of S with both of its errors; probes are not refitted). They say how much the images judged matter, not the
    training seed; with no error among the samples they have no width. The authors' code tunes the penalty for each
    error anew and sets aside as many images as there are queries; here one penalty serves all, so that the parts
    differ in the data alone. A small one makes the training error, and with it usability, small.

    Raises:
        InputError: features or labels that do not match, an approximation outside [0, 1], ``held_out`` not in
            [1, n − 1], or a penalty not above 0.

    Reference: Dubois, Hashimoto, Liang, "Evaluating self-supervised learning via risk decomposition", ICML 2023,
    arXiv 2302.03068.

    >>> images = torch.tensor([[0.0], [0.1], [1.0], [1.1]]), torch.tensor([0, 0, 1, 1])
    >>> generator = torch.Generator().manual_seed(0)
    >>> parts = risk_decomposition(images, images, approximation=0.0, held_out=1, generator=generator)
    >>> parts.usability.mean, parts.total.mean
    (0.0, 0.0)
    """
    (h, labels), (others, truth) = checked_sides(known, queries, rows=2)
    approximation = checked("approximation", approximation, Annotated[float, Range(0, 1)])
    held_out = checked("held_out", held_out, Annotated[int, Range(1, len(h) - 1)])
    penalty = checked("penalty", penalty, Positive)
    generator = checked("generator", generator, torch.Generator)

    order = torch.randperm(len(h), generator=generator, device=generator.device).to(h.device)
    aside, rest = order[:held_out], order[held_out:]
    whole = ridge(known[0], labels, penalty=penalty)
    part = ridge(as_tensor(known[0])[rest], labels[rest], penalty=penalty)
    fitted, unseen, new = _wrong(whole, h, labels), _wrong(part, h[aside], labels[aside]), _wrong(whole, others, truth)
    groups = torch.stack([fitted[aside], unseen], 1), fitted[rest][:, None], new[:, None]
    seen, remaining, tested = (bootstrap(group, draws=RESAMPLES, generator=generator) for group in groups)
    share = held_out / len(h)

    parts = _parts(fitted.mean(), unseen.mean(), new.mean(), approximation)
    draws = _parts(share * seen[:, 0] + (1 - share) * remaining[:, 0], seen[:, 1], tested[:, 0], approximation)
    low, high = draws.quantile(draws.new_tensor([0.025, 0.975]), dim=1).tolist()
    samples = len(h), held_out, min(held_out, len(truth)), len(truth)
    given = Interval(approximation, approximation, approximation, len(h))
    return RiskDecomposition(given, *map(Interval, parts.tolist(), low, high, samples))


def _wrong(probe: LinearProbe, h: Features, labels: Labels) -> Float64[Tensor, "n"]:
    return (probe.predict(h) != labels).double()


def _parts(
    fitted: Float64[Tensor, "*r"], unseen: Float64[Tensor, "*r"], new: Float64[Tensor, "*r"], approximation: float
) -> Float64[Tensor, "4 *r"]:
    return torch.stack([fitted - approximation, unseen - fitted, new - unseen, new])
