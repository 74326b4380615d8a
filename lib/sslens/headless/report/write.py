"""Write an executed notebook as one page: figures one can zoom, nothing fetched, nothing foreign run.

Figures lie in the page as inert JSON; one script of ours draws them with plotly, which lies in the page, too. A content
security policy lets no other script run and no address be fetched, whatever text from data has slipped in.
"""

import copy
import json
import logging
import math
import secrets
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, final
from urllib.parse import quote

from jinja2 import DictLoader, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from plotly.offline import get_plotlyjs
from traitlets.config import Config

from sslens.figures.theme import CONFIG, PLOTLY
from sslens.headless.frames import last_frame
from sslens.headless.notebook import outputs_of
from sslens.headless.outputs import WIDGET, lasting_outputs
from sslens.headless.report._described import described
from sslens.headless.report._formulas import Formulas
from sslens.headless.report._markdown import to_html
from sslens.headless.report._sanitise import harmless
from sslens.headless.report._template import CONTENTS, DRAW, LIBRARY, STYLE, TEMPLATE
from sslens.headless.report._widgets import models_of, shown_instead
from sslens.store import write_atomic

SHOWN = [PLOTLY, "text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/latex", "text/plain"]
"""MIME types in order of preference; widgets and scripts are not among them."""
SHARED = "plotly.min.js"
STOP = '<div class="jp-Cell-inputWrapper" tabindex="0">'
"""How nbconvert begins each cell."""
QUIET = logging.getLogger(__name__)
QUIET.setLevel(logging.ERROR)  # a picture without alternative text is no matter for the terminal


def write_report(notebook: NotebookNode, path: Path, *, shared: bool = False) -> None:
    """Write an executed notebook as one HTML page that can be mailed, titled by the file's name.

    Plotly lies in it, 4.8 MB, where there is a figure. With ``shared`` it lies beside the page instead, once for all
    the pages of that folder. Pictures beside the notebook are put in by :func:`with_pictures` beforehand.

    >>> import nbformat, tempfile
    >>> page = Path(tempfile.mkdtemp()) / "page.html"
    >>> write_report(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Why?")]), page)
    >>> "Why?" in page.read_text()
    True
    """
    page = _Page()
    exporter = HTMLExporter(
        config=Config({"NbConvertBase": {"display_data_priority": SHOWN}}),
        log=QUIET,
        extra_loaders=[DictLoader({"report.html.j2": TEMPLATE})],
        template_file="report.html.j2",
        filters=page.filters(),
        sanitize_html=True,
        exclude_anchor_links=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    notebook = _drawable(notebook)
    figures = any(PLOTLY in output.get("data", {}) for cell in notebook.cells for output in outputs_of(cell))
    # a page may only run what carries this word, and text that came with the data cannot know it
    about = {"nonce": secrets.token_urlsafe(16), "style": Markup(STYLE), "shown": SHOWN}
    about["draw"] = Markup(DRAW if figures else "")
    about["source"] = Markup(f' src="{SHARED}"' if figures and shared else "")
    html, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": path.stem}} | about)
    html = html.replace(CONTENTS, page.contents(), 1)
    html = html.replace(STOP, STOP.replace(' tabindex="0"', ""))  # cells are no stops on the way of the tabulator
    html = html.replace(LIBRARY, get_plotlyjs() if figures and not shared else "", 1)
    if figures and shared:
        library = path.with_name(SHARED)
        if not library.exists() or library.read_text(encoding="utf-8") != get_plotlyjs():
            write_atomic(library, get_plotlyjs())
    write_atomic(path, html)


@final
class _Page:
    """What the filters of one page share: its formulas and its headings."""

    def __init__(self) -> None:
        self.formulas = Formulas()
        self.headings: list[tuple[int, str, str]] = []

    def filters(self) -> dict[str, Any]:
        @pass_context
        def markdown(context: Context, source: str) -> str:
            attachments = context.get("cell", {}).get("attachments", {})
            html, headings = to_html(source, self.formulas, attachments=attachments)
            self.headings += headings
            return html

        return {
            "markdown2html": markdown,
            "clean_html": self.cleaned,
            "shown_html": lambda html: Markup(self.formulas.typeset(harmless(html))),
            "shown_latex": lambda latex: Markup(self.formulas.typeset(escape(latex, quote=False))),
            "figure": _inert,
            "described": lambda figure: Markup(escape(described(figure))),
        }

    def cleaned(self, html: object) -> str:
        return self.formulas.put_back(harmless(html.decode() if isinstance(html, bytes) else str(html)))

    def contents(self) -> str:
        """Links to the headings, which show themselves to who reads by keyboard."""
        links = [f'<a href="#{quote(name)}">{escape(text)}</a>' for level, name, text in self.headings if level < 3]
        return f'<nav id="sslens-contents" aria-label="Contents">{"".join(links)}</nav>' if links else ""


def _drawable(notebook: NotebookNode) -> NotebookNode:
    """The notebook with only outputs that a page without a kernel can show, each as it was last."""
    notebook = copy.deepcopy(notebook)
    models = models_of(notebook.metadata)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in outputs_of(cell):
            if "data" in output:
                output.data = NotebookNode(_bundle(output.data, models))
        if cell.cell_type == "code":
            cell.outputs = lasting_outputs(cell.outputs)
    return notebook


def _bundle(data: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    shown = shown_instead(data, models) if WIDGET in data else dict(data)
    if not isinstance(shown.get(PLOTLY, {}), Mapping):
        del shown[PLOTLY]  # some program's own idea of a figure
    if "text/plain" in shown:
        shown["text/plain"] = last_frame(shown["text/plain"])
    return shown


def _inert(figure: Mapping[str, Any]) -> Markup:
    """A figure as JSON that no text inside it can end or leave, and that a browser can read."""
    parts = {name: figure[name] for name in ("data", "layout", "frames") if name in figure} | {"config": CONFIG}
    text = json.dumps(_finite(parts), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _finite(value: Any) -> Any:
    """JSON values with null for the numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
