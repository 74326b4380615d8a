"""Sources that a reader may unfold: of code the real file's, never a copy of it; of stored numbers their record."""

import html
import inspect
import json
import textwrap
from dataclasses import dataclass
from typing import Any, final

from sslens.stored import StoredResult
from sslens.types import InputError


@final
@dataclass(frozen=True)
class Source:
    """The source of a function, class or module under its name; folded where HTML is shown, plain text elsewhere."""

    name: str
    text: str
    is_code: bool = True
    """Whether it is the name of code; of a stored result it is a sentence."""

    def __repr__(self) -> str:
        return f"# {self.name}\n{self.text}"

    def _repr_html_(self) -> str:
        name, text = html.escape(self.name), html.escape(self.text)
        summary = f"source of <code>{name}</code>" if self.is_code else name
        return f"<details><summary>{summary}</summary><pre><code>{text}</code></pre></details>"


def show_source(of: Any) -> Source:
    """Show where a name leads: the source of a function, class or module, folded until a reader wants it.

    Of a stored result the command, date, commit and seeds that it comes from, and folded its whole record.

    A cell with this call alone is not compared by the checks, nor does it make a lesson out of date.

    Raises:
        InputError: what has no Python source, such as a number or a compiled function.

    >>> print(show_source(show_source))
    # sslens.interactive.source.show_source
    def show_source(of: Any) -> Source:
        ...
    """
    if isinstance(of, StoredResult):
        return Source(of.origin, json.dumps(dict(of.record), indent=1, ensure_ascii=False), is_code=False)
    try:
        text = inspect.getsource(of)
    except (TypeError, OSError):
        raise InputError("of", of, "a function, class or module written in Python") from None
    name = getattr(of, "__qualname__", "")
    module = of.__name__ if inspect.ismodule(of) else getattr(of, "__module__", "")
    return Source(".".join(part for part in (module, name) if part), textwrap.dedent(text))
