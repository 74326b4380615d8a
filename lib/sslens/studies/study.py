"""What all studies share: parameters that come from a notebook, and sentences that follow verdicts."""

import importlib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any, TypeVar

from xarray import DataArray, concat

from sslens.claims import Claim, Verdict
from sslens.runtime import profile
from sslens.types import InputError, fields_of

Setting = TypeVar("Setting")
Verdicts = Sequence[Verdict] | Sequence[Mapping[str, Any]] | Mapping[str, bool | None]
"""Verdicts as a notebook holds them, as a receipt records them, or quantity by quantity."""
SMOKE_SEEDS = 2
"""The most seeds a notebook trains at the smoke profile: enough for every path through the code."""


def of_notebook(stem: str) -> ModuleType | None:
    """The study of a notebook, by the notebook's name without its ending; None where there is none.

    >>> of_notebook("99_nowhere") is None
    True
    """
    name = re.sub(r"^[0-9]+_", "", stem)
    if not name.isidentifier() or importlib.util.find_spec(f"sslens.studies.{name}") is None:
        return None
    module = importlib.import_module(f"sslens.studies.{name}")
    return module if getattr(module, "NOTEBOOK", None) == stem else None


def from_namespace(kind: type[Setting], namespace: Mapping[str, Any]) -> Setting:
    """A study's setting from the parameters of its notebook, at the profile that the checks may have set.

    At ``smoke`` no more than ``SMOKE_SEEDS`` seeds are trained, whatever the notebook says.

    Raises:
        InputError: a parameter that the notebook does not have, of the wrong type or out of range.
    """
    names = fields_of(kind)
    if missing := [name for name in names if name not in namespace]:
        raise InputError("parameters", missing, "assigned in the notebook's parameters cell")
    values = {name: namespace[name] for name in names}
    setting: Any = kind(**values | {"profile": profile(values["profile"])})
    fewer = setting.profile == "smoke" and getattr(setting, "seeds", 0) > SMOKE_SEEDS
    return replace(setting, seeds=SMOKE_SEEDS) if fewer else setting


def outcomes(verdicts: Verdicts) -> dict[str, bool | None]:
    """What came of each claim, by its quantity; of verdicts, of their records, or as it is.

    >>> outcomes({"rank ratio": True}), outcomes([{"quantity": "rank ratio", "holds": True}])
    ({'rank ratio': True}, {'rank ratio': True})
    """
    if isinstance(verdicts, Mapping):
        return dict(verdicts)
    records = [each if isinstance(each, Mapping) else each.record() for each in verdicts]
    return {record["quantity"]: record["holds"] for record in records}


def stated(claim: Claim, found: Mapping[str, bool | None], sentences: tuple[str, str, str]) -> str:
    """The sentence for what came of a claim: where it holds, where it does not, where it is open.

    >>> claim = Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.5)
    >>> stated(claim, {"rank ratio": None}, ("it falls", "it stays", "it may fall"))
    'it may fall'
    """
    holds, fails, open_ = sentences
    return {True: holds, False: fails, None: open_}[found.get(claim.quantity)]


def in_one_line(verdicts: Verdicts, clauses: Mapping[Claim, tuple[str, str]], *, others: Sequence[Claim] = ()) -> str:
    """What holds and what does not: a clause for each of some claims, numbers for the others and for what is open.

    The first words of a claim are said where it holds, the second where it does not.

    >>> claim = Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.5)
    >>> in_one_line({"rank ratio": True}, {claim: ("rank falls", "rank stays")})
    'Rank falls.'
    >>> in_one_line({"rank ratio": None}, {claim: ("rank falls", "rank stays")})
    '1 open.'
    """
    found = outcomes(verdicts)
    said = [stated(claim, found, (holds, fails, "")) for claim, (holds, fails) in clauses.items()]
    rest = [found.get(claim.quantity) for claim in others]
    counts = {
        ("more holds", "more hold"): rest.count(True),
        ("more fails", "more fail"): rest.count(False),
        ("open", "open"): said.count("") + rest.count(None),
    }
    counted = ", ".join(f"{count} {one if count == 1 else many}" for (one, many), count in counts.items() if count)
    line = "; ".join(filter(None, [", ".join(filter(None, said)), counted]))
    return f"{line[:1].upper()}{line[1:]}."


def stacked(arrays: Mapping[Any, DataArray], dim: str) -> DataArray:
    """Arrays of the same coordinates along a new dimension, which comes first and is labelled by their keys.

    What they do not share, a place they were taken at or a unit, is left out, and so is the status of their runs.

    Raises:
        ValueError: dimensions or coordinates that differ.

    >>> import numpy as np
    >>> stacked({"kNN": DataArray(np.zeros(2), {"seed": [0, 1]})}, "probe").sizes
    Frozen({'probe': 1, 'seed': 2})
    """
    bare = [array.drop_vars(_own(array)).expand_dims({dim: [key]}) for key, array in arrays.items()]
    return concat(bare, dim, join="exact", coords="minimal", compat="override", combine_attrs="drop_conflicts")


def _own(array: DataArray) -> list[Any]:
    """Coordinates that belong to this one array alone."""
    return [name for name, coordinate in array.coords.items() if not coordinate.dims or name == "status"]
