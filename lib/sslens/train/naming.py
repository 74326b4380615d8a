"""Names for what a config holds: how its classes go to JSON and back, and where a misplaced field belongs."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args

from sslens.encoders import ENCODERS, PREDICTORS, Encoder, Predictor
from sslens.fingerprint import of_class
from sslens.objectives import OBJECTIVES, Objective
from sslens.types import InputError, UnknownName, fields_of
from sslens.views import Recipe

REGISTRIES: dict[type, Mapping[str, type]] = {Objective: OBJECTIVES, Encoder: ENCODERS, Predictor: PREDICTORS}
"""Parts of a config whose class is chosen by name."""
OLDER = {
    "dataset": "data=Data(name={!r})",
    "image_size": "data=Data(options={{'size': {!r}}})",
    "snapshots": "snapshots=Snapshots(count={!r})",
    "strength": "recipe=replace(RECIPES['digits'], strength={!r})",
    "predictor": "objective=SimSiam(predictor={!r})",
}
"""What a flat call of version 0.1 meant where no part of a config has a field of that name and meaning."""
OLDER_CLASSES = {"mlp_layernorm": "MLP(layer_norm=True)"}
"""Likewise for names of classes."""
_written_here: dict[str, type] = {}
"""Classes that no registry lists and that this process has met, by the name they have in JSON."""


def kind_of(part: object) -> str:
    """The name of a part's class: the one it is registered under, or its own with a fingerprint of its source.

    Raises:
        InputError: a class without a source that can be read.

    >>> kind_of(OBJECTIVES["simclr"]())
    'simclr'
    """
    kind = type(part)
    for registry in REGISTRIES.values():
        for name, registered in registry.items():
            if registered is kind:
                return name
    try:
        name = f"{kind.__qualname__}@{of_class(kind)}"
    except OSError as error:
        allowed = "one whose source can be read: in a file or a notebook cell"
        raise InputError("class", kind.__qualname__, allowed, f"There is {error}.") from None
    _written_here[name] = kind
    return name


def is_registered(part: object) -> bool:
    """Whether another process knows the part's class by name.

    >>> is_registered(OBJECTIVES["simclr"]())
    True
    """
    return any(type(part) in registry.values() for registry in REGISTRIES.values())


def to_json(value: object) -> Any:
    """A part of a config as plain JSON values; of a recipe only what differs from one that changes nothing.

    >>> to_json(OBJECTIVES["simclr"](temperature=0.5))
    {'kind': 'simclr', 'temperature': 0.5}
    """
    if isinstance(value, tuple):
        return [to_json(each) for each in value]
    if not is_dataclass(value):
        return value
    found = {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Recipe):
        plain = {each.name: to_json(each.default) for each in fields(value) if each.default is not MISSING}
        return {name: each for name, each in found.items() if each != plain.get(name)}
    return {"kind": kind_of(value)} | found if isinstance(value, tuple(REGISTRIES)) else found


def from_json(value: Any, kind: Any, *, name: str) -> Any:
    """What ``to_json`` was given, for a field of this annotation.

    Raises:
        UnknownName: a class that is registered nowhere, and was not written in this process.
        InputError: values that its class refuses.

    >>> from_json({"kind": "simclr", "temperature": 0.5}, Objective, name="objective")
    SimCLR(temperature=0.5)
    """
    if isinstance(value, list):
        return tuple(from_json(each, kind, name=name) for each in value)
    if not isinstance(value, Mapping):
        return value
    if kind not in REGISTRIES:
        kinds = (each for each in (kind, *get_args(kind)) if isinstance(each, type))
        chosen: Any = next(filter(is_dataclass, kinds), None)
        if chosen is None:
            raise InputError(name, value, "a plain value")
        legal = fields_of(chosen)
        inner = Recipe if chosen is Recipe else None
        return chosen(
            **{key: from_json(each, inner or legal.get(key), name=f"{name}.{key}") for key, each in value.items()}
        )
    known = {**REGISTRIES[kind], **_written_here}
    given = dict(value)
    if not isinstance(word := given.pop("kind", None), str) or word not in known:
        raise UnknownName(f"{name}.kind", word, known)
    return known[word](**{key: from_json(each, None, name=f"{name}.{key}") for key, each in given.items()})


def home_of(config: type, name: str, *, value: object) -> str:
    """The call that says what ``Config(name=value)`` was meant to say; empty where no part has such a field.

    >>> from sslens.train.config import Config
    >>> home_of(Config, "steps", value=10)
    'Config(optimisation=Optimisation(steps=10))'
    """
    if name in OLDER:
        return f"Config({OLDER[name].format(value)})"
    for home, kind in _parts(config):
        if name in fields_of(kind):
            return f"Config({home}={kind.__name__}({name}={value!r}))"
    return ""


def named_class(kind: Any, value: object) -> str:
    """The class that a name stood for in a flat call, as a call; empty where it stood for none.

    >>> named_class(Objective, "simclr")
    'SimCLR()'
    """
    if kind not in REGISTRIES or not isinstance(value, str):
        return ""
    registered = REGISTRIES[kind].get(value)
    return f"{registered.__name__}()" if registered else OLDER_CLASSES.get(value, "")


def _parts(config: type) -> Iterator[tuple[str, type]]:
    """Every class that a part of the config may be, with the part's name."""
    for home, annotation in fields_of(config).items():
        kinds = get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
        for kind in kinds:
            yield from ((home, each) for each in REGISTRIES.get(kind, {}).values())
            if isinstance(kind, type) and is_dataclass(kind):
                yield home, kind
