"""Where the errors of a probe come from: the encoder's kind, its features, too few labels, or images never seen."""

from dataclasses import dataclass
from typing import Annotated, final

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from sslens.measures.features import checked_features, checked_labels
from sslens.measures.probe.checks import Positive, checked_queries
from sslens.measures.probe.linear import Probe, ridge
from sslens.types import Features, Interval, Labels, Range, checked

RESAMPLES = 1000
"""Of the images, behind each interval: its ends then move by a few per cent of its length from draw to draw."""


@final
@dataclass(frozen=True)
class Risk:
    """Error of a probe on test images, and its four parts; each a share of the samples, negative ones included.

    ``n`` of an interval counts the samples of the smaller set it compares.

    >>> none, some = Interval(0.0, 0.0, 0.0, 50), Interval(0.2, 0.1, 0.3, 50)
    >>> Risk(none, some, none, none, total=some).usability
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
    """Error on the test set: the sum of the four."""


def risk(
    train: tuple[Features, Labels],
    test: tuple[Float[Tensor, "m d"], Int[Tensor, "m"]],
    *,
    approximation: float,
    held_out: int,
    strength: float = 0.3,
    generator: torch.Generator,
) -> Risk:
    """Risk decomposition of an encoder that was pre-trained on the images behind ``train``.

    With error(fitted on, judged on) of the ``ridge`` probe, and S a random subset of ``held_out`` training samples:
    usability = error(train, train) − approximation, probe generalisation = error(train∖S, S) − error(train, train),
    encoder generalisation = error(train, test) − error(train∖S, S). The sum is error(train, test) to rounding; parts
    can be negative. ``approximation`` is the training error of a supervised network of the same architecture. An
    untrained encoder has seen no image: its encoder generalisation shows how far two sets differ by themselves
    (−0.03 on 2400 and 1194 scattered digits, within its interval).

    Intervals: 95 % percentile bootstrap over the samples judged (S, the rest and the test set resampled apart, an image
    of S with both of its errors; probes are not refitted). They tell how much the images judged matter, not the
    training seed; with no error among the samples they have no width. The authors' code tunes the penalty for each
    error anew and sets aside as many images as the test set has; here one strength serves all, so that the parts
    differ in the data alone. A weak one makes the training error, and with it usability, small.

    Raises:
        InputError: features or labels that do not match, an approximation outside [0, 1], ``held_out`` not in
            [1, n − 1], or a strength not above 0.

    Reference: Dubois, Hashimoto, Liang, "Evaluating self-supervised learning via risk decomposition", ICML 2023,
    arXiv 2302.03068.

    >>> images = torch.tensor([[0.0], [0.1], [1.0], [1.1]]), torch.tensor([0, 0, 1, 1])
    >>> parts = risk(images, images, approximation=0.0, held_out=1, generator=torch.Generator().manual_seed(0))
    >>> parts.usability.mean, parts.total.mean
    (0.0, 0.0)
    """
    h = checked_features(train[0], name="train", rows=2)
    queries = checked_queries(test[0], h.shape[1], name="test")
    labels, truth = checked_labels(train[1], count=len(h)), checked_labels(test[1], name="truth", count=len(queries))
    approximation = checked("approximation", approximation, Annotated[float, Range(0, 1)])
    held_out = checked("held_out", held_out, Annotated[int, Range(1, len(h) - 1)])
    strength = checked("strength", strength, Positive)

    order = torch.randperm(len(h), generator=generator, device=generator.device).to(h.device)
    aside, rest = order[:held_out], order[held_out:]
    whole = ridge(train[0], labels, strength=strength)
    part = ridge(train[0][rest], labels[rest], strength=strength)
    fitted, unseen, new = _wrong(whole, h, labels), _wrong(part, h[aside], labels[aside]), _wrong(whole, queries, truth)
    groups = torch.stack([fitted[aside], unseen], 1), fitted[rest][:, None], new[:, None]
    seen, others, tested = (bootstrap(group, draws=RESAMPLES, generator=generator) for group in groups)
    share = held_out / len(h)

    parts = _parts(fitted.mean(), unseen.mean(), new.mean(), approximation)
    draws = _parts(share * seen[:, 0] + (1 - share) * others[:, 0], seen[:, 1], tested[:, 0], approximation)
    low, high = draws.quantile(draws.new_tensor([0.025, 0.975]), dim=1).tolist()
    samples = len(h), held_out, min(held_out, len(truth)), len(truth)
    given = Interval(approximation, approximation, approximation, len(h))
    return Risk(given, *map(Interval, parts.tolist(), low, high, samples))


def _wrong(probe: Probe, h: Features, labels: Labels) -> Float64[Tensor, "n"]:
    return (probe.predict(h) != labels).double()


def _parts(
    fitted: Float64[Tensor, "*r"], unseen: Float64[Tensor, "*r"], new: Float64[Tensor, "*r"], approximation: float
) -> Float64[Tensor, "4 *r"]:
    return torch.stack([fitted - approximation, unseen - fitted, new - unseen, new])


def bootstrap(
    values: Float[Tensor, "n c"], *, draws: int = RESAMPLES, generator: torch.Generator
) -> Float64[Tensor, "r c"]:
    """Column means of ``draws`` resamples: n rows drawn with replacement, whole rows so that columns stay paired.

    Their 2.5 % and 97.5 % quantiles are the percentile interval of the mean at 95 %. Over few rows it is too narrow
    (of 10 normal numbers it holds the true mean in 90 % of cases).

    Raises:
        InputError: no (n, c) matrix of finite floating-point numbers, or no draw.

    Reference: Efron, Tibshirani, "An introduction to the bootstrap", 1993, ch. 13.

    >>> right = torch.tensor([1.0, 0.0, 1.0, 1.0])
    >>> means = bootstrap(right[:, None], draws=500, generator=torch.Generator().manual_seed(0))
    >>> means.quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    [0.25, 1.0]
    """
    rows = checked_features(values, name="values")
    draws = checked("draws", draws, Annotated[int, Range(1, 1_000_000)])
    size, place = (len(rows),), {"generator": generator, "device": generator.device}
    return torch.stack([rows[torch.randint(len(rows), size, **place).to(rows.device)].mean(0) for _ in range(draws)])
