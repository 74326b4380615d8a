"""Judgement: a claim as something that is measured, and the verdict over repetitions."""

import json
import math
import os
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, final

import numpy as np
from xarray import DataArray

from sslens.runtime import canonical_json
from sslens.statistics import Interval, interval, labels
from sslens.store import save_arrays, write_atomic
from sslens.types import InputError, OneOf, checked

RESULT = "application/vnd.sslens.result+json"
"""MIME type under which numbers travel in a notebook's outputs: values, and the tolerance they are to be held to."""
WORDS = {True: "holds", False: "does not hold", None: "undecided"}
MARKS = {True: "✓", False: "✗", None: "?"}
UNDER_REVIEW, REVIEWED = "under review", "~"
"""The word and the mark of a verdict whose quantity or statistics are contested, however it comes out."""
WIDTH = 88
"""Characters of a line of verdicts in a notebook; JupyterLab breaks longer ones within words."""
KINDS = ("theorem", "published", "ours")
"""What stands behind a claim: a proof, a result in a paper, or an observation of this suite."""

Measured = Callable[..., DataArray | Sequence[float]]
"""Takes labelled numbers, gives one number for each repetition."""


@final
@dataclass(frozen=True)
class Claim:
    """A sentence, the quantity that decides it here, and the bound the sentence puts on that quantity.

    >>> claim = Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.5)
    >>> claim.judge([0.10, 0.12, 0.11], setting="digits").holds
    True
    """

    sentence: str
    source: str
    quantity: str
    above: float = -math.inf
    below: float = math.inf
    kind: Annotated[str, OneOf(KINDS)] = "published"
    premise: str = ""
    """What must be so for the claim to be tested at all; empty where nothing is asked for."""
    repetition: str = "seeds"
    """What is repeated, and counted by n: seeds, draws, margins. Their dimension has its name without the s: seed."""
    under_review: bool = False
    """Whether the quantity or the statistics are contested: the verdict settles nothing until they are mended."""
    measured: Measured | None = None
    """How the quantity follows from what a notebook has measured, one number for each repetition."""

    def __post_init__(self) -> None:
        checked("Claim.kind", self.kind, Annotated[str, OneOf(KINDS)])
        if not self.above < self.below or (math.isinf(self.above) and math.isinf(self.below)):
            raise InputError("Claim.above, Claim.below", (self.above, self.below), "at least one bound, above < below")

    @property
    def bound(self) -> str:
        """The bound in words of mathematics.

        >>> Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.5).bound
        '< 0.5'
        """
        parts = [f"> {self.above:g}"] * math.isfinite(self.above) + [f"< {self.below:g}"] * math.isfinite(self.below)
        return " and ".join(parts)

    def judge(self, *arrays: Any, setting: str = "") -> "Verdict":
        """Hold the claim against what was measured, by the 95 % Student-t interval of one number per repetition.

        The numbers are those that ``measured`` makes of the arrays, or the one array itself. A single repetition never
        decides: its interval is unbounded. Nor does one that diverged or is infinite: the verdict says which it was.
        ``setting`` names data and length of training; without it the array's own is taken.

        Raises:
            InputError: no array, several without ``measured``, no number, another dimension than the repetition's, or
                two numbers for one of its labels.
        """
        count = len(arrays)
        if count == 0 or (count > 1 and not self.measured):
            raise InputError("arrays", f"{count} of them", "at least one, and without Claim.measured one alone")
        found = self.measured(*arrays) if self.measured else arrays[0]
        if not isinstance(found, DataArray):
            return Verdict(self, Interval.of(found), setting)
        settings = [array.attrs.get("setting", "") for array in (found, *arrays) if isinstance(array, DataArray)]
        over = self.repetition.removesuffix("s")
        return Verdict(self, _interval(found, over), setting or next(filter(None, settings), ""))


def _interval(found: DataArray, over: str) -> Interval:
    """The interval over repetitions, all different; its mean is infinite where a number is and none diverged."""
    spread, names = interval(found, over=over), labels(found, over)
    if len(set(names)) < len(names):
        raise InputError(f"labels of {over}", names, "all different, one for each repetition")
    if np.isinf(found.values).any() and not np.isnan(found.values).any():
        return Interval(math.inf, math.nan, math.nan, spread.n)
    return spread


@final
@dataclass(frozen=True)
class Verdict:
    """What was measured for a claim: the interval over repetitions, and whether the claim holds at this scale.

    >>> claim = Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.5)
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
        """One line for people; three significant digits.

        >>> claim = Claim("Rank falls.", source="", quantity="rank ratio", below=0.5, under_review=True)
        >>> Verdict(claim, Interval(0.2, 0.1, 0.3, 5), "").line()
        '~ under review (now holds): Rank falls. (rank ratio 0.2, [0.1, 0.3] over 5 seeds; claimed < 0.5)'
        """
        return f"{self._outcome()} ({self._measured()}; {self._claimed()})"

    def paragraph(self) -> str:
        """The same for a notebook: the sentence, and below it what was found, in lines that no cell breaks.

        >>> claim = Claim("Rank falls.", source="", quantity="rank ratio", below=0.5)
        >>> print(Verdict(claim, Interval(0.2, 0.1, 0.3, 5), "digits").paragraph())
        ✓ holds: Rank falls.
          rank ratio 0.2, [0.1, 0.3] over 5 seeds
          claimed < 0.5; digits
        """
        sentence = textwrap.wrap(self._outcome(), WIDTH, subsequent_indent="  ")
        # numbers stand in lines of their own, which no digit more or less breaks elsewhere: the checks compare lines
        return "\n".join([*sentence, f"  {self._measured()}", f"  {self._claimed()}"])

    def _outcome(self) -> str:
        outcome = f"{MARKS[self.holds]} {WORDS[self.holds]}"
        if self.claim.under_review:
            outcome = f"{REVIEWED} {UNDER_REVIEW} (now {WORDS[self.holds]})"
        return f"{outcome}: {self.claim.sentence}"

    def _measured(self) -> str:
        return f"{self.claim.quantity} {self._spread()}"

    def _claimed(self) -> str:
        return f"claimed {self.claim.bound}" + (f"; {self.setting}" if self.setting else "")

    def _spread(self) -> str:
        n, what = self.interval.n, self.claim.repetition
        if math.isnan(self.interval.mean):
            return f"not to be had: of {n} {what} at least one diverged"
        if math.isinf(self.interval.mean):
            return f"not to be had: not a finite number in at least one of {n} {what}"
        mean, low, high = (f"{value:.3g}" for value in (self.interval.mean, self.interval.low, self.interval.high))
        return (
            f"{mean}, [{low}, {high}] over {n} {what}" if n > 1 else f"{mean}, a single one of the {what}, no interval"
        )

    def record(self) -> dict[str, Any]:
        """The verdict as plain JSON values, its line among them; what is no finite number becomes null."""
        numbers = {name: getattr(self.interval, name) for name in ("mean", "low", "high", "n")}
        numbers = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        claim = self.claim
        words = {"sentence": claim.sentence, "source": claim.source, "quantity": claim.quantity, "kind": claim.kind}
        found = {"bound": claim.bound, "holds": self.holds, "setting": self.setting, "repetition": claim.repetition}
        return words | found | numbers | {"under_review": claim.under_review, "line": self.line()}


@final
@dataclass(frozen=True)
class Conclusion:
    """The verdicts of a notebook, shown as a paragraph each; the numbers travel beside the text for the checks.

    >>> claim = Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.5)
    >>> Conclusion((claim.judge([0.1, 0.1], setting="digits"),))
    ✓ holds: Rank falls.
      rank ratio 0.1, [0.1, 0.1] over 2 seeds
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
        tolerance = {"relative": self.relative, "absolute": self.absolute}
        return {"text/plain": repr(self), RESULT: {"values": values, "tolerance": tolerance}}


def conclude(*verdicts: Verdict) -> Conclusion:
    """Gather a notebook's verdicts; as the last expression of a cell they are shown and recorded.

    Raises:
        InputError: no verdict, or two about the same quantity.

    >>> claim = Claim("Collapse shows in the rank.", source="Paper 2023", quantity="rank ratio", below=0.5)
    >>> len(conclude(claim.judge([0.10, 0.12])).verdicts)
    1
    """
    names = [verdict.claim.quantity for verdict in verdicts]
    if not names or len(set(names)) < len(names):
        raise InputError("verdicts", names, "at least one verdict, each about a quantity of its own")
    return Conclusion(verdicts)


def receipt(namespace: Mapping[str, Any]) -> None:
    """Prove to the batch runner that the last cell was reached: echo its nonce, the parameters in use, the verdicts.

    It speaks of them as they are when the cell ends, and says which cell of the kernel that was. The runner names a
    file in ``SSLENS_ATTEMPT`` that says what to echo and where; without one nothing happens, so the call costs a person
    exploring the notebook nothing. The notebook's labelled numbers, by the names they have there, go into a file of
    their own where the runner names one. What has several names there counts once among the verdicts.

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
    found = {"nonce": attempt["nonce"], "parameters": parameters, "verdicts": verdicts, "execution_count": count}
    write_atomic(Path(attempt["receipt"]), canonical_json(found))
