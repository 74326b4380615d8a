"""What is kept of a notebook's judgement: the proof that its last cell was reached, and a digest of its claims."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, cast

from xarray import DataArray

from sslens.claims.conclusion import Conclusion
from sslens.claims.judgement import Claim
from sslens.fingerprint import of_function
from sslens.runtime import canonical_json
from sslens.store import save_arrays, write_atomic


def digest(claims: Iterable[Claim]) -> str:
    """32 hexadecimal digits of claims: their words, bounds, premises and statistics, and the code of what they measure.

    Whoever keeps it can tell later whether a bound was moved. Docstrings and comments leave it as it is.

    Raises:
        InputError: as ``fingerprint.of_function``, of a ``measured``.

    >>> claim = Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.5)
    >>> other = Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.6)
    >>> digest([claim]) == digest([other])
    False
    """
    content = canonical_json([_content(claim) for claim in claims])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _content(claim: Claim) -> dict[str, Any]:
    """All fields of a claim as plain JSON values; bounds as text, since JSON knows no infinity."""
    values = {each.name: getattr(claim, each.name) for each in fields(claim)}
    bounds = {"above": repr(float(claim.above)), "below": repr(float(claim.below))}
    premise = _content(claim.premise) if claim.premise else None
    measured = claim.measured and of_function(cast(FunctionType, claim.measured))
    return values | bounds | {"premise": premise, "measured": measured}


def receipt(namespace: Mapping[str, Any]) -> None:
    """Prove to the batch runner that the last cell was reached: echo its nonce, the parameters in use, the verdicts.

    It speaks of them as they are when the cell ends, and says which cell of the kernel that was. The runner names a
    file in ``SSLENS_ATTEMPT`` that says what to echo and where; without one nothing happens, so the call costs a person
    exploring the notebook nothing. The notebook's labelled numbers, by the names they have there, go into a file of
    their own where the runner names one. What has several names there counts once among the verdicts. The claims of
    the studies that the notebook imports are there by their ``digest``.

    >>> receipt(globals())
    """
    if "SSLENS_ATTEMPT" not in os.environ:
        return
    attempt = json.loads(Path(os.environ["SSLENS_ATTEMPT"]).read_text())
    shell = namespace["get_ipython"]() if "get_ipython" in namespace else None
    # not shell.execution_count, which newer versions of IPython raise before a cell runs and older ones afterwards
    count = None if shell is None else len(shell.history_manager.input_hist_parsed) - 1
    _write_receipt(attempt, namespace, count=count)
    if shell is not None:
        _renew_when_the_cell_ends(shell, lambda: _write_receipt(attempt, namespace, count=count))


def _renew_when_the_cell_ends(shell: Any, renew: Callable[[], None]) -> None:
    """What the cell goes on to do belongs to the run as well: the receipt is to speak of how it ended."""

    def ended(_: object) -> None:
        shell.events.unregister("post_run_cell", ended)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they have been shown in the cell
            renew()

    shell.events.register("post_run_cell", ended)


def _write_receipt(attempt: Mapping[str, Any], namespace: Mapping[str, Any], *, count: int | None) -> None:
    public = {name: value for name, value in namespace.items() if name[:1] != "_"}
    parameters = {name: namespace.get(name) for name in attempt["parameters"]}
    conclusions = {id(value): value for value in public.values() if isinstance(value, Conclusion)}
    verdicts = [verdict.record() for conclusion in conclusions.values() for verdict in conclusion.verdicts]
    if "results" in attempt:
        arrays = {name: value for name, value in public.items() if isinstance(value, DataArray)}
        save_arrays(Path(attempt["results"]), arrays)
    imported = {id(value): value for value in public.values() if isinstance(value, ModuleType)}
    claims = [claim for module in imported.values() for claim in vars(module).get("CLAIMS", ())]
    found = {"nonce": attempt["nonce"], "parameters": parameters, "verdicts": verdicts, "execution_count": count}
    found["claims"] = digest(claims)
    write_atomic(Path(attempt["receipt"]), canonical_json(found))
