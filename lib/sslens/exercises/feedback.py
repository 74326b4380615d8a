"""What an exercise says of an answer: right, not yet and why, or nothing where there is none."""

import html
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Feedback:
    """What an exercise says: lines that begin with a word or two in bold, and code below them where there is some.

    >>> Feedback((("✓ Right", "Whole numbers count exactly."),), right=True)
    ✓ Right. Whole numbers count exactly.
    """

    lines: tuple[tuple[str, str], ...]
    """The beginning of each line, which HTML shows in bold, and the rest of it."""
    code: str = ""
    right: bool | None = None
    """Whether an answer is right; None where there was none to judge."""

    def __repr__(self) -> str:
        return "\n".join([*(f"{lead}. {text}".rstrip() for lead, text in self.lines), *filter(None, [self.code])])

    def _repr_html_(self) -> str:
        parts = [f"<p><strong>{html.escape(lead)}.</strong> {html.escape(text)}</p>" for lead, text in self.lines]
        parts += [f"<pre><code>{html.escape(self.code)}</code></pre>"] if self.code else []
        return "\n".join(parts)


def right(text: str) -> Feedback:
    """An answer is right.

    >>> right("Whole numbers count exactly.")
    ✓ Right. Whole numbers count exactly.
    """
    return Feedback((("✓ Right", text),), right=True)


def wrong(text: str) -> Feedback:
    """An answer is not right, or none of the wanted type.

    >>> wrong("4 is too large.")
    ✗ Not yet. 4 is too large.
    """
    return Feedback((("✗ Not yet", text),), right=False)


def unanswered(name: str) -> Feedback:
    """There is no answer; where help is.

    >>> unanswered("rank")
    No answer yet. For a hint: exercises["rank"].hint()
    """
    return Feedback((("No answer yet", f'For a hint: exercises["{name}"].hint()'),))
