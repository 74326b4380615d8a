import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pandas
import plotly.graph_objects as go
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from plotly.offline import get_plotlyjs
from xarray import DataArray

from sslens.figures.theme import PLOTLY
from sslens.headless.outputs import WIDGET
from sslens.headless.report import with_pictures, write_report
from sslens.headless.report._described import described
from sslens.headless.report.pictures import LARGEST

HOSTILE = [
    "<img src=x onerror=\"document.title='broken'\">",
    "</script><script>document.title='broken'</script>",
    "<svg onload=document.title='broken'></svg>",
    "<a href=\"javascript:document.title='broken'\">a</a>",
    "<iframe srcdoc=\"<script>parent.document.title='broken'</script>\">",
    "<a href='data&#58;text/html,<script>1</script>'>a</a><a href=' da\tta:text/html,a'>a</a>",
    "<details open ontoggle=document.title='broken'>",
    "<!--<script>document.title='broken'",
    "<style>@import url(http://127.0.0.1/x.css)</style><link rel=stylesheet href=http://127.0.0.1/x.css>",
    "<meta http-equiv=refresh content=\"0;url=data:text/html,<script>document.title='broken'</script>\">",
]


class Tags(HTMLParser):
    """The opening tags of a page, with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def shown(figure):
    return new_output(
        "display_data", {PLOTLY: json.loads(figure.to_json()), "image/png": "aGFsbG8=", "text/plain": "F"}
    )


def written(folder, *cells, name="page"):
    write_report(new_notebook(cells=list(cells)), folder / f"{name}.html")
    return (folder / f"{name}.html").read_text()


def in_browser(page):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("no Chromium on this machine")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom"]
    return subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120).stdout


def sinks(text):
    figure = go.Figure(
        go.Scatter(x=[text, "b"], y=[1, 2], name=text, hovertext=[text, text], text=[text, text], mode="text")
    )
    figure.update_layout(title=text, xaxis_title=text)
    other = ["text/html", "text/markdown", "text/latex", "text/vnd.mermaid", "application/javascript", "image/svg+xml"]
    outputs = [new_output("display_data", {kind: text}) for kind in other]
    stream = new_output("stream", text=text)
    error = new_output("error", ename=text, evalue=text, traceback=[text])
    cell = new_code_cell(
        f"print({text!r})", outputs=[*outputs, stream, error, shown(figure)], metadata={"tags": [text.replace(",", "")]}
    )
    return [new_markdown_cell(text), new_markdown_cell(f"# {text}\n\n- `{text}`\n\n[a]({text}) $x {text}$"), cell]


def test_text_from_data_neither_acts_nor_fetches(tmp_path):
    page = written(tmp_path, *[cell for text in HOSTILE for cell in sinks(text)], name="tour")
    reader = Tags(page)
    acting = {"script", "svg", "iframe", "link", "object", "embed", "form", "base", "video", "audio", "input"}
    found = [tag for tag, _ in reader.tags if tag in acting]
    assert found.count("script") == len(found) == 2 + len(HOSTILE)  # the library, ours, and the figures' inert JSON
    assert [tag for tag, _ in reader.tags].count("meta") == 4  # charset, viewport, policy, generator
    for _, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "srcdoc"]
        assert not re.match(
            r"[\s\x00-\x20]*(javascript|vbscript|data)\s*:", attributes.get("href") or "", re.IGNORECASE
        )
        assert (attributes.get("src") or "data:image/").startswith("data:image/")


@pytest.mark.browser
def test_hostile_text_runs_nothing_in_a_browser_and_the_figures_are_drawn(tmp_path):
    written(tmp_path, *[cell for text in HOSTILE for cell in sinks(text)], name="tour")
    dom = in_browser(tmp_path / "tour.html")
    assert "<title>tour</title>" in dom
    assert dom.count('class="plotly-graph-div js-plotly-plot"') == len(HOSTILE)


@pytest.mark.browser
def test_the_policy_stops_a_script_that_got_into_the_page(tmp_path):
    page = written(tmp_path, new_markdown_cell("# Why?"))
    (tmp_path / "page.html").write_text(page.replace("</main>", "<script>document.title='broken'</script></main>"))
    assert "<title>page</title>" in in_browser(tmp_path / "page.html")


def test_every_figure_is_there_once_as_it_was(tmp_path):
    frames = [go.Frame(data=[go.Bar(y=[1, step])], name=str(step)) for step in range(3)]
    figures = [go.Figure(go.Scatter(y=[1, 2, 3])), go.Figure(go.Bar(y=[1, 2]), frames=frames)]
    page = written(tmp_path, *[new_code_cell("figure", outputs=[shown(figure)]) for figure in figures])
    stored = [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page)]
    assert page.count('class="plotly-graph-div"') == len(stored) == 2
    for figure, found in zip(figures, stored, strict=True):
        assert found.pop("config") == {"displaylogo": False, "showSendToCloud": False, "responsive": True}
        assert found == {key: value for key, value in json.loads(figure.to_json()).items() if value != []}
    assert "aGFsbG8=" not in page


def test_a_report_is_one_file_that_fetches_nothing(tmp_path):
    cells = new_markdown_cell("# Why?\n[a paper](https://arxiv.org/abs/2210.02885)"), new_code_cell("1")
    page = written(tmp_path, *cells, new_code_cell("figure", outputs=[shown(go.Figure(go.Bar(y=[1])))]))
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert get_plotlyjs() in page and 4e6 < len(page) < 6e6
    page = page.replace(get_plotlyjs(), "")
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"([^\"]*)", page) == []
    assert not re.findall(r"(?:import|url)\s*\(?[\"']?https?:", page)
    assert "cdnjs" not in page and "unpkg" not in page
    assert "default-src 'none'" in page
    assert len(written(tmp_path, *cells)) < 1e6  # nobody carries plotly around who has no figure


def test_prose_keeps_its_shape(tmp_path):
    source = "# Why?\n\n| a | b |\n|--|--:|\n| 1 | 2 |\n\n*so* **it** `is`<sub>1</sub>\n\n> quote\n\n"
    page = written(tmp_path, new_markdown_cell(source + "<details><summary>Answer</summary>42</details>"))
    for tag in ("h1", "table", "th", "td", "em", "strong", "code", "sub", "blockquote", "details", "summary"):
        assert re.search(f"<{tag}[ >]", page.split("<main>")[1]), tag
    assert "&lt;" not in page.split("<main>")[1]


def test_results_show_their_text_and_widgets_are_dropped(tmp_path):
    result = {"application/vnd.sslens.result+json": {"values": {}}, "text/plain": "✓ holds: Rank falls."}
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "abc"}, "text/plain": "IntSlider(value=3)"}
    outputs = [new_output("execute_result", result, execution_count=1), new_output("display_data", widget)]
    notebook = new_notebook(cells=[new_code_cell("verdicts", outputs=outputs)])
    state = {"state": {"abc": {"model_name": "IntSliderModel"}}}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
    write_report(notebook, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert notebook.metadata["widgets"]  # what is stored stays as it is
    assert (
        "✓ holds: Rank falls." in page
        and "A control stood here (IntSlider): open the notebook in JupyterLab to use it." in page
        and "IntSlider(value=3)" not in page
        and "IntSliderModel" not in page
        and "model_id" not in page
    )


def test_pages_of_a_folder_can_share_one_library(tmp_path):
    notebook = new_notebook(cells=[new_code_cell("figure", outputs=[shown(go.Figure(go.Bar(y=[1])))])])
    write_report(notebook, tmp_path / "a.html", shared=True)
    assert 'src="plotly.min.js"></script>' in (tmp_path / "a.html").read_text()
    before = (tmp_path / "plotly.min.js").stat().st_mtime_ns
    write_report(notebook, tmp_path / "b.html", shared=True)
    assert (tmp_path / "plotly.min.js").stat().st_mtime_ns == before
    (tmp_path / "plotly.min.js").write_text("an older version")
    write_report(notebook, tmp_path / "b.html", shared=True)
    assert (tmp_path / "plotly.min.js").stat().st_size > 10**6


def body(page):
    return page.split("<main>")[1].split("</main>")[0]


def words(page):
    """What a reader of the page sees, without elements; the sources of cells are left out by those who ask."""
    return " ".join(re.sub(r"<[^>]*>", " ", body(page)).split())


def displayed(**data):
    names = {"html": "text/html", "latex": "text/latex", "plain": "text/plain", "markdown": "text/markdown"}
    return new_output("display_data", {names.get(name, name): value for name, value in data.items()})


FORMULAS = {
    "$x^2$": '<math display="inline"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>',
    "$$x^2$$": '<math display="block"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>',
    "\\\\(x^2\\\\)": '<math display="inline">',
    "\\\\[x^2\\\\]": '<math display="block">',
    "\\begin{equation}x^2\\end{equation}": '<math display="block">',
    "a\n$x\n= y$": '<math display="inline">',
    "$\\mathcal{L}_{\\text{inv}}$ and": "<msub><mi>ℒ</mi>",
    "$$\\begin{aligned} a &= b \\\\ c &< d \\end{aligned}$$": "<mtable",
    "- [x] $\\sigma_k$": "<msub><mi>σ</mi><mi>k</mi></msub>",
    "| a |\n|--|\n| $\\tau$ |": "<mi>τ</mi>",
}


@pytest.mark.parametrize("source", FORMULAS)
def test_formulas_are_mathml(source, tmp_path):
    page = body(written(tmp_path, new_markdown_cell(source)))
    assert FORMULAS[source] in page and page.count("<math") == 1 and "\\" not in page


@pytest.mark.parametrize(
    "source",
    ["It costs $5 and $6.", "from $5-$10", "`$x$`", "```\n$x$\n```", "costs $5, see `$HOME` and $x", "\\$x\\$",
     "a $ b $", "$\\nobodyknows{x}$", "$x^$", "$$ $$", "$" + "{" * 400 + "}" * 400 + "$", "$a & b$"],
)  # fmt: skip
def test_dollars_that_are_no_formula_stay_as_typed(source, tmp_path):
    page = written(tmp_path, new_markdown_cell(source))
    assert "<math" not in page
    typed = re.sub(r"[`\n]|\\(?=\$)", " ", source)
    assert "".join(words(page).replace("&amp;", "&").split()) == "".join(typed.split())


def test_formulas_in_outputs_are_mathml_and_those_in_code_are_not(tmp_path):
    outputs = [displayed(latex="$\\displaystyle x^2$", plain="x**2"), displayed(latex="$$y$$ and $\\nobodyknows$")]
    outputs += [displayed(html="<p>of \\(\\alpha\\), $5 and $6 <code>$b$</code></p>"), displayed(markdown="so $c$")]
    page = written(tmp_path, new_code_cell("print('$x$')", outputs=[*outputs, new_output("stream", text="$d$")]))
    assert re.findall(r'<math display="(\w+)">.*?<m[in]>(.)</m', page) == [
        ("block", "x"), ("block", "y"), ("inline", "α"), ("inline", "c")
    ]  # fmt: skip
    assert "$\\nobodyknows$" in page and "$5 and $6" in page and "<code>$b$</code>" in page and "$d$" in page


@pytest.mark.parametrize(
    "tex",
    ["\\href{javascript:alert(1)}{x}", "\\class{sslens}{x}", "\\style{display:none}{x}", "x \\text{<script>1</script>}",
     "\\unicode{x41}", "\\text{\" onclick=\"1}", "\\mathchoice{<svg onload=1>}{a}{b}{c}", "\\color{red;x:url(a)}{x}"],
)  # fmt: skip
def test_a_formula_brings_no_more_than_signs(tex, tmp_path):
    reader = Tags(body(written(tmp_path, new_markdown_cell(f"${tex}$"))))
    allowed = {"math", "mrow", "mi", "mo", "mn", "mtext", "mstyle", "div", "p"}
    assert {tag for tag, _ in reader.tags} <= allowed
    names = {name for tag, attributes in reader.tags if tag.startswith("m") for name in attributes}
    assert names <= {"display", "mathvariant", "stretchy"}


def test_mathml_that_somebody_typed_is_not_taken(tmp_path):
    foreign = (
        "<math><annotation-xml encoding='text/html'><img src=x onerror=1></annotation-xml><mi href='a:b'>x</mi></math>"
    )
    page = body(written(tmp_path, new_markdown_cell(foreign), new_code_cell("1", outputs=[displayed(html=foreign)])))
    assert not {"math", "mi", "annotation-xml"} & {tag for tag, _ in Tags(page).tags} and "onerror" not in page


def test_a_formula_in_an_attribute_stays_text(tmp_path):
    page = written(tmp_path, new_markdown_cell("![the $x$](data:image/png;base64,aGFsbG8=)"))
    assert 'alt="the $x$"' in page and "<math" not in page


def test_a_table_of_pandas_is_shown_without_its_style(tmp_path):
    frame = pandas.DataFrame({"a": [1, 2]})
    style = "<style scoped>.dataframe tbody tr th {vertical-align: top;}</style>"
    outputs = [
        displayed(html=frame._repr_html_()),
        displayed(html=f"<div>{style}<table><tr><td>12</td></tr></table></div>"),
    ]
    page = body(written(tmp_path, new_code_cell("1", outputs=outputs)))
    assert page.count("<table") == 2 and "vertical-align" not in page and "<td>12</td>" in page


def test_what_hides_itself_without_its_style_stays_hidden(tmp_path):
    array = DataArray([1.0], dims="step", name="rank")
    page = words(written(tmp_path, new_code_cell("1", outputs=[displayed(html=array._repr_html_())])))
    assert page.count("DataArray") == 1 and "input" not in page and "array([1.])" in page


@pytest.mark.parametrize(
    ("html", "shown"),
    [("<center><font color='red'>a</font></center>", "a"), ("<input type='checkbox' checked> a", "☑ a"),
     ("<button>b</button>a", "a"), ("<T>a", "&lt;t&gt;a"), ("<b>a", "a"),
     ("<select><option>1</option></select>a", "a")],
)  # fmt: skip
def test_elements_that_are_not_kept_are_dropped_or_opened(html, shown, tmp_path):
    page = words(written(tmp_path, new_code_cell("", outputs=[displayed(html=html)])))
    assert page.endswith(shown) and "".join(page.split()) == "".join(shown.split())


def test_a_task_list_shows_boxes(tmp_path):
    page = words(written(tmp_path, new_markdown_cell("- [ ] to *do*\n- [x] done\n\n1. [x] so")))
    assert page == "☐ to do ☑ done ☑ so"


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PLACED = [
    "![a](attachment:image.png)",
    '<img src="attachment:image.png" width="50%">',
    "x <img src=attachment:image.png>",
]


@pytest.mark.parametrize("source", PLACED)
def test_attachments_are_shown_however_they_are_placed(source, tmp_path):
    cell = new_markdown_cell(source, attachments={"image.png": {"image/png": PIXEL}})
    assert f'src="data:image/png;base64,{PIXEL}"' in written(tmp_path, cell)


def test_pictures_beside_the_notebook_are_put_in_and_others_are_named(tmp_path):
    folder = tmp_path / "notebooks"
    (folder / "img").mkdir(parents=True)
    for path in (folder / "img" / "my b.png", folder / "a.png", tmp_path / "outside.png"):
        path.write_bytes(base64.b64decode(PIXEL))
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "large.png").write_bytes(bytes(LARGEST + 1))
    names = [
        "a.png",
        "img/my%20b.png",
        "../outside.png",
        "link.png",
        "large.png",
        "none.png",
        "https://example.org/a.png",
    ]
    source = "\n\n".join(f"![number {place}]({name})" for place, name in enumerate(names))
    shown = displayed(html='<img src="a.png"> <img alt="gone" src="gone.png">')
    notebook = new_notebook(cells=[new_markdown_cell(source), new_code_cell("1", outputs=[shown])])
    whole = with_pictures(notebook, folder)
    assert whole.cells[0].source == source and "attachments" not in notebook.cells[0]
    write_report(whole, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count(f"data:image/png;base64,{PIXEL}") == 3
    assert re.findall(r'<span class="sslens-note">([^<]*)', page) == [
        *(f"number {place}" for place in range(2, 7)),
        "gone",
    ]


def test_a_progress_bar_is_its_last_frame(tmp_path):
    pieces = [f"\rstep {step}/200" for step in range(200)]
    outputs = [new_output("stream", name="stdout", text=piece) for piece in [*pieces, "\nend\n"]]
    page = written(tmp_path, new_code_cell("fit()", outputs=outputs))
    assert "step 199/200\nend" in page and page.count("/200") == 1


def test_colours_of_a_terminal_stay_and_other_commands_go(tmp_path):
    text = "\x1b[31mred\x1b[0m \x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\ \x1b[?25lend\x07"
    page = written(tmp_path, new_code_cell("1", outputs=[new_output("stream", text=text)]))
    assert '<span class="ansi-red-fg">red</span>' in page
    assert not re.search("[\x00-\x08\x0b-\x1f]", page) and "example.org" not in page


def widget(name):
    return new_output("display_data", {WIDGET: {"model_id": name}, "text/plain": "Widget(value=3)"})


MODELS = {
    "figure": {
        "model_name": "AnyModel",
        "state": {"_widget_data": [{"type": "scatter", "y": {"dtype": "float64"}}], "_widget_layout": {"title": "t"}},
        "buffers": [{"data": "AAAA", "encoding": "base64", "path": ["_widget_data", 0, "y", "buffer"]}],
    },
    "slider": {"model_name": "IntSliderModel", "state": {"value": 3, "description": "<b>steps"}},
    "left": {"model_name": "HTMLModel", "state": {"value": "<b>fit</b>:\u2007100%"}},
    "middle": {"model_name": "FloatProgressModel", "state": {"value": 3.0, "max": 3.0}},
    "right": {"model_name": "LabelModel", "state": {"value": "3/3"}},
    "bar": {
        "model_name": "HBoxModel",
        "state": {"children": ["IPY_MODEL_left", "IPY_MODEL_middle", "IPY_MODEL_right"]},
    },
    "panel": {"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_left", "IPY_MODEL_slider"]}},
    "circle": {"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_circle"]}},
    "odd": {"model_name": 3, "state": "none"},
}


@pytest.mark.parametrize("form", ["Jupyter", "Colab"])
def test_widgets_are_drawn_or_named(form, tmp_path):
    outputs = [widget(name) for name in [*MODELS, "unknown"]]
    notebook = new_notebook(cells=[new_code_cell("1", outputs=outputs)])
    state = {"state": MODELS} if form == "Jupyter" else MODELS
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
    write_report(notebook, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    (figure,) = re.findall(r'<script type="application/json">(.*?)</script>', page)
    assert json.loads(figure)["data"] == [{"type": "scatter", "y": {"bdata": "AAAA", "dtype": "f8"}}]
    assert "Widget(value=3)" not in page
    assert "fit: 100% 3/3" in page
    assert page.count("A control stood here") == 6 and "here (&lt;b&gt;steps):" in page


def test_a_figure_that_json_cannot_hold_stops_no_other(tmp_path):
    odd = displayed(**{PLOTLY: {"data": [{"y": [float("nan"), float("inf"), 10**30]}]}, "plain": "odd"})
    none = displayed(**{PLOTLY: "no figure", "plain": "in words"})
    page = written(tmp_path, new_code_cell("1", outputs=[odd, none]))
    (figure,) = re.findall(r'<script type="application/json">(.*?)</script>', page)
    assert json.loads(figure)["data"] == [{"y": [None, None, 10**30]}] and "in words" in page


def test_a_formula_in_a_heading_stands_in_the_contents_as_it_was_typed(tmp_path):
    page = written(tmp_path, new_markdown_cell("# Why $a < b$?"))
    contents = page.split("<nav")[1].split("</nav>")[0]
    assert re.findall(r'href="#([^"]*)">([^<]*)', contents) == [("Why-%24a-%3C-b%24%3F", "Why $a &lt; b$?")]
    assert re.findall(r'<h1 id="([^"]*)">Why <math', page) == ["Why-$a-&lt;-b$?"]


def test_headings_can_be_reached_by_keyboard_and_by_link(tmp_path):
    page = written(tmp_path, new_markdown_cell("# Why?\n\n[below](#So-$x$-<it>-is)\n\n## So `it` is\n\n### Not this"))
    assert '<h2 id="So-it-is">' in page
    contents = page.split("<nav")[1].split("</nav>")[0]
    assert re.findall(r'href="#([^"]*)">([^<]*)', contents) == [("Why%3F", "Why?"), ("So-it-is", "So it is")]


def test_a_figure_is_there_in_words(tmp_path):
    title = 'Does <b>it</b> "rise"?<br><span style="color:red">thin: seeds</span>'
    layout = {"title": {"text": title}, "xaxis": {"title": {"text": "step"}}, "yaxis2": {"title": "a < b"}}
    traces = [{"name": "simclr"}, {"name": "simclr"}, {"y": [1]}, {"name": "vicreg"}]
    page = written(tmp_path, new_code_cell("1", outputs=[displayed(**{PLOTLY: {"data": traces, "layout": layout}})]))
    (figure,) = BeautifulSoup(page, "html.parser").select(".sslens-figure")
    said = 'Figure: Does it "rise"?; thin: seeds. Across: step. Up: a < b. Shown: simclr, vicreg.'
    assert (figure["role"], figure["aria-label"]) == ("figure", said)


@pytest.mark.parametrize(
    "figure", [{}, {"data": 3, "layout": []}, {"data": [None], "layout": {"title": None, "xaxis": 3}}]
)
def test_a_figure_of_any_program_is_described_without_trouble(figure):
    assert described(figure) == "Figure: without a title."


def test_cells_are_no_stops_for_the_tabulator(tmp_path):
    page = written(tmp_path, new_markdown_cell("# Why?"), new_code_cell("1", outputs=[displayed(plain="1")]))
    stops = re.findall(r'<[^>]*class="([^"]*)"[^>]*tabindex="0"', page)
    assert page.count("jp-Cell-inputWrapper") > 1 and not [each for each in stops if "jp-Cell" in each]
