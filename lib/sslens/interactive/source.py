"""Source code that a reader of a notebook may unfold: the real file's, never a copy of it."""

import html
import inspect
import textwrap
from dataclasses import dataclass
from typing import Any, final

from sslens.types import InputError


@final
@dataclass(frozen=True)
class Source:
    """The source of a function, class or module under its name; folded where HTML is shown, plain text elsewhere."""

    name: str
    text: str

    def __repr__(self) -> str:
        return f"# {self.name}\n{self.text}"

    def _repr_html_(self) -> str:
        name, text = html.escape(self.name), html.escape(self.text)
        return f"<details><summary>source of <code>{name}</code></summary><pre><code>{text}</code></pre></details>"


def show_source(of: Any) -> Source:
    """Show where a name leads: the source of a function, class or module, folded until a reader wants it.

    A cell with this call alone is not compared by the checks, nor does it make a lesson out of date.

    Raises:
        InputError: what has no Python source, such as a number or a compiled function.

    >>> print(show_source(show_source))
    # sslens.interactive.source.show_source
    def show_source(of: Any) -> Source:
        ...
    """
    try:
        text = inspect.getsource(of)
    except (TypeError, OSError):
        raise InputError("of", of, "a function, class or module written in Python") from None
    name = getattr(of, "__qualname__", "")
    module = of.__name__ if inspect.ismodule(of) else getattr(of, "__module__", "")
    return Source(".".join(part for part in (module, name) if part), textwrap.dedent(text))
