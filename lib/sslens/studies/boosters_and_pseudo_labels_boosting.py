"""What label noise does to a booster of lines: Long and Servedio's points, and the margin below which noise wins.

Nothing is drawn at random: a noisy label stands as two weighted examples, and the expected loss is minimised exactly.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from xarray import DataArray

from sslens.types import InputError, Range, UnknownName, checked

LOSSES = ("logistic", "exponential")
GAP = 0.05
"""Margin of the hard points in the figures."""
RATES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4)
"""Shares of flipped labels at which the critical margin is judged."""
FLIPPED = "share of labels flipped"
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
    return torch.tensor([[1.0, 0.0], [gap, 5 * gap], [gap, -gap], [gap, -gap]], dtype=torch.float64, device="cpu")


def linear_booster(noise: float, *, loss: str = "logistic", gap: float = GAP) -> Float[Tensor, "2"]:
    """The weights on the two coordinates that a convex booster ends with: the minimiser of the expected loss.

    Of ``expected_loss`` on the four points. Without noise there is no minimiser but a direction; what is returned then
    separates the points.

    Raises:
        UnknownName: no such loss.
        InputError: noise outside [0, 0.5], or a gap that ``long_servedio`` refuses.

    >>> linear_booster(0.3) @ long_servedio().T > 0
    tensor([ True,  True, False, False])
    """
    from scipy.optimize import minimize  # 0.3 s of import that only this needs

    if loss not in LOSSES:
        raise UnknownName("loss", loss, LOSSES)
    noise, points = checked("noise", noise, Noise), long_servedio(gap)

    def value_and_gradient(w: np.ndarray) -> tuple[float, np.ndarray]:
        weights = torch.tensor(w, requires_grad=True, device="cpu")
        value = expected_loss(weights, points, noise=noise, loss=loss)
        (slope,) = torch.autograd.grad(value, weights)
        return value.item(), slope.numpy()

    options = {"gtol": 1e-9, "maxiter": 10_000}
    return torch.from_numpy(minimize(value_and_gradient, np.zeros(2), jac=True, method="BFGS", options=options).x)


def linear_accuracy(weights: Float[Tensor, "2"], *, gap: float = GAP) -> float:
    """Accuracy on the four points, by their true class.

    Raises:
        InputError: a gap that ``long_servedio`` refuses.

    >>> linear_accuracy(torch.tensor([1.0, 0.0], dtype=torch.float64))
    1.0
    """
    return float((long_servedio(gap) @ weights > 0).double().mean())


def expected_loss(
    weights: Float[Tensor, "2"], points: Float[Tensor, "n 2"], *, noise: float, loss: str = "exponential"
) -> Float[Tensor, ""]:
    """What a booster of lines minimises: the mean over points of class +1 of (1 - η) φ(w·x) + η φ(-w·x).

    A point's label is flipped with probability η; φ(m) = e^-m, or ln(1 + e^-m).

    Raises:
        UnknownName: no such loss.

    >>> expected_loss(torch.zeros(2), torch.ones(3, 2), noise=0.2)
    tensor(1.)
    """
    margins = points @ weights
    return ((1 - noise) * potential(margins, loss=loss) + noise * potential(-margins, loss=loss)).mean()


def potential(margins: Float[Tensor, "n"], *, loss: str) -> Float[Tensor, "n"]:
    """The two convex losses φ of a margin: e^-m, or ln(1 + e^-m).

    Raises:
        UnknownName: no such loss.

    >>> potential(torch.zeros(1), loss="exponential")
    tensor([1.])
    """
    if loss not in LOSSES:
        raise UnknownName("loss", loss, LOSSES)
    return (-margins).exp() if loss == "exponential" else torch.nn.functional.softplus(-margins)


def critical_margin(noise: float, *, loss: str = "logistic") -> float:
    """The margin γ* of the points below which the exact minimiser gives up the two penalisers: 0 where it never does.

    At γ* the minimiser lies on w = (a, a), where the penalisers have margin 0, the large-margin point a, and the puller
    6γa. With the pull g(m) = -(1 - η) φ'(m) + η φ'(-m) of a point, the gradient of the expected loss vanishes there if

        5 g(6γa) = 2 g(0)   and   g(a) + γ g(6γa) + 2 γ g(0) = 0,

    so u = 6γa follows from the first equation and γ from g(u / 6γ) + 2.4 γ g(0) = 0. That sum rises with γ, from -η: it
    has one root, and nowhere else can the minimiser change sides.

    Raises:
        UnknownName: no such loss.
        InputError: noise outside [0, 0.5].

    >>> round(critical_margin(0.2), 4), round(critical_margin(0.2, loss="exponential"), 4)
    (0.0719, 0.0793)
    """
    from scipy.optimize import brentq  # 0.3 s of import that only this needs

    if loss not in LOSSES:
        raise UnknownName("loss", loss, LOSSES)
    noise = checked("noise", noise, Noise)
    if noise in (0, 0.5):  # nothing to lose without noise, and nothing to learn from pure noise
        return 0.0
    scaled = _logistic_pull if loss == "logistic" else _exponential_pull
    at_rest = scaled(0.0, noise, 0.0)
    balanced: Any = brentq(lambda margin: scaled(margin, noise, -0.4 * at_rest), 0, 50)
    root: Any = brentq(lambda gap: scaled(balanced / (6 * gap), noise, 2.4 * gap * at_rest), 1e-9, 1 / 6)
    return float(root)


def _logistic_pull(margin: float, noise: float, more: float) -> float:
    """g(m) + more, for φ(m) = ln(1 + e^-m)."""
    return 1 - noise - 1 / (1 + np.exp(-margin)) + more


def _exponential_pull(margin: float, noise: float, more: float) -> float:
    """(g(m) + more) e^-m, which has the sign of g(m) + more and never overflows, for φ(m) = e^-m."""
    return (1 - noise) * np.exp(-2 * margin) - noise + more * np.exp(-margin)


def critical_margins(shares: Sequence[float]) -> DataArray:
    """The critical margin of both losses at each share of flipped labels: run x share of labels flipped.

    Raises:
        InputError: no share, or one outside [0, 0.5].

    >>> critical_margins([0.1, 0.2]).values.round(4).tolist()
    [[0.0571, 0.0719], [0.0736, 0.0793]]
    """
    found = {f"{loss} loss": [critical_margin(share, loss=loss) for share in _some(shares)] for loss in LOSSES}
    return _over(shares, found, "critical margin")


def points_kept(shares: Sequence[float], *, gap: float = GAP) -> DataArray:
    """Accuracy of lines on the four points at each share of flipped labels, for both losses: run x share.

    Raises:
        InputError: no share, one outside [0, 0.5], or a gap that ``long_servedio`` refuses.

    >>> points_kept([0.0, 0.2]).sel(run="lines, logistic loss").values.tolist()
    [1.0, 0.5]
    """
    found = {}
    for loss in LOSSES:
        weights = [linear_booster(share, loss=loss, gap=gap) for share in _some(shares)]
        found[f"lines, {loss} loss"] = [linear_accuracy(each, gap=gap) for each in weights]
    return _over(shares, found, "accuracy on the four points")


def _some(shares: Sequence[float]) -> Sequence[float]:
    if not len(shares):
        raise InputError("shares", shares, "at least one")
    return shares


def _over(shares: Sequence[float], found: dict[str, list[float]], name: str) -> DataArray:
    coords = {"run": list(found), FLIPPED: list(shares)}
    return DataArray(list(found.values()), coords, ("run", FLIPPED), name, {"unit": "", "setting": "four points"})


def named_points() -> dict[str, Float[Tensor, "2"]]:
    """The points of ``long_servedio`` by what they do; the two penalisers lie in one place.

    >>> list(named_points())
    ['large margin', 'puller', '2 penalisers']
    """
    large, puller, penaliser, _ = long_servedio()
    return {"large margin": large, "puller": puller, "2 penalisers": penaliser}
