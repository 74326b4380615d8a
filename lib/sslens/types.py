"""The words of the house: axis letters, shape aliases, the records every floor shares, the one error.

Axis letters: ``n`` sample, ``v`` view, ``c h w`` channel, height, width, ``d`` representation, ``k`` embedding,
``t`` time. A *representation* is the encoder's output, an *embedding* the projector's.
"""

import difflib
import functools
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Annotated, Any, TypeVar, dataclass_transform, final, get_args, get_origin, get_type_hints

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, device, dtype

Images = Float[Tensor, "n c h w"]
Views = Shaped[Tensor, "_v n *_sample"]
"""Of one group: images of one size, or texts."""
Features = Float[Tensor, "n d"]
Labels = Int[Tensor, "n"]
Scalar = Float[Tensor, ""]
BLOCK = 512
"""Samples of a set that its digest reads at a time."""


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

    def __init__(self, field: str, got: object, known: Iterable[str], hint: str = "") -> None:
        known = list(known)
        close = difflib.get_close_matches(str(got), known, 1)
        hint = hint or (f"Did you mean {close[0]!r}?" if close else "")
        super().__init__(field, got, "one of: " + ", ".join(known), hint)


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

    An int is accepted where a float is declared (and becomes one); a bool is never taken for a number. Of a
    ``tuple[T, ...]`` or ``tuple[S, T]`` each element is checked; a mapping for a record makes one.

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
    if get_origin(kind) is tuple:
        return _checked_tuple(name, value, get_args(kind))
    if kind in (int, float, str, bool):
        return _checked_scalar(name, value, kind, limit)
    if isinstance(value, Mapping):
        value = _from_names(value, kind)
    if not isinstance(value, kind):
        raise InputError(name, value, f"an instance of {getattr(kind, '__name__', kind)}")
    return value


def _from_names(given: Mapping[str, Any], kind: Any) -> Any:
    """Single fields of a record make one, options by name a tuple."""
    if kind is tuple:
        return tuple(sorted(given.items(), key=str))
    return kind(**given) if isinstance(kind, type) and is_dataclass(kind) else given


def _checked_tuple(name: str, value: Any, kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    any_length = kinds[-1] is Ellipsis
    if not isinstance(value, tuple) or not (any_length or len(value) == len(kinds)):
        raise InputError(name, value, "a tuple" if any_length else f"a tuple of {len(kinds)}")
    kinds = kinds[:1] * len(value) if any_length else kinds
    places = enumerate(zip(value, kinds, strict=True))
    return tuple(checked(f"{name}[{place}]", each, kind) for place, (each, kind) in places)


def _checked_scalar(name: str, value: Any, kind: type, limit: "Range | OneOf | None") -> Any:
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


def checked_ids(ids: Int[Tensor, "..."], *, vocabulary: int, longest: int | None = None) -> Int[Tensor, "n t"]:
    """The ids as int64, if they are texts of at least one and at most ``longest`` characters of the vocabulary.

    Raises:
        InputError: no (n, t) matrix of integers, empty, too long, negative or not below ``vocabulary``.

    >>> import torch
    >>> checked_ids(torch.tensor([[0, 99]]), vocabulary=47)
    Traceback (most recent call last):
        ...
    sslens.types.InputError: ids must be whole numbers from 0 to 46. Got 99.
    """
    integers = isinstance(ids, Tensor) and not (ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool)
    if not (integers and ids.ndim == 2 and ids.numel() and ids.shape[1] <= (longest or ids.shape[1])):
        got = f"{ids.dtype} {tuple(ids.shape)}" if isinstance(ids, Tensor) else type(ids).__name__
        raise InputError("ids", got, f"an integer tensor (n, t) of 1 to {longest or 'any number of'} characters each")
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= vocabulary:
        raise InputError("ids", low if low < 0 else high, f"whole numbers from 0 to {vocabulary - 1}")
    return ids.long()


Record = TypeVar("Record")


@dataclass_transform(frozen_default=True)
def checked_dataclass(cls: type[Record]) -> type[Record]:
    """A frozen dataclass whose every value is checked against its annotation before the object exists.

    Raises:
        UnknownName: a field that the record does not have, with the closest match.
        InputError: a value of the wrong type or out of range, or none for a field without a default.

    >>> @checked_dataclass
    ... class Crop:
    ...     area: Annotated[float, Range(0, 1)] = 1.0
    >>> Crop(arae=1)
    Traceback (most recent call last):
        ...
    sslens.types.UnknownName: Crop must be one of: area. Got 'arae'. Did you mean 'area'?
    """
    made = dataclass(frozen=True)(cls)
    fill = made.__init__

    @functools.wraps(fill)
    def __init__(self: Any, /, *positional: Any, **values: Any) -> None:  # noqa: N807 - it becomes the record's
        legal = fields_of(made)
        given = dict(zip(legal, positional, strict=False))
        if len(positional) > len(legal) or given.keys() & values.keys():
            raise InputError(made.__name__, positional, f"given each of its fields once: {', '.join(legal)}")
        for name in values:
            if name not in legal:
                raise UnknownName(made.__name__, name, legal)
        needed = [each.name for each in fields(made) if each.default is each.default_factory is MISSING]  # type: ignore[arg-type]
        if missing := [name for name in needed if name not in given | values]:
            raise InputError(made.__name__, sorted(given | values), f"given its fields: {', '.join(missing)}")
        right = {
            name: checked(f"{made.__name__}.{name}", value, legal[name]) for name, value in (given | values).items()
        }
        fill(self, **right)

    made.__init__ = __init__  # type: ignore[method-assign]
    return made


def fields_of(kind: type) -> dict[str, Any]:
    """The fields of a dataclass with their annotations, ranges included, in order.

    >>> list(fields_of(Range))
    ['low', 'high', 'above']
    """
    hints = get_type_hints(kind, include_extras=True)
    return {each.name: hints[each.name] for each in fields(kind)}


@final
@dataclass(frozen=True, eq=False)
class Dataset:
    """A whole set as tensors, small enough to live on the device: no loader, one gather per batch.

    Raises:
        InputError: labels, factors, origins or multi-labels that are not one row for each image.

    >>> import torch
    >>> len(Dataset(torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 0]), ("even", "odd")).take(torch.tensor([2, 0])))
    2
    """

    images: Float[Tensor, "n c h w"] | Int[Tensor, "n t"]
    """Pixels in [0, 1]; or texts, each as the ids of its t characters."""
    labels: Labels
    classes: tuple[str, ...]
    """Name of each label, in order."""
    factors: Mapping[str, Float[Tensor, "n"]] = field(default_factory=dict)
    """What generated each image, where it is known (place, rotation, ...)."""
    origin: Int[Tensor, "n"] | None = None
    """Which original each sample was made from: samples of one origin are one observation. None: each is its own."""
    multi_labels: Bool[Tensor, "n classes"] | None = None
    """All classes that each sample shows, where it may show several."""

    def __post_init__(self) -> None:
        for name, rows in self.tensors().items():
            if len(rows) != len(self.images):
                raise InputError(f"Dataset.{name}", len(rows), f"as many as the {len(self.images)} images")
        if self.multi_labels is not None and self.multi_labels.shape[1:] != (len(self.classes),):
            allowed = f"a column for each of the {len(self.classes)} classes"
            raise InputError("Dataset.multi_labels", tuple(self.multi_labels.shape), allowed)

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Shaped[Tensor, "n ..."]], classes: tuple[str, ...]) -> "Dataset":
        """The set whose ``tensors()`` these are.

        >>> import torch
        >>> rows = {"images": torch.zeros(2, 1, 8, 8), "labels": torch.tensor([0, 1]), "factors.x": torch.ones(2)}
        >>> sorted(Dataset.of_tensors(rows, ("even", "odd")).factors)
        ['x']
        """
        factors = {name.removeprefix("factors."): rows for name, rows in tensors.items() if name.startswith("factors.")}
        others = {name: rows for name, rows in tensors.items() if not name.startswith("factors.")}
        return cls(**others, classes=classes, factors=factors)

    def __len__(self) -> int:
        return len(self.labels)

    def tensors(self) -> dict[str, Shaped[Tensor, "n ..."]]:
        """All that the set holds of each sample, by the name of the field, a factor x as ``factors.x``."""
        rows = {"images": self.images, "labels": self.labels}
        known = {"origin": self.origin, "multi_labels": self.multi_labels}
        rows |= {name: values for name, values in known.items() if values is not None}
        return rows | {f"factors.{name}": values for name, values in self.factors.items()}

    def take(self, index: Int[Tensor, "m"]) -> "Dataset":
        """The samples at ``index``, in that order."""
        return self.of_tensors({name: rows[index] for name, rows in self.tensors().items()}, self.classes)

    def to(self, where: device, kind: dtype) -> "Dataset":
        """The same set on a device, its pixels in a floating type; ids of texts stay whole numbers."""
        moved = {name: rows.to(where) for name, rows in self.tensors().items() if name != "images"}
        images = self.images.to(where, kind) if self.images.is_floating_point() else self.images.to(where)
        return self.of_tensors({"images": images, **moved}, self.classes)

    def joined(self, other: "Dataset") -> "Dataset":
        """The samples of this set and then those of another one of the same kind.

        Raises:
            InputError: other classes, other factors, or origins or multi-labels on one side only.

        >>> import torch
        >>> pair = Dataset(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]), ("even", "odd"))
        >>> pair.joined(pair).labels
        tensor([0, 1, 0, 1])
        """
        mine, theirs = self.tensors(), other.tensors()
        if (self.classes, mine.keys()) != (other.classes, theirs.keys()):
            allowed = f"a set of the classes {', '.join(self.classes)} that holds {', '.join(mine)}"
            raise InputError("Dataset.joined", f"{', '.join(other.classes)}: {', '.join(theirs)}", allowed)
        return self.of_tensors({name: torch.cat([rows, theirs[name]]) for name, rows in mine.items()}, self.classes)

    def digest(self) -> str:
        """Fingerprint of all that the set holds (32 hexadecimal digits); pixels count as float32, whatever their type.

        Read once and in blocks, so that a set is never copied for it.
        """
        content = hashlib.sha256(repr(self.classes).encode())
        for name, rows in sorted(self.tensors().items()):
            content.update(f"{name} {tuple(rows.shape)}".encode())
            pixels = name == "images" and rows.is_floating_point()
            for block in rows.split(BLOCK):
                block = block.float() if pixels else block
                content.update(block.cpu().contiguous().numpy().data)
        return content.hexdigest()[:32]


@final
@dataclass(frozen=True, eq=False)
class Cells:
    """A partition of a piece of plane into convex cells, as plain numbers: what a figure needs to draw it.

    >>> import torch
    >>> ring = torch.tensor([0, 1, 2])
    >>> Cells(torch.eye(3, 2), torch.tensor([0, 3]), ring, edges=torch.stack([ring, ring.roll(-1)], 1)).count
    1
    """

    vertices: Float[Tensor, "v 2"]
    """In coordinates of the plane."""
    starts: Int[Tensor, "bounds"]
    """Where each cell begins in ``corners``, and where the last one ends."""
    corners: Int[Tensor, "m"]
    """Numbers of the vertices around each cell counter-clockwise, cell after cell."""
    edges: Int[Tensor, "e 2"]
    """The two vertices of each edge, each edge once."""
    boundary: Float[Tensor, "b 2 2"] | None = None
    """The decision boundary, both ends of each segment: where the two largest outputs are equal."""

    @property
    def count(self) -> int:
        """How many cells."""
        return len(self.starts) - 1


@final
@dataclass(frozen=True, eq=False)
class Outputs:
    """All that an objective sees of a model: tensors, one row per view and sample.

    >>> import torch
    >>> h, z = torch.zeros(2, 8, 64), torch.zeros(2, 8, 32)
    >>> Outputs(h, z, prediction=z, target=z).embedding.shape
    torch.Size([2, 8, 32])
    """

    representation: Float[Tensor, "v n *d"]
    """Of every view, those of further groups (small crops) last; of texts one row per character: v n t d."""
    embedding: Float[Tensor, "v n *k"]
    prediction: Float[Tensor, "v n *k"]
    """Predictor output; the embedding itself where the model has no predictor."""
    target: Float[Tensor, "g n *k"]
    """What is to be predicted: the momentum branch's embedding of the first group of views, or the embedding itself."""
    labels: Int[Tensor, "n"] | None = None
    """Of the images behind the views, for the objectives that are supervised."""
    inputs: Int[Tensor, "n t"] | None = None
    """Character ids, where the model reads texts."""


@final
@dataclass(frozen=True)
class Dimensions:
    """Sizes of a run, as far as an objective with a state of its own has to know them.

    >>> Dimensions(representation=64, embedding=32, classes=10, batch=256, samples=1200).embedding
    32
    """

    representation: int
    embedding: int
    classes: int
    batch: int
    """Images of a step."""
    samples: int
    """Images the run learns from."""
