"""A report as who received it by mail sees it: opened from a file, in a real browser, without a network."""

import json
import shutil

import plotly.graph_objects as go
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from sslens.figures.theme import PLOTLY
from sslens.headless.report import write_report

pytestmark = pytest.mark.browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PROSE = """# Why?

A formula $x^2$, code `x` and [a link](https://example.org).

$$\\begin{aligned} a &= b \\\\ c &= d + e + f + g + h + i + j + k + l + m + n + o + p + q + r + s + t \\end{aligned}$$

- [x] done

![nowhere](none.png)

## So it is
"""
COLOURS = "".join(f"\x1b[{number}mcolour\x1b[0m " for number in (*range(30, 38), *range(90, 98)))
CODE = "# a comment that is longer than the screen of a telephone is wide\n"
CODE += "def fit(x: int = 3) -> str:\n    return f'{x}' + 'text'  # why\n%time fit()"
CONTRASTS = """() => {
  const part = channel => channel <= 0.03928 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  const numbers = colour => colour.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * part(r / 255) + 0.7152 * part(g / 255) + 0.0722 * part(b / 255);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = numbers(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT), low = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest('script, svg, .sslens-figure')) continue;
    const pair = [light(numbers(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) low.push(`${node.data.trim().slice(0, 20)} (${element.className}): ${ratio.toFixed(2)}`);
  }
  return low;
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page and what it said on its console."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    path = tmp_path_factory.mktemp("mail") / "report.html"
    figure = new_output("display_data", {PLOTLY: json.loads(go.Figure(go.Scatter(y=[1, 3, 2])).to_json())})
    streams = [new_output("stream", name=name, text=COLOURS + "x" * 300) for name in ("stdout", "stderr")]
    cells = [new_markdown_cell(PROSE), new_code_cell(CODE, outputs=streams), new_code_cell("figure", outputs=[figure])]
    write_report(new_notebook(cells=cells), path)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
        page, said = browser.new_page(viewport={"width": 1100, "height": 900}), []
        page.set_default_timeout(120_000)  # patience for a machine that others use as well
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri())
        page.wait_for_selector(".js-plotly-plot .main-svg")
        yield page, said
        browser.close()


def test_it_draws_its_figures_asks_for_nothing_and_has_nothing_to_complain_of(report):
    page, said = report
    assert page.locator(".js-plotly-plot").count() == 1 and said == []


def test_its_formulas_are_set(report):
    page, _ = report
    inline, block = page.locator("math").all()
    assert block.bounding_box()["height"] > 2 * inline.bounding_box()["height"] > 0  # two lines
    assert page.evaluate("() => document.querySelector('math').namespaceURI.endsWith('MathML')")


def test_its_text_can_be_read(report):
    page, _ = report
    assert page.evaluate(CONTRASTS) == []


def test_wide_output_scrolls_in_its_own_place(report):
    page, _ = report
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    place = "[...document.querySelectorAll('.jp-OutputArea-output pre')]"
    assert page.evaluate(f"() => {place}.some(output => output.scrollWidth > output.clientWidth)")


def test_a_phone_shows_all_of_it_and_nothing_is_cut_off(report):
    page, _ = report
    page.set_viewport_size({"width": 390, "height": 844})
    try:
        assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
        hidden = """() => [...document.querySelectorAll('main pre, main p, main table, main summary')].filter(
            part => part.scrollWidth > part.clientWidth + 1 && !/auto|scroll/.test(getComputedStyle(part).overflowX)
        ).map(part => part.textContent.slice(0, 40))"""
        assert page.evaluate(hidden) == []
        code = page.locator(".jp-InputArea-editor pre").first
        assert code.evaluate("part => part.scrollWidth > part.clientWidth")
    finally:
        page.set_viewport_size({"width": 1100, "height": 900})


def test_the_first_key_leads_to_the_headings(report):
    page, _ = report
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Why?"
    assert page.locator("#sslens-contents").bounding_box()["x"] >= 0
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.hash === '#So-it-is'")
    assert page.evaluate("() => document.querySelector(':target').tagName") == "H2"
