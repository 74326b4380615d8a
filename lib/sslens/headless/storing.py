"""Store a result that takes too long for a lesson, where the library keeps such results."""

from pathlib import Path

from sslens import studies
from sslens.headless.commit import of_the_checkout
from sslens.stored import ROOT, Computation, StoredResult
from sslens.types import InputError, UnknownName


def computation(notebook: str, name: str) -> Computation:
    """What a study computes once, by the notebook's name and its own.

    Raises:
        InputError: no notebook of this name has a study.
        UnknownName: the study has no result of this name.

    >>> computation("99_nowhere", "everything")
    Traceback (most recent call last):
        ...
    sslens.types.InputError: NOTEBOOK must be the name of a notebook with a study, such as 00_first_light. Got ...
    """
    study = studies.of_notebook(notebook)
    if study is None:
        raise InputError("NOTEBOOK", notebook, "the name of a notebook with a study, such as 00_first_light")
    known = {each.name: each for each in getattr(study, "STORED", ())}
    if name not in known:
        raise UnknownName("NAME", name, known)
    return known[name]


def store_result(notebook: str, name: str, *, root: Path = ROOT) -> StoredResult:
    """Compute a result and store it with the library, which must lie in a checkout that has a commit to name.

    Raises:
        InputError: as ``computation``, or no checkout.
    """
    wanted, commit = computation(notebook, name), of_the_checkout()
    if commit is None:
        raise InputError("library", str(root), "in a git checkout: a stored result names the commit it was computed at")
    return wanted.store(commit=commit, root=root)
