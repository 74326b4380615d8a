"""Sets by name: what loads each, and its options, checked before anything is read."""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, final

from sslens.types import Dataset, InputError, UnknownName, checked

Loader = Callable[..., tuple[Dataset, Dataset]]
"""Gives the training and the test side; its options are keyword-only parameters, annotated with type and range."""
PATH = ":PATH"
"""How the name of a set ends that is found at a path: ``folder:PATH`` is called ``folder:/where/it/lies``."""


@final
class Registry(dict[str, Loader]):
    """Loaders by name.

    >>> from sslens.datasets import digits
    >>> train, test = Registry({"digits": digits.load}).load("digits")
    >>> len(train), len(test)
    (1200, 597)
    """

    def check_name(self, name: str) -> None:
        """Refuse a name that no set has; nothing is loaded, and no path is visited.

        Raises:
            UnknownName: neither a name in the registry nor ``folder:`` with a path.

        >>> from sslens import datasets
        >>> datasets.check_name("scattered_digit")
        Traceback (most recent call last):
            ...
        sslens.types.UnknownName: dataset must be one of: scattered_digits, ... Did you mean 'scattered_digits'?
        """
        self._named(name)

    def load(self, name: str, **options: Any) -> tuple[Dataset, Dataset]:
        """The training and the test side of a set.

        Raises:
            UnknownName: an unknown set, or an option that this set does not have.
            InputError: an option of the wrong type or out of range, a path that holds no usable tree, or a published
                set whose files are not there and cannot be fetched.
            DamagedFile: a file of the set is not what it should be.

        >>> from sslens import datasets
        >>> train, test = datasets.load("scattered_digits", seed=1)
        >>> train.classes[3], tuple(test.images.shape)
        ('3', (1194, 1, 16, 16))
        """
        loader, path = self._named(name)
        kind = name.partition(":")[0]
        legal = _options(loader)
        for option in options.keys() - legal.keys():
            if not legal:
                raise InputError(f"options of {kind}", option, "left out: this set has none")
            raise UnknownName(f"option of {kind}", option, legal)
        right = {option: checked(f"{kind}.{option}", value, legal[option]) for option, value in options.items()}
        return loader(*path, **right)

    def loader_module(self, name: str) -> str:
        """Dotted name of the module whose code makes a set, from which the keys of its runs are made.

        Raises:
            UnknownName: neither a name in the registry nor ``folder:`` with a path.

        >>> from sslens import datasets
        >>> datasets.loader_module("fashion_mnist"), datasets.loader_module("folder:/anywhere")
        ('sslens.datasets.mnist', 'sslens.datasets.folder')
        """
        return self._named(name)[0].__module__

    def _named(self, name: str) -> tuple[Loader, tuple[str, ...]]:
        """A set's loader and what it takes by position: the path that its name ends in, or nothing."""
        kind, _, path = name.partition(":")
        if path and kind + PATH in self:
            return self[kind + PATH], (path,)
        if name not in self:
            raise UnknownName("dataset", name, self)
        return self[name], ()


def _options(loader: Loader) -> dict[str, Any]:
    parameters = signature(loader).parameters.values()
    return {each.name: each.annotation for each in parameters if each.kind is Parameter.KEYWORD_ONLY}
