import base64
import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_output
from xarray import DataArray

from sslens.figures.theme import PLOTLY
from sslens.headless.compare import RESULT, Tolerance, differences
from sslens.headless.outputs import WIDGET
from sslens.types import InputError


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def display(**data):
    names = {"plotly": PLOTLY, "result": RESULT, "widget": WIDGET, "text": "text/plain", "html": "text/html"}
    return new_output("display_data", data={names.get(key, f"image/{key}"): value for key, value in data.items()})


def packed(values, dtype="f8", shape=None):
    array = np.asarray(values, dtype=dtype)
    spec = {"dtype": dtype, "bdata": base64.b64encode(array.tobytes()).decode()}
    return spec | ({"shape": shape} if shape else {})


def figure(y, **beside):
    return display(plotly={"data": [{"y": y, "name": "VICReg"}], "layout": {"title": {"text": "rank"}}}, **beside)


def result(values, text="rankme 12.91", **tolerance):
    return display(result={"values": values, "tolerance": tolerance}, text=text)


def table(value):
    array = DataArray([value], {"seed": [0]}, attrs={"unit": "nats"})
    return display(text=repr(array), html=array._repr_html_())


def test_a_table_of_an_array_agrees_with_itself_shown_again_and_not_with_another():
    assert differences([table(12.91)], [table(12.91)]) == []
    assert differences([table(12.91)], [table(13.04)])


@pytest.mark.parametrize(
    ("reference", "fresh"),
    [
        ("rank 12.91", "rank 12.9101"),
        ("loss 1e-3", "loss 1.00001e-03"),
        ("[0.5, -0.25]", "[0.50001, -0.25]"),
        ("tiny -3.0e-09", "tiny 2.0e-09"),
        ("nan inf -inf", "nan inf -inf"),
    ],
)
def test_printed_numbers_agree_within_one_in_ten_thousand(reference, fresh):
    assert differences([stream(reference)], [stream(fresh)]) == []


@pytest.mark.parametrize(
    ("reference", "fresh"),
    [
        ("rank 12.91", "rank 12.92"),
        ("rank 12.91", "Rank 12.91"),
        ("64 images", "65 images"),
        ("1000000 images", "1000001 images"),
        ("0.5", "-0.5"),
        ("nan", "1.0"),
        ("inf", "-inf"),
        ("1.0 2.0", "1.0"),
        ("a\nb", "a"),
        ("1.0e-3", "1.0e-4"),
    ],
)
def test_other_text_and_whole_numbers_are_compared_exactly(reference, fresh):
    assert len(differences([stream(reference)], [stream(fresh)])) == 1


def test_the_message_shows_the_lines_that_differ():
    found = differences([stream("a 1.0\nb 2.0\nc 3.0")], [stream("a 1.0\nb 2.5\nc 3.5")])
    assert found == ["stdout reads 'b 2.5', reference 'b 2.0'", "stdout reads 'c 3.5', reference 'c 3.0'"]


def test_adjacent_pieces_of_a_stream_are_one_text():
    whole, pieces = [stream("a 1.0\nb\n")], [stream("a 1"), stream(".0\n"), stream("b\n")]
    assert differences(whole, pieces) == differences(pieces, whole) == []
    assert [output["text"] for output in pieces] == ["a 1", ".0\n", "b\n"]


def test_stderr_is_compared_and_is_not_stdout():
    assert differences([stream("w", "stderr")], [stream("v", "stderr")]) == ["stderr reads 'v', reference 'w'"]
    assert differences([stream("w", "stderr")], [stream("w")]) == ["output 1 is stdout, reference stderr"]


def test_missing_extra_and_reordered_outputs_are_differences():
    text, curve = stream("rank"), figure([1.0])
    assert differences([text, curve], [text]) == ["output 2 is missing: figure"]
    assert differences([], [text]) == ["output 1 is new: stdout 'rank'"]
    assert len(differences([text, curve], [curve, text])) == 2


def test_arrays_of_a_figure_are_compared_as_numbers():
    y = np.linspace(0, 1, 6)
    old = figure(packed(y))
    assert differences([old], [figure(packed(y * (1 + 1e-6)))]) == []
    shifted = y + np.eye(6)[3] * 0.039
    assert differences([old], [figure(packed(shifted))]) == ["figure data[0].y (VICReg) differs by 0.039 at most"]
    found = differences([old], [figure(packed(y[:5]))])
    assert found == ["figure data[0].y (VICReg) has shape (5,), reference (6,)"]
    assert differences([old], [figure(list(map(float, y)))]) == []


def test_the_shape_and_the_whole_numbers_of_an_array_count():
    wide, tall = figure(packed(np.arange(6), "i4", "2, 3")), figure(packed(np.arange(6), "i4", "3, 2"))
    assert differences([wide], [tall]) == ["figure data[0].y (VICReg) has shape (3, 2), reference (2, 3)"]
    many = np.array([1_000_000])
    assert differences([figure(packed(many, "i4"))], [figure(packed(many + 1, "i4"))])
    assert differences([figure(packed([3], "u1"))], [figure(packed([5], "u1"))])[0].endswith("by 2 at most")


def test_nan_agrees_with_nan_and_with_nothing_else():
    old = figure(packed([1.0, math.nan]))
    assert differences([old], [figure(packed([1.0, math.nan]))]) == []
    assert differences([old], [figure(packed([1.0, 2.0]))]) == ["figure data[0].y (VICReg) differs by inf at most"]
    assert differences([figure([1.0, None])], [figure([1.0, None])]) == []
    assert differences([figure([1.0, None])], [figure([1.0, 2.0])])


def test_frames_layout_and_keys_of_a_figure_are_compared():
    old = display(plotly={"data": [{"y": [1.0], "uid": "a"}], "layout": {"height": 300}, "frames": [{"name": "0"}]})
    new = copy.deepcopy(old)
    new["data"][PLOTLY]["data"][0]["uid"] = "b"
    assert differences([old], [new]) == []
    new["data"][PLOTLY]["frames"][0]["name"] = "one"
    new["data"][PLOTLY]["layout"] = {"height": 301, "width": 2}
    new["data"][PLOTLY]["data"][0]["visible"] = True
    assert sorted(differences([old], [new])) == [
        "figure data[0].visible is new",
        "figure frames[0].name reads 'one', reference '0'",
        "figure layout.height '301', reference '300'",
        "figure layout.width is new",
    ]


def test_what_stands_beside_a_figure_is_not_compared():
    assert differences([figure([1.0], text="Figure(1)", png="a")], [figure([1.0], text="Figure(2)", html="<p>")]) == []


def test_an_array_that_cannot_be_decoded_is_refused():
    with pytest.raises(InputError, match=r"figure data\[0\].y must be a base64 array"):
        differences([figure({"dtype": "f8", "bdata": "AAAA"})], [figure([1.0])])


def test_results_are_held_to_the_tolerance_of_the_reference():
    old = result({"rankme": 12.91}, relative=0.02)
    assert differences([old], [result({"rankme": 13.04}, relative=0.02)]) == []
    strict = result({"rankme": 12.91}, relative=1e-3)
    assert differences([strict], [result({"rankme": 13.04}, relative=1e-3)]) == ["rankme 13.04, reference 12.91"]
    loosened = differences([strict], [result({"rankme": 13.04}, relative=0.02)])
    assert loosened == ["rankme 13.04, reference 12.91", "result tolerance.relative '0.02', reference '0.001'"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({"holds": True}, {"holds": None}, "holds None, reference True"),
        ({"holds": True}, {"holds": 1}, "holds 1, reference True"),
        ({"best": "VICReg"}, {"best": "SimCLR"}, "best 'SimCLR', reference 'VICReg'"),
        ({"low": None}, {"low": 0.5}, "low 0.5, reference None"),
        ({"rank": 1.0}, {}, "rank is missing"),
        ({}, {"rank": 1.0}, "rank is new"),
    ],
)
def test_words_and_gaps_of_a_result_are_compared_exactly(old, new, message):
    assert differences([result(old)], [result(new)]) == [message]


def test_the_line_beside_a_result_may_show_what_its_tolerance_allows():
    old = result({"rank": 12.91}, "holds: rank 12.91", relative=0.02)
    assert differences([old], [result({"rank": 13.04}, "holds: rank 13.04", relative=0.02)]) == []
    found = differences([old], [result({"rank": 13.04}, "undecided: rank 13.04", relative=0.02)])
    assert found == ["text reads 'undecided: rank 13.04', reference 'holds: rank 12.91'"]


def test_values_in_tolerance_may_be_printed_on_two_sides_of_a_rounding_edge():
    old = result({"rank": 100.499}, "rank 100", relative=1e-3)
    assert differences([old], [result({"rank": 100.501}, "rank 101", relative=1e-3)]) == []
    assert differences([old], [result({"rank": 100.501}, "rank 102", relative=1e-3)])
    assert differences([old], [result({"rank": 100.499}, "rank 101", relative=1e-3)])


def test_pictures_widgets_and_metadata_are_ignored():
    plain = display(text="1.5")
    assert differences([plain], [display(text="1.5", png="iVBO")]) == []
    assert differences([], [display(widget={"model_id": "a"}, text="IntSlider(value=1)")]) == []
    assert differences([plain], [new_output("display_data", data={"text/plain": "1.5"}, metadata={"a": 1})]) == []
    assert differences([plain], [new_output("execute_result", data={"text/plain": "1.5"}, execution_count=3)]) == []
    assert differences([display(html="<b>1.0</b>")], [display(html="<b>2.0</b>")])
    assert differences([display(html="a", text="b")], [display(text="b")]) == ["text/html is missing"]


def test_errors_are_compared_by_name_and_message():
    old = new_output("error", ename="InputError", evalue="steps", traceback=["a"])
    assert differences([old], [new_output("error", ename="InputError", evalue="steps", traceback=["b"])]) == []
    new = new_output("error", ename="InputError", evalue="seed", traceback=["a"])
    assert differences([old], [new]) == ["error InputError: seed, reference error InputError: steps"]


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1))
def test_whatever_is_printed_or_plotted_agrees_with_itself(values):
    outputs = [stream(repr(values)), figure(packed(values)), result({"first": values[0]}, repr(values))]
    assert differences(outputs, copy.deepcopy(outputs)) == []


@settings(deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(1.01, 2.0))
def test_a_change_of_one_percent_is_seen_wherever_the_number_stands(value, factor):
    for place in (lambda number: stream(f"{number:.6e}"), lambda number: figure(packed([number]))):
        assert len(differences([place(value)], [place(value * factor)])) == 1
    assert differences([result({"rank": value}, relative=1e-3)], [result({"rank": value * factor}, relative=1e-3)])


def test_a_tolerance_is_measured_from_the_reference():
    assert Tolerance(0.5, 0.0).near(1.0, 1.5) and not Tolerance(0.5, 0.0).near(1.0, 1.51)
    assert Tolerance(0.0, 0.1).near(0.0, 0.1) and not Tolerance(0.0, 0.1).near(0.0, 0.11)


def test_a_differing_trace_is_named_by_run_and_quantity():
    def figure(value):
        trace = {"name": "simclr", "yaxis": "y2", "y": [1.0, value]}
        shown = {"data": [trace], "layout": {"yaxis2": {"title": {"text": "RankMe"}}}}
        return [{"output_type": "display_data", "data": {PLOTLY: shown}}]

    (line,) = differences(figure(2.0), figure(2.02))
    assert line.startswith("figure data[0].y (simclr, RankMe) differs by")
