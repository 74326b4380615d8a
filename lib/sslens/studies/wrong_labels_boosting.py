"""What label noise does to a booster: Long and Servedio's points, where the model class decides.

Every loss that a convex booster minimises is defeated by a little noise if its hypotheses are linear, and no such loss
is if they are trees. Nothing is drawn at random: a noisy label stands as two weighted examples.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float
from torch import Tensor
from xarray import DataArray

from sslens.figures import theme
from sslens.studies.study import stacked
from sslens.types import InputError, Range, UnknownName, checked

LOSSES = ("logistic", "exponential")
GAP = 0.05
"""Margin of the hard points."""
MARGINS = (0.025, 0.05, 0.1)
"""Half, once and twice that margin: what the verdicts are judged over."""
FLIPPED = "share of labels flipped"
SPAN = ((-1.15, 1.15), (-0.45, 0.45))
"""Of the plane that is shown."""
ARROW = 0.12
"""Length of an arrow, in units of the plane."""
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
    """Accuracy on the four points, by their true class.

    Raises:
        InputError: a gap that ``long_servedio`` refuses.

    >>> linear_accuracy(torch.tensor([1.0, 0.0], dtype=torch.float64))
    1.0
    """
    return float((long_servedio(gap) @ weights > 0).double().mean())


def tree_accuracy(noise: float, *, gap: float = GAP, depth: int = 2, rounds: int = 50) -> float:
    """The accuracy of boosted trees (AdaBoost, the exponential loss), which see the points and their mirror images.

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


def booster_accuracies(shares: Sequence[float], *, gap: float = GAP) -> DataArray:
    """Accuracy on the four points at each share of flipped labels: run x share of labels flipped.

    Runs: lines, for both losses, and trees.

    Raises:
        InputError: no share, one outside [0, 0.5), or a gap that ``long_servedio`` refuses.

    >>> booster_accuracies([0.0, 0.2]).sel(run="lines, logistic loss").values.tolist()
    [1.0, 0.5]
    """
    if not len(shares):
        raise InputError("shares", shares, "at least one")
    found = {}
    for loss in LOSSES:
        weights = [linear_booster(share, loss=loss, gap=gap) for share in shares]
        found[f"lines, {loss} loss"] = [linear_accuracy(each, gap=gap) for each in weights]
    found["trees, exponential loss"] = [tree_accuracy(share, gap=gap) for share in shares]
    coords = {"run": list(found), FLIPPED: list(shares)}
    return DataArray(list(found.values()), coords, ("run", FLIPPED), "accuracy on the four points", {"unit": ""})


def accuracy_over_margins(share: float = 0.2) -> DataArray:
    """The same at one share of flipped labels, for points of several margins: run x margin.

    Raises:
        InputError: a share outside [0, 0.5).

    >>> accuracy_over_margins().margin.values.tolist()
    [0.025, 0.05, 0.1]
    """
    found = {gap: booster_accuracies([share], gap=gap).isel({FLIPPED: 0}, drop=True) for gap in MARGINS}
    return stacked(found, "margin").transpose("run", "margin")


def named_points() -> dict[str, Float[Tensor, "2"]]:
    """The points of ``long_servedio`` by what they do; the two penalisers lie in one place.

    >>> list(named_points())
    ['large margin', 'puller', '2 penalisers']
    """
    large, puller, penaliser, _ = long_servedio()
    return {"large margin": large, "puller": puller, "2 penalisers": penaliser}


def separators(
    points: Mapping[str, Sequence[float]], weights: Mapping[str, Sequence[float]], *, title: str
) -> go.Figure:
    """Named points of one class, their mirror images of the other, and lines w·x = 0 with an arrow to the first.

    Axes are equal and the same in every figure, so that ``figures.scrub`` can turn the lines.

    Raises:
        InputError: no point, no line, a point or weights that are not two finite numbers, or weights that are zero.

    >>> figure = separators({"puller": [0.1, 0.5]}, {"logistic": [1.0, 0.0]}, title="Turned")
    >>> [trace.name for trace in figure.data]
    ['logistic', 'this class', 'the other class']
    """
    if not points or not weights:
        raise InputError("points, weights", (dict(points), dict(weights)), "at least one point and one line")
    places = {name: _pair(f"points[{name!r}]", place) for name, place in points.items()}
    normals = {name: _pair(f"weights[{name!r}]", w) for name, w in weights.items()}
    if flat := [name for name, w in normals.items() if not w.any()]:
        raise InputError("weights", flat, "other than zero, or there is no line")
    figure = theme.figure(title, notes=["arrows: the side that is called this class"], height=400)
    for place, (name, style) in enumerate(theme.styles(normals).items()):
        figure.add_trace(_line(normals[name], style=style, start=0.3 - 0.1 * place).update(name=theme.text(name)))
    xy = np.array(list(places.values()))
    figure.add_trace(_marks(xy, "circle").update(name="this class", **_names(places)))
    figure.add_trace(_marks(-xy, "circle-open").update(name="the other class", mode="markers", hoverinfo="name"))
    figure.update_xaxes(title_text="x₁", range=list(SPAN[0]))
    return figure.update_yaxes(title_text="x₂", range=list(SPAN[1]), scaleanchor="x")


def _pair(field: str, values: Sequence[float]) -> np.ndarray:
    pair = np.asarray(values, dtype=np.float64)
    if pair.shape != (2,) or not np.isfinite(pair).all():
        raise InputError(field, values, "two finite numbers")
    return pair


def _marks(xy: np.ndarray, symbol: str) -> go.Scatter:
    marker = {"color": "#000", "size": 11, "symbol": symbol, "line": {"width": 2}}
    return go.Scatter(x=xy[:, 0], y=xy[:, 1], marker=marker, cliponaxis=False)


def _names(places: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Names beside the points: above those of the upper half, below those of the lower, inside the picture."""
    sides = [f"{'top' if y >= 0 else 'bottom'} {'left' if y < 0 or x > 0.5 else 'right'}" for x, y in places.values()]
    words = {"text": [theme.text(name) for name in places], "textposition": sides, "mode": "markers+text"}
    return words | {"hovertemplate": "%{text}: %{x:.3g}, %{y:.3g}<extra></extra>"}


def _line(w: np.ndarray, *, style: theme.Style, start: float) -> go.Scatter:
    """The line through the origin, out of the picture on both sides, then its arrow."""
    normal = w / np.hypot(*w)
    along = np.array([-normal[1], normal[0]])
    foot = start * along
    path = np.array([-2 * along, 2 * along, [np.nan, np.nan], foot, foot + ARROW * normal])
    marks = {"symbol": "arrow", "angleref": "previous", "size": [0, 0, 0, 0, 14], "color": style.colour}
    line = {"color": style.colour, "dash": style.dash, "width": 2.5}
    return go.Scatter(x=path[:, 0], y=path[:, 1], mode="lines+markers", line=line, marker=marks, hoverinfo="name")
