"""Verdicts as a table: everything is said in words, drawn in letters, and survives what strips pictures and styles."""

import bleach
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from xarray import DataArray

from sslens.claims import Claim, conclude
from sslens.claims._table import WIDTH, drawing, table
from sslens.headless.compare import differences
from sslens.headless.report._sanitise import harmless

RISES = Claim("It rises.", source="Nobody 2023", quantity="rise", above=0.5)
BETWEEN = Claim("It stays.", source="", quantity="level", above=0.2, below=0.8, kind="theorem")
DIVERGED = Claim("It <b>falls</b>.", source="A & B", quantity="fall", below=0.0, kind="ours", under_review=True)


def verdicts():
    return (
        RISES.judge([0.7, 0.8, 0.9], setting="digits"),
        BETWEEN.judge([0.1, 0.5, 0.9], setting="digits"),
        DIVERGED.judge([1.0], setting="digits"),
    )


def shown(page):
    """The rows of a table, cell by cell, as text."""
    rows = BeautifulSoup(page, "html.parser").find_all("tr")
    return [[cell.get_text("\n") for cell in row.find_all(["th", "td"])] for row in rows]


def test_each_row_says_in_words_what_its_marks_show():
    head, rise, level, fall = shown(table(verdicts()))
    assert head == ["Verdict", "Claim", "Found, against the bound"]
    assert rise[:2] == ["✓ holds", "It rises.\nNobody 2023; a published result"]
    assert "rise 0.8, [0.552, 1.05] over 3 seeds\nclaimed > 0.5" in rise[2]
    assert level[:2] == ["? undecided", "It stays.\na theorem"]
    assert "3 seeds could have shown a difference of" in level[2]
    assert fall[:2] == ["~ under review (now undecided)", "It <b>falls</b>.\nA & B; a claim of our own"]


def test_one_setting_is_said_once_and_several_in_each_row():
    assert table(verdicts()).count("digits") == 1
    several = (*verdicts()[:2], DIVERGED.judge([1.0], setting="letters"))
    assert [row[2].splitlines()[-1] for row in shown(table(several))[1:]] == ["digits", "digits", "letters"]


def test_what_strips_pictures_styles_and_attributes_leaves_all_that_is_said():
    page = table(verdicts())
    assert shown(harmless(page)) == shown(page)
    tags = {"table", "caption", "thead", "tbody", "tr", "th", "td", "pre", "br", "strong", "small"}
    assert shown(bleach.clean(page, tags=tags, attributes=[])) == shown(page)


def test_the_table_is_beside_the_text_and_never_compared():
    data = conclude(*verdicts())._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html", "application/vnd.sslens.result+json"}
    old = {"output_type": "display_data", "metadata": {}, "data": data}
    for html in ({"text/html": "another"}, {}):
        rest = {mime: value for mime, value in data.items() if mime != "text/html"}
        assert differences([old], [{**old, "data": rest | html}]) == []


@pytest.mark.parametrize(
    ("claim", "values", "drawn"),
    [
        (RISES, [0.7, 0.8, 0.9], "  │╌┣━━━━━━━━╋━━━━━━━━━┫╌╌"),
        (RISES, [0.1, 0.12, 0.11], "  ┣━╋┫                 │╌╌"),
        (RISES, [0.7], "  │╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╋╌╌"),
    ],
)
def test_a_drawing_puts_each_number_on_the_nearest_letter(claim, values, drawn):
    line, ends = drawing(claim.judge(values)).split("\n")
    assert line == drawn.rstrip()
    assert len(ends) == WIDTH


def test_no_finite_number_draws_nothing():
    assert drawing(RISES.judge(DataArray([0.1, float("nan")], dims="seed"))) == ""


FINITE = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(values=st.lists(FINITE, min_size=2, max_size=6), bound=FINITE, below=st.booleans())
def test_a_drawing_shows_the_bound_on_the_side_of_the_interval_where_it_is(values, bound, below):
    side = {"below": bound} if below else {"above": bound}
    verdict = Claim("It is so.", source="", quantity="level", **side).judge(values)
    line, ends = drawing(verdict).split("\n")
    assert len(line) <= WIDTH and len(ends) <= WIDTH + 8 and line.count("│") == 1 and line.count("╋") <= 1
    interval, at = [place for place, letter in enumerate(line) if letter in "┣━╋┫"], line.index("│")
    if verdict.holds is not None and interval:
        outside = bound <= verdict.interval.low if line.index("│") < interval[0] else bound >= verdict.interval.high
        assert outside and not interval[0] < at < interval[-1]
    assert ("╌" in line[:at]) <= below and ("╌" in line[at:]) <= (not below)
