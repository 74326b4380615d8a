"""First classes: some of another set's classes, so that the rest of them are new to whatever was trained on these."""

from dataclasses import replace
from typing import Annotated

from sslens.datasets.registry import Loader, Registry
from sslens.types import Dataset, InputError, Range

NAME = "first_classes"
"""Under which the loader is registered."""


def among(loaders: Registry) -> Loader:
    """The loader of the first classes of any set of a registry: half of them, rounded up, or ``count``.

    Raises:
        InputError, UnknownName: by the loader, for what the set does not have; see there.

    >>> from sslens import datasets
    >>> train, test = among(datasets.LOADERS)(of="digits")
    >>> train.classes, len(train), len(test)
    (('0', '1', '2', '3', '4'), 601, 300)
    """

    def load(*, of: str = "scattered_digits", count: Annotated[int, Range(0, 10**5)] = 0) -> tuple[Dataset, Dataset]:
        """Both sides of the set ``of``, with its default options, and of them the samples of the first classes.

        ``count`` 0 stands for half of the classes, rounded up. Images, factors and origins are those of the whole set.

        Raises:
            InputError: a set of fewer classes than ``count``, one class alone, or what its own loader refuses.
            UnknownName: no such set.
        """
        if of == NAME:
            raise InputError(f"{NAME}.of", of, "the name of another set")
        train, test = loaders.load(of)
        kept = count or (len(train.classes) + 1) // 2
        if not 2 <= kept <= len(train.classes):
            raise InputError(f"{NAME}.count", kept, f"from 2 to the {len(train.classes)} classes of {of}")
        return _first(train, kept), _first(test, kept)

    return load


def _first(side: Dataset, count: int) -> Dataset:
    taken = replace(side, multi_labels=None).take((side.labels < count).nonzero()[:, 0])
    return replace(taken, classes=side.classes[:count])
