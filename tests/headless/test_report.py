import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import plotly.graph_objects as go
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from sslens.figures.theme import PLOTLY
from sslens.headless.report import write_report

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
    acting = {"script", "svg", "iframe", "link", "object", "embed", "form", "base", "math", "video", "audio", "input"}
    found = [tag for tag, _ in reader.tags if tag in acting]
    assert found.count("script") == len(found) == 2 + len(HOSTILE)  # the library, ours, and the figures' inert JSON
    assert [tag for tag, _ in reader.tags].count("meta") == 3  # charset, viewport, policy
    for _, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "srcdoc"]
        assert not re.match(
            r"[\s\x00-\x20]*(javascript|vbscript|data)\s*:", attributes.get("href") or "", re.IGNORECASE
        )
        assert (attributes.get("src") or "data:image/").startswith(("data:image/", "plotly.min.js"))


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


def test_nothing_is_fetched_from_anywhere_but_the_folder(tmp_path):
    page = written(
        tmp_path, new_markdown_cell("# Why?\n[a paper](https://arxiv.org/abs/2210.02885)"), new_code_cell("1")
    )
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"([^\"]*)", page) == ["plotly.min.js"]
    assert not re.findall(r"(?:import|url)\s*\(?[\"']?https?:", page)
    assert "cdnjs" not in page and "unpkg" not in page
    assert "default-src 'none'" in page
    assert "Plotly" in (tmp_path / "plotly.min.js").read_text()


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
        and "IntSlider(value=3)" in page
        and "IntSliderModel" not in page
        and "model_id" not in page
    )


def test_pages_of_a_folder_share_one_library(tmp_path):
    written(tmp_path, new_code_cell("1"), name="a")
    before = (tmp_path / "plotly.min.js").stat().st_mtime_ns
    written(tmp_path, new_code_cell("1"), name="b")
    assert (tmp_path / "plotly.min.js").stat().st_mtime_ns == before
    (tmp_path / "plotly.min.js").write_text("an older version")
    written(tmp_path, new_code_cell("1"), name="b")
    assert (tmp_path / "plotly.min.js").stat().st_size > 10**6
