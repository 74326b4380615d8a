"""Material to learn from, by name: whole sets as tensors, a training and a test side.

A new set is a file with a ``load`` of its own and one line in ``LOADERS``; its options are the keyword-only
parameters of that ``load``, each annotated with its type and range.
"""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any

from sslens.datasets import cifar, digits, folder, mnist, scattered_digits, stl10
from sslens.types import Dataset, InputError, UnknownName, checked

LOADERS: Mapping[str, Callable[..., tuple[Dataset, Dataset]]] = {
    "scattered_digits": scattered_digits.load,
    "digits": digits.load,
    "mnist": mnist.mnist,
    "fashion_mnist": mnist.fashion_mnist,
    "cifar10": cifar.cifar10,
    "cifar100": cifar.cifar100,
    "stl10": stl10.load,
    "folder:PATH": folder.load,
}
"""Name of each set and what loads it; the text after ``folder:`` is the path of a tree of images."""


def check_name(name: str) -> None:
    """Refuse a name that no set has; nothing is loaded, and no path is looked at.

    Raises:
        UnknownName: neither a name in ``LOADERS`` nor ``folder:`` with a path.

    >>> check_name("scattered_digit")
    Traceback (most recent call last):
        ...
    sslens.types.UnknownName: dataset must be one of: scattered_digits, digits, ... Did you mean 'scattered_digits'?
    """
    _loader(name)


def load(name: str, **options: Any) -> tuple[Dataset, Dataset]:
    """The training and the test side of a set.

    Raises:
        UnknownName: an unknown set, or an option that this set does not have.
        InputError: an option of the wrong type or out of range, a path that holds no usable tree, or a published set
            whose files are not there and cannot be fetched.
        DamagedFile: a file of the set is not what it should be.

    >>> train, test = load("scattered_digits", seed=1)
    >>> train.classes[3], tuple(test.images.shape)
    ('3', (1194, 1, 16, 16))
    """
    loader, place = _loader(name)
    kind = name.partition(":")[0]
    parameters = signature(loader).parameters.values()
    legal = {each.name: each.annotation for each in parameters if each.kind is Parameter.KEYWORD_ONLY}
    for option in options.keys() - legal.keys():
        if not legal:
            raise InputError(f"options of {kind}", option, "left out: this set has none")
        raise UnknownName(f"option of {kind}", option, legal)
    right = {option: checked(f"{kind}.{option}", value, legal[option]) for option, value in options.items()}
    return loader(*place, **right)


def _loader(name: str) -> tuple[Callable[..., tuple[Dataset, Dataset]], tuple[str, ...]]:
    """A set's loader and what it takes by position: the path of a folder, or nothing."""
    path = name.removeprefix("folder:")
    if path and path != name:
        return LOADERS["folder:PATH"], (path,)
    if name not in LOADERS:
        raise UnknownName("dataset", name, LOADERS)
    return LOADERS[name], ()
