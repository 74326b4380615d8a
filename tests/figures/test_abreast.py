"""Panels abreast: each quantity over an axis of its own."""

import pytest
import torch

from sslens.figures.abreast import panels
from sslens.types import InputError, Interval


def lines(figure):
    return [trace for trace in figure.data if trace.mode in ("lines", "lines+markers")]


def test_each_panel_has_its_quantity_and_its_axis():
    figure = panels({"kNN": {"a": {2: 0.1, 8: 0.4}}, "RankMe": {"a": {1: 3.0, 2: 4.0}}}, over=["m", "k"], title="T")
    layout = figure.layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("m", "kNN")
    assert (layout.xaxis2.title.text, layout.yaxis2.title.text) == ("k", "RankMe")
    assert lines(figure)[1].x.tolist() == [1, 2]
    assert layout.title.text.startswith("T")


def test_words_stand_in_their_order():
    figure = panels({"accuracy": {"a": {"backbone": 0.5, "embedding": 0.4}}}, over=["layer"], title="T")
    assert figure.layout.xaxis.ticktext == ("backbone", "embedding")
    assert lines(figure)[0].x.tolist() == [0, 1]


def test_values_in_a_row_have_the_ranks_as_places():
    figure = panels(
        {"eigenvalue": {"a": torch.tensor([4.0, 1.0])}}, over=["rank"], title="T", log=["rank", "eigenvalue"]
    )
    assert lines(figure)[0].x.tolist() == [1, 2]
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    sequence = panels({"eigenvalue": {"a": [4.0, 1.0]}}, over=["rank"], title="T")
    assert lines(sequence)[0].y.tolist() == [4, 1]


def test_lines_of_one_panel_may_have_places_of_their_own_and_all_are_named():
    told = {"cut": {2: 0.1, 64: 0.4}, "narrow": {8: 0.3}}
    figure = panels({"accuracy": told}, over=["columns"], title="T", log=["columns"])
    assert [trace.x.tolist() for trace in lines(figure)] == [[2, 64], [8]]
    assert list(figure.layout.xaxis.tickvals) == [2, 8, 64]


def test_many_places_are_not_named_one_by_one():
    figure = panels({"eigenvalue": {"a": torch.ones(64)}}, over=["rank"], title="T", log=["rank"])
    assert figure.layout.xaxis.tickvals is None


def test_a_name_has_one_style_and_one_place_in_the_legend():
    figure = panels({"p": {"a": [1.0, 2.0], "b": [2.0, 3.0]}, "q": {"b": [1.0, 2.0]}}, over=["x", "x"], title="T")
    first, second, third = lines(figure)
    assert (second.line.color, second.line.dash) == (third.line.color, third.line.dash)
    assert first.line.color != second.line.color
    assert [trace.showlegend for trace in (first, second, third)] == [True, True, False]


def test_intervals_have_bands_and_say_of_how_many_seeds():
    figure = panels({"p": {"a": {1: Interval(1.0, 0.5, 1.5, 3), 2: Interval(2.0, 1.5, 2.5, 3)}}}, over=["x"], title="T")
    assert figure.data[0].fill == "toself"
    assert "3 seeds" in figure.layout.title.text


def test_zeros_on_a_logarithmic_axis_are_marked_at_the_bottom():
    figure = panels({"p": {"a": [1.0, 0.0]}}, over=["x"], title="T", log=["p"])
    assert lines(figure)[0].y.tolist() == pytest.approx([1.0, 0.1])
    assert figure.data[-1].marker.symbol == "triangle-down-open"


def test_markup_in_names_is_text():
    figure = panels({"<b>": {"<i>": {"<u>": 1.0}}}, over=["<s>"], title="T")
    assert figure.layout.yaxis.title.text == "&lt;b&gt;"
    assert lines(figure)[0].name == "&lt;i&gt;"
    assert figure.layout.xaxis.ticktext == ("&lt;u&gt;",)
    assert figure.layout.xaxis.title.text == "&lt;s&gt;"


@pytest.mark.parametrize(
    ("quantities", "changed", "words"),
    [
        ({}, {"over": []}, "at least one line"),
        ({"p": {}}, {}, "at least one line"),
        ({"p": {"a": [1.0]}}, {"over": ["x", "y"]}, "one axis for each"),
        ({"p": {"a": [1.0]}}, {"log": ["z"]}, "quantities or axes of this figure: p, x"),
        ({"p": {"a": {2: 1.0, 1: 1.0}}}, {}, "numbers that rise"),
        ({"p": {"a": {0: 1.0, 1: 1.0}}}, {"log": ["x"]}, "above 0"),
        ({"p": {"a": {1: 1.0}, "b": {"word": 1.0}}}, {}, "all words"),
        ({"p": {"a": [float("nan")]}}, {}, "at least one finite number"),
    ],
)
def test_what_does_not_fit_is_named(quantities, changed, words):
    with pytest.raises(InputError, match=words):
        panels(quantities, **{"over": ["x"], "title": "T"} | changed)
