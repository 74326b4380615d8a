"""What an augmentation may do: the ranges it draws from, for one group of views or several."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, final, get_args, get_origin, get_type_hints

from sslens.types import Dataset, InputError, Range, UnknownName, checked

Pair = tuple[float, float]
Share = Annotated[float, Range(0, 1)]


@final
@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The ranges an augmentation draws from; a new one changes nothing until a range is opened.

    A recipe describes one group of views, and by ``further`` others with ranges of their own: small crops beside
    large ones, weak views beside strong ones. A group takes nothing over from another.

    Raises:
        UnknownName: a field that there is not.
        InputError: a value outside its range, a pair that is not (low, high), or further groups within a further one.

    >>> Recipe(rotation=20, flip=0.5).rotation
    20.0
    >>> Recipe(flip=1.5)
    Traceback (most recent call last):
        ...
    sslens.types.InputError: Recipe.flip must be a float in [0, 1]. Got 1.5.
    >>> Recipe(flop=0.5)
    Traceback (most recent call last):
        ...
    sslens.types.UnknownName: Recipe must be one of: area, ... Got 'flop'. Did you mean 'flip'?
    """

    area: Annotated[Pair, Range(0, 1, above=True)] = (1.0, 1.0)
    """Share of the image a crop keeps, resized to the whole side (uniform)."""
    aspect: Annotated[Pair, Range(0, 10, above=True)] = (1.0, 1.0)
    """Width over height of the crop, relative to the image's own (log-uniform; a crop never exceeds the image)."""
    flip: Share = 0.0
    """Probability of mirroring left and right."""
    rotation: Annotated[float, Range(0, 180)] = 0.0
    """Largest angle either way, in degrees."""
    shift: Share = 0.0
    """Largest way in either direction, on each axis, as a fraction of the side."""
    scale: Annotated[Pair, Range(0, 10, above=True)] = (1.0, 1.0)
    """Magnification of the content (uniform)."""
    brightness: Share = 0.0
    """Reach b of the factor 1 ± b on all pixels."""
    contrast: Share = 0.0
    """Reach of the factor on the distance from the image's mean luma."""
    saturation: Share = 0.0
    """Reach of the factor on the distance from each pixel's luma."""
    hue: Annotated[float, Range(0, 0.5)] = 0.0
    """Largest chroma rotation either way, in turns (see `sslens.views.apply`)."""
    grey: Share = 0.0
    """Probability of losing all colour."""
    blur: Annotated[Pair, Range(0, 100)] = (0.0, 0.0)
    """Standard deviation of the Gaussian, in pixels of the view (uniform)."""
    blurred: Share = 1.0
    """Probability of the blur."""
    noise: Share = 0.0
    """Standard deviation of Gaussian noise on each pixel and channel."""
    strength: Share = 1.0
    """Of the whole recipe: moves the ends of every range, probabilities included, towards doing nothing at 0."""
    class_strength: tuple[Share, ...] = ()
    """Factor on the strength for each class, in the order of the labels; empty: 1 for all."""
    strength_factor: str = ""
    """Name of a factor of the data set, with values in [0, 1], that multiplies each sample's strength."""
    views: Annotated[int, Range(0, 64)] = 0
    """Views of each image in this group; 0: as many as the objective compares."""
    size: Annotated[int, Range(0, 1024)] = 0
    """Side in pixels of the square views of this group; 0: as large as the images."""
    further: tuple["Recipe", ...] = ()
    """Further groups of views; they have no further ones themselves."""

    def __new__(cls, **values: Any) -> "Recipe":
        """Check what is given before the generated ``__init__`` meets it, so that every error is our own."""
        legal = _annotations()
        for name, value in values.items():
            if name not in legal:
                raise UnknownName("Recipe", name, legal)
            _checked(f"Recipe.{name}", value, legal[name])
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, annotation in _annotations().items():
            value = _checked(f"Recipe.{name}", getattr(self, name), annotation)
            object.__setattr__(self, name, value)  # 1 becomes 1.0: equal recipes have equal JSON

    @property
    def groups(self) -> tuple["Recipe", ...]:
        """The recipe of each group of views, in the order in which they are drawn; this one is the first.

        >>> [group.size for group in Recipe(further=(Recipe(size=8),)).groups]
        [0, 8]
        """
        return (self, *self.further)

    def check(self, data: Dataset) -> None:
        """Refuse a data set whose classes or factors do not fit, before anything is trained on it.

        Raises:
            InputError: images that are texts; ``class_strength`` for another number of classes; a ``strength_factor``
                whose values leave [0, 1].
            UnknownName: a ``strength_factor`` that the set does not have.
        """
        if data.images.ndim != 4:
            raise InputError("Recipe", tuple(data.images.shape), "applied to images (n, c, h, w)")
        for group in self.groups:
            if len(group.class_strength) not in (0, len(data.classes)):
                allowed = f"one number in [0, 1] for each of the {len(data.classes)} classes"
                raise InputError("Recipe.class_strength", group.class_strength, allowed)
            if group.strength_factor:
                _check_factor(group.strength_factor, data)

    def to_json(self) -> dict[str, Any]:
        """The fields that differ from the defaults, tuples as lists and further groups as objects.

        >>> Recipe(flip=0.5, further=(Recipe(area=(0.1, 0.4)),)).to_json()
        {'flip': 0.5, 'further': [{'area': [0.1, 0.4]}]}
        """
        values = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        return {spec.name: _plain(values[spec.name]) for spec in fields(self) if values[spec.name] != spec.default}

    @classmethod
    def of_json(cls, mapping: Mapping[str, Any]) -> "Recipe":
        """The recipe that ``to_json`` described.

        Raises:
            UnknownName: a field that there is not.
            InputError: no object, or a value that its field does not take.

        >>> Recipe.of_json({"area": [0.5, 1]}) == Recipe(area=(0.5, 1.0))
        True
        """
        if not isinstance(mapping, Mapping):
            raise InputError("Recipe", mapping, "an object of field names and values")
        values: dict[str, Any] = {}
        for name, value in mapping.items():
            values[str(name)] = tuple(value) if isinstance(value, list) else value
        if isinstance(values.get("further"), tuple):
            values["further"] = tuple(cls.of_json(group) for group in values["further"])
        return cls(**values)


@cache
def _annotations() -> dict[str, Any]:
    return get_type_hints(Recipe, include_extras=True)


def _checked(name: str, value: Any, annotation: Any) -> Any:
    """The value of a field, its numbers in the types that are declared."""
    kind, *limits = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    if kind is Recipe:
        return _checked_group(name, value)
    if kind == Pair:
        return _checked_pair(name, value, limits[0])
    if get_origin(kind) is tuple:
        if not isinstance(value, tuple):
            raise InputError(name, value, "a tuple")
        return tuple(_checked(f"{name}[{place}]", each, get_args(kind)[0]) for place, each in enumerate(value))
    return checked(name, value, annotation)


def _checked_group(name: str, value: Any) -> Recipe:
    if not isinstance(value, Recipe) or value.further:
        raise InputError(name, value, "a Recipe without further groups of its own")
    return value


def _checked_pair(name: str, value: Any, limit: Range) -> Pair:
    if not isinstance(value, tuple) or len(value) != 2:
        raise InputError(name, value, f"a pair (low, high) in {limit}")
    low, high = (checked(name, bound, Annotated[float, limit]) for bound in value)
    if low > high:
        raise InputError(name, value, "a pair (low, high) with low <= high")
    return low, high


def _check_factor(name: str, data: Dataset) -> None:
    if name not in data.factors:
        raise UnknownName("Recipe.strength_factor", name, data.factors)
    values = data.factors[name]
    if not ((values >= 0) & (values <= 1)).all():
        bounds = f"{name} from {values.min():g} to {values.max():g}"
        raise InputError("Recipe.strength_factor", bounds, "a factor with values in [0, 1]")


def _plain(value: Any) -> Any:
    if isinstance(value, Recipe):
        return value.to_json()
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
