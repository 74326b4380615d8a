"""The verdicts of a notebook together: as text, as a table, and as numbers that the checks compare."""

from dataclasses import dataclass
from typing import Any, final

from sslens.claims._table import table
from sslens.claims.judgement import RESULT, Verdict
from sslens.types import InputError


@final
@dataclass(frozen=True)
class Conclusion:
    """The verdicts of a notebook, as a paragraph each and as a table; the numbers travel beside them for the checks.

    >>> from sslens.claims import Claim
    >>> claim = Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.5)
    >>> Conclusion((claim.judge([0.1, 0.11], setting="digits"),))
    ✓ holds: Rank falls.
      rank ratio 0.105, [0.0415, 0.169] over 2 seeds
      claimed < 0.5; digits
    """

    verdicts: tuple[Verdict, ...]
    relative: float = 1e-3
    absolute: float = 1e-6

    def __repr__(self) -> str:
        return "\n".join(verdict.paragraph() for verdict in self.verdicts)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for verdict in self.verdicts:
            record = verdict.record()
            name = record["quantity"]
            values |= {name: record["mean"]} | {f"{name}.{key}": record[key] for key in ("low", "high", "n", "holds")}
            if record["holds"] is None and record["detectable"] is not None:
                values[f"{name}.detectable"] = record["detectable"]
        tolerance = {"relative": self.relative, "absolute": self.absolute}
        shown = {"text/plain": repr(self), "text/html": table(self.verdicts)}
        return shown | {RESULT: {"values": values, "tolerance": tolerance}}


def conclude(*verdicts: Verdict) -> Conclusion:
    """Gather a notebook's verdicts; as the last expression of a cell they are shown and recorded.

    Raises:
        InputError: no verdict, or two about the same quantity.

    >>> from sslens.claims import Claim
    >>> claim = Claim("Collapse shows in the rank.", source="Paper 2023", quantity="rank ratio", below=0.5)
    >>> len(conclude(claim.judge([0.10, 0.12])).verdicts)
    1
    """
    names = [verdict.claim.quantity for verdict in verdicts]
    if not names or len(set(names)) < len(names):
        raise InputError("verdicts", names, "at least one verdict, each about a quantity of its own")
    return Conclusion(verdicts)
