"""Accuracy that withstands an adversary."""

from typing import Annotated

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sslens.measures.features import checked_labels
from sslens.measures.regions.inputs import checked_inputs, still
from sslens.types import Images, InputError, Labels, Range, checked

CHUNK = 256
"""Images that are attacked at a time; more changes nothing but the memory it takes."""


def adversarial(
    net: nn.Module,
    images: Images,
    *,
    labels: Labels,
    epsilon: float,
    steps: int = 10,
    generator: torch.Generator | None = None,
) -> float:
    """Accuracy of a classifier on images that projected gradient descent has changed: the share that ``withstood``.

    Raises:
        InputError: as ``withstood``.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    >>> _ = net[1].weight.data.copy_(torch.tensor([[-1.0], [1.0]])), net[1].bias.data.copy_(torch.tensor([1.0, 0.0]))
    >>> images, labels = torch.tensor([0.1, 0.45, 0.9]).reshape(3, 1, 1, 1), torch.tensor([0, 0, 1])
    >>> [round(adversarial(net, images, labels=labels, epsilon=epsilon), 3) for epsilon in (0.0, 0.2, 0.5)]
    [1.0, 0.667, 0.0]
    """
    right = withstood(net, images, labels=labels, epsilon=epsilon, steps=steps, generator=generator)
    return float(right.double().mean())


def withstood(
    net: nn.Module,
    images: Images,
    *,
    labels: Labels,
    epsilon: float,
    steps: int = 10,
    generator: torch.Generator | None = None,
) -> Bool[Tensor, "n"]:
    """Whether a classifier is right on each image that projected gradient descent has changed.

    x ← clip(x + α · sign ∇ₓ loss), into the ball ‖x − image‖_∞ ≤ epsilon and into [0, 1], ``steps`` times with
    α = 2.5 · epsilon / steps, enough to cross the ball. An image counts if it is classified correctly as it is and
    after every step, so the result is never above the accuracy without an attack; the paper takes the last step only.
    Starts at the image, or with a generator at a point drawn uniformly from the ball, as in the paper. An upper bound:
    a stronger attack finds more.
    The loss is log Σ_{j≠y} exp z_j − z_y: cross-entropy is a rising function of it, so the steps are the same, but
    cross-entropy's gradient vanishes where the network is sure. Eval mode, float64; the caller's net is left as it was.

    Raises:
        InputError: images that are not finite (n, c, h, w) pixels in [0, 1], labels that do not match, an epsilon
            outside [0, 1], fewer than 1 step, or a net that does not answer with finite scores (n, k) of k >= 2
            classes.

    Reference: Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards deep learning models resistant to adversarial attacks",
    ICLR 2018, arXiv 1706.06083, sec. 2.1.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    >>> _ = net[1].weight.data.copy_(torch.tensor([[-1.0], [1.0]])), net[1].bias.data.copy_(torch.tensor([1.0, 0.0]))
    >>> images, labels = torch.tensor([0.1, 0.45, 0.9]).reshape(3, 1, 1, 1), torch.tensor([0, 0, 1])
    >>> withstood(net, images, labels=labels, epsilon=0.2)
    tensor([ True, False,  True])
    """
    clean = checked_inputs(net, images, name="images")
    if clean.ndim != 4:
        raise InputError("images", tuple(clean.shape), "images (n, c, h, w)")
    if clean.min() < 0 or clean.max() > 1:
        hint = "Divide pixels from 0 to 255 by 255."
        raise InputError("images", (float(clean.min()), float(clean.max())), "pixels in [0, 1]", hint)
    labels = checked_labels(labels, count=len(clean))
    epsilon = checked("epsilon", epsilon, Annotated[float, Range(0, 1)])
    steps = checked("steps", steps, Annotated[int, Range(1, 1_000_000)])
    judged = still(net).requires_grad_(requires_grad=False)
    start = clean
    if generator is not None:
        source = checked("generator", generator, torch.Generator)
        drawn = torch.rand(clean.shape, generator=source, device=source.device, dtype=torch.float64)
        start = clean + epsilon * (2 * drawn.to(clean.device) - 1)
    chunks = zip(clean.split(CHUNK), labels.to(clean.device).split(CHUNK), start.split(CHUNK), strict=True)
    return torch.cat([_withstood(judged, *chunk, epsilon=epsilon, steps=steps) for chunk in chunks]).cpu()


def _withstood(
    net: nn.Module, images: Images, labels: Labels, start: Images, *, epsilon: float, steps: int
) -> Bool[Tensor, "n"]:
    """Whether each image is classified correctly, at itself and at every point the attack visits."""
    low, high = (images - epsilon).clamp_min(0), (images + epsilon).clamp_max(1)
    scores = _scores(net, images)
    correct = scores.argmax(1) == checked_labels(labels, classes=scores.shape[1])
    x = start.clamp(low, high)
    for _ in range(steps):
        with torch.enable_grad():
            scores = _scores(net, x.requires_grad_())
            own = scores.gather(1, labels[:, None])
            others = scores.scatter(1, labels[:, None], -torch.inf).logsumexp(1)
            (uphill,) = torch.autograd.grad((others - own[:, 0]).sum(), x)
        correct = correct & (scores.argmax(1) == labels)
        x = (x.detach() + 2.5 * epsilon / steps * uphill.sign()).clamp(low, high)
    return correct & (_scores(net, x).argmax(1) == labels)


def _scores(net: nn.Module, images: Images) -> Float[Tensor, "n k"]:
    scores = net(images)
    if not (isinstance(scores, Tensor) and scores.ndim == 2 and scores.shape[1] > 1 and scores.isfinite().all()):
        got = f"{tuple(scores.shape)}" if isinstance(scores, Tensor) else type(scores).__name__
        raise InputError("net", f"scores {got}", "a classifier with finite scores (n, k) of k >= 2 classes")
    return scores
