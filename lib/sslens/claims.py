"""Judgement: a paper's claim as something that is measured, and the verdict over seeds."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from sslens.runtime import canonical, write_atomic
from sslens.types import InputError, Interval

RESULT = "application/vnd.sslens.result+json"
"""MIME type under which numbers travel in a notebook's outputs: values, and the tolerance they are to be held to."""
WORDS = {True: "holds", False: "does not hold", None: "undecided"}
MARKS = {True: "✓", False: "✗", None: "?"}


@final
@dataclass(frozen=True)
class Claim:
    """A sentence of a paper, the quantity that decides it here, and the bound the sentence puts on that quantity."""

    sentence: str
    source: str
    quantity: str
    above: float = -math.inf
    below: float = math.inf

    def __post_init__(self) -> None:
        if not self.above < self.below or (math.isinf(self.above) and math.isinf(self.below)):
            raise InputError("Claim.above, Claim.below", (self.above, self.below), "at least one bound, above < below")

    @property
    def bound(self) -> str:
        """The bound in words of mathematics.

        >>> Claim("Rank falls.", "Paper 2023", "rank ratio", below=0.5).bound
        '< 0.5'
        """
        parts = [f"> {self.above:g}"] * math.isfinite(self.above) + [f"< {self.below:g}"] * math.isfinite(self.below)
        return " and ".join(parts)


@final
@dataclass(frozen=True)
class Verdict:
    """What was measured for a claim: the interval over seeds, and whether the claim holds at this scale.

    >>> claim = Claim("Rank falls.", "Paper 2023", "rank ratio", below=0.5)
    >>> Verdict(claim, Interval(0.4, 0.3, 0.6, 3), "digits").holds is None  # the interval straddles the bound
    True
    """

    claim: Claim
    interval: Interval
    setting: str
    """Data, model size and length of training that the verdict speaks of."""

    @property
    def holds(self) -> bool | None:
        """True: the whole interval obeys the bound. False: none of it does. None: it straddles the bound."""
        low, high, above, below = self.interval.low, self.interval.high, self.claim.above, self.claim.below
        if above < low and high < below:
            return True
        return False if high <= above or low >= below else None

    def line(self) -> str:
        """One line for people; three significant digits."""
        mean, low, high = (f"{value:.3g}" for value in (self.interval.mean, self.interval.low, self.interval.high))
        spread = f"[{low}, {high}] over {self.interval.n} seeds" if self.interval.n > 1 else "one seed, no interval"
        found = f"{self.claim.quantity} {mean}, {spread}; claimed {self.claim.bound}"
        return f"{MARKS[self.holds]} {WORDS[self.holds]}: {self.claim.sentence} ({found}; {self.setting})"

    def record(self) -> dict[str, Any]:
        """The verdict as plain JSON values, its line among them; an unbounded end of the interval becomes null."""
        numbers = {name: getattr(self.interval, name) for name in ("mean", "low", "high", "n")}
        numbers = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        words = {"sentence": self.claim.sentence, "source": self.claim.source, "quantity": self.claim.quantity}
        found = {"bound": self.claim.bound, "holds": self.holds, "setting": self.setting}
        return words | found | numbers | {"line": self.line()}


@final
@dataclass(frozen=True)
class Conclusion:
    """The verdicts of a notebook, shown as one line each; the numbers travel beside the text for the checks.

    >>> claim = Claim("Rank falls.", "Paper 2023", "rank ratio", below=0.5)
    >>> Conclusion((judge(claim, [0.1, 0.1], "digits"),))
    ✓ holds: Rank falls. (rank ratio 0.1, [0.1, 0.1] over 2 seeds; claimed < 0.5; digits)
    """

    verdicts: tuple[Verdict, ...]
    relative: float = 1e-3
    absolute: float = 1e-6

    def __repr__(self) -> str:
        return "\n".join(verdict.line() for verdict in self.verdicts)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for verdict in self.verdicts:
            record = verdict.record()
            name = record["quantity"]
            values |= {name: record["mean"]} | {f"{name}.{key}": record[key] for key in ("low", "high", "n", "holds")}
        tolerance = {"relative": self.relative, "absolute": self.absolute}
        return {"text/plain": repr(self), RESULT: {"values": values, "tolerance": tolerance}}


def judge(claim: Claim, values: Iterable[float], setting: str) -> Verdict:
    """Hold a claim against one number per seed, by the 95 % Student-t interval of their mean.

    A single seed never decides: its interval is unbounded and the verdict stays open.

    Raises:
        InputError: no value, or one that is not finite.

    >>> claim = Claim("Collapse shows in the rank.", "Paper 2023, section 4", "rank ratio", below=0.5)
    >>> print(judge(claim, [0.10, 0.12, 0.11], "digits, 400 steps").line())
    ✓ holds: Collapse shows in the rank. (rank ratio 0.11, [0.0852, 0.135] over 3 seeds; claimed < 0.5; digits, ...)
    >>> judge(claim, [0.1], "digits, 400 steps").holds is None
    True
    """
    return Verdict(claim, Interval.of(values), setting)


def conclude(*verdicts: Verdict) -> Conclusion:
    """Gather a notebook's verdicts; as the last expression of a cell they are shown and recorded.

    Raises:
        InputError: no verdict, or two about the same quantity.

    >>> claim = Claim("Collapse shows in the rank.", "Paper 2023", "rank ratio", below=0.5)
    >>> len(conclude(judge(claim, [0.10, 0.12], "digits")).verdicts)
    1
    """
    names = [verdict.claim.quantity for verdict in verdicts]
    if not names or len(set(names)) < len(names):
        raise InputError("verdicts", names, "at least one verdict, each about a quantity of its own")
    return Conclusion(verdicts)


def receipt(namespace: Mapping[str, Any]) -> None:
    """Prove to the batch runner that the last cell was reached: echo its nonce, the parameters in use, the verdicts.

    The runner names a file in ``SSLENS_ATTEMPT`` that says what to echo and where; without one nothing happens, so
    the call costs a person exploring the notebook nothing.

    >>> receipt(globals())
    """
    if "SSLENS_ATTEMPT" not in os.environ:
        return
    attempt = json.loads(Path(os.environ["SSLENS_ATTEMPT"]).read_text())
    parameters = {name: namespace.get(name) for name in attempt["parameters"]}
    conclusions = [value for name, value in namespace.items() if isinstance(value, Conclusion) and name[:1] != "_"]
    verdicts = [verdict.record() for conclusion in conclusions for verdict in conclusion.verdicts]
    found = {"nonce": attempt["nonce"], "parameters": parameters, "verdicts": verdicts}
    write_atomic(Path(attempt["receipt"]), canonical(found))
