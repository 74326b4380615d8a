"""Judgement: a claim as something that is measured, and the verdict over repetitions."""

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, final

import numpy as np
from xarray import DataArray

from sslens.statistics import FEWEST_SETTINGS, LEVEL, RANKED, SCALES, Interval, RankTest, detectable, interval, labels
from sslens.types import InputError, OneOf, checked

RESULT = "application/vnd.sslens.result+json"
"""MIME type under which numbers travel in a notebook's outputs: values, and the tolerance they are to be held to."""
WORDS = {True: "holds", False: "does not hold", None: "undecided"}
MARKS = {True: "✓", False: "✗", None: "?"}
NOT_TESTED, UNTESTED = "not tested here", "–"
"""The word and the mark of a verdict that no number could decide: what the claim asks for is not there."""
UNDER_REVIEW, REVIEWED = "under review", "~"
"""The word and the mark of a verdict whose quantity or statistics are contested, however it comes out."""
WIDTH = 88
"""Characters of a line of verdicts in a notebook; JupyterLab breaks longer ones within words."""
KINDS = ("theorem", "published", "ours")
"""What stands behind a claim: a proof, a result in a paper, or an observation of this suite."""

Measured = Callable[..., DataArray | Sequence[float]]
"""Takes labelled numbers, gives one number for each repetition, or one for each repetition and test sample."""


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
    premise: "Claim | None" = None
    """What must hold for the claim to be tested at all, such as an accuracy above chance; None asks for nothing."""
    scale: Annotated[str, OneOf(tuple(SCALES))] = "plain"
    """The kind of quantity, which says what range its values and its interval stay in; see ``statistics.SCALES``."""
    repetition: str = "seeds"
    """What n counts: seeds, draws, margins, images. Their dimension has its name without the s: seed."""
    exact: bool = False
    """Whether nothing is drawn: each number is computed, not estimated, and every single one is held to the bound."""
    under_review: bool = False
    """Whether the quantity or the statistics are contested: the verdict settles nothing until they are mended."""
    measured: Measured | None = None
    """How the quantity follows from what a notebook has measured."""

    def __post_init__(self) -> None:
        checked("Claim.kind", self.kind, Annotated[str, OneOf(KINDS)])
        checked("Claim.scale", self.scale, Annotated[str, OneOf(tuple(SCALES))])
        if not self.above < self.below or (math.isinf(self.above) and math.isinf(self.below)):
            raise InputError("Claim.above, Claim.below", (self.above, self.below), "at least one bound, above < below")
        if self.scale == RANKED and (self.above, self.below) not in ((0, math.inf), (-math.inf, 0)):
            raise InputError("Claim.above, Claim.below", self.bound, "one bound of 0: orders are tested against none")

    @property
    def bound(self) -> str:
        """The bound in words of mathematics.

        >>> Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.5).bound
        '< 0.5'
        """
        parts = [f"> {self.above:g}"] * math.isfinite(self.above) + [f"< {self.below:g}"] * math.isfinite(self.below)
        return " and ".join(parts)

    def judge(self, *arrays: Any, setting: str = "", premise: "Verdict | None" = None) -> "Verdict":
        """Hold the claim against what was measured, by a 95 % interval over repetitions on the scale of the quantity.

        The numbers are those that ``measured`` makes of the arrays, or the one array itself: one per repetition, or
        repetition x sample where all repetitions answer for the same test samples, which are then part of the interval
        (``statistics.interval``). Rank correlations bring their ``RankTest`` along, which decides as well. A single
        repetition decides nothing, nor do repetitions that all give the same number: no spread says how far it can be
        trusted. ``setting`` names data and length of training; without it the array's own is taken. ``premise`` is
        the verdict on ``Claim.premise``: unless it holds, the claim is not tested.

        Raises:
            InputError: no array, several without ``measured``, no number, one beyond the range of the scale, another
                dimension than the repetition's, two numbers for one of its labels, a premise that is not the claim's,
                or rank correlations without their test.
        """
        count = len(arrays)
        if count == 0 or (count > 1 and not self.measured):
            raise InputError("arrays", f"{count} of them", "at least one, and without Claim.measured one alone")
        if (premise.claim if premise else None) != self.premise:
            wanted = f"a verdict on {self.premise.sentence!r}" if self.premise else "none, as Claim.premise says"
            raise InputError("premise", premise and premise.claim.sentence, wanted)
        found, over = self.measured(*arrays) if self.measured else arrays[0], self.repetition.removesuffix("s")
        if not isinstance(found, DataArray):
            found = _vector(found, over)
        settings = [array.attrs.get("setting", "") for array in (found, *arrays) if isinstance(array, DataArray)]
        spread, ranks = _interval(found, over, claim=self), RankTest.beside(found) if self.scale == RANKED else None
        if self.scale == RANKED and ranks is None:
            raise InputError("values", list(found.coords), "rank correlations beside their test", "See rank_test.")
        return Verdict(self, spread, setting or next(filter(None, settings), ""), premise, ranks)


def _vector(values: Sequence[float], over: str) -> DataArray:
    """Bare numbers with a dimension; without labels none of them could be one that diverged."""
    found = DataArray(np.asarray(values, dtype=np.float64), dims=over)
    if not found.size or not np.isfinite(found.values).all():
        raise InputError("values", values, "at least one finite number")
    return found


def _interval(found: DataArray, over: str, *, claim: Claim) -> Interval:
    """The interval over repetitions, all different; its mean is infinite where a number is and none diverged."""
    if not found.size:
        raise InputError("values", found.shape, "at least one finite number")
    spread, names = interval(found, over=over, scale=claim.scale), labels(found, over)
    if len(set(names)) < len(names):
        raise InputError(f"labels of {over}", names, "all different, one for each repetition")
    if np.isinf(found.values).any() and not np.isnan(found.values).any():
        return Interval(math.inf, math.nan, math.nan, spread.n)
    if claim.exact and math.isfinite(spread.mean):
        return Interval(spread.mean, float(found.min()), float(found.max()), spread.n)
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
    premise: "Verdict | None" = None
    ranks: RankTest | None = None
    """Where the quantity is a rank correlation: what chance makes of as many settings."""

    @property
    def untested(self) -> str:
        """Why no number could decide here, in a few words; empty where one could.

        The premise does not hold, an order of too few settings, or a repetition without a finite number.

        >>> claim = Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.5)
        >>> claim.judge(DataArray([0.1, math.nan], dims="seed")).untested
        'of 2 seeds at least one diverged'
        """
        if self.premise is not None and not self.premise.holds:
            return f"its premise {self.premise.outcome}: {self.premise.claim.sentence}"
        if self.ranks and self.ranks.settings < FEWEST_SETTINGS:
            return f"too few settings: {self.ranks.settings}, an order needs at least {FEWEST_SETTINGS}"
        number = f"of {self.interval.n} {self.claim.repetition} at least one"
        if math.isnan(self.interval.mean):
            return f"{number} diverged"
        return f"{number} gave no finite number" if math.isinf(self.interval.mean) else ""

    @property
    def holds(self) -> bool | None:
        """True: the whole interval obeys the bound. False: none of it does. None: neither, or the claim is not tested.

        An interval without width decides only what is exact, or an order that a permutation test finds. The order must
        be found (p of at most 2.5 % on its side) wherever there is one.
        """
        low, high, above, below = self.interval.low, self.interval.high, self.claim.above, self.claim.below
        if self.untested or self._is_flat:
            return None
        if above < low and high < below:
            return True if not self.ranks or self._chance(true=True) <= LEVEL else None
        if high <= above or low >= below:
            return False if not self.ranks or self._chance(true=False) <= LEVEL else None
        return None

    @property
    def outcome(self) -> str:
        """What came of the claim, in words: holds, does not hold, undecided, not tested here."""
        return NOT_TESTED if self.untested else WORDS[self.holds]

    @property
    def detectable(self) -> float:
        """The distance from the bound that so many repetitions would have shown in 80 % of cases; NaN if unknown.

        Of an order no less than what chance makes improbable.
        """
        distance = detectable(self.interval)
        return max(distance, self.ranks.least) if self.ranks else distance

    def line(self) -> str:
        """One line for people; three significant digits.

        >>> claim = Claim("Rank falls.", source="", quantity="rank ratio", below=0.5, under_review=True)
        >>> Verdict(claim, Interval(0.2, 0.1, 0.3, 5), "").line()
        '~ under review (now holds): Rank falls. (rank ratio 0.2, [0.1, 0.3] over 5 seeds; claimed < 0.5)'
        """
        details = [self.untested, *self.details()] if self.untested else self.details()
        return f"{self.label}: {self.claim.sentence} ({'; '.join(details)})"

    def paragraph(self) -> str:
        """The same for a notebook: the sentence, and below it what was found, in lines that no cell breaks.

        >>> claim = Claim("Rank falls.", source="", quantity="rank ratio", below=0.5)
        >>> print(claim.judge([0.2, 0.6, 0.7], setting="digits").paragraph())
        ? undecided: Rank falls.
          rank ratio 0.5, [-0.157, 1.16] over 3 seeds
          3 seeds could have shown a difference of 0.864
          claimed < 0.5; digits
        """
        # numbers stand in lines of their own, which no digit more or less breaks elsewhere: the checks compare lines
        sentence = textwrap.wrap(f"{self.label}: {self.claim.sentence}", WIDTH, subsequent_indent="  ")
        reason = textwrap.wrap(self.untested, WIDTH, initial_indent="  ", subsequent_indent="  ")
        return "\n".join([*sentence, *reason, *(f"  {detail}" for detail in self.details())])

    def record(self) -> dict[str, Any]:
        """The verdict as plain JSON values, its line among them; what is no finite number becomes null."""
        numbers = {name: getattr(self.interval, name) for name in ("mean", "low", "high", "n", "originals")}
        numbers |= {"detectable": self.detectable}
        numbers = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        claim = self.claim
        words = {name: getattr(claim, name) for name in ("sentence", "source", "quantity", "kind", "scale")}
        found = {"bound": claim.bound, "holds": self.holds, "setting": self.setting, "repetition": claim.repetition}
        state = {"untested": self.untested, "exact": claim.exact, "under_review": claim.under_review}
        return words | found | state | numbers | {"line": self.line()}

    @property
    def label(self) -> str:
        """The mark and the word of what came of the claim.

        >>> Claim("Rank falls.", source="", quantity="rank ratio", below=0.5).judge([0.1, 0.2, 0.11]).label
        '✓ holds'
        """
        if self.claim.under_review:
            return f"{REVIEWED} {UNDER_REVIEW} (now {self.outcome})"
        return f"{UNTESTED if self.untested else MARKS[self.holds]} {self.outcome}"

    def details(self) -> list[str]:
        """What was measured, what could have been seen of an open verdict, what was claimed: a line each.

        >>> Claim("Rank falls.", source="", quantity="rank ratio", below=0.5).judge([0.1, 0.2, 0.11]).details()
        ['rank ratio 0.137, [-0.000149, 0.273] over 3 seeds', 'claimed < 0.5']
        """
        claimed = f"claimed {self.claim.bound}" + (f"; {self.setting}" if self.setting else "")
        measured = [f"{self.claim.quantity} {self._spread()}"] if math.isfinite(self.interval.mean) else []
        return [*measured, *filter(None, [self._power()]), claimed]

    def _spread(self) -> str:
        n, what = self.interval.n, self.claim.repetition
        mean, low, high = (f"{value:.3g}" for value in (self.interval.mean, self.interval.low, self.interval.high))
        if self.claim.exact:
            return f"{mean}, exact" if n == 1 else f"{mean}, [{low}, {high}] over {n} {what}, each of them exact"
        if n == 1:
            return f"{mean}, a single one of the {what}, no interval"
        samples = f" and {self.interval.originals} independent test samples" * bool(self.interval.originals)
        chance = f", p {min(self.ranks.high, self.ranks.low):.2g}" if self.ranks else ""
        return f"{mean}, [{low}, {high}] over {n} {what}{samples}{chance}"

    def _power(self) -> str:
        """Of an open verdict what would have been seen; nothing of any other."""
        n, what = self.interval.n, self.claim.repetition
        if self.untested or self.holds is not None or self.claim.exact:
            return ""
        if self._is_flat:
            return f"all {n} {what} alike: no spread to judge by"
        if not math.isfinite(self.detectable):
            return ""
        scale, bounds = SCALES[self.claim.scale], filter(math.isfinite, (self.claim.above, self.claim.below))
        if self.detectable > max(max(scale.high - bound, bound - scale.low) for bound in bounds):
            return f"{n} {what} could have shown no difference that is possible"
        return f"{n} {what} could have shown a difference of {self.detectable:.3g}"

    def _chance(self, *, true: bool) -> float:
        """One-sided p on the side of the claim, or on the other one; of an order."""
        ranks = self.ranks or RankTest(0, 1.0, 1.0, math.inf)
        return ranks.high if (self.claim.above == 0) is true else ranks.low

    @property
    def _is_flat(self) -> bool:
        """Whether all repetitions gave the same number, but for rounding."""
        near = SCALES[self.claim.scale].near(self.interval.low, self.interval.high)
        return near and not self.claim.exact and not self.ranks
