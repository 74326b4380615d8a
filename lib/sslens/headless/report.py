"""An executed notebook as one offline page: figures one can zoom, nothing fetched, nothing foreign run.

Figures lie in the page as inert JSON; one script of ours draws them with the ``plotly.min.js`` beside the page. A
content security policy lets no other script run and no address be fetched, whatever text from data has slipped in.
"""

import copy
import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bleach
from bleach.css_sanitizer import CSSSanitizer
from jinja2 import DictLoader
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from plotly.offline import get_plotlyjs
from traitlets.config import Config

from sslens.figures.sliders import KEYBOARD
from sslens.figures.theme import CONFIG, PLOTLY
from sslens.store import write_atomic

SHOWN = [PLOTLY, "text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/latex", "text/plain"]
"""MIME types in order of preference; widgets and scripts are not among them."""
TAGS = (
    "a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 "
    "hr i img kbd li mark ol p pre s small span strong sub summary sup table tbody td tfoot th thead tr u ul"
)

LINK = re.compile(r"https?:|mailto:|[^:&]*$")
# plotly compiles its WebGL traces at run time, hence 'unsafe-eval'; it opens the page to no script
POLICY = (
    "default-src 'none'; script-src 'nonce-{{ resources.nonce }}' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)
TEMPLATE = f"""\
{{%- extends 'lab/index.html.j2' -%}}
{{%- block html_head_js -%}}
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<script nonce="{{{{ resources.nonce }}}}" src="plotly.min.js"></script>
{{%- endblock -%}}
{{%- block jupyter_widgets -%}}{{%- endblock -%}}
{{%- block html_head_js_mathjax -%}}{{%- endblock -%}}
{{%- block html_head_js_mermaidjs -%}}{{%- endblock -%}}
{{%- block html_head_css -%}}<style>{{{{ resources.style }}}}</style>{{%- endblock -%}}
{{%- block data_priority scoped -%}}
{{%- if '{PLOTLY}' in output.data -%}}
<div class="sslens-figure"><div class="plotly-graph-div"></div>
<script type="application/json">{{{{ output.data['{PLOTLY}'] | figure }}}}</script></div>
{{%- elif output.data.keys() | select('in', resources.shown) | list -%}}{{{{ super() }}}}{{%- endif -%}}
{{%- endblock -%}}
{{%- block footer_js -%}}<script nonce="{{{{ resources.nonce }}}}">{{{{ resources.draw }}}}</script>{{%- endblock -%}}
"""
MOVE = KEYBOARD.replace('document.getElementById("{plot_id}")', "place")
DRAW = f"""
for (const place of document.querySelectorAll(".plotly-graph-div"))
  Plotly.newPlot(place, JSON.parse(place.nextElementSibling.textContent)).then(() => {{{MOVE}}});
"""
STYLE = """
body.jp-Notebook { background: #fff; padding: 0; overflow: auto; }
main { max-width: 1000px; margin: 0 auto; padding: 32px 24px 80px; }
.jp-Cell { padding: 4px 0; }
.jp-InputPrompt, .jp-OutputPrompt { display: none; }
.jp-RenderedHTMLCommon { font: 16px/1.6 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #1f2328; }
.jp-RenderedMarkdown { padding: 0; }
.jp-RenderedHTMLCommon h1 { font-size: 30px; line-height: 1.25; margin: 8px 0 16px; }
.jp-RenderedHTMLCommon h2 { font-size: 22px; margin: 36px 0 12px; padding-bottom: 6px; }
.jp-RenderedHTMLCommon h2 { border-bottom: 1px solid #d8dee4; }
.jp-RenderedHTMLCommon blockquote { border-left: 4px solid #0072b2; background: #f3f8fc; }
.jp-RenderedHTMLCommon blockquote { padding: 6px 16px; margin: 12px 0; }
.jp-InputArea-editor { background: #f6f8fa; border: 1px solid #e3e8ed; border-radius: 6px; }
.jp-InputArea-editor .highlight pre { font-size: 13px; line-height: 1.5; padding: 8px 12px; }
.jp-OutputArea-child { display: block; }
.jp-OutputArea-output { padding: 6px 0; overflow-x: auto; }
.jp-OutputArea-output pre { font-size: 13px; line-height: 1.5; white-space: pre-wrap; padding: 4px 12px; }
.jp-OutputArea-output pre { word-break: normal; overflow-wrap: anywhere; }
.jp-RenderedText[data-mime-type="text/plain"] { border-left: 3px solid #d0d7de; }
.sslens-figure, .plotly-graph-div { width: 100%; }
.jp-RenderedHTMLCommon table { margin: 12px 0; font-size: 14px; }
.jp-RenderedMarkdown .highlight pre { background: #f6f8fa; border-radius: 6px; padding: 8px 12px; font-size: 13px; }
@media print { .jp-Cell { break-inside: avoid; } }
"""


def write_report(notebook: NotebookNode, path: Path) -> None:
    """Write an executed notebook as an HTML page, with ``plotly.min.js`` beside it for all the pages of that folder.

    The page is titled by the file's name. Formulas stay as they are typed: no typesetter is fetched.

    >>> import nbformat, tempfile
    >>> page = Path(tempfile.mkdtemp()) / "page.html"
    >>> write_report(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Why?")]), page)
    >>> "Why?" in page.read_text()
    True
    """
    exporter = HTMLExporter(
        config=Config({"NbConvertBase": {"display_data_priority": SHOWN}}),
        extra_loaders=[DictLoader({"report.html.j2": TEMPLATE})],
        template_file="report.html.j2",
        filters={"clean_html": _cleaned, "figure": _inert},
        sanitize_html=True,
        exclude_anchor_links=True,
    )
    # a page may only run what carries this word, and text that came with the data cannot know it
    about = {"nonce": secrets.token_urlsafe(16), "style": Markup(STYLE), "draw": Markup(DRAW), "shown": SHOWN}
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    page, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": path.stem}} | about)
    library = path.with_name("plotly.min.js")
    if not library.exists() or library.read_text(encoding="utf-8") != get_plotlyjs():
        write_atomic(library, get_plotlyjs())
    write_atomic(path, page)


def _inert(figure: Mapping[str, Any]) -> Markup:
    """A figure as JSON that no text inside it can end or leave."""
    parts = {name: figure[name] for name in ("data", "layout", "frames") if name in figure} | {"config": CONFIG}
    text = json.dumps(parts)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _cleaned(html: object) -> str:
    """HTML with the tags of ordinary prose and nothing that acts; everything else is shown as text."""
    allowed = {"*": ["class", "id", "title", "align", "style"], "details": ["open"]}
    cells = {"td": ["colspan", "rowspan"], "th": ["colspan", "rowspan", "scope"]}
    links = {
        "a": lambda _, name, value: _of_link(name, value),
        "img": lambda _, name, value: _of_image(name, value),
    }
    return bleach.clean(
        html.decode() if isinstance(html, bytes) else str(html),
        tags=TAGS.split(),
        attributes=allowed | cells | links,
        protocols=["http", "https", "mailto", "data"],
        css_sanitizer=CSSSanitizer(allowed_css_properties=["text-align", "width", "font-weight"]),
    )


def _of_link(name: str, value: str) -> bool:
    # the protocol "data" is there for images alone; an entity could hide one
    return name in ("class", "id", "title") or (name == "href" and bool(LINK.match(value)))


def _of_image(name: str, value: str) -> bool:
    return name in ("alt", "title", "width", "height") or (name == "src" and value.startswith("data:image/"))
