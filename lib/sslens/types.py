"""The words of the house: axis letters, shape aliases, the records every floor shares, the one error.

Axis letters: ``n`` sample, ``v`` view, ``c h w`` channel, height, width, ``d`` representation, ``k`` embedding,
``t`` time. A *representation* is the encoder's output, an *embedding* the projector's.
"""

import difflib
import hashlib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, final, get_args, get_origin

from jaxtyping import Float, Int
from torch import Tensor, device, dtype

Images = Float[Tensor, "n c h w"]
Views = Float[Tensor, "v n c h w"]
Features = Float[Tensor, "n d"]
Labels = Int[Tensor, "n"]
Scalar = Float[Tensor, ""]


class InputError(ValueError):
    """A value that cannot be used: names the field, what was given and what is legal.

    >>> raise InputError("Config.steps", -3, "an int in [1, 1000000]")
    Traceback (most recent call last):
        ...
    sslens.types.InputError: Config.steps must be an int in [1, 1000000]. Got -3.
    """

    def __init__(self, field: str, got: object, allowed: str, hint: str = "") -> None:
        self.field, self.got, self.allowed, self.hint = field, got, allowed, hint
        try:
            shown = repr(got)
        except ValueError:  # Python prints no int of more than 4300 digits
            shown = "a number of very many digits"
        shown = shown if len(shown) <= 200 else shown[:197] + "..."
        super().__init__(f"{field} must be {allowed}. Got {shown}." + (f" {hint}" if hint else ""))


@final
class UnknownName(InputError):
    """A name outside a closed list, with the closest match as a hint.

    >>> raise UnknownName("objective", "vicrag", ["simclr", "vicreg"])
    Traceback (most recent call last):
        ...
    sslens.types.UnknownName: objective must be one of: simclr, vicreg. Got 'vicrag'. Did you mean 'vicreg'?
    """

    def __init__(self, field: str, got: object, known: Iterable[str]) -> None:
        known = list(known)
        close = difflib.get_close_matches(str(got), known, 1)
        super().__init__(field, got, "one of: " + ", ".join(known), f"Did you mean {close[0]!r}?" if close else "")


@final
class DamagedFile(InputError):
    """A file that is not what was written: truncated, altered or foreign."""


@final
@dataclass(frozen=True)
class Range:
    """Legal numbers from ``low`` to ``high``, both included unless ``above`` shuts out the lower end.

    >>> 0.0 in Range(0, 1, above=True), str(Range(0, 1, above=True))
    (False, '(0, 1]')
    """

    low: float
    high: float
    above: bool = False

    def __contains__(self, value: float) -> bool:
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        return f"{'(' if self.above else '['}{self.low:g}, {self.high:g}]"


@final
@dataclass(frozen=True)
class OneOf:
    """Legal names: the keys of a registry, or a tuple of words.

    >>> checked("fruit", "pear", Annotated[str, OneOf(("apple", "pear"))])
    'pear'
    """

    names: Collection[str] | Mapping[str, Any]


def checked(name: str, value: Any, annotation: Any) -> Any:
    """The value, if it has the annotated type and lies in the annotated range; nothing is guessed or converted.

    An int is accepted where a float is declared (and becomes one); a bool is never taken for a number.

    Raises:
        InputError: wrong type, not finite, or out of range.
        UnknownName: a word outside a ``OneOf``.

    >>> checked("temperature", 1, Annotated[float, Range(0, 10, above=True)])
    1.0
    """
    kind, *limits = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    limit = next((limit for limit in limits if isinstance(limit, Range | OneOf)), None)
    if isinstance(limit, OneOf) and not (isinstance(value, str) and value in limit.names):
        raise UnknownName(name, value, limit.names)
    allowed = f"{'an' if kind is int else 'a'} {kind.__name__}" + (f" in {limit}" if isinstance(limit, Range) else "")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    right = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
    if not (right or (kind is float and number)):
        raise InputError(name, value, allowed)
    if isinstance(limit, Range) and not (isinstance(value, int | float) and value in limit):
        raise InputError(name, value, allowed)
    try:
        return kind(value)
    except OverflowError:
        raise InputError(name, value, allowed) from None


@final
@dataclass(frozen=True, eq=False)
class Dataset:
    """A whole set as tensors, small enough to live on the device: no loader, one gather per batch.

    >>> import torch
    >>> len(Dataset(torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 0]), ("even", "odd")).take(torch.tensor([2, 0])))
    2
    """

    images: Images
    """Pixels in [0, 1]."""
    labels: Labels
    classes: tuple[str, ...]
    """Name of each label, in order."""
    factors: Mapping[str, Float[Tensor, "n"]] = field(default_factory=dict)
    """What generated each image, where it is known (place, rotation, ...)."""

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise InputError("Dataset.labels", len(self.labels), f"as many as the {len(self.images)} images")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Int[Tensor, "m"]) -> "Dataset":
        """The samples at ``index``, in that order."""
        factors = {name: values[index] for name, values in self.factors.items()}
        return replace(self, images=self.images[index], labels=self.labels[index], factors=factors)

    def to(self, where: device, kind: dtype) -> "Dataset":
        """The same set on a device, its pixels in a floating type."""
        return replace(self, images=self.images.to(where, kind), labels=self.labels.to(where))

    def digest(self) -> str:
        """Fingerprint of pixels, labels and class names (32 hexadecimal digits)."""
        content = hashlib.sha256(repr((tuple(self.images.shape), self.classes)).encode())
        for tensor in (self.images.float(), self.labels):
            content.update(tensor.cpu().contiguous().numpy().data)
        return content.hexdigest()[:32]


@final
@dataclass(frozen=True, eq=False)
class Outputs:
    """All that an objective sees of a model: tensors, one row per view and sample.

    >>> import torch
    >>> h, z = torch.zeros(2, 8, 64), torch.zeros(2, 8, 32)
    >>> Outputs(h, z, prediction=z, target=z).embedding.shape
    torch.Size([2, 8, 32])
    """

    representation: Float[Tensor, "v n d"]
    embedding: Float[Tensor, "v n k"]
    prediction: Float[Tensor, "v n k"]
    """Predictor output; the embedding itself where the model has no predictor."""
    target: Float[Tensor, "v n k"]
    """What is to be predicted: the momentum branch's embedding, or the embedding itself without one."""
    labels: Int[Tensor, "n"] | None = None
    """Of the images behind the views, for the objectives that are supervised."""


@final
@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval over ``n`` repetitions."""

    mean: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float], confidence: float = 0.95) -> "Interval":
        """Student-t interval of the mean: mean ± t₍ₙ₋₁₎ · s / √n, unbounded for a single value.

        Raises:
            InputError: no value, or one that is not finite.

        >>> Interval.of([1.0, 2.0, 3.0])
        Interval(mean=2.0, low=-0.484..., high=4.484..., n=3)
        """
        from scipy.special import stdtrit  # 0.3 s of import that only intervals need

        values = [float(value) for value in values]
        if not values or not all(math.isfinite(value) for value in values):
            raise InputError("values", values, "at least one finite number")
        n, mean = len(values), math.fsum(values) / len(values)
        if n == 1:
            return cls(mean, -math.inf, math.inf, 1)
        error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
        half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * error
        return cls(mean, mean - half, mean + half, n)
