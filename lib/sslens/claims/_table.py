"""Verdicts as a table: what came of each, its sentence and source, and its interval drawn against the bound.

The drawing is made of letters: code hosts, and JupyterLab for a notebook of somebody else's, strip pictures and styles
from HTML, and letters are read in light and dark, on paper and on a phone.
"""

import html
import math
from collections.abc import Sequence

from sslens.claims.judgement import Verdict
from sslens.statistics import LEVEL, SCALES

KINDS = {"theorem": "a theorem", "published": "a published result", "ours": "a claim of our own"}
WIDTH = 26
"""Letters of a drawing."""
MARGIN = 0.12
"""Of the range that a drawing shows beyond what it has to, on either side."""
LEFT = ' style="text-align: left"'
"""Without it JupyterLab sets the text of a table to the right."""


def table(verdicts: Sequence[Verdict]) -> str:
    """An HTML table with a row for each verdict.

    >>> from sslens.claims import Claim
    >>> verdict = Claim("Rank falls.", source="Paper 2023", quantity="rank ratio", below=0.5).judge([0.1, 0.2, 0.11])
    >>> "✓ holds" in table([verdict]), "a published result" in table([verdict])
    (True, True)
    """
    settings = list(dict.fromkeys(verdict.setting for verdict in verdicts if verdict.setting))
    words = f"┣━╋━┫ the interval of {100 * (1 - 2 * LEVEL):.0f} % and its mean, │ the bound, ╌ where the claim holds"
    common = f"<br>{_escaped(settings[0])}" if len(settings) == 1 else ""
    head = "".join(f'<th scope="col"{LEFT}>{name}</th>' for name in ("Verdict", "Claim", "Found, against the bound"))
    rows = "\n".join(_row(verdict, setting=len(settings) > 1) for verdict in verdicts)
    return (
        f'<table class="sslens-verdicts">\n<caption>{words}{common}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    )


def _row(verdict: Verdict, *, setting: bool) -> str:
    claim = verdict.claim
    source = f"{claim.source}; {KINDS[claim.kind]}" if claim.source else KINDS[claim.kind]
    drawn = "".join(f'<pre aria-hidden="true">{_escaped(text)}</pre>' for text in [drawing(verdict)] if text)
    lines = [verdict.untested, *(line.removesuffix(f"; {verdict.setting}") for line in verdict.details())]
    lines += [verdict.setting] if setting else []
    found = drawn + "<br>".join(_escaped(line) for line in lines if line)
    said = f"<strong>{_escaped(claim.sentence)}</strong><br><small>{_escaped(source)}</small>"
    label = _escaped(verdict.label)
    return f'<tr><th scope="row"{LEFT}>{label}</th><td{LEFT}>{said}</td><td{LEFT}>{found}</td></tr>'


def drawing(verdict: Verdict) -> str:
    """The interval against the bound, and below it the ends of the scale; nothing where there is no finite number.

    >>> from sslens.claims import Claim
    >>> claim = Claim("Rank falls.", source="", quantity="rank ratio", below=0.5)
    >>> print(drawing(claim.judge([0.1, 0.2, 0.3])))
    ╌╌┣━━━━━━━━━╋━━━━━━━━┫╌│
    -0.114               0.566
    """
    claim, interval = verdict.claim, verdict.interval
    if not math.isfinite(interval.mean):
        return ""
    bounds = [bound for bound in (claim.above, claim.below) if math.isfinite(bound)]
    ends = [end for end in (interval.low, interval.high) if math.isfinite(end)] or [interval.mean]
    start, end = _scale([*bounds, *ends, interval.mean], claim.scale)

    def place(value: float) -> int:
        return round((value - start) / (end - start) * (WIDTH - 1))

    step = (end - start) / (WIDTH - 1)
    letters = ["╌" if claim.above < start + at * step < claim.below else " " for at in range(WIDTH)]
    first, last, middle = place(min(ends)), place(max(ends)), place(interval.mean)
    letters[first : last + 1] = "━" * (last - first + 1)
    letters[first], letters[last], letters[middle] = "┣", "┫", "╋"
    for bound in bounds:  # a bound beside the interval stays beside it when both fall on one letter
        at = place(bound)
        at = min(at, first - 1) if bound <= min(ends) else max(at, last + 1) if bound >= max(ends) else at
        letters[min(max(at, 0), WIDTH - 1)] = "│"
    low, high = f"{start:.3g}", f"{end:.3g}"
    return f"{''.join(letters).rstrip()}\n{low}{high.rjust(WIDTH - len(low))}"


def _scale(values: Sequence[float], kind: str) -> tuple[float, float]:
    """Where a drawing begins and ends: around all values, within the range of the quantity where that leaves room."""
    low, high = min(values), max(values)
    margin = MARGIN * (high - low) or abs(high) or 1.0
    limits = SCALES[kind]
    start, end = max(low - margin, limits.low), min(high + margin, limits.high)
    return (low - margin if start >= low else start, high + margin if end <= high else end)


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)
