"""Sources are the real ones, folded and harmless."""

import math
import subprocess
import sys
from pathlib import Path

import bleach
import nbformat
import pytest
from IPython.core.formatters import format_display_data

from sslens import interactive
from sslens.claims import Claim, conclude, judgement
from sslens.headless.report import write_report
from sslens.interactive import show_source
from sslens.stored import StoredResult
from sslens.types import InputError


class Pretending:
    """</code></pre></details><script>alert(1)</script> & more"""

    def method(self):
        return "<b>"


@pytest.mark.parametrize("of", [Claim, judgement, Pretending.method])
def test_the_text_is_the_files_own(of):
    lines = show_source(of).text.splitlines()
    path = sys.modules[Pretending.__module__].__file__ if of is Pretending.method else judgement.__file__
    stripped = {line.strip() for line in Path(path).read_text().splitlines()}
    assert lines and {line.strip() for line in lines} <= stripped


def test_of_a_stored_result_it_shows_where_the_numbers_come_from():
    record = {"command": "sslens store 99_nowhere tiny", "computed": "2026-11-28", "seeds": [0], "code": "<b>"}
    record |= {"commit": {"hash": "0123456789", "changed": True}}
    shown = show_source(StoredResult({}, record, is_current=False))
    html = shown._repr_html_()
    for words in (
        "`sslens store 99_nowhere tiny`",
        "2026-11-28",
        "commit 0123456 with changes",
        "seed 0",
        "other code",
    ):
        assert words in html and words in repr(shown)
    assert "source of" not in html and "&lt;b&gt;" in html and "<b>" not in html


def test_names_say_in_which_file_it_stands():
    assert show_source(conclude).name == "sslens.claims.conclusion.conclude"
    assert show_source(Claim.bound.fget).name == "sslens.claims.judgement.Claim.bound"
    assert show_source(judgement).name == "sslens.claims.judgement"


def test_a_method_stands_at_the_left():
    assert show_source(Pretending.method).text.splitlines() == ["def method(self):", '    return "<b>"']


def test_a_reader_gets_a_fold_and_a_terminal_the_text():
    data, _ = format_display_data(show_source(conclude))
    assert data["text/html"].startswith(
        "<details><summary>source of <code>sslens.claims.conclusion.conclude</code></summary>"
    )
    assert data["text/plain"].startswith("# sslens.claims.conclusion.conclude\ndef conclude(")


def test_nothing_in_a_source_leaves_its_fold(tmp_path):
    shown = show_source(Pretending)
    page = shown._repr_html_()
    assert page.count("<details>") == page.count("</details>") == page.count("</pre>") == 1
    assert "<script" not in page and "&lt;script&gt;" in page and "&amp; more" in page
    output = nbformat.v4.new_output("display_data", data={"text/html": page, "text/plain": repr(shown)})
    cell = nbformat.v4.new_code_cell("show_source(Pretending)", outputs=[output])
    write_report(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "page.html")
    report = (tmp_path / "page.html").read_text()
    assert "<details><summary>source of" in report and "alert(1)&lt;/script&gt;" in report
    assert bleach.clean(page, tags={"details", "summary", "code", "pre"}) == page


@pytest.mark.parametrize(
    "of", [3, "conclude", math.sin, None, Claim("It falls.", source="Paper", quantity="rank", below=1.0)]
)
def test_what_has_no_source_is_refused(of):
    with pytest.raises(InputError, match="of must be a function, class or module"):
        show_source(of)


def test_showing_a_source_needs_no_widget():
    code = (
        "import sys; from sslens.interactive import show_source; show_source(show_source);"
        "assert not {'ipywidgets', 'anywidget', 'IPython'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_face_is_complete():
    assert all(callable(getattr(interactive, name)) for name in interactive.__all__)
