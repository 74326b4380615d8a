"""What label noise does to a booster: Long and Servedio's points, where the model class decides.

Every loss that a convex booster minimises is defeated by a little noise if its hypotheses are linear, and no such loss
is if they are trees. Nothing is drawn at random: a noisy label stands as two weighted examples.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sslens.types import InputError, Range, UnknownName, checked

LOSSES = ("logistic", "exponential")
GAP = 0.05
"""Margin of the hard points."""
Noise = Annotated[float, Range(0, 0.5)]


def long_servedio(gap: float = GAP) -> Float[Tensor, "4 2"]:
    """The four points, all of class +1 and of equal weight: large margin, puller, and the two penalisers.

    (1, 0), (γ, 5γ), (γ, -γ), (γ, -γ): the direction (1, 0) separates them all with margin γ, and the puller draws a
    convex loss away from it.

    Raises:
        InputError: a gap outside (0, 1/6].

    Reference: Long and Servedio, "Random classification noise defeats all convex potential boosters", Machine Learning
    78, 2010, section 4.

    >>> long_servedio(0.1)[1].tolist()
    [0.1, 0.5]
    """
    gap = checked("gap", gap, Annotated[float, Range(0, 1 / 6, above=True)])
    return torch.tensor([[1.0, 0.0], [gap, 5 * gap], [gap, -gap], [gap, -gap]], dtype=torch.float64)


def linear_booster(noise: float, *, loss: str = "logistic", gap: float = GAP) -> Float[Tensor, "2"]:
    """The weights on the two coordinates that a convex booster ends with: the minimiser of the expected loss.

    Σ_i (1 - η) φ(w·x_i) + η φ(-w·x_i) over the four points, φ(m) = ln(1 + e^-m) or e^-m. Without noise there is no
    minimiser but a direction; what is returned then separates the points.

    Raises:
        UnknownName: no such loss.
        InputError: noise outside [0, 0.5], or a gap that ``long_servedio`` refuses.

    >>> linear_booster(0.3) @ long_servedio().T > 0
    tensor([ True,  True, False, False])
    """
    from scipy.optimize import minimize  # 0.3 s of import that only this needs

    if loss not in LOSSES:
        raise UnknownName("loss", loss, LOSSES)
    noise = checked("noise", noise, Noise)
    points = long_servedio(gap).numpy()
    signed, weights = np.concatenate([points, -points]), np.repeat([1 - noise, noise], len(points)) / len(points)

    def value(w: np.ndarray) -> float:
        margins = signed @ w
        return float(weights @ (np.logaddexp(0, -margins) if loss == "logistic" else np.exp(-margins)))

    def gradient(w: np.ndarray) -> np.ndarray:
        margins = signed @ w
        pull = 1 / (1 + np.exp(margins)) if loss == "logistic" else np.exp(-margins)
        return -(weights * pull) @ signed

    found = minimize(value, np.zeros(2), jac=gradient, method="BFGS", options={"gtol": 1e-9, "maxiter": 10_000})
    return torch.from_numpy(found.x)


def linear_accuracy(weights: Float[Tensor, "2"], *, gap: float = GAP) -> float:
    """Share of the four points on the right side, by their true class.

    Raises:
        InputError: a gap that ``long_servedio`` refuses.

    >>> linear_accuracy(torch.tensor([1.0, 0.0], dtype=torch.float64))
    1.0
    """
    return float((long_servedio(gap) @ weights > 0).double().mean())


def tree_accuracy(noise: float, *, gap: float = GAP, depth: int = 2, rounds: int = 50) -> float:
    """The same share for boosted trees (AdaBoost, the exponential loss), which see the points and their mirror images.

    The mirror images, of class -1, are what a linear hypothesis sees by its symmetry.

    Raises:
        InputError: noise outside [0, 0.5), where a majority is left to be learned, or numbers below 1.

    Reference: Mansour, Nock, Williamson, "Random classification noise does not defeat all convex potential boosters
    irrespective of model choice", 2022.

    >>> tree_accuracy(0.3)
    1.0
    """
    from sklearn.ensemble import AdaBoostClassifier  # a second of import that only this needs
    from sklearn.tree import DecisionTreeClassifier

    noise = checked("noise", noise, Noise)
    if noise == 0.5:
        raise InputError("noise", noise, "below 0.5 for trees")
    depth = checked("depth", depth, Annotated[int, Range(1, 100)])
    points = long_servedio(gap).numpy()
    mirrored, classes = np.concatenate([points, -points]), np.repeat([1, -1], len(points))
    examples, labels = np.concatenate([mirrored] * 2), np.concatenate([classes, -classes])
    weights = np.repeat([1 - noise, noise], len(mirrored))
    rounds = checked("rounds", rounds, Annotated[int, Range(1, 10_000)])
    trees = AdaBoostClassifier(
        DecisionTreeClassifier(max_depth=depth, random_state=0), n_estimators=rounds, random_state=0
    )
    trees.fit(examples[weights > 0], labels[weights > 0], sample_weight=weights[weights > 0])
    return float((trees.predict(points) == 1).mean())


def accuracies(noises: Sequence[float], *, gap: float = GAP) -> dict[str, Float64[Tensor, "t"]]:
    """The share of points named rightly at each noise: by lines, for both losses, and by trees.

    Raises:
        InputError: no noise, one outside [0, 0.5), or a gap that ``long_servedio`` refuses.

    >>> accuracies([0.0, 0.2])["lines, logistic loss"].tolist()
    [1.0, 0.5]
    """
    if not noises:
        raise InputError("noises", noises, "at least one")
    found = {
        f"lines, {loss} loss": [linear_accuracy(linear_booster(noise, loss=loss, gap=gap), gap=gap) for noise in noises]
        for loss in LOSSES
    }
    found["trees, exponential loss"] = [tree_accuracy(noise, gap=gap) for noise in noises]
    return {name: torch.tensor(values, dtype=torch.float64) for name, values in found.items()}
